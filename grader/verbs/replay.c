/* replay.c - no check may pass on what could be known beforehand: what the reference hands in under
 * one seed (its output, its checkpoints, its calls to the pretended KVM) is handed in again under
 * others, by a subject that does nothing else (subjects/replay.c). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/files.h"
#include "lib/json.h"
#include "report/terminal.h"
#include "verbs/replay.h"

#define REPLAYS                                                                            \
    3 /* other seeds: a guess among a few values must not hide an unsound check */
#define WORKERS 2

struct replay {
    struct grading recorded, replayed[REPLAYS];
    char folder[PATH_ROOM];
};

static void replays_progress(const struct grading *list, int count)
{
    int done = 0;

    for (int i = 0; i < count; i++)
        done += list[i].done;
    progress_line("replay: %d of %d", done, count);
}

/* How often it passed under another seed. */
static int passes_count(const struct replay *r, const char *id)
{
    int passes = 0;

    for (int i = 0; i < REPLAYS; i++)
        passes += strcmp(grading_verdict(&r->replayed[i], id), "pass") == 0;
    return passes;
}

/* Skipped checks have nothing to hand in. */
static void check_count(const struct replay *r, const char *id, struct replay_count *count)
{
    const char *recorded = grading_verdict(&r->recorded, id);
    int passes = passes_count(r, id);

    if (strcmp(recorded, "skip") == 0)
        return;
    if (strcmp(recorded, "pass") != 0)
        printf("FAIL  %s: the reference did not pass it (%s), so it was not recorded\n", id,
               recorded);
    else if (passes)
        printf("FAIL  %s (lab %d): it passes with what was handed in under another seed "
               "(%d of %d)\n",
               id, r->recorded.lab->number, passes, REPLAYS);
    if (passes || strcmp(recorded, "pass") != 0)
        count->unsound++;
    else
        count->sound++;
}

static void lab_count(const struct replay *r, struct replay_count *count)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(r->recorded.lab->declared, "checks"))
        check_count(r, json_text(check, "id"), count);
}

static bool replay_prepare(struct replay *r, const struct lab *lab, uint64_t seed)
{
    path_make(r->folder, "build/tmp/replay.XXXXXX");
    r->recorded =
        (struct grading){.lab = lab,
                         .submission = {.folder = "solutions", .label = "solutions"},
                         .record = r->folder,
                         .seed = seed};
    for (int i = 0; i < REPLAYS; i++)
        r->replayed[i] = (struct grading){
            .lab = lab, .replay = r->folder, .seed = seed + (uint64_t)i + 1};
    return folder_make("build/tmp") && mkdtemp(r->folder);
}

static void replay_lab(const struct labs *labs, const struct lab *lab,
                       const struct targets_found *targets, uint64_t seed,
                       struct replay_count *count)
{
    struct replay *r = calloc(1, sizeof *r);

    if (!r || !replay_prepare(r, lab, seed)) {
        printf("FAIL  replay (lab %d) could not be prepared\n", lab->number);
        count->unsound++;
        free(r);
        return;
    }
    gradings_run(&r->recorded, 1, labs, targets, 1, NULL);
    gradings_run(r->replayed, REPLAYS, labs, targets, WORKERS, replays_progress);
    progress_line("%s", "");
    lab_count(r, count);
    folder_remove(r->folder);
    gradings_free(&r->recorded, 1);
    gradings_free(r->replayed, REPLAYS);
    free(r);
}

struct replay_count replay_checks(const struct labs *labs, const struct lab *lab,
                                  const struct targets_found *targets, uint64_t seed)
{
    struct replay_count count = {0};

    for (int i = 0; i < labs->count; i++)
        if (!lab || lab == &labs->list[i])
            replay_lab(labs, &labs->list[i], targets, seed, &count);
    if (count.unsound == 0)
        printf("ok    replay: no check of %d passes with what was handed in before\n",
               count.sound);
    return count;
}
