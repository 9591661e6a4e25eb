/* sources.c - taking the part files: regular files only, once. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/hash.h"
#include "submission/build.h"

/* The part is not where it has to be. What is: a folder that was unpacked twice, a browser's
 * "(1)"... One's own starter can be had again; of others' folders there is none. */
static bool missing_refuse(struct build *b, const char *root, const struct lab *lab,
                           const char *part)
{
    char *near = beside_part(root, lab, part), again[80] = "";

    if (strcmp(b->submission->folder, "labs") == 0)
        snprintf(again, sizeof again, "\n`make reset LAB=%d` brings the starter back.",
                 lab->number);
    build_refuse(b, "%s/%s/%s is not there. It is the part that this lab asks for.%s%s",
                 b->label, lab->name, part, near ? near : "", again);
    free(near);
    return false;
}

/* Text of two bytes a character, as some editors save it: a mark at the beginning, or every other
 * byte is 0. */
static bool is_utf16(const struct source *source)
{
    const char *t = source->text;

    return (source->size >= 2 &&
            (memcmp(t, "\xff\xfe", 2) == 0 || memcmp(t, "\xfe\xff", 2) == 0)) ||
           (source->size >= 4 && !t[0] != !t[1] && !t[0] == !t[2] && !t[1] == !t[3]);
}

static bool text_check(struct build *b, const struct source *source)
{
    const char *lab = source->lab->name;

    if (source->size > PART_BYTES)
        return build_refuse(b, "%s/%s/%s grew while it was read; a part may have %u bytes",
                            b->label, lab, source->name, PART_BYTES);
    if (is_utf16(source))
        return build_refuse(
            b,
            "%s/%s/%s is UTF-16 text.\nSave it as UTF-8 (in the editor: \"save "
            "with encoding\";\nhere: iconv -f UTF-16 -t UTF-8 OLD >NEW)",
            b->label, lab, source->name);
    if (memchr(source->text, 0, source->size))
        return build_refuse(b, "%s/%s/%s is a binary file, not C text", b->label, lab,
                            source->name);
    return true;
}

/* Reads to the end, or a byte more than a part may have. */
static bool bytes_read(int fd, struct source *source)
{
    const size_t most = PART_BYTES + 1;
    ssize_t n = -1;

    source->text = malloc(most);
    while (source->text && source->size < most &&
           (n = read(fd, source->text + source->size, most - source->size)) != 0) {
        if (n < 0 && errno != EINTR)
            return false;
        source->size += n > 0 ? (size_t)n : 0;
    }
    return source->text != NULL;
}

/* What the file is, before a byte of it is read: it may have gigabytes, or no end. */
static bool file_check(struct build *b, int fd, const struct source *source)
{
    const char *lab = source->lab->name;
    struct stat s;

    if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode))
        return build_refuse(b, "%s/%s/%s is not a regular file", b->label, lab,
                            source->name);
    if (s.st_size > PART_BYTES)
        return build_refuse(b, "%s/%s/%s has %lld bytes; a part may have %u", b->label, lab,
                            source->name, (long long)s.st_size, PART_BYTES);
    return true;
}

static bool source_read(struct build *b, const char *root, int folder,
                        struct source *source)
{
    const char *lab = source->lab->name;
    int fd = openat(folder, source->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool ok;

    if (fd < 0 && errno == ENOENT)
        return missing_refuse(b, root, source->lab, source->name);
    if (fd < 0 && errno == ELOOP)
        return build_refuse(b, "%s/%s/%s is a symbolic link; hand in the file itself",
                            b->label, lab, source->name);
    if (fd < 0)
        return build_refuse(b, "%s/%s/%s cannot be read: %s", b->label, lab, source->name,
                            strerror(errno));
    ok = file_check(b, fd, source);
    if (ok && !bytes_read(fd, source))
        ok = build_refuse(b, "%s/%s/%s cannot be read: %s", b->label, lab, source->name,
                          strerror(errno));
    close(fd);
    return ok && text_check(b, source);
}

static bool lab_sources_read(struct build *b, const struct lab *lab, const char *root)
{
    char path[PATH_ROOM];
    bool ok = true;
    int folder;

    path_make(path, "%s/%s", root, lab->name);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0 && errno == ENOENT)
        return missing_refuse(b, root, lab, lab->parts[0]);
    if (folder < 0)
        return build_refuse(b, "the folder %s/%s cannot be opened: %s", b->label, lab->name,
                            errno == ENOTDIR || errno == ELOOP ? "it is not a real folder"
                                                               : strerror(errno));
    for (int i = 0; ok && i < lab->part_count && b->source_count < SOURCES_MAX; i++) {
        struct source *source = &b->sources[b->source_count++];

        source->lab = lab;
        source->name = lab->parts[i];
        ok = source_read(b, root, folder, source);
    }
    close(folder);
    return ok;
}

bool lab_is_own(const struct build *b, const struct lab *other)
{
    const uint32_t only = b->submission->own_labs;

    return b->submission->own && other->number < b->lab->number &&
           (only == 0 || (only >> other->number & 1));
}

bool sources_read(struct build *b)
{
    bool ok = lab_sources_read(b, b->lab, b->submission->folder);

    for (int i = 0; ok && i < b->labs->count; i++)
        if (lab_is_own(b, &b->labs->list[i]))
            ok = lab_sources_read(b, &b->labs->list[i], b->submission->own);
    return ok;
}

/* (A part that is not there, or was refused unread, is none.) */
void sources_key(const struct build *b, char key[33])
{
    struct hash *hash = hash_new();

    for (int i = 0; i < b->source_count; i++) {
        const struct source *source = &b->sources[i];

        hash_text(hash, source->lab->name);
        hash_text(hash, source->name);
        if (source->text)
            hash_bytes(hash, source->text, source->size);
    }
    hash_finish(hash, key);
}

void sources_free(struct build *b)
{
    for (int i = 0; i < b->source_count; i++)
        free(b->sources[i].text);
}
