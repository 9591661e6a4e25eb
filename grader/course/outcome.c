/* outcome.c - the files that come out. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "course/outcome.h"
#include "lib/json.h"
#include "lib/pack.h"
#include "lib/whole.h"
#include "report/class_page.h"
#include "report/exports.h"
#include "report/feedback.h"
#include "report/record.h"
#include "report/terminal.h"

static bool fail(const char *path)
{
    fprintf(stderr, "grader: cannot write %s: %s\n", path, strerror(errno));
    return false;
}

/* By a writer of the room report/. */
static bool export_write(const struct course *c, const cJSON *records,
                         const struct export *e, const char *name)
{
    char path[PATH_ROOM], fresh[PATH_ROOM];
    FILE *out;

    path_make(path, "%s/%s", c->folder, name);
    out = whole_open(fresh, path);
    if (out)
        e->write(out, &c->labs, records, c->settings);
    return whole_close(out, fresh, path) || fail(path);
}

static bool page_write(const struct course *c, const cJSON *records)
{
    char path[PATH_ROOM], fresh[PATH_ROOM];
    FILE *out;

    path_make(path, "%s/class.html", c->folder);
    out = whole_open(fresh, path);
    if (out)
        class_page(out, &c->labs, c->plan, records);
    return whole_close(out, fresh, path) || fail(path);
}

static bool feedback_file(const struct course *c, const cJSON *record, const char *name,
                          void (*write)(FILE *, const struct labs *, const cJSON *))
{
    char path[PATH_ROOM], fresh[PATH_ROOM];
    FILE *out;

    path_make(path, "%s/feedback/%s/%s", c->folder, json_text(record, "folder"), name);
    out = whole_open(fresh, path);
    if (out)
        write(out, &c->labs, record);
    return whole_close(out, fresh, path) || fail(path);
}

static void results_write(FILE *out, const struct labs *labs, const cJSON *record)
{
    char *text = cJSON_Print(record);

    (void)labs;
    fprintf(out, "%s\n", text ? text : "");
    free(text);
}

static bool feedback_write(const struct course *c, const cJSON *record)
{
    char path[PATH_ROOM];

    path_make(path, "%s/feedback/%s", c->folder, json_text(record, "folder"));
    return (folder_make(path) || fail(path)) &&
           feedback_file(c, record, "feedback.txt", feedback_text) &&
           feedback_file(c, record, "feedback.html", feedback_html) &&
           feedback_file(c, record, "results.json", results_write);
}

/* Moodle takes feedback back in folders of the names that it gave; a file that lay loose has the
 * name up to its own. */
static void moodle_folder(const cJSON *record, char *folder, size_t size)
{
    const char *source = json_text(record, "source");
    const char *mark = strstr(source, "_assignsubmission_file");
    size_t length = strlen(source);

    if (mark)
        length = (size_t)(mark - source) + strlen("_assignsubmission_file");
    snprintf(folder, size, "%.*s%s", (int)length, source, mark ? "_" : "");
}

static bool moodle_write(const struct course *c, const cJSON *records)
{
    char path[PATH_ROOM], file[PATH_ROOM], folder[300], name[400];
    struct pack *pack;
    const cJSON *record;
    bool ok = true;

    path_make(path, "%s/feedback-moodle.zip", c->folder);
    pack = pack_begin(path);
    cJSON_ArrayForEach(record, records)
    {
        if (!json_text(record, "source")[0])
            continue;
        moodle_folder(record, folder, sizeof folder);
        snprintf(name, sizeof name, "%s/feedback.html", folder);
        path_make(file, "%s/feedback/%s/feedback.html", c->folder,
                  json_text(record, "folder"));
        ok = ok && pack && pack_file(pack, name, file);
    }
    return (pack_end(pack) && ok) || fail(path);
}

bool outcome_write(const struct course *c, const cJSON *records)
{
    const cJSON *record;
    int n = 0, count = cJSON_GetArraySize(records);

    cJSON_ArrayForEach(record, records)
    {
        progress_line("writing feedback: %d of %d", ++n, count);
        if (!feedback_write(c, record))
            return false;
    }
    progress_line("%s", "");
    return export_write(c, records, &export_csv, "grades.csv") &&
           export_write(c, records, &export_junit, "junit.xml") && page_write(c, records) &&
           moodle_write(c, records);
}
