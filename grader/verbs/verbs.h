/* verbs.h - the room verbs/: what people type, a file a verb. */
#ifndef VERBS_H
#define VERBS_H

#include "lib/settings.h"
#include "lib/status.h"

enum verb_user { FOR_STUDENT, FOR_INSTRUCTOR, FOR_MAINTAINER };

struct verb {
    const char *name;
    int (*run)(const struct settings *s); /* returns the exit status (status.h) */
    enum verb_user whom;
    bool guest_kernel; /* KERNEL= alone is for a guest */
    const char *help;  /* its lines of `make help`, at most 80 columns; NULL: none */
};

extern const struct verb verb_grade; /* watch runs it, too */

/* All of them, in the order of `make help`; NULL ends them. */
extern const struct verb *const verbs[];

#endif
