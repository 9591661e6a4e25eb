/* csv.c - tables as text (RFC 4180). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lib/csv.h"

static void *grown(void *list, size_t count, size_t size)
{
    void *more = reallocarray(list, count + 1, size);

    if (!more)
        abort(); /* a table that fills the memory */
    return more;
}

static char separator_guess(const char *text)
{
    size_t line = strcspn(text, "\r\n");

    if (memchr(text, ',', line))
        return ',';
    return memchr(text, ';', line) ? ';' : memchr(text, '\t', line) ? '\t' : ',';
}

/* Takes one field; returns where it ended. */
static const char *field_take(const char *at, char separator, char **field)
{
    bool quoted = *at == '"';
    char *to = *field = grown(NULL, strlen(at), 1);

    at += quoted;
    for (; *at; at++) {
        if (quoted && at[0] == '"' && at[1] == '"')
            at++;
        else if (quoted && *at == '"') {
            quoted = false;
            continue;
        } else if (!quoted && (*at == separator || *at == '\n' || *at == '\r'))
            break;
        *to++ = *at;
    }
    *to = 0;
    *field = grown(*field, (size_t)(to - *field), 1);
    return at;
}

static void field_add(struct csv_row *row, char *field)
{
    row->fields = grown(row->fields, row->count, sizeof *row->fields);
    row->fields[row->count++] = field;
}

static void row_free(struct csv_row *row)
{
    for (size_t i = 0; i < row->count; i++)
        free(row->fields[i]);
    free(row->fields);
}

static void row_add(struct csv *csv, struct csv_row row)
{
    if (row.count == 1 && !row.fields[0][0]) {
        row_free(&row);
        return;
    }
    csv->rows = grown(csv->rows, csv->count, sizeof *csv->rows);
    csv->rows[csv->count++] = row;
}

struct csv csv_parse(const char *text)
{
    struct csv csv = {.rows = NULL};
    char separator;

    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    separator = separator_guess(text);
    while (*text) {
        struct csv_row row = {.fields = NULL};
        char *field;

        for (;;) {
            text = field_take(text, separator, &field);
            field_add(&row, field);
            if (*text != separator)
                break;
            text++;
        }
        row_add(&csv, row);
        text += *text == '\r';
        text += *text == '\n';
    }
    return csv;
}

void csv_free(struct csv *csv)
{
    for (size_t i = 0; i < csv->count; i++)
        row_free(&csv->rows[i]);
    free(csv->rows);
    *csv = (struct csv){.rows = NULL};
}

void csv_text(FILE *out, const char *text, bool first)
{
    bool quote = text[strcspn(text, ",\"\r\n")] != 0 || text[0] == ' ';

    if (!first)
        fputc(',', out);
    if (quote)
        fputc('"', out);
    if (text[0] && strchr("=+-@\t", text[0]))
        fputc('\'', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    if (quote)
        fputc('"', out);
}

void csv_end(FILE *out)
{
    fputs("\r\n", out);
}
