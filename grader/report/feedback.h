/* feedback.h - what a student gets back: text, HTML. */
#ifndef FEEDBACK_H
#define FEEDBACK_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "lib/lab.h"

void feedback_text(FILE *out, const struct labs *labs, const cJSON *record);
void feedback_html(FILE *out, const struct labs *labs, const cJSON *record);

/* The head of any page of ours: title, colours for light and dark, no script, nothing fetched. */
void page_begin(FILE *out, const char *title);
void page_end(FILE *out);

#endif
