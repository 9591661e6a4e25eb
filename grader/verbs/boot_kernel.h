/* boot_kernel.h - the kernel that somebody brings to `make boot`. */
#ifndef BOOT_KERNEL_H
#define BOOT_KERNEL_H

#include <stdbool.h>

#include "boot.h"

/* Reads KERNEL=path (*file is the caller's to free) and looks whether it is anything that can be
 * loaded. False after saying what it is not. */
bool boot_kernel_read(struct boot_file *file, const char *path, uint64_t ram_size);

#endif
