/* gather.c - the end of a class run: errors once more, alone; then all that comes out. It can be
 * done again at any time. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "course/engines.h"
#include "course/outcome.h"
#include "lib/json.h"
#include "lib/status.h"
#include "report/record.h"

/* What has no verdicts: an ERROR, or a unit that died. One at a time, with nothing beside it. */
static bool errors_again(const struct course *c)
{
    cJSON *units = units_left(c, true);
    char path[PATH_ROOM];
    int count = cJSON_GetArraySize(units);
    bool ok = true;

    if (count > 0) {
        fprintf(stderr, "grader: %d labs without a verdict: once more, one at a time\n",
                units_labs(units));
        ok = units_write(c, units, path) && engine_of_here.run(c, path, units, 1);
    }
    cJSON_Delete(units);
    return ok;
}

static int status_count(const cJSON *records, const char *status)
{
    const cJSON *record;
    int n = 0;

    cJSON_ArrayForEach(record, records)
    {
        n += strcmp(json_text(record, "status"), status) == 0;
    }
    return n;
}

static void summary_print(const struct course *c, const cJSON *records)
{
    const cJSON *record, *stranger;
    int late = 0;

    cJSON_ArrayForEach(record, records)
    {
        late += record_late(record);
    }
    printf("%d students: %d graded, %d missing, %d unreadable, %d need a person; %d late\n",
           cJSON_GetArraySize(records), status_count(records, "graded"),
           status_count(records, "missing"), status_count(records, "unreadable"),
           status_count(records, "needs a person"), late);
    cJSON_ArrayForEach(record, records)
    {
        if (json_text(record, "problem")[0])
            printf("  %s: %s\n", json_text(cJSON_GetObjectItem(record, "student"), "id"),
                   json_text(record, "problem"));
    }
    cJSON_ArrayForEach(stranger, cJSON_GetObjectItem(c->plan, "strangers"))
    {
        printf("  not a submission: %s\n", stranger->valuestring);
    }
    printf("Grades:    %s/grades.csv\nAt a glance: %s/class.html\n"
           "Feedback:  %s/feedback/ (for Moodle: %s/feedback-moodle.zip)\n"
           "Repeat it with SEED=%s (keep it to yourself)\n",
           c->folder, c->folder, c->folder, c->folder, json_text(c->plan, "seed"));
}

int course_gather(struct course *c)
{
    cJSON *records;
    int status = EXIT_GRADER;

    if (!errors_again(c))
        return EXIT_GRADER;
    records = records_make(c);
    if (outcome_write(c, records)) {
        summary_print(c, records);
        status =
            status_count(records, "needs a person") + status_count(records, "unreadable")
                ? EXIT_POINTS
                : EXIT_ALL;
    }
    cJSON_Delete(records);
    return status;
}
