/* class_name.c - for verbs about all submissions of a course. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "verbs/class_name.h"

bool class_name_choose(char name[100], const struct settings *s)
{
    struct stat at;
    char *path;
    const char *from;
    size_t n = 0;

    if (!s->submissions || stat(s->submissions, &at) < 0 || !S_ISDIR(at.st_mode)) {
        fprintf(stderr,
                "grader: SUBMISSIONS=%s is no folder; it should hold a folder or an "
                "archive per student\n",
                s->submissions ? s->submissions : "");
        return false;
    }
    path = realpath(s->submissions, NULL);
    from = s->name ? s->name : path ? strrchr(path, '/') + 1 : "";

    for (; *from && n < 99; from++)
        name[n++] = (*from >= 'a' && *from <= 'z') || (*from >= 'A' && *from <= 'Z') ||
                            (*from >= '0' && *from <= '9') || strchr("-_.", *from)
                        ? *from
                        : '_';
    name[n] = 0;
    free(path);
    if (name[0] && name[0] != '.' && strcmp(name, "verdicts") != 0)
        return true;
    fprintf(stderr, "grader: NAME=%s cannot be the name of a class\n", name);
    return false;
}
