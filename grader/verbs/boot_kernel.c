/* boot_kernel.c - is KERNEL= something that can be booted? Said before a machine is started. */
#define _GNU_SOURCE
#include "verbs/boot_kernel.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign_kernel.h"
#include "lib/files.h"
#include "machine/protocol.h"

#define FORMS                                                                              \
    "It can be vmlinux (ELF for x86-64 with a PVH note), a bzImage (/boot/vmlinuz-*), "    \
    "or\n"                                                                                 \
    "a multiboot image.\n"

static bool bytes_are(const struct boot_file *file, size_t at, const char *bytes,
                      size_t size)
{
    return file->size >= at + size &&
           memcmp((const char *)file->bytes + at, bytes, size) == 0;
}

/* What a file is that cannot be booted; NULL: not known. */
static const char *other_form(const struct boot_file *file)
{
    if (bytes_are(file, 0, "\x1f\x8b", 2) || bytes_are(file, 0, "\x28\xb5\x2f\xfd", 4) ||
        bytes_are(file, 0,
                  "\xfd"
                  "7zXZ",
                  5))
        return "something packed: unpack it first";
    if (bytes_are(file, 0, "MZ", 2))
        return "a program for a PC's firmware (EFI), without Linux' boot header";
    if (bytes_are(file, 0x8001, "CD001", 5))
        return "an image of a CD: take the kernel out of it";
    if (bytes_are(file, 0, ELFMAG, SELFMAG))
        return "an ELF file for another kind of processor, or a 32-bit one without a "
               "multiboot header";
    return NULL;
}

static bool is_elf64(const struct boot_file *file)
{
    Elf64_Ehdr header;

    if (file->size < sizeof header)
        return false;
    memcpy(&header, file->bytes, sizeof header);
    return memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
           header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_machine == EM_X86_64;
}

static bool refuse(const struct boot_file *file, const char *path, uint64_t ram_size)
{
    if (file->size == 0)
        fprintf(stderr, "grader: KERNEL=%s is empty\n", path);
    else if (file->size > FRAME_MAX || file->size > ram_size)
        fprintf(stderr,
                "grader: KERNEL=%s has %zu MiB; the guest's memory is %u MiB, and a file "
                "may have\n%u. (strip -s takes away what only a debugger reads.)\n",
                path, file->size >> 20, (unsigned)(ram_size >> 20), FRAME_MAX >> 20);
    else if (foreign_kernel_kind(file) == FOREIGN_NONE && !is_elf64(file))
        fprintf(stderr,
                "grader: KERNEL=%s is no kernel that can be booted here%s%s.\n" FORMS, path,
                other_form(file) ? ":\n" : "", other_form(file) ? other_form(file) : "");
    else
        return false;
    return true;
}

bool boot_kernel_read(struct boot_file *file, const char *path, uint64_t ram_size)
{
    char *bytes = file_read(path, SIZE_MAX, &file->size);

    if (!bytes) {
        fprintf(stderr, "grader: cannot read KERNEL=%s: %s\n", path,
                errno == EINVAL ? "it is no regular file" : strerror(errno));
        return false;
    }
    file->bytes = bytes;
    if (!refuse(file, path, ram_size))
        return true;
    free(bytes);
    return false;
}
