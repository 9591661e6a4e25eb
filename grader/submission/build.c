/* build.c - a submission's part becomes a subject, or is found in the cache. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "judge/text.h"
#include "lib/names.h"
#include "submission/build.h"

#define CACHE         "build/cache"
#define SUBJECT_BYTES (32u << 20) /* the largest subject that is taken */

bool build_refuse(struct build *b, const char *format, ...)
{
    va_list list;

    free(b->built->messages);
    va_start(list, format);
    if (vasprintf(&b->built->messages, format, list) < 0)
        b->built->messages = NULL;
    va_end(list);
    if (b->built->messages)
        text_clean(b->built->messages);
    return false;
}

static bool stage_make(struct build *b)
{
    char path[PATH_ROOM];
    bool ok;

    path_make(b->stage, "build/tmp/build.XXXXXX");
    ok = folder_make("build/tmp") && folder_make(CACHE) && mkdtemp(b->stage);
    path_make(path, "%s/src", b->stage);
    ok = ok && folder_make(path);
    path_make(path, "%s/out", b->stage);
    ok = ok && folder_make(path);
    for (int i = 0; ok && i < b->source_count; i++) {
        path_make(path, "%s/src/%s", b->stage, b->sources[i].lab->name);
        ok = folder_make(path);
        path_make(path, "%s/src/%s/%s", b->stage, b->sources[i].lab->name,
                  b->sources[i].name);
        ok = ok && file_write(path, b->sources[i].text, b->sources[i].size);
    }
    if (!ok) {
        b->built->ours = true;
        build_refuse(b, "cannot write to build/: %s", strerror(errno));
    }
    return ok;
}

static bool size_check(struct build *b)
{
    char path[PATH_ROOM];
    struct stat s;

    path_make(path, "%s/out/subject", b->stage);
    if (stat(path, &s) == 0 && s.st_size <= SUBJECT_BYTES)
        return true;
    return build_refuse(b, "it compiles to a program of more than %u MiB",
                        SUBJECT_BYTES >> 20);
}

/* The subject and the compiler's warnings, under the key's name: whole or not at all. */
static bool cache_store(struct build *b, const char *folder)
{
    char path[PATH_ROOM], fresh[PATH_ROOM];
    const char *warnings = b->built->messages ? b->built->messages : "";

    path_make(path, "%s/out/warnings", b->stage);
    path_make(fresh, "%s/out", b->stage);
    if (!file_write(path, warnings, strlen(warnings)) ||
        (rename(fresh, folder) < 0 && errno != EEXIST && errno != ENOTEMPTY)) {
        b->built->ours = true;
        return build_refuse(b, "cannot write to build/: %s", strerror(errno));
    }
    return true;
}

static bool cache_find(struct built *built, const char *folder)
{
    char path[PATH_ROOM];

    path_make(built->subject, "%s/subject", folder);
    if (access(built->subject, R_OK) < 0)
        return false;
    path_make(path, "%s/warnings", folder);
    free(built->messages);
    built->messages = file_read(path, SIZE_MAX, NULL);
    return true;
}

void subject_build(struct built *built, const struct lab *lab, const struct labs *labs,
                   const struct submission *submission, const char *dispatcher)
{
    struct build b = {.lab = lab,
                      .labs = labs,
                      .submission = submission,
                      .dispatcher = dispatcher,
                      .built = built};
    char key[33], folder[PATH_ROOM];

    *built = (struct built){.ok = false};
    b.label = name_clean(submission->label);
    if (submission->no_sandbox && !submission->trusted) {
        built->ours = true;
        build_refuse(&b, "submissions are only compiled in a sandbox: %s",
                     submission->no_sandbox);
        return;
    }
    bool taken = sources_read(&b);

    sources_key(&b, built->parts);
    if (taken) {
        build_key(&b, key);
        path_make(folder, CACHE "/%s", key);
        built->ok = cache_find(built, folder);
        if (!built->ok && stage_make(&b))
            built->ok = subject_compile(&b) && programs_build(&b) && subject_link(&b) &&
                        size_check(&b) && cache_store(&b, folder) &&
                        cache_find(built, folder);
        if (b.stage[0])
            folder_remove(b.stage);
    }
    sources_free(&b);
    free(b.label);
}

struct submission submission_from(const struct settings *s)
{
    return (struct submission){
        .folder = s->from,
        .label = s->from,
        .own = s->own ? s->from : NULL,
        .sanitize = s->sanitize != NULL,
        .trusted = strcmp(s->from, "labs") == 0 || strcmp(s->from, "solutions") == 0,
    };
}

void built_free(struct built *built)
{
    free(built->messages);
    built->messages = NULL;
}
