/* crash.h - in which function and line of the student's a subject crashed. */
#ifndef CRASH_H
#define CRASH_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "lib/cage.h"

/* What a place in the code is called: "walk_step", "ept_walk.c:57". */
struct code_place {
    char function[64];
    char file[160], line[24]; /* "": not known */
};

/* Reads what addr2line -f -i said of some addresses, from the inside out; at most max places. */
size_t code_places_parse(struct code_place *places, size_t max, char *text);

/* Makes a sentence's end of what a subject noted on its way down: " at ept.c:57, in table_of()
 * ...". lab: "NN-name", whose source files are the student's. Empty if nothing is known; false if
 * no line of the student's is among it. */
bool crash_describe(const struct arena_crash *crash, const char *subject, const char *lab,
                    enum cage cage, char *buffer, size_t size);

#endif
