/* versions.h - which kit, checks and machines gave a verdict, so that it can be traced and
 * repeated a year later. */
#ifndef VERSIONS_H
#define VERSIONS_H

#include <cjson/cJSON.h>

#include "lib/lab.h"
#include "lib/settings.h"

/* An object: kit (the newest entry of CHANGELOG.md), checks (a name for all checks programs and
 * what subjects are linked from), qemu, bochs, compiler, kernel; "" where something is not here. */
cJSON *versions_find(const struct labs *labs, const struct settings *s);

/* A name for all that decides about a lab's verdicts but for the submission, the seed and the
 * machine. */
void checks_key(char key[33], const struct lab *lab, const struct labs *labs);

#endif
