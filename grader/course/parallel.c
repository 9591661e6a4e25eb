/* parallel.c - the engine of GNU parallel: this computer, and others over ssh that see the same
 * folder under the same name. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "course/engines.h"
#include "lib/command.h"

static bool parallel_there(const struct settings *s)
{
    char *output = NULL, *argv[] = {"parallel", "--version", NULL};
    bool gnu;

    (void)s;
    gnu = program_there("parallel") && command_run(argv, &output, 30) == 0 &&
          strstr(output, "GNU parallel");
    free(output);
    if (!gnu)
        fprintf(stderr, "grader: ENGINE=parallel: GNU parallel is not installed: sudo apt "
                        "install parallel\n");
    return gnu;
}

/* A line a unit: its number. */
static bool numbers_write(const struct course *c, int count, char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool ok;

    for (int i = 0; out && i < count; i++)
        fprintf(out, "%d\n", i);
    ok = out && fclose(out) == 0;
    path_make(path, "%s/parallel.units", c->folder);
    ok = ok && file_write(path, text, size);
    free(text);
    return ok;
}

static bool parallel_run(const struct course *c, const char *units_path, const cJSON *units,
                         int workers)
{
    char jobs[16], numbers[PATH_ROOM], log[PATH_ROOM], unit[PATH_ROOM + 8];
    char *folder = get_current_dir_name(), *words[3];
    const char *hosts = c->settings->hosts;
    char *argv[32] = {"parallel", "--will-cite", "--quote", "--jobs",
                      jobs,       "--arg-file",  numbers};
    int n = 7, status;

    snprintf(jobs, sizeof jobs, "%d", workers);
    path_make(unit, "UNITS=%s", units_path);
    path_make(log, "%s/parallel.log", c->folder);
    if (!folder || !numbers_write(c, cJSON_GetArraySize(units), numbers)) {
        fprintf(stderr, "grader: cannot write to %s: %s\n", c->folder, strerror(errno));
        free(folder);
        return false;
    }
    argv[n++] = "--joblog";
    argv[n++] = log;
    if (isatty(2))
        argv[n++] = "--bar";
    if (hosts) {
        argv[n++] = "--sshlogin";
        argv[n++] = strdup(hosts);
        argv[n++] = "--workdir";
        argv[n++] = folder;
    }
    engine_words(c->settings, words);
    /* (exec: so that the unit is parallel's own child, and ends with it) */
    for (char *const *word = (char *const[]){"exec", "build/bin/grader", "unit", unit,
                                             "UNIT={}", words[0], words[1], NULL};
         *word; word++)
        argv[n++] = *word;
    argv[n] = NULL;
    fflush(NULL);
    status = command_run(argv, NULL, 0);
    free(folder);
    /* (A unit with an ERROR in it ends with 3; that is for gather.) */
    if (status == 127 || status == 255 || status < 0)
        fprintf(stderr, "grader: parallel could not run the units (status %d)\n", status);
    return status != 127 && status != 255 && status >= 0;
}

const struct engine engine_of_parallel = {
    "parallel", "GNU parallel, also over ssh (HOSTS=)", parallel_there, parallel_run};
