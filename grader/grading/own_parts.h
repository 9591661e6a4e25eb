/* own_parts.h - one's own parts of other labs, as far as they are known to be good. */
#ifndef OWN_PARTS_H
#define OWN_PARTS_H

#include <cjson/cJSON.h>

#include "lib/lab.h"

#define OWN_PARTS_NOTE 200

/* Tenths that the verdicts of a lab have earned so far (results_load()). */
int lab_earned(const cJSON *results, const struct lab *lab);

/* OWN=1: which earlier labs of that folder lack points, in a sentence, as what fails may come from
 * there; "": none does. */
void own_parts_note(const struct labs *labs, const struct lab *lab, const char *from,
                    char note[OWN_PARTS_NOTE]);

#endif
