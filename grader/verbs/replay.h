/* replay.h - make attacks NAMED=replay: does a check believe what could be known beforehand? */
#ifndef REPLAY_H
#define REPLAY_H

#include "grading/grading.h"

struct replay_count {
    int sound, unsound; /* checks */
};

/* Records what the reference hands in under one seed, for every check (of one lab, or of all where
 * lab is NULL), and has a subject that does nothing else hand it in under other seeds. Prints the
 * checks that pass. Returns what it found; unsound also counts what could not be recorded. */
struct replay_count replay_checks(const struct labs *labs, const struct lab *lab,
                                  const struct targets_found *targets, uint64_t seed);

#endif
