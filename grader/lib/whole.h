/* whole.h - files that are written piece by piece, and are there whole or not at all. */
#ifndef WHOLE_H
#define WHOLE_H

#include <stdbool.h>
#include <stdio.h>

/* Opens one; fresh[PATH_ROOM] keeps the name that it has until then. NULL with errno. */
FILE *whole_open(char *fresh, const char *path);
/* Closes it, and gives it its name; false with errno: it is not there. out may be NULL. */
bool whole_close(FILE *out, const char *fresh, const char *path);

#endif
