/* report.h - the room report/: verdicts for people. */
#ifndef REPORT_H
#define REPORT_H

#include <cjson/cJSON.h>

#include "grading/grading.h"

/* "0.5", "12" */
const char *points_text(int tenths, char buffer[16]);

/* "exit 17", "the last step": a verdict's "point" in words; "": it has none */
const char *point_text(const cJSON *point, char buffer[40]);

void report_print(const struct grading *grading, const struct settings *s);
void report_total(const struct grading *list, int count);

#endif
