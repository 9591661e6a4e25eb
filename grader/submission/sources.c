/* sources.c - taking the part files: regular files only, once. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "submission/build.h"

static bool source_read(struct build *b, int folder, struct source *source)
{
    const char *label = b->submission->label, *lab = source->lab->name;
    int fd = openat(folder, source->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat s;
    ssize_t n;

    if (fd < 0 && errno == ENOENT)
        return build_refuse(b,
                            "%s/%s/%s is not there. It is the part that this lab asks for; "
                            "`make reset LAB=%d` brings the starter back.",
                            label, lab, source->name, source->lab->number);
    if (fd < 0 && errno == ELOOP)
        return build_refuse(b, "%s/%s/%s is a symbolic link; hand in the file itself",
                            label, lab, source->name);
    if (fd < 0)
        return build_refuse(b, "%s/%s/%s cannot be read: %s", label, lab, source->name,
                            strerror(errno));
    if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode)) {
        close(fd);
        return build_refuse(b, "%s/%s/%s is not a regular file", label, lab, source->name);
    }
    if (s.st_size > PART_BYTES) {
        close(fd);
        return build_refuse(b, "%s/%s/%s has %lld bytes; a part may have %u", label, lab,
                            source->name, (long long)s.st_size, PART_BYTES);
    }
    source->text = malloc(PART_BYTES + 1);
    n = source->text ? read(fd, source->text, PART_BYTES) : -1;
    close(fd);
    if (n < 0)
        return build_refuse(b, "%s/%s/%s cannot be read: %s", label, lab, source->name,
                            strerror(errno));
    source->size = (size_t)n;
    if (memchr(source->text, 0, source->size))
        return build_refuse(b, "%s/%s/%s is a binary file, not C text", label, lab,
                            source->name);
    return true;
}

static bool lab_sources_read(struct build *b, const struct lab *lab, const char *root)
{
    char path[PATH_ROOM];
    bool ok = true;
    int folder;

    path_make(path, "%s/%s", root, lab->name);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return build_refuse(b, "the folder %s/%s cannot be opened: %s",
                            b->submission->label, lab->name,
                            errno == ENOTDIR || errno == ELOOP ? "it is not a real folder"
                                                               : strerror(errno));
    for (int i = 0; ok && i < lab->part_count && b->source_count < SOURCES_MAX; i++) {
        struct source *source = &b->sources[b->source_count++];

        source->lab = lab;
        source->name = lab->parts[i];
        ok = source_read(b, folder, source);
    }
    close(folder);
    return ok;
}

bool lab_is_own(const struct build *b, const struct lab *other)
{
    return b->submission->own && other->number < b->lab->number;
}

bool sources_read(struct build *b)
{
    bool ok = lab_sources_read(b, b->lab, b->submission->folder);

    for (int i = 0; ok && i < b->labs->count; i++)
        if (lab_is_own(b, &b->labs->list[i]))
            ok = lab_sources_read(b, &b->labs->list[i], b->submission->own);
    return ok;
}

void sources_free(struct build *b)
{
    for (int i = 0; i < b->source_count; i++)
        free(b->sources[i].text);
}
