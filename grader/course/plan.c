/* plan.c - who handed in what, and which verdicts that wants. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "course/course.h"
#include "intake/intake.h"
#include "intake/roster.h"
#include "judge/text.h"
#include "lib/hash.h"
#include "lib/json.h"
#include "lib/when.h"
#include "prepare/versions.h"
#include "report/terminal.h"

#define FORMAT     1
#define PLAN_BYTES (256u << 20)

/* What a plan is made from. */
struct intake {
    struct course *course;
    struct roster roster;
    struct handins handins;
    time_t deadline; /* 0: none */
    cJSON *students;
    char place[PATH_ROOM]; /* of the parts */
};

const cJSON *try_counting(const cJSON *student)
{
    const cJSON *counts = cJSON_GetObjectItem(student, "counts");

    return counts
               ? cJSON_GetArrayItem(cJSON_GetObjectItem(student, "tries"), counts->valueint)
               : NULL;
}

const char *try_lab_state(const cJSON *handed, const char *lab)
{
    return json_text(cJSON_GetObjectItem(handed, "labs"), lab);
}

static void add_clean(cJSON *object, const char *name, const char *text)
{
    char *copy = strdup(text ? text : "");

    if (copy)
        text_clean(copy);
    cJSON_AddStringToObject(object, name, copy ? copy : "");
    free(copy);
}

/* A name for files: letters, digits, '.', '_' and '-'; others make it end in a hash, so that two
 * do not become one. */
static void folder_name(const char *id, char name[64])
{
    bool odd = !*id || *id == '.' || *id == '-' || strlen(id) > 40;
    size_t n = 0;

    for (const char *c = id; *c && n < 40; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || *c == '_' || *c == '-' ||
                     (*c == '.' && n > 0);

        odd |= !plain;
        name[n++] = plain ? *c : '_';
    }
    name[n] = 0;
    if (odd) {
        struct hash *hash = hash_new();
        char key[33];

        hash_text(hash, id);
        hash_finish(hash, key);
        snprintf(name + n, 64 - n, "-%.8s", key);
    }
}

static cJSON *student_add(struct intake *in, const struct person *p, bool listed)
{
    cJSON *student = cJSON_CreateObject();
    char folder[64];

    folder_name(p->id, folder);
    add_clean(student, "id", p->id);
    add_clean(student, "name", p->name);
    add_clean(student, "email", p->email);
    add_clean(student, "group", p->group);
    cJSON_AddStringToObject(student, "folder", folder);
    cJSON_AddBoolToObject(student, "listed", listed);
    cJSON_AddArrayToObject(student, "tries");
    cJSON_AddItemToArray(in->students, student);
    return student;
}

/* The student of a hand-in: of the roster, or one who came up before, or a new one. */
static cJSON *student_find(struct intake *in, const struct handin *h)
{
    int row = roster_find(&in->roster, h);
    cJSON *student;
    char *id = strdup(h->id);

    if (row >= 0) {
        free(id);
        return cJSON_GetArrayItem(in->students, row);
    }
    if (id)
        text_clean(id);
    cJSON_ArrayForEach(student, in->students)
    {
        if (!cJSON_IsTrue(cJSON_GetObjectItem(student, "listed")) && id &&
            strcmp(json_text(student, "id"), id) == 0)
            break;
    }
    free(id);
    if (student)
        return student;
    student = student_add(
        in, &(struct person){.id = h->id, .name = h->name, .email = h->email, .group = ""},
        false);
    if (row == ROSTER_SEVERAL)
        cJSON_AddStringToObject(student, "problem", "the name fits several of the roster");
    return student;
}

/* The verdicts that a try wants: of the labs that count and of which something was handed in. */
static void keys_add(const struct course *c, cJSON *handed)
{
    cJSON *keys = cJSON_AddObjectToObject(handed, "keys");
    char key[33];

    for (int i = 0; i < c->labs.count; i++) {
        const struct lab *lab = &c->labs.list[i];

        if (!c->chosen[i] || strcmp(try_lab_state(handed, lab->name), "handed in") != 0)
            continue;
        verdict_key(key, c, lab, json_text(handed, "parts"));
        cJSON_AddStringToObject(keys, lab->name, key);
    }
}

static time_t newest_of(const cJSON *handed)
{
    const cJSON *newest = cJSON_GetObjectItem(handed, "newest");

    return newest ? (time_t)newest->valuedouble : 0;
}

/* A platform's word on the time is better than that of a file. */
static void time_add(const struct intake *in, const struct handin *h, cJSON *handed)
{
    time_t when = h->when ? h->when : newest_of(handed);
    bool late = h->late || (in->deadline && when > in->deadline);

    cJSON_DeleteItemFromObject(handed, "newest");
    cJSON_AddNumberToObject(handed, "when", (double)when);
    cJSON_AddStringToObject(handed, "when_from",
                            h->when ? h->when_from : "the newest file or the archive");
    cJSON_AddBoolToObject(handed, "late", late);
}

static void handin_take(struct intake *in, const struct handin *h)
{
    cJSON *student = student_find(in, h);
    cJSON *handed = handin_read(&in->handins, h, &in->course->labs, in->place);

    add_clean(handed, "source", h->source);
    cJSON_AddStringToObject(handed, "form", h->form);
    cJSON_AddStringToObject(handed, "attempt", h->attempt);
    time_add(in, h, handed);
    keys_add(in->course, handed);
    cJSON_AddItemToArray(cJSON_GetObjectItem(student, "tries"), handed);
}

/* The last one counts. */
static void counting_choose(cJSON *student)
{
    const cJSON *handed;
    double last = -1;
    int number = 0, counts = -1;

    cJSON_ArrayForEach(handed, cJSON_GetObjectItem(student, "tries"))
    {
        double when = cJSON_GetNumberValue(cJSON_GetObjectItem(handed, "when"));

        if (when >= last) {
            last = when;
            counts = number;
        }
        number++;
    }
    if (counts >= 0)
        cJSON_AddNumberToObject(student, "counts", counts);
}

static void students_make(struct intake *in)
{
    cJSON *student;

    in->students = cJSON_CreateArray();
    for (size_t i = 0; i < in->roster.count; i++)
        student_add(in, &in->roster.list[i], true);
    for (size_t i = 0; i < in->handins.count; i++) {
        progress_line("reading what was handed in: %zu of %zu", i + 1, in->handins.count);
        handin_take(in, &in->handins.list[i]);
    }
    progress_line("%s", "");
    cJSON_ArrayForEach(student, in->students)
    {
        counting_choose(student);
    }
}

static cJSON *labs_list(const struct course *c)
{
    cJSON *list = cJSON_CreateArray();

    for (int i = 0; i < c->labs.count; i++)
        if (c->chosen[i])
            cJSON_AddItemToArray(list, cJSON_CreateString(c->labs.list[i].name));
    return list;
}

static bool plan_write(struct course *c)
{
    char path[PATH_ROOM], *text = cJSON_Print(c->plan);
    bool ok;

    path_make(path, "%s/class.json", c->folder);
    ok = text && file_write(path, text, strlen(text));
    if (!ok)
        fprintf(stderr, "grader: cannot write %s: %s\n", path, strerror(errno));
    free(text);
    return ok;
}

static void plan_fill(struct intake *in)
{
    struct course *c = in->course;
    char seed[32];

    snprintf(seed, sizeof seed, "%llu", (unsigned long long)c->seed);
    c->plan = cJSON_CreateObject();
    cJSON_AddNumberToObject(c->plan, "format", FORMAT);
    add_clean(c->plan, "name", strrchr(c->folder, '/') + 1);
    cJSON_AddStringToObject(c->plan, "seed", seed);
    cJSON_AddBoolToObject(c->plan, "own", c->own);
    cJSON_AddNumberToObject(c->plan, "deadline", (double)in->deadline);
    cJSON_AddBoolToObject(c->plan, "roster", in->roster.count > 0);
    cJSON_AddItemToObject(c->plan, "labs", labs_list(c));
    cJSON_AddItemToObject(c->plan, "versions", versions_find(&c->labs, c->settings));
    cJSON_AddItemToObject(c->plan, "students", in->students);
    cJSON_AddItemToObject(c->plan, "strangers", in->handins.strangers);
    in->handins.strangers = NULL;
}

/* What was asked for, before anything is done. */
static bool intake_begin(struct intake *in, const struct settings *s)
{
    if (s->deadline && !when_parse(s->deadline, &in->deadline)) {
        fprintf(stderr,
                "grader: DEADLINE=%s is no time; for example DEADLINE=2027-01-31T23:59 or "
                "2027-01-31T23:59+01:00\n",
                s->deadline);
        return false;
    }
    if (s->roster && !roster_load(&in->roster, s->roster))
        return false;
    if (!handins_find(&in->handins, s->submissions)) {
        fprintf(stderr, "grader: SUBMISSIONS=%s cannot be read: %s\n", s->submissions,
                strerror(errno));
        return false;
    }
    if (in->handins.count > 0)
        return true;
    fprintf(stderr,
            "grader: SUBMISSIONS=%s holds no submission: a folder or an archive "
            "(.zip, .tar.gz, .tar.xz) per student\n",
            s->submissions);
    return false;
}

bool plan_make(struct course *c)
{
    struct intake in = {.course = c};
    bool ok = intake_begin(&in, c->settings);

    path_make(in.place, "%s/parts", c->folder);
    if (ok && !folder_make(in.place)) {
        fprintf(stderr, "grader: cannot make %s: %s\n", in.place, strerror(errno));
        ok = false;
    }
    if (ok) {
        students_make(&in);
        plan_fill(&in);
        ok = plan_write(c);
    }
    handins_free(&in.handins);
    roster_free(&in.roster);
    return ok;
}

bool plan_load(struct course *c)
{
    char path[PATH_ROOM], *text;
    const cJSON *name;

    path_make(path, "%s/class.json", c->folder);
    text = file_read(path, PLAN_BYTES, NULL);
    c->plan = text ? cJSON_Parse(text) : NULL;
    free(text);
    if (!c->plan || json_int(c->plan, "format") != FORMAT) {
        fprintf(stderr, "grader: %s is missing or damaged; run make class again\n", path);
        return false;
    }
    c->own = cJSON_IsTrue(cJSON_GetObjectItem(c->plan, "own"));
    for (int i = 0; i < c->labs.count; i++) {
        c->chosen[i] = false;
        cJSON_ArrayForEach(name, cJSON_GetObjectItem(c->plan, "labs"))
        {
            c->chosen[i] |= strcmp(name->valuestring, c->labs.list[i].name) == 0;
        }
    }
    return true;
}
