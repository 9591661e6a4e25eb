/* foreign_format.h - given: by which marks a file is known for a bzImage or a multiboot image. */
#ifndef FOREIGN_FORMAT_H
#define FOREIGN_FORMAT_H

#include <asm/bootparam.h>
#include <stdbool.h>

#include "foreign_kernel.h"

/* The setup header at 1F1h; false: there is none. */
bool bzimage_header_read(const struct boot_file *file, struct setup_header *header);

#define MULTIBOOT_PLACES (1u << 16) /* in flags: the header says where things lie */

struct multiboot_header {
    uint32_t magic, flags, checksum;
    uint32_t header, load, load_end, bss_end, entry; /* with MULTIBOOT_PLACES */
};

/* Where the header stands in the file; false: there is none. */
bool multiboot_header_find(const struct boot_file *file, struct multiboot_header *header,
                           size_t *at);

#endif
