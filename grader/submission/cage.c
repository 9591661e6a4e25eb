/* cage.c - the compiler's cage. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/command.h"
#include "submission/build.h"

#define KIT "/kit" /* the kit's top folder, as a compiler sees it */

void command_add(struct command *c, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (c->count < COMMAND_WORDS - 1 && vasprintf(&c->argv[c->count], format, list) >= 0)
        c->count++;
    else
        c->cut = true;
    va_end(list);
    c->argv[c->count] = NULL;
}

void command_add_words(struct command *c, const char *const *words)
{
    for (; *words; words++)
        command_add(c, "%s", *words);
}

void command_free(struct command *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->argv[i]);
}

/* prlimit(1) is part of util-linux, which every Debian has; bwrap has no limits itself. */
static void limits_begin(struct command *c)
{
    static const char *const words[] = {
        "prlimit", "--cpu=40", "--as=1500000000", "--fsize=33554432", "--core=0",
        "--",      NULL};

    command_add_words(c, words);
}

/* The cage's top folder is `out`: what is made goes there. */
static void cage_begin(struct command *c, const char *out)
{
    /* clang-format off */
    static const char *const words[] = {
        "bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL",
        "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LC_ALL", "C",
        "--ro-bind", "/usr", "/usr", "--dev", "/dev", "--tmpfs", "/tmp",
        "--chdir", KIT, NULL};
    /* clang-format on */

    command_add_words(c, words);
    command_add(c, "--bind");
    command_add(c, "%s", out);
    command_add(c, KIT);
    for (const char *const *folder =
             (const char *const[]){"/lib", "/lib64", "/bin", "/etc/alternatives", NULL};
         *folder; folder++) {
        command_add(c, "--ro-bind-try");
        command_add(c, "%s", *folder);
        command_add(c, "%s", *folder);
    }
}

/* Shows a file or folder of the host, read-only, under a name from the kit's top folder. */
static void cage_show(struct command *c, const char *from, const char *to)
{
    command_add(c, "--ro-bind");
    command_add(c, "%s", from);
    command_add(c, KIT "/%s", to);
}

/* Without a sandbox: the same names, as links in `out`, from where the tool is started. */
static void plain_show(const char *out, const char *from, const char *to)
{
    char link[PATH_ROOM], *target = realpath(from, NULL);

    path_make(link, "%s/%s", out, to);
    if (target && symlink(target, link) < 0 && errno != EEXIST)
        link[0] = 0; /* the tool will miss it and say so */
    free(target);
}

/* Runs a tool on the stage; shown: pairs of (file of the host, name in the kit). */
int tool_run(struct build *b, const char *const *shown, const struct command *tool,
             char **output)
{
    struct command c = {.count = 0};
    char out[PATH_ROOM];
    int status;

    path_make(out, "%s/out", b->stage);
    limits_begin(&c);
    if (!b->submission->no_sandbox)
        cage_begin(&c, out);
    else
        command_add_words(&c, (const char *const[]){"env", "-C", out, "LC_ALL=C", NULL});
    for (; *shown; shown += 2)
        if (!b->submission->no_sandbox)
            cage_show(&c, shown[0], shown[1]);
        else
            plain_show(out, shown[0], shown[1]);
    if (!b->submission->no_sandbox)
        command_add(&c, "--");
    for (int i = 0; i < tool->count; i++)
        command_add(&c, "%s", tool->argv[i]);
    status = c.cut || tool->cut ? -1 : command_run(c.argv, output, COMPILE_SECONDS);
    command_free(&c);
    return status;
}
