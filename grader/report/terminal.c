/* terminal.c - text for people. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge/text.h"
#include "report/terminal.h"

bool colours(void)
{
    const char *no = getenv("NO_COLOR");

    return isatty(1) && !(no && *no);
}

const char *paint(const char *name)
{
    static const struct {
        const char *name, *code;
    } codes[] = {
        {"green", "\033[32m"}, {"red", "\033[31m"}, {"yellow", "\033[33m"},
        {"dim", "\033[2m"},    {"bold", "\033[1m"}, {"off", "\033[0m"},
    };

    for (size_t i = 0; colours() && i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(codes[i].name, name) == 0)
            return codes[i].code;
    return "";
}

void progress_line(const char *format, ...)
{
    va_list list;

    if (!isatty(2))
        return;
    fprintf(stderr, "\r\033[K");
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fflush(stderr);
}

/* How much of text goes on a line of room columns: up to the last space that fits. */
static size_t line_break(const char *text, size_t room)
{
    size_t length = strcspn(text, "\n"), most = text_fit(text, room), cut;

    if (length <= most)
        return length;
    for (cut = most; cut > 0 && text[cut] != ' '; cut--)
        ;
    return cut ? cut : most;
}

void write_clean(FILE *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        fputc((unsigned char)text[i] >= 32 && text[i] != 127 ? text[i] : '?', out);
}

void print_clean(const char *text, size_t length)
{
    write_clean(stdout, text, length);
}

void write_wrapped(FILE *out, const char *text, int indent, int width)
{
    size_t room = (size_t)(width - indent);

    while (*text) {
        size_t n = line_break(text, room);

        write_clean(out, text, n);
        text += n;
        while (*text == ' ' || *text == '\n')
            text++;
        if (*text)
            fprintf(out, "\n%*s", indent, "");
    }
    fputc('\n', out);
}

void print_wrapped(const char *text, int indent, int width)
{
    write_wrapped(stdout, text, indent, width);
}
