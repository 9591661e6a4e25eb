/* irte.h - contract of part 07, first third: what becomes of a device's request for an
 * interrupt.
 *
 * A device interrupts by writing 4 bytes (data) to an address FEEx_xxxxh. With interrupt
 * remapping the address does not name a processor: it names an entry of the interrupt
 * remapping table (IRT), and the entry says who gets which vector. (VT-d 5.1)
 *
 *   address  31     20 19            5  4   3     2    1 0     bits 1:0 are ignored
 *           |  FEEh   | handle[14:0] | F | SHV | h[15] | - |    F: 1 = remappable format
 *                                                             SHV: subhandle valid
 *   data     31      16 15           0
 *           | reserved |  subhandle   |   looked at only if SHV = 1; reserved: 0 then
 *
 *   index = handle                (SHV = 0)
 *         = handle + subhandle    (SHV = 1; the sum may pass 65535: then it is too large)
 *
 * An entry (IRTE) has 128 bits and one of two formats.
 *
 * Remapped, IM = 0 (VT-d 9.10): an ordinary interrupt for a processor of the host.
 *
 *   63              32 31   24 23    16 15 14  12 11   8 7   5 4  3  2  1   0
 *  |       DST        |  rsvd |   V    |0 | rsvd | AVAIL| DLM |TM|RH|DM|FPD| P |
 *   127                                    84 83 82 81 80 79                 64
 *  |                  rsvd                   | SVT | SQ  |        SID          |
 *
 * Posted, IM = 1 (VT-d 9.11): an interrupt for a vCPU, through its descriptor.
 *
 *   63          38 37    24 23    16 15 14  13 12 11   8 7           2  1   0
 *  |    PDAL      |  rsvd  |   VV   |1 |URG| rsvd| AVAIL|    rsvd     |FPD| P |
 *   127                    96 95           84 83 82 81 80 79                64
 *  |         PDAH            |    rsvd       | SVT | SQ  |       SID          |
 *
 *   P    present                          FPD  do not record faults of this entry
 *   DM   0 physical, 1 logical            RH   redirection hint
 *   TM   0 edge, 1 level                  DLM  delivery mode (enum below)
 *   IM   0 remapped, 1 posted             V    vector of the host
 *   DST  x2APIC: 32-bit APIC ID. xAPIC: the 8-bit ID in bits 47:40, all others reserved
 *   VV   virtual vector, of the guest     URG  urgent: notify even if SN = 1
 *   PDAL, PDAH   bits 31:6 and 63:32 of the descriptor's address
 *   AVAIL        for software; hardware does not look
 *
 *   SID, SQ, SVT: who may use the entry (a device could write any address!)
 *     SVT 00  anybody
 *         01  the request's source-id = SID, without the bits that SQ leaves out:
 *             SQ 00 compare all 16 bits   01 leave out bit 2   10 bits 2:1   11 bits 2:0
 *         10  the request's bus lies in [SID[15:8], SID[7:0]], both ends included
 *             (if SID[15:8] > SID[7:0] no bus does: it lets nobody in)
 *         11  reserved
 *   A source-id is bus[15:8], device[7:3], function[2:0].
 *
 * Source: Intel Virtualization Technology for Directed I/O, 5.1 (remapping), 7 (fault
 * reasons), 9.10 and 9.11.
 */
#ifndef IRTE_H
#define IRTE_H

#include <stdbool.h>
#include <stdint.h>

struct irte {
    uint64_t low;  /* bits 63:0 */
    uint64_t high; /* bits 127:64 */
};

#define IRTE_P          (1ull << 0)
#define IRTE_FPD        (1ull << 1)
#define IRTE_DM         (1ull << 2)
#define IRTE_RH         (1ull << 3)
#define IRTE_TM         (1ull << 4)
#define IRTE_DLM_SHIFT  5 /* 3 bits */
#define IRTE_URG        (1ull << 14)
#define IRTE_IM         (1ull << 15)
#define IRTE_V_SHIFT    16 /* 8 bits: V, or VV */
#define IRTE_DST_SHIFT  32 /* 32 bits */
#define IRTE_PDAL_SHIFT 38 /* 26 bits */
/* in high: */
#define IRTE_SQ_SHIFT   16 /* 2 bits; SID is bits 15:0 */
#define IRTE_SVT_SHIFT  18 /* 2 bits */
#define IRTE_PDAH_SHIFT 32 /* 32 bits */

/* Delivery modes. 3 and 6 are reserved. */
enum irte_delivery {
    IRTE_FIXED = 0,
    IRTE_LOWEST_PRIORITY = 1,
    IRTE_SMI = 2,
    IRTE_NMI = 4,
    IRTE_INIT = 5,
    IRTE_EXTINT = 7,
};

/* The table, and what the interrupt-remapping table address register says of it. */
struct irt {
    const struct irte *entries;
    uint32_t count; /* entries: 2 to 65536 */
    bool x2apic;    /* EIME: DST and destinations have 32 bits */
};

struct interrupt_request {
    uint32_t address, data;
    uint16_t source; /* bus, device, function of who wrote it */
};

/* Fault reasons (VT-d, chapter 7 and appendix A), with the hardware's numbers. */
enum irt_fault {
    IRT_OK = 0,
    IRT_REQUEST_RESERVED = 0x20, /* a reserved bit of the request is 1 */
    IRT_INDEX_TOO_LARGE = 0x21,  /* the table has no such entry */
    IRT_NOT_PRESENT = 0x22,      /* P = 0 */
    IRT_ENTRY_RESERVED = 0x24,   /* P = 1, and a reserved bit is 1 or a field's value is
                                     reserved (DLM 3 or 6, SVT 3) */
    IRT_COMPATIBILITY = 0x25,    /* the request is not in remappable format: blocked */
    IRT_SOURCE_REFUSED = 0x26,   /* SVT, SQ, SID do not let this source in */
};

struct irt_result {
    enum irt_fault fault;
    bool recorded;  /* a fault is recorded unless an entry was read and has FPD = 1; false
                       for IRT_OK: there is no fault */
    uint32_t index; /* of the entry, for INDEX_TOO_LARGE as well (then all 17 bits of
                       the sum); 0 for REQUEST_RESERVED and COMPATIBILITY */
    /* the rest only if fault is IRT_OK; what the format does not have is 0 */
    bool posted;
    uint8_t vector;
    /* remapped */
    enum irte_delivery delivery;
    bool logical, hint, level; /* DM, RH, TM */
    uint32_t destination;      /* APIC ID: 32 bits (x2APIC) or 8 bits (xAPIC) */
    /* posted */
    bool urgent;
    uint64_t descriptor; /* physical address, a multiple of 64 */
};

/* Looks a request up, and fills all of *result (on a fault: fault, recorded, index; the
 * rest is 0). Returns result->fault. Where several apply: COMPATIBILITY,
 * REQUEST_RESERVED, INDEX_TOO_LARGE, NOT_PRESENT, ENTRY_RESERVED, SOURCE_REFUSED, in this
 * order. An entry that is not present is not looked at any further, but for FPD. No entry
 * past the table is read. (Addresses are FEEx_xxxxh: what else would not have come here.)
 * (VT-d 5.1.4) */
enum irt_fault irt_lookup(const struct irt *irt, const struct interrupt_request *request,
                          struct irt_result *result);

#endif
