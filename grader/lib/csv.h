/* csv.h - tables as text (RFC 4180): read from people's programs, written for them. */
#ifndef CSV_H
#define CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct csv_row {
    char **fields;
    size_t count;
};

struct csv {
    struct csv_row *rows; /* empty lines are left out */
    size_t count;
};

/* Takes a text apart: fields separated by commas, or by semicolons or tabs if the first line has
 * those and no comma; in quotes or not; a byte order mark is skipped. */
struct csv csv_parse(const char *text);
void csv_free(struct csv *csv);

/* One field of a row being written; the first of a row has no comma in front. Quoted where it
 * has to be. What a spreadsheet would take for a formula gets an apostrophe in front: the words
 * are a stranger's. */
void csv_text(FILE *out, const char *text, bool first);
void csv_end(FILE *out); /* of the row */

#endif
