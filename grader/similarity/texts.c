/* texts.c - a lab's parts of one student as a text, and which of its lines are the student's. */
#define _GNU_SOURCE
#include <ctype.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/text.h"
#include "lib/command.h"
#include "lib/hash.h"
#include "lib/status.h"
#include "similarity/similarity.h"
#include "submission/submission.h"

struct starter {
    char **lines; /* sorted */
    size_t count;
};

static void memory_want(const void *p)
{
    if (!p) {
        fprintf(stderr, "grader: out of memory\n");
        exit(EXIT_GRADER);
    }
}

static int line_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A line without what surrounds it. */
static char *line_trim(const char *line)
{
    size_t length;

    line += strspn(line, " \t");
    length = strlen(line);
    while (length > 0 && strchr(" \t\r", line[length - 1]))
        length--;
    return strndup(line, length);
}

static void starter_add(struct starter *starter, char *text)
{
    for (char *save, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        starter->lines =
            reallocarray(starter->lines, starter->count + 1, sizeof *starter->lines);
        memory_want(starter->lines);
        starter->lines[starter->count++] = line_trim(line);
    }
}

struct starter *starter_load(const struct lab *lab)
{
    struct starter *starter = calloc(1, sizeof *starter);

    memory_want(starter);
    for (int i = 0; i < lab->part_count; i++) {
        char path[PATH_ROOM], *text = NULL;
        char *argv[] = {"grader/verbs/starters.sh", "print", path, NULL};

        path_make(path, "solutions/%s/%s", lab->name, lab->parts[i]);
        if (command_run(argv, &text, 30) == 0)
            starter_add(starter, text);
        free(text);
    }
    qsort(starter->lines, starter->count, sizeof *starter->lines, line_compare);
    return starter;
}

void starter_free(struct starter *starter)
{
    for (size_t i = 0; i < starter->count; i++)
        free(starter->lines[i]);
    free(starter->lines);
    free(starter);
}

static bool line_is_own(const struct starter *starter, const char *line)
{
    char *trimmed = line_trim(line);
    bool says = false, own;

    for (const char *c = trimmed; *c; c++)
        says |= isalnum((unsigned char)*c) != 0;
    own = says && !bsearch(&trimmed, starter->lines, starter->count, sizeof *starter->lines,
                           line_compare);
    free(trimmed);
    return own;
}

/* Takes text->all apart. */
static void lines_split(struct text *text, const struct starter *starter)
{
    int room = 1;

    for (const char *c = text->all; *c; c++)
        room += *c == '\n';
    text->lines = calloc((size_t)room + 1, sizeof *text->lines);
    text->own = calloc((size_t)room + 1, sizeof *text->own);
    memory_want(text->lines);
    memory_want(text->own);
    for (char *line = text->all; line;) {
        char *end = strchr(line, '\n');

        if (end)
            *end = 0;
        text->lines[text->line_count] = line;
        text->own[text->line_count] = line_is_own(starter, line);
        text->own_count += text->own[text->line_count++];
        line = end ? end + 1 : NULL;
    }
}

static void text_free(struct text *text)
{
    free(text->who);
    free(text->all);
    free(text->lines);
    free(text->own);
}

void texts_free(struct texts *texts)
{
    for (int i = 0; i < texts->count; i++)
        text_free(&texts->list[i]);
    free(texts->list);
    *texts = (struct texts){.list = NULL};
}

/* All parts of a lab, one below the other. */
static char *parts_join(const struct lab *lab, const char *folder)
{
    char *all = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&all, &size);

    memory_want(out);
    for (int i = 0; i < lab->part_count; i++) {
        char path[PATH_ROOM], *part;

        path_make(path, "%s/%s/%s", folder, lab->name, lab->parts[i]);
        part = file_read(path, PART_BYTES, NULL);
        if (part)
            fprintf(out, "/* %s */\n%s\n", lab->parts[i], part);
        free(part);
    }
    fclose(out);
    return all;
}

void texts_add(struct texts *texts, const struct starter *starter, const struct lab *lab,
               const char *folder, const char *who, bool old)
{
    struct text text = {.who = strdup(who), .old = old, .all = parts_join(lab, folder)};

    memory_want(text.all);
    text_clean(text.all);
    lines_split(&text, starter);
    if (text.own_count < OWN_LINES_MIN) {
        text_free(&text);
        return;
    }
    texts->list = reallocarray(texts->list, (size_t)texts->count + 1, sizeof text);
    memory_want(texts->list);
    texts->list[texts->count++] = text;
}
