/* page.h - what all pages of `make trace` are written with: a template (grader/pages), and the data
 * of a run as JSON in it. */
#ifndef PAGE_H
#define PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "report/trace_page.h"

#define PAGES "grader/pages"

/* A string in JSON that may stand inside a script element; and a member of an object, with its
 * comma. */
void page_text_put(FILE *file, const char *text);
void page_member_put(FILE *file, const char *name, const char *text);

/* Title, check and, where it failed, what was asked and seen, and at which event of that kind (0:
 * the last one; -1: none of this page's). */
void page_about_put(FILE *file, const struct page_about *about, const char *kind);

/* The exit codes that a page has met: rows have their index, "reasons" their names. */
#define PAGE_REASONS 32
struct page_reasons {
    uint32_t codes[PAGE_REASONS];
    int count;
};
int page_reason(struct page_reasons *reasons, uint32_t code);
void page_reasons_put(FILE *file, const struct page_reasons *reasons);

/* Writes build/trace/NAME.html from a template; data() writes the JSON. Its path in
 * path[PATH_ROOM]. False with errno. */
bool page_write(char *path, const char *name, const char *template,
                void (*data)(FILE *file, void *argument), void *argument);

#endif
