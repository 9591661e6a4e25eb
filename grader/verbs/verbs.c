/* verbs.c - the list of verbs. A new one is a file of its own here, and a row. (The Makefile
 * reads the rows, too.) */
#include <stddef.h>

#include "verbs/verbs.h"

/* clang-format off */
#define ROWS        \
    ROW(progress)   \
    ROW(grade)      \
    ROW(watch)      \
    ROW(hint)       \
    ROW(reset)      \
    ROW(run)        \
    ROW(boot)       \
    ROW(trace)      \
    ROW(debug)      \
    ROW(submit)     \
    ROW(shell)      \
    ROW(doctor)     \
    ROW(dist)       \
    ROW(class)      \
    ROW(unit)       \
    ROW(gather)     \
    ROW(export)     \
    ROW(similarity) \
    ROW(version)    \
    ROW(mutants)    \
    ROW(attacks)    \
    ROW(bench)      \
    ROW(help)

/* clang-format on */

#define ROW(name) extern const struct verb verb_##name;
ROWS
#undef ROW

    const struct verb *const verbs[] = {
#define ROW(name) &verb_##name,
        ROWS NULL};
