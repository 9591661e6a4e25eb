/* foreign_kernel.h - given: the other ways into a kernel, for files that are no 64-bit ELF.
 *
 *   bzImage     what distributions install as /boot/vmlinuz-*: a decompressor and, packed, the kernel.
 *               Entered by Linux' 32-bit boot protocol, at its first byte behind the 16-bit part:
 *               ESI = struct boot_params (boot.rst, "32-bit boot protocol").
 *   multiboot   a 32-bit ELF file, or one that says itself where it wants to lie, with a header in
 *               its first 8 KiB: EAX = 2BADB002h, EBX = multiboot information
 *               (Multiboot Specification 0.6.96, 3.1 to 3.3).
 *
 * Both begin in the same state as PVH does, but for these registers: boot_vcpu_start() makes it. */
#ifndef FOREIGN_KERNEL_H
#define FOREIGN_KERNEL_H

#include "boot.h"

enum foreign_kernel_kind {
    FOREIGN_NONE, /* nothing of what follows; perhaps ELF with a PVH note: boot_linux() */
    FOREIGN_BZIMAGE,
    FOREIGN_MULTIBOOT,
};

/* By the file's own marks. */
enum foreign_kernel_kind foreign_kernel_kind(const struct boot_file *file);

/* Loads it, writes its parameters and sets the vCPU's first state. Returns 0, or -ENOEXEC (the file's
 * numbers contradict each other), -EFBIG (no room in the guest's memory), -E2BIG (command line), or
 * what guest_write() or boot_vcpu_start() returned. */
int foreign_kernel_boot(struct vcpu *vcpu, const struct boot_request *request);

#endif
