/* engines.c - the list of engines. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "course/engines.h"

static const struct engine *const engines[] = {&engine_of_here, &engine_of_slurm,
                                               &engine_of_parallel, NULL};

const struct engine *engine_find(const struct settings *s)
{
    for (const struct engine *const *e = engines; *e; e++)
        if (strcmp(s->engine ? s->engine : "local", (*e)->name) == 0)
            return (*e)->there(s) ? *e : NULL;
    fprintf(stderr, "grader: unknown ENGINE=%s. There are:\n", s->engine);
    for (const struct engine *const *e = engines; *e; e++)
        fprintf(stderr, "  ENGINE=%-9s %s\n", (*e)->name, (*e)->what);
    return NULL;
}

void engine_words(const struct settings *s, char *words[3])
{
    int n = 0;

    if (s->kernel && asprintf(&words[n], "KERNEL=%s", s->kernel) > 0)
        n++;
    if (s->modules && asprintf(&words[n], "MODULES=%s", s->modules) > 0)
        n++;
    words[n] = NULL;
}
