/* roster.h - who takes part: the course's list, as its office exports it. */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "intake/intake.h"
#include "lib/csv.h"

struct person {
    const char *id, *name, *email, *group, *login; /* "" where the list has none */
};

struct roster {
    struct csv csv;
    struct person *list;
    size_t count;
};

/* Reads a file whose first line names the columns: id; perhaps name, email, group, login (a
 * GitHub account); others are left alone. False after saying what is wrong with it. */
bool roster_load(struct roster *roster, const char *path);
void roster_free(struct roster *roster);

enum { ROSTER_NOBODY = -1, ROSTER_SEVERAL = -2 };

/* Whose is it? By id, e-mail or account, else by name. The person's number, ROSTER_NOBODY, or
 * ROSTER_SEVERAL: the name fits more than one. */
int roster_find(const struct roster *roster, const struct handin *handin);

#endif
