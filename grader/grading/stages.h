/* stages.h - what happens to an ERROR before it stands: the check again, then a control run. */
#ifndef STAGES_H
#define STAGES_H

#include <stdbool.h>

#include "grading/grading.h"

/* A stage has ended and every check that it ran has a verdict. Settles what can be settled and
 * prepares the next stage; false: there is none, all verdicts are final. */
bool stage_next(struct grading *grading);

#endif
