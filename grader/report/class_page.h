/* class_page.h - a class at a glance: what to teach again on Monday. One page, needs nothing else. */
#ifndef CLASS_PAGE_H
#define CLASS_PAGE_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "lib/lab.h"

/* plan: what the class was made from (course.h); records: what came of it (record.h). */
void class_page(FILE *out, const struct labs *labs, const cJSON *plan,
                const cJSON *records);

#endif
