/* inputs.c - what goes into a subject, and the name that follows from it. */
#define _GNU_SOURCE
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/hash.h"
#include "lib/host.h"
#include "submission/build.h"

/* Does the reference's part of another lab go beside the one that is judged? Only if it comes
 * earlier: what a later one does could pass for this lab's work. What a dispatcher itself needs
 * of later labs is hidden in its object (Makefile, HIDDEN_). A whole VMM that nobody judges
 * (`make run`, `make bench`) has all of them. */
static bool lab_is_beside(const struct build *b, const struct lab *other)
{
    const bool judged = strcmp(b->dispatcher, b->lab->name) == 0;

    return other != b->lab && !lab_is_own(b, other) &&
           (!judged || other->number < b->lab->number);
}

/* In a kit that was handed out, labs that are not in it: others stand on their parts. */
static int absent_labs_add(const struct build *b, char inputs[INPUTS_MAX][PATH_ROOM], int n)
{
    glob_t found;

    if (!kit_is_handed_out() || glob("build/lib/[0-9]*.a", 0, NULL, &found) != 0)
        return n;
    for (size_t i = 0; i < found.gl_pathc && n < INPUTS_MAX - 1; i++) {
        const char *name = strrchr(found.gl_pathv[i], '/') + 1;
        bool here = false;

        for (int k = 0; k < b->labs->count; k++)
            here |= strncmp(name, b->labs->list[k].name, strlen(name) - 2) == 0;
        if (!here && atoi(name) < b->lab->number)
            path_make(inputs[n++], "%s", found.gl_pathv[i]);
    }
    globfree(&found);
    return n;
}

/* The archive or object files beside the part, as paths from the kit's top folder. */
int link_inputs(const struct build *b, char inputs[INPUTS_MAX][PATH_ROOM])
{
    int n = 0;

    path_make(inputs[n++], "build/subjects/%s.o", b->dispatcher);
    path_make(inputs[n++], "build/subjects/main.o");
    path_make(inputs[n++], "build/subjects/crash.o");
    path_make(inputs[n++], "build/subjects/kernel_calls.o");
    for (int i = 0; i < b->labs->count; i++) {
        if (!lab_is_beside(b, &b->labs->list[i]))
            continue;
        path_make(inputs[n], "build/lib/%s.a", b->labs->list[i].name);
        n += !kit_is_handed_out() || access(inputs[n], F_OK) == 0;
    }
    n = absent_labs_add(b, inputs, n);
    path_make(inputs[n++], "build/lib/core.a");
    return n;
}

void build_key(const struct build *b, char key[33])
{
    static char inputs[INPUTS_MAX][PATH_ROOM];
    struct hash *hash = hash_new();
    int count = link_inputs(b, inputs);

    hash_text(hash, "subject 1");
    hash_text(hash, b->submission->label); /* it is in the compiler's messages */
    hash_text(hash, b->submission->sanitize ? "sanitize" : "");
    hash_text(hash, b->submission->debug ? "debug" : "");
    for (int i = 0; i < b->source_count; i++) {
        hash_text(hash, b->sources[i].name);
        hash_bytes(hash, b->sources[i].text, b->sources[i].size);
    }
    hash_folder(hash, "common/include", ".h");
    for (int i = 0; i < count; i++)
        hash_file(hash, inputs[i]);
    for (int i = 0; i < b->source_count; i++)
        if (program_kind(&b->sources[i])) {
            hash_folder(hash, "common/guest", "");
            hash_folder(hash, "common/silicon", "");
            break;
        }
    hash_folder(hash, "grader/submission", ".c"); /* flags */
    hash_stat(hash,
              "/usr/bin/" X86_TOOL("gcc")); /* another compiler makes another subject */
    hash_finish(hash, key);
}
