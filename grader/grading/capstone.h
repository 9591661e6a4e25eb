/* capstone.h - lab 11: what is special about it. Its points are shown apart, it stands on one's
 * own parts where they are complete, and is graded when it is named: `make grade LAB=11`. */
#ifndef CAPSTONE_H
#define CAPSTONE_H

#include "lib/lab.h"
#include "lib/settings.h"
#include "submission/submission.h"

#define CAPSTONE_NOTE 200

/* What the last `make grade LAB=11` of that folder said, in tenths of *of; -1: there was none. */
int capstone_earned(const struct labs *labs, const char *from, int *of);

/* Decides whose parts 01, 02, 03 and 08 are linked: in labs/, one's own where the lab has all its
 * points, unless OWN= says something. note: that in a sentence; "": nothing to be said. */
void capstone_submission(struct submission *submission, const struct labs *labs,
                         const struct settings *s, char note[CAPSTONE_NOTE]);

#endif
