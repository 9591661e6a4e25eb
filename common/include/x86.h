/* x86.h - bits of the architecture that guests and the VMM share.
 * Source: Intel SDM volume 3A, 2.3 (RFLAGS), 2.5 (control registers), 3.4.5 (descriptors),
 * 4.5 (paging).
 */
#ifndef X86_H
#define X86_H

#define CR0_PE (1ull << 0)  /* protected mode */
#define CR0_ET (1ull << 4)  /* always 1 */
#define CR0_NE (1ull << 5)  /* x87 errors by exception */
#define CR0_PG (1ull << 31) /* paging */

#define CR4_PAE (1ull << 5) /* 8-byte paging entries; needed for long mode */

#define EFER_LME (1ull << 8)  /* long mode enabled */
#define EFER_LMA (1ull << 10) /* long mode active */

#define RFLAGS_RESERVED (1ull << 1) /* always 1 */
#define RFLAGS_STATUS   0x8d5ull    /* CF, PF, AF, ZF, SF, OF */
#define RFLAGS_TF       (1ull << 8)
#define RFLAGS_IF       (1ull << 9)
#define RFLAGS_DF       (1ull << 10)
#define RFLAGS_IOPL     (3ull << 12)
#define RFLAGS_NT       (1ull << 14)
#define RFLAGS_RF       (1ull << 16)
#define RFLAGS_VM       (1ull << 17)
#define RFLAGS_AC       (1ull << 18)
#define RFLAGS_VIF      (1ull << 19)
#define RFLAGS_VIP      (1ull << 20)
#define RFLAGS_ID       (1ull << 21)

/* Paging entries (all levels) */
#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITABLE (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_LARGE    (1ull << 7) /* in a PD: maps 2 MiB */

/* Segment descriptors, flat: base 0, limit 4 GiB, present, DPL 0, accessed.
 *
 *   63      56 55 54 53 52 51     48 47 46 45 44 43   40 39           16 15        0
 *   base 31:24  G D/B L AVL limit19:16 P  DPL  S   type   base 23:0      limit 15:0
 */
#define DESCRIPTOR_CODE32 0x00cf9b000000ffffull /* G, D; type 11: execute/read */
#define DESCRIPTOR_CODE64 0x00af9b000000ffffull /* G, L; type 11 */
#define DESCRIPTOR_DATA   0x00cf93000000ffffull /* G, B; type 3: read/write */

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10

#endif
