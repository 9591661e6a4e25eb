/* dist.c - the verb dist: what a student gets, as .tar.gz and .zip. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/command.h"
#include "lib/files.h"
#include "lib/lab.h"
#include "lib/pack.h"
#include "verbs/verbs.h"

#define DIST "build/dist"

static bool name_right(const char *name)
{
    size_t length = strlen(name);

    if (length > 0 && length < 100 && name[0] != '.' && name[0] != '-' &&
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
            length)
        return true;
    fprintf(stderr, "grader: NAME=%s cannot be a folder's name (letters, digits, - _ .)\n",
            name);
    return false;
}

/* The folder, made by a script. */
static bool folder_stage(const char *folder, const struct labs *labs, const bool *chosen,
                         const struct settings *s)
{
    bool hints = !s->hints || (strcmp(s->hints, "no") != 0 && strcmp(s->hints, "0") != 0);
    char *argv[LABS_MAX + 8] = {"sh", "grader/dist/stage.sh", (char *)(uintptr_t)folder,
                                hints ? "yes" : "no", s->sources ? "yes" : "no"};
    int n = 5;

    for (int i = 0; i < labs->count; i++)
        if (chosen[i])
            argv[n++] = (char *)(uintptr_t)labs->list[i].name;
    argv[n] = NULL;
    return folder_remove(folder) && command_run(argv, NULL, 0) == 0;
}

static bool archive_make(const char *name, const char *folder, const char *ending)
{
    char path[PATH_ROOM];
    struct pack *pack;
    bool ok;

    path_make(path, DIST "/%s%s", name, ending);
    pack = pack_begin(path);
    ok = pack && pack_folder(pack, name, folder);
    ok = pack_end(pack) && ok;
    if (ok)
        printf("%s\n", path);
    else
        fprintf(stderr, "grader: cannot write %s: %s\n", path, strerror(errno));
    return ok;
}

static int dist_verb(const struct settings *s)
{
    const char *name = s->name ? s->name : "non-root-mode";
    struct labs labs;
    bool chosen[LABS_MAX], ok;
    char folder[PATH_ROOM];

    if (!name_right(name))
        return EXIT_USAGE;
    if (kit_is_handed_out()) {
        fprintf(stderr, "grader: this kit has been handed out itself\n");
        return EXIT_USAGE;
    }
    if (!labs_load(&labs))
        return EXIT_GRADER;
    if (!labs_choose(&labs, s->lab ? s->lab : s->labs, chosen)) {
        labs_free(&labs);
        return EXIT_USAGE;
    }
    path_make(folder, DIST "/%s", name);
    ok = folder_make(DIST) && folder_stage(folder, &labs, chosen, s) &&
         archive_make(name, folder, ".tar.gz") && archive_make(name, folder, ".zip");
    folder_remove(folder);
    labs_free(&labs);
    return ok ? EXIT_ALL : EXIT_GRADER;
}

const struct verb verb_dist = {
    .name = "dist",
    .run = dist_verb,
    .whom = FOR_INSTRUCTOR,
    .help =
        "make dist                   what students get: build/dist/NAME.tar.gz and .zip\n"
        "      NAME=cs-virt-2027 LABS=1-6\n"
        "      HINTS=no SOURCES=yes    without hints; with the checks' sources to read\n",
};
