/* main.c - the grader: one program, one verb, NAME=value settings (see `help`). */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "grader.h"

static const struct {
    const char *name;
    int (*run)(const struct settings *settings);
} verbs[] = {
    {"grade", verb_grade},       {"watch", verb_watch},     {"hint", verb_hint},
    {"progress", verb_progress}, {"reset", verb_reset},     {"run", verb_run},
    {"boot", verb_boot},         {"shell", verb_shell},     {"trace", verb_trace},
    {"doctor", verb_doctor},     {"mutants", verb_mutants}, {"attacks", verb_attacks},
    {"bench", verb_bench},       {"help", verb_help},
};

int main(int argc, char **argv)
{
    struct settings settings;

    signal(SIGPIPE, SIG_IGN);
    umask(022);
    if (argc < 2) {
        fprintf(stderr, "grader: which verb? see make help\n");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, argv[1]) == 0)
            return settings_parse(&settings, argc - 2, argv + 2) ? verbs[i].run(&settings)
                                                                 : EXIT_USAGE;
    fprintf(stderr, "grader: there is no verb '%s'; see make help\n", argv[1]);
    return EXIT_USAGE;
}
