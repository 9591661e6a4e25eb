/* when.h - points in time as people and platforms write them. */
#ifndef WHEN_H
#define WHEN_H

#include <stdbool.h>
#include <time.h>

/* "2027-01-31T23:59+01:00"; also with a space for the T, with seconds (and a fraction), "Z", an
 * offset behind a space, and without an offset: then it is local time. */
bool when_parse(const char *text, time_t *when);

/* "2027-01-31T23:59:00+0100", local time; "" for 0 */
const char *when_text(time_t when, char buffer[40]);

#endif
