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
#include "lib/hash.h"
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

/* --- the cache -------------------------------------------------------------------------------- */

#define FILES_MAX (2 + 2 * PARTS_MAX)

/* What a folder of the cache holds, by name. */
static int cache_files(const struct build *b, char names[FILES_MAX][64])
{
    int n = 0;

    strcpy(names[n++], "subject");
    strcpy(names[n++], "warnings");
    for (int i = 0; i < b->source_count && n + 2 <= FILES_MAX; i++) {
        const struct source *source = &b->sources[i];
        const int stem = (int)strlen(source->name) - 2;

        if (!program_kind(source))
            continue;
        snprintf(names[n++], 64, "%.*s.elf", stem, source->name);
        snprintf(names[n++], 64, "%.*s.bin", stem, source->name);
    }
    return n;
}

/* A name for all their bytes. False: one is not there. */
static bool cache_digest(const struct build *b, const char *folder, char key[33])
{
    char names[FILES_MAX][64], path[PATH_ROOM];
    int count = cache_files(b, names);
    struct hash *hash = hash_new();
    bool ok = true;

    for (int i = 0; i < count; i++) {
        size_t size;
        char *bytes;

        path_make(path, "%s/%s", folder, names[i]);
        bytes = file_read(path, SUBJECT_BYTES, &size);
        if (bytes)
            hash_bytes(hash, bytes, size);
        ok = ok && bytes;
        free(bytes);
    }
    hash_finish(hash, key);
    return ok;
}

/* The subject and the compiler's warnings, under the key's name: whole or not at all. */
static bool cache_store(struct build *b, const char *folder)
{
    char path[PATH_ROOM], fresh[PATH_ROOM], digest[33];
    const char *warnings = b->built->messages ? b->built->messages : "";
    bool ok;

    path_make(path, "%s/out/warnings", b->stage);
    path_make(fresh, "%s/out", b->stage);
    ok = file_write(path, warnings, strlen(warnings)) && cache_digest(b, fresh, digest);
    path_make(path, "%s/out/manifest", b->stage);
    ok = ok && file_write(path, digest, strlen(digest));
    /* (Another grader may have been quicker.) */
    if (ok && (rename(fresh, folder) == 0 || errno == EEXIST || errno == ENOTEMPTY))
        return true;
    b->built->ours = true;
    return build_refuse(b, "cannot write to build/: %s", strerror(errno));
}

/* Is what lies there as it was made? */
static bool cache_intact(const struct build *b, const char *folder)
{
    char path[PATH_ROOM], now[33], *then;
    bool same;

    path_make(path, "%s/manifest", folder);
    then = file_read(path, sizeof now, NULL);
    same = then && cache_digest(b, folder, now) && strcmp(now, then) == 0;
    free(then);
    return same;
}

static bool cache_find(struct build *b, const char *folder)
{
    struct built *built = b->built;
    char path[PATH_ROOM];

    if (!cache_intact(b, folder))
        return false;
    path_make(built->subject, "%s/subject", folder);
    path_make(path, "%s/warnings", folder);
    free(built->messages);
    built->messages = file_read(path, SIZE_MAX, NULL);
    return true;
}

/* What lies under the key's name is damaged: a full disk, a machine that was switched off. */
static void cache_heal(const char *folder)
{
    if (access(folder, F_OK) < 0)
        return;
    fprintf(stderr, "grader: %s is damaged; making it anew\n", folder);
    folder_remove(folder);
}

static bool subject_make(struct build *b, const char *folder)
{
    cache_heal(folder);
    if (!stage_make(b) || !subject_compile(b) || !programs_build(b) || !subject_link(b) ||
        !subject_check(b) || !cache_store(b, folder))
        return false;
    if (cache_find(b, folder))
        return true;
    b->built->ours = true;
    return build_refuse(b, "%s is damaged, and cannot be replaced", folder);
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
    if (submission->cage == CAGE_NONE && !submission->trusted) {
        built->ours = true;
        build_refuse(&b, "submissions are only compiled in a sandbox: %s",
                     submission->no_cage);
        return;
    }
    bool taken = sources_read(&b);

    sources_key(&b, built->parts);
    if (taken) {
        build_key(&b, key);
        path_make(folder, CACHE "/%s", key);
        built->ok = cache_find(&b, folder) || subject_make(&b, folder);
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
