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
    const char *kernel, *modules;
    uint64_t seed;
};

uint64_t seed_random(void);

/* Fills *s, or explains what is wrong on stderr and returns false. */
bool settings_parse(struct settings *s, int count, char **words);

#endif
