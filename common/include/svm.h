/* svm.h - AMD's SVM: the VMCB, the intercepts, the exits; with the APM's names.
 *
 * A VMCB (virtual machine control block) is what one virtual CPU is to an AMD processor: one
 * page of plain memory, whose layout is documented. VMRUN takes its physical address, loads
 * the guest from it, and at #VMEXIT stores the guest there. The counterparts:
 *
 *   Intel                      AMD
 *   VMXON                      EFER.SVME, VM_HSAVE_PA
 *   VMCS, VMREAD, VMWRITE      VMCB, MOV
 *   VMLAUNCH, VMRESUME         VMRUN (there is no difference between first and next time)
 *   HOST_RIP                   the instruction behind VMRUN
 *   exit reason, qualification EXITCODE, EXITINFO1, EXITINFO2
 *   EPT, EPTP                  nested paging: ordinary page tables, N_CR3
 *
 * Source: AMD64 Architecture Programmer's Manual volume 2 (APM 2), chapter 15, appendices B
 * (the VMCB) and C (exit codes).
 */
#ifndef SVM_H
#define SVM_H

#include <stddef.h>
#include <stdint.h>

#define CPUID_SVM_LEAF 0x80000001u
#define CPUID_SVM      (1u << 2) /* in ECX */

#define MSR_EFER        0xc0000080
#define EFER_SVME       (1ull << 12) /* VMRUN and its like are allowed */
#define MSR_VM_HSAVE_PA 0xc0010117 /* a page of ours for the processor: the host's state */

/* Intercepts: the third and fourth word of the VMCB (APM 2, table B-1). */
#define INTERCEPT_CPUID (1u << 18)
#define INTERCEPT_HLT   (1u << 24)
#define INTERCEPT_PORTS (1u << 27) /* those whose bit is set in the I/O permission map */

#define INTERCEPT_VMRUN   (1u << 0) /* has to be set: VMRUN checks it */
#define INTERCEPT_VMMCALL (1u << 1)

/* A segment register: bits 55:52 and 47:40 of its descriptor are attributes 11:0. */
struct vmcb_segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    /* 000h: the control area */
    uint32_t intercept_cr, intercept_dr, intercept_exceptions;
    uint32_t intercepts;     /* 00Ch: INTERCEPT_CPUID to _PORTS */
    uint32_t intercepts_svm; /* 010h: INTERCEPT_VMRUN, _VMMCALL */
    uint32_t reserved_014[11];
    uint64_t io_permission_map;  /* 040h: physical address of 12 KiB, a bit a port */
    uint64_t msr_permission_map; /* 048h: of 8 KiB; not looked at unless intercepted */
    uint64_t tsc_offset;         /* 050h */
    uint32_t asid;               /* 058h: not 0; the host's is */
    uint32_t tlb_control;        /* 05Ch: 0 nothing, 1 forget all translations */
    uint64_t interrupt_control;  /* 060h */
    uint64_t interrupt_shadow;   /* 068h */
    uint64_t exit_code;          /* 070h: enum svm_exit */
    uint64_t exit_info_1;        /* 078h */
    uint64_t exit_info_2;        /* 080h */
    uint64_t exit_interrupt_info;
    uint64_t nested_control; /* 090h: bit 0: nested paging is on */
    uint64_t reserved_098[2];
    uint64_t event_injection; /* 0A8h */
    uint64_t nested_cr3;      /* 0B0h: physical address of the nested PML4 table */
    uint64_t lbr_control;
    uint64_t clean_bits; /* 0C0h: 0: the processor reads everything anew */
    uint64_t next_rip;   /* 0C8h: behind the instruction that exited; not on every CPU */
    uint8_t reserved_0d0[0x330];

    /* 400h: the state save area */
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved_4a0[0x2b];
    uint8_t cpl; /* 4CBh */
    uint32_t reserved_4cc;
    uint64_t efer; /* 4D0h: SVME has to be set */
    uint8_t reserved_4d8[0x70];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip; /* 548h */
    uint8_t reserved_580[0x58];
    uint64_t rsp; /* 5D8h */
    uint8_t reserved_5e0[0x18];
    uint64_t rax; /* 5F8h */
    uint8_t reserved_600[0x40];
    uint64_t cr2; /* 640h */
    uint8_t reserved_648[0x20];
    uint64_t pat; /* 668h */
    uint8_t reserved_670[0x990];
} __attribute__((aligned(4096)));

_Static_assert(offsetof(struct vmcb, io_permission_map) == 0x40, "control area");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "control area");
_Static_assert(offsetof(struct vmcb, nested_cr3) == 0xb0, "control area");
_Static_assert(offsetof(struct vmcb, next_rip) == 0xc8, "control area");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "state save area");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "state save area");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "state save area");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "state save area");
_Static_assert(offsetof(struct vmcb, rsp) == 0x5d8, "state save area");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "state save area");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "state save area");
_Static_assert(sizeof(struct vmcb) == 4096, "one page");

/* Exit codes (APM 2, appendix C). What exit_info_1 and exit_info_2 say:
 *
 *   IOIO  1:  31 16 15 7 6 5 4  3   2   1 0        2: RIP of the next instruction
 *            | port | . |4|2|1|REP|STR|.|IN|       (6:4: which of the sizes, in bytes)
 *   NPF   1: the error code (bit 0 present, 1 write, 2 user, 4 fetch)   2: the guest-physical
 *            address
 */
enum svm_exit {
    VMEXIT_CPUID = 0x72,
    VMEXIT_HLT = 0x78,
    VMEXIT_IOIO = 0x7b,
    VMEXIT_SHUTDOWN = 0x7f,
    VMEXIT_VMMCALL = 0x81,
    VMEXIT_NPF = 0x400,
};
#define VMEXIT_INVALID UINT64_MAX /* VMRUN found the VMCB inconsistent (APM 2, 15.5.1) */

#define IOIO_IN     (1ull << 0)
#define IOIO_STRING (1ull << 2)
#define IOIO_SIZE_1 (1ull << 4)
#define IOIO_SIZE_4 (1ull << 6)

/* A nested page table has the format of ordinary 4-level page tables. The processor makes its
 * nested accesses as a user: every level needs PRESENT, WRITABLE, USER (APM 2, 15.25.5). */
#define NPT_ALL     7ull
#define NPT_NO_EXEC (1ull << 63) /* only if EFER.NXE of the host is set; else reserved */

/* The world switch (common/guest/svm_enter.S): loads L2's general registers, does VMRUN, and
 * comes back at the #VMEXIT with what L2 left in them. registers[] are numbered as in enum
 * l2_register; [RAX] goes to vmcb->rax and comes from there, [RSP] is not looked at. */
void svm_enter(struct vmcb *vmcb, uint64_t registers[16]);

#endif
