/* boot_page.h - the boot of a Linux as one picture (pages/boot.html). */
#ifndef BOOT_PAGE_H
#define BOOT_PAGE_H

#include "report/trace_page.h"

/* Writes it from a recorded run of the capstone; its path in path[PATH_ROOM]. False with errno. */
bool boot_page_write(char *path, const struct kvm_events *events,
                     const struct trace_head *head, const struct page_about *about);

#endif
