/* capstone.h - lab 11: what is special about it. Its points are shown apart, it stands on one's
 * own parts where they are complete, and `make grade` leaves it out before it is begun. */
#ifndef CAPSTONE_H
#define CAPSTONE_H

#include <stdbool.h>
#include <stdint.h>

#define CAPSTONE_LAB  "11-boot-linux"
#define CAPSTONE_NOTE 120

/* --- words, for the judge and for `make boot` (judge/capstone.c) ------------------------------- */

/* The function of a step of linux_vm_run(), for messages. */
const char *capstone_step(uint32_t step);

/* What an errno means at that step. */
const char *capstone_error(uint32_t step, int error);

/* --- in the grader (capstone.c) ------------------------------------------------------------------ */

struct lab;
struct labs;
struct settings;
struct submission;

/* Is any part in the folder another than the starter? */
bool capstone_begun(const struct lab *lab, const char *from);

/* Decides whose parts 01, 02, 03 and 08 are linked: in labs/, one's own where the lab has all its
 * points, unless OWN= says something. note: that in a sentence; "": nothing to be said. */
void capstone_submission(struct submission *submission, const struct labs *labs,
                         const struct settings *s, char note[CAPSTONE_NOTE]);

#endif
