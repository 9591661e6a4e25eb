/* interrupt_tables.h - contract of part 04, first file: what a guest needs so that INT and IRET
 * work by themselves.
 *
 * The processor looks at four things when INT comes, all of them in the guest's memory or in
 * registers of the guest: the IDT (where to go), the GDT (with which rights), the TSS (on
 * which stack), and CPL. Not one of them belongs to the VMM, so no exit is needed.
 *
 *   IDTR --> IDT              GDTR --> GDT                   TR --> TSS
 *            +-----------+             +-------------------+        +------------+
 *   vector-->| selector -|--> 08h ---->| ring 0 code       |        | RSP0       |
 *            | handler   |      10h    | ring 0 data       |        | IST1..IST7 |
 *            | DPL, IST  |      18h    | ring 3 data       |        +------------+
 *            +-----------+      20h    | ring 3 code       |
 *                               28h    | TSS (16 bytes)    |
 *                                      +-------------------+
 *
 * The guest is in 64-bit mode and its first GiB is mapped one to one (guest_loader.h): an
 * address is a GPA.
 *
 * Source: Intel SDM 3A: 3.4.5 (segment descriptors), 5.8.3 and 6.14 (64-bit IDT, IST), 8.2.3
 * and 8.7 (64-bit TSS and its descriptor).
 */
#ifndef INTERRUPT_TABLES_H
#define INTERRUPT_TABLES_H

#include "vmm.h"

/* Selectors: an index into the GDT (times 8) and, in bits 1:0, the privilege level. */
#define KERNEL_CODE_SELECTOR 0x08
#define KERNEL_DATA_SELECTOR 0x10
#define USER_DATA_SELECTOR   (0x18 | 3)
#define USER_CODE_SELECTOR   (0x20 | 3)
#define TSS_SELECTOR         0x28

/* Table sizes in bytes; the limit of each is one less. */
#define GDT_BYTES 56u   /* 5 descriptors of 8, the TSS's of 16 */
#define TSS_BYTES 104u  /* and no I/O permission bitmap */
#define IDT_BYTES 4096u /* 256 gates of 16 */

/* Types of system descriptors (SDM 3A table 3-2). */
#define TSS_AVAILABLE  9u
#define TSS_BUSY       11u
#define GATE_INTERRUPT 14u /* clears RFLAGS.IF */
#define GATE_TRAP      15u /* leaves it */

/* One gate of the IDT.
 *
 *   127                          96 95                            64
 *   |           0                  |       handler 63:32           |
 *   63              48 47 46 45 44 43  40 39       35 34 32 31      16 15            0
 *   | handler 31:16   | P | DPL | 0 | type |    0     | IST | selector | handler 15:0  |
 */
struct guest_gate {
    uint64_t handler;  /* linear address */
    uint16_t selector; /* of the handler's code segment */
    uint8_t vector;
    uint8_t type;    /* GATE_INTERRUPT or GATE_TRAP */
    uint8_t dpl;     /* 0 to 3: the least privileged level whose INT may use it */
    uint8_t ist;     /* 0, or 1 to 7: always use that stack */
    uint8_t present; /* 0 or 1 */
};

struct interrupt_tables {
    uint64_t gdt, tss, idt; /* GPAs */
    uint64_t rsp0;          /* the stack for a change from ring 3 to ring 0 */
    uint64_t ist[7];        /* ist[0] is IST1 */
    const struct guest_gate *gates;
    unsigned gate_count;
};

/* A gate as its two 8-byte words. The gate is known to be good. */
void guest_gate_encode(const struct guest_gate *gate, uint64_t words[2]);

/* The 16-byte descriptor of an available 64-bit TSS of TSS_BYTES at base (any address):
 *
 *   127        96 95         64 63    56 55 54      51   48 47 46 45 44 43 40 39     16 15    0
 *   |     0      | base 63:32  | b31:24 | G | 0 ... | l19:16| P | DPL | 0 | 9  | base23:0| limit |
 *
 * G = 0 (the limit counts bytes), P = 1, DPL = 0. */
void guest_tss_encode(uint64_t base, uint64_t words[2]);

/* Writes GDT, TSS and the whole IDT, in this order, each with one guest_write() or with several.
 *   GDT: the null descriptor, then those drawn above; segments flat (base 0, limit FFFFFh in
 *        pages), present and marked as accessed, code execute/read with L = 1 and D = 0, data
 *        read/write with B = 1.
 *   TSS: RSP0 at 4, RSP1 and RSP2 zero, ISTn at 36 + 8 (n - 1), at 102 the offset of the I/O
 *        permission bitmap: TSS_BYTES, past the limit, so there is none. All else is zero.
 *   IDT: the gates; a vector without one gets zeros (P = 0). A vector that is named twice: the
 *        last one counts.
 * Returns 0; -EINVAL: a gate has a type that is neither of the two, dpl > 3, ist > 7, or a
 * handler that is not canonical (bits 63:47 not all equal); nothing has been written then;
 * or the first error of guest_write(), -EFAULT or -EROFS. There is one guest_write() a table: a
 * table is written as a whole or not at all, and those before the one that failed stay. */
int interrupt_tables_write(struct vm *vm, const struct interrupt_tables *tables);

/* Puts the vCPU, which guest_load() has prepared for long mode, into ring 3: GDTR, IDTR and TR
 * as the tables say (the TSS busy, as after LTR); CS the user's code; SS, DS, ES, FS and GS
 * the user's data; RIP and RSP; RFLAGS with IF set and IOPL as given (0 to 3), else clear (but
 * bit 1, which is always 1). All other registers keep their values, LDTR too.
 *
 * kvm_segment has what a loaded register has, not what a descriptor has: limit counts bytes, so
 * it is FFFFFFFFh for a flat segment (and g = 1); the accessed bit of type is set.
 * Returns 0, or -errno of the first ioctl that fails. */
int guest_start_user(struct vcpu *vcpu, const struct interrupt_tables *tables, uint64_t rip,
                     uint64_t rsp, unsigned iopl);

#endif
