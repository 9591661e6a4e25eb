/* settings.h - the NAME=value words behind a verb. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct settings {
    const char *lab, *check, *from, *target;
    const char *seed_text;
    const char *own, *sanitize, *yes, *times, *text, *named;
    const char *all, *problems;
    const char *kernel, *modules, *cage;
    const char *labs; /* a list of them: labs_choose() */
    const char *submissions, *name, *roster, *deadline, *engine, *jobs; /* of a class */
    const char *units, *unit;                                           /* of its engines */
    const char *partition, *time, *memory, *hosts;
    const char *format, *hide; /* of an export */
    const char *hints, *sources, *corpus;
    const char *command_line, *device, *cpus; /* of make boot */
    bool not_own;                             /* OWN=0 was said */
    uint64_t seed;
};

uint64_t seed_random(void);

/* Fills *s, or explains what is wrong on stderr and returns false. */
bool settings_parse(struct settings *s, int count, char **words);

/* The machine's own kernel comes with its modules. (One for a guest, of make boot, does not.) */
bool settings_kernel(const struct settings *s);

#endif
