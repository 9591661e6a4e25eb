/* inputs.c - what goes into a subject, and the name that follows from it. */
#define _GNU_SOURCE
#include <stdio.h>

#include "lib/hash.h"
#include "lib/host.h"
#include "submission/build.h"

/* The archive or object files beside the part, as paths from the kit's top folder. */
int link_inputs(const struct build *b, char inputs[INPUTS_MAX][PATH_ROOM])
{
    int n = 0;

    path_make(inputs[n++], "build/subjects/%s.o", b->dispatcher);
    path_make(inputs[n++], "build/subjects/main.o");
    path_make(inputs[n++], "build/subjects/crash.o");
    for (int i = 0; i < b->labs->count; i++) {
        const struct lab *other = &b->labs->list[i];

        if (other != b->lab && !lab_is_own(b, other))
            path_make(inputs[n++], "build/lib/%s.a", other->name);
    }
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
