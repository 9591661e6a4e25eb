/* main.c - the grader: one program, one verb, NAME=value settings (see `help`). */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/child.h"
#include "lib/guard.h"
#include "verbs/verbs.h"

static int verb_run(int argc, char **argv)
{
    struct settings settings;

    if (argc < 2) {
        fprintf(stderr, "grader: which verb? see make help\n");
        return EXIT_USAGE;
    }
    for (const struct verb *const *v = verbs; *v; v++)
        if (strcmp((*v)->name, argv[1]) == 0)
            return settings_parse(&settings, argc - 2, argv + 2) &&
                           ((*v)->guest_kernel || settings_kernel(&settings))
                       ? (*v)->run(&settings)
                       : EXIT_USAGE;
    fprintf(stderr, "grader: there is no verb '%s'; see make help\n", argv[1]);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    files_settle();
    return guarded(verb_run, argc, argv);
}
