/* foreign_format.c - looks for the marks of kernels that are no 64-bit ELF. */
#define _GNU_SOURCE
#include "foreign_format.h"

#include <elf.h>
#include <string.h>

#define SETUP_HEADER     0x1f1u
#define BOOT_FLAG        0xaa55u
#define HEADER_MAGIC     0x53726448u /* "HdrS" */
#define MULTIBOOT_SEARCH 8192u
#define MULTIBOOT_HEADER 0x1badb002u

bool bzimage_header_read(const struct boot_file *file, struct setup_header *header)
{
    if (file->size < SETUP_HEADER + sizeof *header)
        return false;
    memcpy(header, (const uint8_t *)file->bytes + SETUP_HEADER, sizeof *header);
    return header->boot_flag == BOOT_FLAG && header->header == HEADER_MAGIC;
}

bool multiboot_header_find(const struct boot_file *file, struct multiboot_header *header,
                           size_t *at)
{
    const size_t end = file->size < MULTIBOOT_SEARCH ? file->size : MULTIBOOT_SEARCH;

    for (*at = 0; *at + 12 <= end; *at += 4) {
        const size_t room = file->size - *at;

        *header = (struct multiboot_header){0};
        memcpy(header, (const uint8_t *)file->bytes + *at,
               room < sizeof *header ? room : sizeof *header);
        if (header->magic == MULTIBOOT_HEADER &&
            header->magic + header->flags + header->checksum == 0)
            return true;
    }
    return false;
}

enum foreign_kernel_kind foreign_kernel_kind(const struct boot_file *file)
{
    struct multiboot_header multiboot;
    struct setup_header setup;
    size_t at;

    if (bzimage_header_read(file, &setup))
        return FOREIGN_BZIMAGE;
    if (file->size > EI_CLASS && memcmp(file->bytes, ELFMAG, SELFMAG) == 0 &&
        ((const uint8_t *)file->bytes)[EI_CLASS] == ELFCLASS64)
        return FOREIGN_NONE;
    return multiboot_header_find(file, &multiboot, &at) ? FOREIGN_MULTIBOOT : FOREIGN_NONE;
}
