/* reset.c - the verb reset: the starter again, after asking, with a backup. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/command.h"
#include "lib/files.h"
#include "lib/lab.h"
#include "verbs/lab_verb.h"
#include "verbs/verbs.h"

static bool confirmed(const struct lab *lab, const struct settings *s)
{
    char answer[16] = "";

    if (s->yes)
        return true;
    printf("Replace your part in labs/%s by the starter?\n"
           "(What you have is kept in backups/.) [y/N] ",
           lab->name);
    fflush(stdout);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* A folder of its own, even twice a second. */
static bool backup_folder(char *folder, const struct lab *lab)
{
    char stamp[32];
    time_t now = time(NULL);

    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime(&now));
    path_make(folder, "backups/%s-%s-XXXXXX", lab->name, stamp);
    return folder_make("backups") && mkdtemp(folder);
}

static bool part_reset(const struct lab *lab, const char *part, const char *backup)
{
    char current[PATH_ROOM], kept[PATH_ROOM], solution[PATH_ROOM], *starter = NULL;
    char *argv[] = {"sh", "grader/verbs/starters.sh", "print", solution, NULL};
    bool ok;

    path_make(current, "labs/%s/%s", lab->name, part);
    path_make(kept, "%s/%s", backup, part);
    path_make(solution, "%s/%s/%s", parts_root(), lab->name, part);
    ok = access(current, F_OK) < 0 || file_copy(current, kept);
    if (kit_is_handed_out())
        return ok && file_copy(solution, current);
    ok = ok && command_run(argv, &starter, 30) == 0 &&
         file_write(current, starter, strlen(starter));
    free(starter);
    return ok;
}

static int lab_reset(const struct lab *lab, const struct labs *labs,
                     const struct settings *s)
{
    char backup[PATH_ROOM];

    (void)labs;
    if (!confirmed(lab, s)) {
        printf("Nothing was changed.\n");
        return EXIT_ALL;
    }
    if (!backup_folder(backup, lab)) {
        fprintf(stderr, "grader: no backup, so nothing was changed: %s\n", strerror(errno));
        return EXIT_GRADER;
    }
    for (int i = 0; i < lab->part_count; i++)
        if (!part_reset(lab, lab->parts[i], backup)) {
            fprintf(stderr, "grader: labs/%s/%s was not reset: %s\n", lab->name,
                    lab->parts[i], strerror(errno));
            return EXIT_GRADER;
        }
    printf("labs/%s is the starter again. What you had:\n  cp %s/* labs/%s/\n", lab->name,
           backup, lab->name);
    return EXIT_ALL;
}

static int reset_verb(const struct settings *s)
{
    return lab_verb(s, "reset which lab? make reset LAB=1", lab_reset);
}

const struct verb verb_reset = {
    .name = "reset",
    .run = reset_verb,
    .whom = FOR_STUDENT,
    .help = "make reset LAB=n            the starter again (asks; keeps a backup)\n",
};
