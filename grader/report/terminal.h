/* terminal.h - text for people: colours, lines of a given width, progress. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

bool colours(void);                  /* on a terminal, and not forbidden by NO_COLOR */
const char *paint(const char *name); /* "green", ... or "" */

/* Prints text in lines of `width` columns; each but the first is indented by `indent`. */
void print_wrapped(const char *text, int indent, int width);

/* The same into a file. */
void write_wrapped(FILE *out, const char *text, int indent, int width);

/* A submission's words may carry escape codes: only printable characters pass. */
void print_clean(const char *text, size_t length);
void write_clean(FILE *out, const char *text, size_t length);

/* One line that is overwritten by the next; nothing where there is no terminal. */
void progress_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
