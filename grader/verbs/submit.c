/* submit.c - the verb submit: the parts in one archive, as a course takes them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grading/results.h"
#include "lib/command.h"
#include "lib/files.h"
#include "lib/json.h"
#include "lib/lab.h"
#include "report/report.h"
#include "report/terminal.h"
#include "submission/submission.h"
#include "verbs/verbs.h"

#define FOLDER       "build/submit"
#define PARTS_IN_ALL (LABS_MAX * PARTS_MAX)
#define WORDS        20 /* of tar, beside the parts */

/* The parts that go into the archive, as names in the folder that FROM= says. */
struct pack {
    const struct settings *settings;
    char names[PARTS_IN_ALL][100];
    int count;
    bool whole; /* nothing is missing */
};

/* "": it can be handed in; else why not. */
static const char *part_fault(const char *path)
{
    struct stat s;

    if (lstat(path, &s) < 0)
        return errno == ENOENT ? "it is not there" : strerror(errno);
    if (!S_ISREG(s.st_mode))
        return "it is no ordinary file";
    if (s.st_size == 0)
        return "it is empty";
    return s.st_size > PART_BYTES ? "it is larger than 1 MiB" : "";
}

static void lab_pack(struct pack *pack, const struct lab *lab)
{
    for (int i = 0; i < lab->part_count; i++) {
        char path[PATH_ROOM], *name = pack->names[pack->count];
        const char *fault;

        snprintf(name, sizeof pack->names[0], "%s/%s", lab->name, lab->parts[i]);
        path_make(path, "%s/%s", pack->settings->from, name);
        fault = part_fault(path);
        if (!fault[0]) {
            pack->count++;
            continue;
        }
        fprintf(stderr, "grader: %s cannot be handed in: %s\n", path, fault);
        pack->whole = false;
    }
}

/* The same parts make the same archive: no names, times and owners of this computer in it. */
static bool archive_write(const char *archive, struct pack *pack)
{
    char *argv[WORDS + PARTS_IN_ALL + 1] = {"tar",
                                            "--create",
                                            "--gzip",
                                            "--file",
                                            (char *)(uintptr_t)archive,
                                            "--format",
                                            "ustar",
                                            "--sort=name",
                                            "--mtime=@0",
                                            "--owner=0",
                                            "--group=0",
                                            "--numeric-owner",
                                            "--mode=a=r,u+w",
                                            "--directory",
                                            (char *)(uintptr_t)pack->settings->from};
    char *said = NULL;
    int words = 15, status;

    for (int i = 0; i < pack->count; i++)
        argv[words++] = pack->names[i];
    status = command_run(argv, &said, 30);
    if (status != 0)
        fprintf(stderr, "grader: tar could not write %s (status %d)\n%s", archive, status,
                said ? said : "");
    free(said);
    return status == 0;
}

/* What the grader said of it last, so that nobody hands in what they did not mean to. */
static void standing_print(const struct lab *lab, const cJSON *results)
{
    const cJSON *check;
    char got[16], of[16];
    int earned = 0;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const cJSON *verdict = results_verdict(results, lab, json_text(check, "id"));

        if (strcmp(json_text(verdict, "verdict"), "pass") == 0)
            earned += json_int(check, "tenths");
    }
    printf("  %-22s %4s of %s points when it was graded last\n", lab->name,
           points_text(earned, got), points_text(lab_tenths(lab), of));
}

static int parts_submit(struct pack *pack, const struct labs *labs, const struct lab *one)
{
    char archive[PATH_ROOM], path[PATH_ROOM];
    cJSON *results;

    path_make(archive, FOLDER "/%s.tar.gz", one ? one->name : "labs");
    if (!folder_make(FOLDER) || (unlink(archive) < 0 && errno != ENOENT)) {
        fprintf(stderr, "grader: cannot write to " FOLDER ": %s\n", strerror(errno));
        return EXIT_GRADER;
    }
    if (!archive_write(archive, pack))
        return EXIT_GRADER;
    results_path(path, pack->settings->from);
    results = results_load(path);
    for (int i = 0; i < labs->count; i++)
        if (!one || one == &labs->list[i])
            standing_print(&labs->list[i], results);
    cJSON_Delete(results);
    printf("\n%d parts are in\n  %s\nAs it is graded elsewhere: unpack it, then\n"
           "  make grade FROM=FOLDER%s\n",
           pack->count, archive, one ? " LAB=n" : "");
    return EXIT_ALL;
}

static int submit_verb(const struct settings *s)
{
    struct pack pack;
    struct labs labs;
    const struct lab *one = NULL;
    int status = EXIT_USAGE;

    if (!labs_load(&labs))
        return EXIT_GRADER;
    pack = (struct pack){.settings = s, .whole = true};
    if (!s->lab || (one = lab_find(&labs, s->lab)) != NULL) {
        for (int i = 0; i < labs.count; i++)
            if (!one || one == &labs.list[i])
                lab_pack(&pack, &labs.list[i]);
        status = pack.whole ? parts_submit(&pack, &labs, one) : EXIT_POINTS;
    }
    labs_free(&labs);
    return status;
}

const struct verb verb_submit = {
    .name = "submit",
    .run = submit_verb,
    .whom = FOR_STUDENT,
    .help = "make submit [LAB=n]         your parts in one archive, to be handed in\n",
};
