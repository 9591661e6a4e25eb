/* engines.h - inside of the room course/: engines run every unit of a file, with the same command,
 * and wait for their end. */
#ifndef ENGINES_H
#define ENGINES_H

#include "course/course.h"

struct engine {
    const char *name; /* ENGINE= */
    const char *what;
    /* Is all there that it needs? Says what is missing, and how to get it. */
    bool (*there)(const struct settings *s);
    /* False after saying why not all of it was run. */
    bool (*run)(const struct course *c, const char *units_path, const cJSON *units,
                int workers);
};

extern const struct engine engine_of_here, engine_of_slurm, engine_of_parallel;

/* The one that ENGINE= names, if it is there; NULL after saying what is wrong. */
const struct engine *engine_find(const struct settings *s);

/* The words "KERNEL=..." and "MODULES=..." behind a unit's command; NULL ends them. Caller frees
 * the words. */
void engine_words(const struct settings *s, char *words[3]);

/* Ends the jobs that an earlier run, which was killed, left with Slurm: what is left to do is
 * found out anew. False after saying why that cannot be known. */
bool slurm_jobs_end(const struct course *c);

#endif
