/* traces.h - the recorded runs of a lab: where they are kept, and which there are. */
#ifndef TRACES_H
#define TRACES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/lab.h"
#include "lib/settings.h"

/* A check may have two files: ID, what the kernel recorded, and ID VIEW_SUFFIX, what the check
 * kept for a page. */
#define VIEW_SUFFIX ".view"

/* Where recorded runs of a lab are kept (PATH_ROOM bytes). */
void traces_folder(char *folder, const struct lab *lab, const struct settings *s);

/* The check whose recorded run shows most of the lab; "": none is named. */
const char *trace_best(const struct lab *lab);

/* Is there anything that `make trace` can show of a check, or (NULL) of the lab? */
bool trace_there(const struct lab *lab, const struct settings *s, const char *check);

/* The check of the newest recorded run; with CHECK=, that one. False: nothing is kept of it. */
bool trace_newest(char *id, size_t size, const struct lab *lab, const struct settings *s);

/* Does the folder hold anything of a check? */
bool trace_kept(const char *folder, const char *id);

#endif
