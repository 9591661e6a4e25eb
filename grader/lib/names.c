/* names.c - names that other people chose. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/text.h"
#include "lib/names.h"

const char *name_last(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

char *name_clean(const char *name)
{
    char *clean = strdup(name);

    if (clean)
        text_clean(clean);
    for (char *at = clean; at && *at; at++)
        if (*at == '\n')
            *at = '?';
    return clean;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

void name_plain(char plain[NAME_ROOM], const char *name)
{
    char *clean = name_clean(name);

    snprintf(plain, NAME_ROOM, "%.*s", clean ? (int)text_fit(clean, NAME_CHARACTERS) : 0,
             clean ? clean : "");
    free(clean);
    for (; *plain; plain++)
        if (!letter(*plain) && *plain != '-')
            *plain = '_';
}

/* A byte inside $'...', which bash and other shells of today know. */
static void byte_quote(FILE *out, char c)
{
    if ((unsigned char)c < ' ' || c == 127)
        fprintf(out, "\\%03o", (unsigned)(unsigned char)c);
    else
        fprintf(out, c == '\'' || c == '\\' ? "\\%c" : "%c", c);
}

static bool has_controls(const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == 127)
            return true;
    return false;
}

static bool needs_quotes(const char *name)
{
    for (; *name; name++)
        if (!letter(*name) && !strchr("-_./:@%+,", *name))
            return true;
    return false;
}

char *name_quote(const char *name)
{
    const bool controls = has_controls(name);
    char *quoted = NULL;
    size_t size;
    FILE *out;

    if (!controls && !needs_quotes(name))
        return strdup(name);
    out = open_memstream(&quoted, &size);
    if (!out)
        return NULL;
    fputs(controls ? "$'" : "'", out);
    for (; *name; name++)
        if (controls)
            byte_quote(out, *name);
        else
            fprintf(out, *name == '\'' ? "'\\''" : "%c", *name);
    fputc('\'', out);
    return fclose(out) == 0 ? quoted : NULL;
}
