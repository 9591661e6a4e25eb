/* report.h - the room report/: verdicts for people. */
#ifndef REPORT_H
#define REPORT_H

#include <cjson/cJSON.h>

#include "grading/grading.h"

/* "0.5", "12" */
const char *points_text(int tenths, char buffer[16]);

/* "exit 17", "the last step": a verdict's "point" in words; "": it has none */
const char *point_text(const cJSON *point, char buffer[40]);

/* " FROM=folder" for a command that is to be typed; "": it is labs */
const char *from_words(const struct settings *s, char buffer[80]);

void report_print(const struct grading *grading, const struct settings *s);
/* A line for each check that failed, as a compiler would say it: "FILE:LINE: error: ...", with
 * the line where it crashed, or else where the TODO of the check's step still stands. */
void problems_print(const struct grading *grading, const char *from);
/* And what the capstone's last grading said, if there was one. */
void report_total(const struct grading *list, int count, const struct labs *labs,
                  const char *from);

#endif
