/* lab_verb.c - for verbs about one lab. */
#include <stdio.h>

#include "lib/lab.h"
#include "lib/settings.h"
#include "lib/status.h"
#include "verbs/lab_verb.h"

int lab_verb(const struct settings *s, const char *usage,
             int (*run)(const struct lab *lab, const struct labs *labs,
                        const struct settings *s))
{
    struct labs labs;
    const struct lab *lab;
    int status;

    if (!s->lab) {
        fprintf(stderr, "grader: %s\n", usage);
        return EXIT_USAGE;
    }
    if (!labs_load(&labs))
        return EXIT_GRADER;
    lab = lab_find(&labs, s->lab);
    status = lab ? run(lab, &labs, s) : EXIT_USAGE;
    labs_free(&labs);
    return status;
}
