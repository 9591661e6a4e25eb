/* guest_loader.h - puts a guest program into guest memory and the vCPU at its start.
 *
 * A guest image is a flat binary, linked at GUEST_LOAD_GPA (common/guest/guest.ld), that
 * starts at its first byte. The loader builds what a boot loader would have: a GDT and, in
 * long mode, page tables that map the first 1 GiB one to one.
 *
 *   0x00000  real-mode interrupt vector table, or nothing
 *   0x00500  GDT: null, code 0x08, data 0x10
 *   0x01000  PML4, PDPT, PD (long mode)
 *   0x07000  top of the stack, growing down
 *   0x08000  GUEST_MAILBOX_GPA: where guest and checks leave each other numbers
 *   0x10000  GUEST_LOAD_GPA: the image
 */
#ifndef GUEST_LOADER_H
#define GUEST_LOADER_H

#include "vmm.h"

#define GUEST_GDT_GPA     0x500u
#define GUEST_PML4_GPA    0x1000u
#define GUEST_STACK_GPA   0x7000u
#define GUEST_MAILBOX_GPA 0x8000u
#define GUEST_LOAD_GPA    0x10000u

enum guest_mode {
    GUEST_REAL16 = 16,      /* CS = 0x1000, IP = 0: the same physical address */
    GUEST_PROTECTED32 = 32, /* flat 4 GiB segments, paging off */
    GUEST_LONG64 = 64,      /* flat, 2 MiB pages, first 1 GiB mapped */
};

/* Copies the image to GUEST_LOAD_GPA with guest_write(), builds the tables that the mode
 * needs and sets the vCPU's registers (for long mode also its CPUID: all that KVM supports).
 * Returns 0, -EINVAL (unknown mode), -EFAULT (the guest has no memory there), or -errno of
 * the ioctl that failed. */
int guest_load(struct vcpu *vcpu, const void *image, size_t size, enum guest_mode mode);

/* The tables themselves, for whoever starts a guest without KVM. */

#define GUEST_GDT_ENTRIES 3

void guest_gdt_make(uint64_t gdt[GUEST_GDT_ENTRIES], enum guest_mode mode);

/* At GUEST_PML4_GPA: one PML4, one PDPT, one PD of 512 pages of 2 MiB, one to one.
 * (SDM 3A 4.5) */
struct guest_page_tables {
    uint64_t pml4[512], pdpt[512], pd[512];
};

void guest_page_tables_make(struct guest_page_tables *tables);

#endif
