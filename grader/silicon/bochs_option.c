/* bochs_option.c - how this Bochs is told to start its debugger.
 *
 * Up to 2.7 a Bochs with a debugger always starts it; 3.0 wants "-debugger", which the older
 * ones refuse. Asking (`bochs --help`) takes as long as a run, so that the answer is kept in
 * a file, beside what identifies the program that gave it.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "silicon/bochs.h"

#define OPTION    "-debugger"
#define KEPT      "build/cache/bochs-option"
#define LINE_SIZE 512

/* The emulator itself: in Debian "bochs" is a script that starts "bochs-bin". */
static bool program_find(const char *name, struct stat *st)
{
    const char *path = getenv("PATH");
    char *folders = strdup(path ? path : "/usr/bin"), *rest = folders, *folder;
    char file[PATH_MAX];
    bool found = false;

    while (!found && rest && (folder = strsep(&rest, ":"))) {
        snprintf(file, sizeof file, "%s/%s", folder, name);
        found = stat(file, st) == 0 && S_ISREG(st->st_mode);
    }
    free(folders);
    return found;
}

/* One line: which file, and whether it has the option. False: there is no Bochs. */
static bool identity_write(char *line)
{
    struct stat st;

    if (!program_find("bochs-bin", &st) && !program_find("bochs", &st))
        return false;
    snprintf(line, LINE_SIZE, "%llu %lld %lld.%09ld", (unsigned long long)st.st_ino,
             (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    return true;
}

static bool bochs_asked(void)
{
    FILE *help = popen("bochs --help 2>&1 </dev/null", "r");
    char line[LINE_SIZE];
    bool has = false;

    while (help && fgets(line, sizeof line, help))
        has |= strstr(line, " " OPTION " ") != NULL;
    if (help)
        pclose(help);
    return has;
}

static bool answer_read(const char *identity, bool *has)
{
    FILE *file = fopen(KEPT, "re");
    char line[LINE_SIZE], answer[32];
    bool ok = file && fgets(line, sizeof line, file) && fgets(answer, sizeof answer, file);

    if (file)
        fclose(file);
    if (!ok || strcspn(line, "\n") != strlen(identity) ||
        strncmp(line, identity, strlen(identity)) != 0)
        return false;
    *has = strncmp(answer, OPTION, strlen(OPTION)) == 0;
    return true;
}

/* In one piece or not at all; if it cannot be kept, it is asked for again. */
static void answer_keep(const char *identity, bool has)
{
    char fresh[64];
    FILE *file;

    snprintf(fresh, sizeof fresh, KEPT ".%d", (int)getpid());
    file = fopen(fresh, "we");
    if (!file)
        return;
    fprintf(file, "%s\n%s\n", identity, has ? OPTION : "-");
    if (fclose(file) < 0 || rename(fresh, KEPT) < 0)
        unlink(fresh);
}

const char *bochs_debugger_option(void)
{
    char identity[LINE_SIZE];
    bool has = false;

    if (!identity_write(identity))
        return NULL;
    if (!answer_read(identity, &has)) {
        has = bochs_asked();
        answer_keep(identity, has);
    }
    return has ? OPTION : NULL;
}
