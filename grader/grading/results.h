/* results.h - what the last gradings said, kept in build/results*.json. */
#ifndef RESULTS_H
#define RESULTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "grading/grading.h"

/* The file that keeps the results for a submission folder. */
void results_path(char *path, const char *from);
cJSON *results_load(const char *path); /* an empty object where there is none */
/* What the last grading said of a check, or NULL. */
const cJSON *results_verdict(const cJSON *results, const struct lab *lab, const char *id);
/* How many checks of a lab were an ERROR of the grader when they were last tried, although an
 * earlier verdict about the same bytes is kept. */
int results_errors(const cJSON *results, const struct lab *lab);
/* One grading as such a file keeps it. */
cJSON *results_lab(const struct grading *g);
/* Puts the gradings into the file. False with errno. */
bool results_merge(const char *path, const struct grading *list, int count);

#endif
