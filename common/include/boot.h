/* boot.h - contract of part 11, second file: what a firmware and a boot loader leave in memory.
 *
 * Linux is an ELF file with a note that says: I can be entered like this. (PVH: made for Xen's
 * guests, understood by every Linux with CONFIG_PVH.) No firmware is needed then, no 16-bit code
 * and no decompressor:
 *
 *   guest-physical memory                                   the ELF file
 *        0 +---------------------------+
 *    6000h | start_info, module, map   | <---- EBX
 *    8000h | (nothing: the stack is    |
 *          |  the kernel's business)   |
 *   20000h | command line              |
 *   9FC00h +---------------------------+
 *   E0000h | ACPI tables (given)       |
 *  100000h +---------------------------+
 *          |                           |
 * 1000000h | .text .rodata     <-------|------ PT_LOAD  offset, p_filesz -> p_paddr
 *          | .data             <-------|------ PT_LOAD
 *          | .bss (zeros)              |       p_memsz - p_filesz: the memory is zeros already
 *          +---------------------------+ end of the kernel
 *          |                           |
 *          +---------------------------+ a page boundary
 *          | initramfs                 |
 *          +---------------------------+ ram_size
 *
 * Source: Linux Documentation/arch/x86/boot.rst (1.15), include/xen/interface/hvm/start_info.h;
 * Xen docs/misc/pvh.pandoc; System V ABI, chapters 4 and 5 (ELF). */
#ifndef BOOT_H
#define BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "vmm.h"

#define BOOT_START_INFO_GPA   0x6000ull
#define BOOT_COMMAND_LINE_GPA 0x20000ull
#define BOOT_COMMAND_LINE_MAX 2047u /* characters: the kernel has room for no more */
#define BOOT_ACPI_GPA         0xe0000ull
#define BOOT_HIGH_GPA         0x100000ull /* memory above the old PC's first MiB */
#define BOOT_LOW_END          0x9fc00ull

/* The note's type and name ("Xen" with its NUL: 4 bytes). Its contents (4 or 8 bytes, little
 * endian) are the physical address of the 32-bit entry point.
 *
 *   PT_NOTE:  +--------+--------+------+----------------+----------------+
 *             | namesz | descsz | type | name, padded   | desc, padded   |  next note ...
 *             +--------+--------+------+----------------+----------------+
 *              4 bytes  4        4      to 4 bytes       to 4 bytes                      */
#define BOOT_NOTE_NAME "Xen"
#define BOOT_NOTE_TYPE 18u /* XEN_ELFNOTE_PHYS32_ENTRY */

#define BOOT_START_INFO_MAGIC 0x336ec578u /* "xEn3" with bit 7 of the E set */

struct boot_start_info {
    uint32_t magic;
    uint32_t version; /* 1: there is a memory map */
    uint32_t flags;   /* 0 */
    uint32_t module_count;
    uint64_t modules;      /* GPA of struct boot_module, or 0 where there is none */
    uint64_t command_line; /* GPA of a string with its NUL */
    uint64_t rsdp;         /* GPA of ACPI's root pointer, or 0 */
    uint64_t memory_map;   /* GPA of struct boot_memory */
    uint32_t memory_count;
    uint32_t reserved; /* 0 */
};

struct boot_module { /* the first one is the initramfs */
    uint64_t gpa, size;
    uint64_t command_line; /* 0: it has none */
    uint64_t reserved;     /* 0 */
};

enum boot_memory_type { BOOT_MEMORY_RAM = 1, BOOT_MEMORY_RESERVED = 2 };

struct boot_memory {
    uint64_t gpa, size;
    uint32_t type;
    uint32_t reserved; /* 0 */
};

/* The three regions that the kernel is told of, in this order: RAM below BOOT_LOW_END; from
 * BOOT_ACPI_GPA to BOOT_HIGH_GPA reserved; RAM from BOOT_HIGH_GPA to ram_size. */
#define BOOT_MEMORY_REGIONS 3u

/* These stand one behind the other from BOOT_START_INFO_GPA on. */
struct boot_parameters {
    struct boot_start_info info;
    struct boot_module module;
    struct boot_memory memory[BOOT_MEMORY_REGIONS];
};

struct boot_file {
    const void *bytes;
    size_t size; /* 0: there is none */
};

struct boot_request {
    struct boot_file kernel, initramfs;
    const char *command_line;
    uint64_t ram_size; /* guest RAM is [0, ram_size), a multiple of 4096, more than 1 MiB */
    uint64_t rsdp;     /* what goes into start_info */
};

/* What boot_kernel_load() found. */
struct boot_kernel {
    uint32_t entry; /* physical, 32-bit */
    uint64_t end;   /* GPA behind the last byte of the kernel, .bss included */
};

/* Copies the kernel's PT_LOAD segments to their physical addresses (p_paddr) by guest_write(),
 * and finds the entry. The file may be anything: nothing is read outside of it.
 * Returns 0, or
 *   -ENOEXEC  no ELF header fits into the file; not \177ELF, ELFCLASS64, ELFDATA2LSB, EM_X86_64;
 *             the program headers (e_phoff, e_phnum; e_phentsize is that of Elf64_Phdr) or the
 *             bytes of a PT_LOAD or PT_NOTE lie outside the file; a PT_LOAD with
 *             p_memsz < p_filesz, or one that wraps around 2^64
 *   -ENOTSUP  there is no note as above
 *   -EFBIG    a PT_LOAD (its p_memsz bytes) ends past ram_size
 * Checked in this order, each for the whole file before the next: nothing is written on failure. */
int boot_kernel_load(struct vm *vm, const struct boot_request *request,
                     struct boot_kernel *kernel);

/* Writes initramfs, command line and struct boot_parameters into guest memory. The initramfs
 * ends as far up as it can while it begins at a page boundary; kernel_end: it must begin at or
 * above that. Without one: module_count and modules 0, the module all zeros. Returns 0, or
 * -EFBIG (the initramfs does not fit between kernel_end and ram_size), -E2BIG (the command line
 * is longer than BOOT_COMMAND_LINE_MAX), or what guest_write() returned. Checked in this
 * order. */
int boot_parameters_write(struct vm *vm, const struct boot_request *request,
                          uint64_t kernel_end);

/* The vCPU's first state, as PVH wants it: protected mode without paging (CR0: PE set, PG not;
 * CR4 0; EFER 0), flat 32-bit segments (base 0, limit 4 GiB: CS type 11 with selector
 * SELECTOR_CODE; DS, ES, FS, GS, SS type 3 with SELECTOR_DATA), TR a busy 32-bit TSS (type 11,
 * s = 0) of base 0 and limit 67h, RIP = entry, EBX = BOOT_START_INFO_GPA, RFLAGS = 2, all other
 * general registers 0. What this does not name keeps the value that KVM gives.
 * Returns 0 or -errno. */
int boot_vcpu_start(struct vcpu *vcpu, uint32_t entry);

/* All three, in this order; 0 or what the first that failed returned. */
int boot_linux(struct vcpu *vcpu, const struct boot_request *request);

#endif
