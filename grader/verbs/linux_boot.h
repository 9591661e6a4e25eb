/* linux_boot.h - a Linux in a VMM in the machine, seen from outside. */
#ifndef LINUX_BOOT_H
#define LINUX_BOOT_H

#include <stdbool.h>

#include "subjects/11-boot-linux.h"

/* What to boot: the kit's kernel with a shell, on a terminal. command_line: more for the kernel,
 * device: "edu"; both may be NULL. False after saying what is wrong with them. */
bool linux_boot_request(struct lab11_boot *boot, const char *command_line,
                        const char *device);

/* Hands the agent the subject and starts the boot. False: the machine has gone. */
bool linux_boot_start(int channel, const char *subject, const struct lab11_boot *boot);

/* Waits for the guest's prompt. False: the run has ended before it. */
bool linux_boot_prompt(int channel);

#endif
