/* exports.h - the room report/exports/: results in the formats of others, one file a format. */
#ifndef EXPORTS_H
#define EXPORTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/lab.h"
#include "lib/settings.h"

struct export
{
    const char *name; /* FORMAT= */
    const char *what; /* for whom */
    /* Writes an array of records (record.h). */
    void (*write)(FILE * out, const struct labs *labs, const cJSON *records,
                  const struct settings *s);
    bool
        whole; /* a check without a verdict would look like lost points: then it is refused */
    bool several; /* records in one file; else only one is written */
};

extern const struct export export_csv, export_junit, export_gradescope, export_markdown,
    export_github, export_autolab;

/* All of them; NULL ends them. */
extern const struct export *const exports[];

/* Is a word in the list of HIDE= ("seen,hints")? */
bool hidden(const struct settings *s, const char *word);

#endif
