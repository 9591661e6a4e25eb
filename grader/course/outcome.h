/* outcome.h - inside of the room course/: what is written when all is graded. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "course/course.h"

/* An array of records (report/record.h), in the order of the plan. */
cJSON *records_make(const struct course *c);

/* Writes grades.csv, junit.xml, class.html, feedback/ and the zip for Moodle. False after saying
 * what could not be written. */
bool outcome_write(const struct course *c, const cJSON *records);

#endif
