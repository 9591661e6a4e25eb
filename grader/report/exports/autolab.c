/* autolab.c - the line that an Autolab autograder prints last: {"scores": {"NN-name": points}}. */
#define _GNU_SOURCE
#include "report/exports.h"
#include "report/record.h"

static void autolab_write(FILE *out, const struct labs *labs, const cJSON *records,
                          const struct settings *s)
{
    const cJSON *record = cJSON_GetArrayItem(records, 0);
    const char *comma = "";

    (void)s;
    fputs("{\"scores\": {", out);
    for (int i = 0; i < labs->count; i++) {
        int tenths = record_tenths(record_lab(record, &labs->list[i]));

        if (tenths < 0)
            continue;
        fprintf(out, "%s\"%s\": %d.%d", comma, labs->list[i].name, tenths / 10,
                tenths % 10);
        comma = ", ";
    }
    fputs("}}\n", out);
}

const struct export export_autolab = {"autolab", "the line that Autolab reads",
                                      autolab_write, true, false};
