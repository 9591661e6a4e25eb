/* vtd.h - formats of Intel VT-d's DMA remapping in legacy mode: the tables that the IOMMU
 * walks for each access of a device, and the register in which it notes an access that it
 * refused.
 *
 *   the device says who it is (source-id) and where it wants to go (IOVA)
 *
 *      bus            device, function            IOVA
 *       |                   |                       |
 *       v                   v                       v
 *   root table  ---->  context table  ---->  second-level tables  ---->  4 KiB page
 *   256 entries        256 entries           3 or 4 levels,              (or 2 MiB, 1 GiB)
 *   of 16 bytes        of 16 bytes           512 entries of 8 bytes
 *
 * Each table is one page of 4 KiB. N below is the host address width (HAW): addresses in
 * tables are below 1 << N, so their bits 63:N are reserved.
 *
 * Source: Intel Virtualization Technology for Directed I/O, Architecture Specification:
 * chapter 3 (3.4 root and context tables, 3.7 second-level translation), chapter 7
 * (faults), chapter 9 (9.1, 9.3, 9.8: formats), chapter 10 or, from revision 4 on, 11
 * (10.4.9 FSTS_REG, 10.4.14 FRCD_REG), appendix A (fault reasons). Revision 4 says
 * second-stage.
 */
#ifndef VTD_H
#define VTD_H

#include <stdbool.h>
#include <stdint.h>

#define VTD_PAGE 4096ull

/* Source-id, as in PCI Express (VT-d 3.4.1):
 *
 *    15       8 7      3 2      0
 *   |   bus    | device | funct. |       00:05.0 is 0x0028
 */
#define VTD_BUS(source)   ((unsigned)(source) >> 8)
#define VTD_DEVFN(source) ((unsigned)(source)&0xff)

/* A root entry: entry `bus` of the root table (VT-d 9.1). An entry of two words.
 *
 *    63                 12 11         1   0
 *   | context table (CTP) |  reserved   | P |      low
 *   |               reserved                |      high
 */
#define VTD_ROOT_PRESENT      0x1ull
#define VTD_ROOT_RESERVED_LOW 0xffeull

/* A context entry: entry `devfn` of the context table (VT-d 9.3).
 *
 *    63                               12 11       4 3  2   1   0
 *   | second-level table (SLPTPTR)      | reserved | TT | FPD | P |      low
 *
 *    63                 24 23           8   7   6     3 2  0
 *   |      reserved       | domain (DID) | res. | ign. | AW |            high
 *
 *   TT   translation type: 0 is the one that we use; 1 (device TLBs), 2 (pass through) and
 *        3 are not offered by our IOMMU
 *   FPD  fault processing disable: faults that are found with the help of this entry are
 *        not recorded. Counts even where P is 0, but only if the whole entry can be read
 *   AW   address width: 1 = 39 bits, 3 levels; 2 = 48 bits, 4 levels; no other here:
 *        another one is refused as not offered, whichever these are (see sagaw)
 *   DID  domain: the tag of what is cached. Devices that share tables share it */
#define VTD_CONTEXT_PRESENT       0x1ull
#define VTD_CONTEXT_FPD           0x2ull
#define VTD_CONTEXT_TT            0xcull
#define VTD_CONTEXT_RESERVED_LOW  0xff0ull
#define VTD_CONTEXT_AW            0x7ull
#define VTD_CONTEXT_DID_SHIFT     8
#define VTD_CONTEXT_RESERVED_HIGH 0xffffffffff000080ull
#define VTD_TABLE_ADDRESS         (~0xfffull) /* bits 63:12 of a root or context entry */

/* AW of a tree with that many levels, and the bits that these levels translate. */
#define VTD_AW(levels)      ((levels)-2)
#define VTD_AW_BITS(levels) (12 + 9 * (levels))

/* A second-level entry (VT-d 9.8). Level 1 is the last one.
 *
 *    63  62  61   52 51               12 11  10   8 7 6   2 1 0
 *   |ign|res| ignored| table or page    |res| ign. |L| ign.|W R|
 *
 *   R, W  the device may read, write. Both 0: not present, and no other bit counts
 *   L     1: the entry maps a large page, at level 3 (1 GiB) and level 2 (2 MiB); reserved
 *         at level 4; ignored at level 1
 *   Reserved too: bits 51:N of the address, and the bits of a large page's address that
 *   lie within the page: 29:12 at level 3, 20:12 at level 2.
 * (Bit 11 is snoop behaviour, bit 62 transient mapping: for an IOMMU that has neither, as
 * ours and QEMU's, they are reserved.) */
#define VTD_SL_READ     0x1ull
#define VTD_SL_WRITE    0x2ull
#define VTD_SL_RIGHTS   0x3ull
#define VTD_SL_LARGE    0x80ull
#define VTD_SL_RESERVED ((1ull << 62) | (1ull << 11))
#define VTD_SL_ADDRESS  0x000ffffffffff000ull /* bits 51:12 */

#define VTD_SL_ENTRIES 512

/* Bytes that one entry of a level covers: 4 KiB, 2 MiB, 1 GiB, 512 GiB. */
static inline uint64_t vtd_level_size(unsigned level)
{
    return VTD_PAGE << 9 * (level - 1);
}

/* Which entry of its table translates iova at that level. */
static inline unsigned vtd_index(uint64_t iova, unsigned level)
{
    return (unsigned)(iova / vtd_level_size(level)) % VTD_SL_ENTRIES;
}

/* Why a request was refused (VT-d appendix A, legacy mode). */
enum vtd_reason {
    VTD_OK = 0,
    VTD_ROOT_NOT_PRESENT = 0x1,    /* P of the root entry is 0 */
    VTD_CONTEXT_NOT_PRESENT = 0x2, /* P of the context entry is 0 */
    VTD_CONTEXT_INVALID = 0x3,  /* AW or TT is not offered, or the table at SLPTPTR cannot
                                      be read */
    VTD_BEYOND_WIDTH = 0x4,     /* IOVA >= 1 << X, X the lesser of MGAW and AW's bits */
    VTD_NO_WRITE = 0x5,         /* the write has no permission */
    VTD_NO_READ = 0x6,          /* the read has no permission */
    VTD_TABLE_UNREADABLE = 0x7, /* the next table, at an entry's address, cannot be read */
    VTD_ROOT_UNREADABLE = 0x8,  /* the root entry cannot be read */
    VTD_CONTEXT_UNREADABLE = 0x9, /* the context entry cannot be read */
    VTD_ROOT_RESERVED = 0xa,      /* a reserved bit is set in a present root entry */
    VTD_CONTEXT_RESERVED = 0xb,   /* a reserved bit is set in a present context entry */
    VTD_ENTRY_RESERVED =
        0xc, /* a reserved bit is set in a second-level entry with R or W */
};

/* The fault recording register, 128 bits (FRCD_REG, VT-d 10.4.14).
 *
 *    63 62 61 60 59     40 39     32 31      16 15          0
 *   | F| T|  AT | PASID   |  reason |  ...     |  source-id  |      high
 *
 *    63                              12 11                 0
 *   | page of the IOVA (FI)            |     reserved       |      low
 *
 *   F   fault: the record is waiting for software, which clears the bit by writing 1
 *   T   type: 1 = the device wanted to read, 0 = to write
 * AT, PASID and what is drawn as dots are 0 where devices have no TLB and no PASID. */
#define VTD_FRCD_FAULT        (1ull << 63)
#define VTD_FRCD_READ         (1ull << 62)
#define VTD_FRCD_REASON_SHIFT 32

struct vtd_frcd {
    uint64_t low, high;
};

/* The fault status register, 32 bits (FSTS_REG, VT-d 10.4.9), as far as we need it.
 *
 *    31      16 15      8 7           2   1     0
 *   | reserved |   FRI   |    ...      | PPF | PFO |
 *
 *   PFO  primary fault overflow: a fault came while no record was free; it is lost. While
 *        the bit is set, nothing is recorded. Cleared by software
 *   PPF  primary pending fault: F is set in some record (read-only: it follows F)
 *   FRI  number of the first record with F; we have only one: 0 */
#define VTD_FSTS_PFO 0x1u
#define VTD_FSTS_PPF 0x2u

#endif
