/* build.c - a submission's part becomes a subject, or is found in the cache. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "judge/text.h"
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

/* Does a program ask for an interpreter (a section .interp, say in an asm statement)? A static one
 * needs none, and another one is not there: exec would fail before the part is to blame. */
static bool interpreter_asked(int program)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;

    if (pread(program, &header, sizeof header, 0) != sizeof header)
        return false;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        off_t at = (off_t)(header.e_phoff + i * sizeof segment);

        if (pread(program, &segment, sizeof segment, at) == sizeof segment &&
            segment.p_type == PT_INTERP)
            return true;
    }
    return false;
}

static bool subject_check(struct build *b)
{
    char path[PATH_ROOM];
    struct stat s;
    bool ok = true;

    path_make(path, "%s/out/subject", b->stage);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) < 0 || s.st_size > SUBJECT_BYTES)
        ok = build_refuse(b, "it compiles to a program of more than %u MiB",
                          SUBJECT_BYTES >> 20);
    else if (!b->submission->sanitize && interpreter_asked(fd))
        ok = build_refuse(
            b, "it compiles to a program that asks for an interpreter (a section "
               "\".interp\"); a part must not");
    if (fd >= 0)
        close(fd);
    return ok;
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
    if (submission->no_sandbox && !submission->trusted) {
        built->ours = true;
        build_refuse(&b, "submissions are only compiled in a sandbox: %s",
                     submission->no_sandbox);
        return;
    }
    if (sources_read(&b)) {
        build_key(&b, key);
        path_make(folder, CACHE "/%s", key);
        built->ok = cache_find(built, folder);
        if (!built->ok && stage_make(&b))
            built->ok = subject_compile(&b) && programs_build(&b) && subject_link(&b) &&
                        subject_check(&b) && cache_store(&b, folder) &&
                        cache_find(built, folder);
        if (b.stage[0])
            folder_remove(b.stage);
    }
    sources_free(&b);
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
