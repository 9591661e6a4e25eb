/* trace_page.h - a recorded run as one HTML file that needs nothing else. */
#ifndef TRACE_PAGE_H
#define TRACE_PAGE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "lib/lab.h"

struct kvm_events;
struct trace_head;

/* Whose run a page shows, and what came of it: where it failed the page opens. */
struct page_about {
    const struct lab *lab;
    const char *id;
    const cJSON *verdict; /* of the check; NULL: not known */
};

/* Writes a recorded run of a check as a page of its own; its path in path[PATH_ROOM]. False
 * with errno. */
bool trace_page_write(char *path, const struct kvm_events *events,
                      const struct trace_head *head, const struct page_about *about);

/* The same for what a check kept with judge_view(): kept is the file's text (its first line,
 * the kind, is cut off). */
bool view_page_write(char *path, char *kept, const struct page_about *about);

#endif
