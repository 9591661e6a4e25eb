/* lab_verb.h - for verbs about one lab. */
#ifndef LAB_VERB_H
#define LAB_VERB_H

#include "lib/lab.h"
#include "lib/settings.h"

/* Finds the lab that LAB= names and runs the verb on it; says `usage` where LAB= is missing.
 * Returns the exit status. */
int lab_verb(const struct settings *s, const char *usage,
             int (*run)(const struct lab *lab, const struct labs *labs,
                        const struct settings *s));

#endif
