/* cage.c - a tool in the compiler's cage. */
#define _GNU_SOURCE
#include "lib/cage.h"
#include "submission/build.h"

/* prlimit(1) is part of util-linux, which every Debian has; no cage has limits itself. */
static void limits_begin(struct command *c)
{
    static const char *const words[] = {
        "prlimit", "--cpu=30", "--as=1500000000", "--fsize=33554432", "--core=0",
        "--",      NULL};

    command_add_words(c, words);
}

int tool_run(struct build *b, const char *const *shown, const struct command *tool,
             char **output)
{
    struct command c = {.count = 0};
    char out[PATH_ROOM];
    const struct cage_wish wish = {.folder = out, .shown = shown};
    int status = -1;

    path_make(out, "%s/out", b->stage);
    limits_begin(&c);
    cage_begin(&c, b->submission->cage, &wish);
    for (int i = 0; i < tool->count; i++)
        command_add(&c, "%s", tool->argv[i]);
    if (!c.cut && !tool->cut)
        status = command_run(c.argv, output, COMPILE_SECONDS);
    cage_end(b->submission->cage, &wish);
    command_free(&c);
    return status;
}
