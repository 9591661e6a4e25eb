/* similarity.c - the verb similarity: where do submissions share more than the starter gives? */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "intake/intake.h"
#include "lib/command.h"
#include "lib/json.h"
#include "similarity/similarity.h"
#include "verbs/class_name.h"
#include "verbs/verbs.h"

#define SIMILARITY "build/similarity"

/* Earlier years: each a folder of submissions, as SUBMISSIONS= is. */
struct corpus {
    char *who;
    char folder[PATH_ROOM];
};

struct corpora {
    struct corpus *list;
    int count;
};

static void corpus_add(struct corpora *corpora, const struct course *c,
                       const struct handins *handins, const struct handin *h)
{
    char place[PATH_ROOM], *who = NULL;
    struct corpus *more;
    cJSON *read;

    path_make(place, "%s/parts", c->folder);
    read = handin_read(handins, h, &c->labs, place);
    more = reallocarray(corpora->list, (size_t)corpora->count + 1, sizeof *more);
    if (more && json_text(read, "parts")[0] &&
        asprintf(&who, "%s/%s", handins->folder, h->id) > 0) {
        corpora->list = more;
        more[corpora->count].who = who;
        path_make(more[corpora->count++].folder, "%s/%s", place, json_text(read, "parts"));
    } else if (more) {
        corpora->list = more;
    }
    cJSON_Delete(read);
}

/* CORPUS=folder,folder. False after saying what is wrong. */
static bool corpora_load(struct corpora *corpora, const struct course *c)
{
    char *list = strdup(c->settings->corpus ? c->settings->corpus : ""), *save;
    bool ok = true;

    for (char *folder = strtok_r(list, ",", &save); ok && folder;
         folder = strtok_r(NULL, ",", &save)) {
        struct handins handins;

        ok = handins_find(&handins, folder);
        if (!ok)
            fprintf(stderr, "grader: CORPUS=%s cannot be read: %s\n", folder,
                    strerror(errno));
        for (size_t i = 0; ok && i < handins.count; i++)
            corpus_add(corpora, c, &handins, &handins.list[i]);
        handins_free(&handins);
    }
    free(list);
    return ok;
}

static void lab_texts(struct lab_pairs *lp, const struct course *c,
                      const struct corpora *corpora)
{
    struct starter *starter = starter_load(lp->lab);
    const cJSON *student;
    char folder[PATH_ROOM];

    cJSON_ArrayForEach(student, cJSON_GetObjectItem(c->plan, "students"))
    {
        const char *parts = json_text(try_counting(student), "parts");

        if (!parts[0])
            continue;
        path_make(folder, "%s/parts/%s", c->folder, parts);
        texts_add(&lp->texts, starter, lp->lab, folder, json_text(student, "id"), false);
    }
    texts_add(&lp->texts, starter, lp->lab, "solutions", "the reference", true);
    for (int i = 0; i < corpora->count; i++)
        texts_add(&lp->texts, starter, lp->lab, corpora->list[i].folder,
                  corpora->list[i].who, true);
    starter_free(starter);
}

static bool lab_compare(struct lab_pairs *lp, const struct course *c,
                        const struct corpora *corpora)
{
    char folder[PATH_ROOM];
    int above = 0;

    lab_texts(lp, c, corpora);
    path_make(folder, "%s/sim/%s", c->folder, lp->lab->name);
    if (!runs_find(&lp->runs, &lp->texts, folder))
        return false;
    lp->pairs = pairs_make(&lp->texts, &lp->runs);
    for (int i = 0; i < lp->pairs.count; i++)
        above += lp->pairs.list[i].percent >= LINE_PERCENT;
    printf("Lab %02d: %d texts, %d pairs above the line of %d %%, %d groups\n",
           lp->lab->number, lp->texts.count, above, LINE_PERCENT, lp->pairs.groups);
    for (int i = 0; i < above; i++)
        printf("  %3d %%  %s  %s\n", lp->pairs.list[i].percent,
               lp->texts.list[lp->pairs.list[i].a].who,
               lp->texts.list[lp->pairs.list[i].b].who);
    if (layout_write(c->folder, c, lp->lab))
        return true;
    fprintf(stderr, "grader: cannot write to %s: %s\n", c->folder, strerror(errno));
    return false;
}

static bool labs_compare(const struct course *c, const struct corpora *corpora)
{
    struct lab_pairs list[LABS_MAX];
    int count = 0;
    bool ok = true;

    for (int i = 0; ok && i < c->labs.count; i++)
        if (c->chosen[i]) {
            list[count] = (struct lab_pairs){.lab = &c->labs.list[i]};
            ok = lab_compare(&list[count++], c, corpora);
        }
    if (ok && !similarity_page(c->folder, strrchr(c->folder, '/') + 1, list, count)) {
        fprintf(stderr, "grader: cannot write to %s: %s\n", c->folder, strerror(errno));
        ok = false;
    }
    for (int i = 0; i < count; i++) {
        texts_free(&list[i].texts);
        free(list[i].runs.list);
        pairs_free(&list[i].pairs);
    }
    return ok;
}

/* Reads all submissions; the status to end with if that fails. */
static int course_read(struct course *c, const struct settings *s)
{
    c->settings = s;
    c->lock = -1;
    if (!labs_load(&c->labs))
        return EXIT_GRADER;
    if (!labs_choose(&c->labs, s->lab ? s->lab : s->labs, c->chosen))
        return EXIT_USAGE;
    if (!folder_make(c->folder)) {
        fprintf(stderr, "grader: cannot make %s: %s\n", c->folder, strerror(errno));
        return EXIT_GRADER;
    }
    return plan_make(c) ? EXIT_ALL : EXIT_USAGE;
}

static int similarity_verb(const struct settings *s)
{
    struct course course = {.lock = -1};
    struct corpora corpora = {.list = NULL};
    char name[100];
    int status;

    if (!class_name_choose(name, s))
        return EXIT_USAGE;
    if (!program_there("sim_c")) {
        fprintf(stderr, "grader: similarity-tester is not installed: sudo apt install "
                        "similarity-tester\n");
        return EXIT_GRADER;
    }
    path_make(course.folder, SIMILARITY "/%s", name);
    status = course_read(&course, s);
    if (status == EXIT_ALL && !corpora_load(&corpora, &course))
        status = EXIT_USAGE;
    if (status == EXIT_ALL)
        status = labs_compare(&course, &corpora) ? EXIT_ALL : EXIT_GRADER;
    if (status == EXIT_ALL)
        printf("Places to look at, not accusations: %s/index.html\n"
               "For MOSS, JPlag, Dolos: %s/other-tools/\n",
               course.folder, course.folder);
    for (int i = 0; i < corpora.count; i++)
        free(corpora.list[i].who);
    free(corpora.list);
    course_close(&course);
    return status;
}

const struct verb verb_similarity = {
    .name = "similarity",
    .run = similarity_verb,
    .whom = FOR_INSTRUCTOR,
    .help = "make similarity SUBMISSIONS=dir   who shares more than the starter gives\n"
            "      CORPUS=dir,dir LABS=1-6 other years' submissions to compare to\n",
};
