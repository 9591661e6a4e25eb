/* record.h - what came of one student's work: what grade books, feedback and exports are written
 * from. A JSON object:
 *   class, student {id, name, email, group}, folder, versions{}
 *   status     "graded", "missing", "unreadable", "needs a person"
 *   problem    a sentence, where a person is needed
 *   late, submitted (text), source
 *   points     absent where there is no telling
 *   of         of the labs that count
 *   labs       NN-name -> as results.json keeps it (results.h), and "state": "graded",
 *              "not handed in", "unclear", "error"
 *   handed_in, other_tries   what was handed in */
#ifndef RECORD_H
#define RECORD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/lab.h"

const cJSON *record_lab(const cJSON *record,
                        const struct lab *lab); /* NULL: does not count */
const cJSON *record_check(const cJSON *record, const struct lab *lab, const char *id);
bool record_late(const cJSON *record);

/* Points of a record or of one of its labs, in tenths; -1: there is no telling. */
int record_tenths(const cJSON *object);

/* What a student sees of one failed check: "handout ...; slide ...; SDM ...". */
void read_text(const cJSON *check, char *text, size_t size);

/* "pass", "fail", "skip", "error", or "" */
const char *check_word(const cJSON *verdict);

/* Text in HTML and XML: <, >, &, quotes. What XML cannot hold has become '?' before. */
void markup_text(FILE *out, const char *text);

#endif
