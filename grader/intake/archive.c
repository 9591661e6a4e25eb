/* archive.c - all files of an archive (libarchive). Nothing is unpacked to the disk: the bytes of
 * files that are parts by their names are kept, the others are only counted. */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "intake/parts.h"
#include "submission/submission.h"

bool name_is_archive(const char *name)
{
    static const char *const endings[] = {".zip", ".tar",    ".tar.gz",  ".tgz",
                                          ".txz", ".tar.xz", ".tar.bz2", ".tar.zst"};
    size_t length = strlen(name);

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t tail = strlen(endings[i]);

        if (length > tail && strcasecmp(name + length - tail, endings[i]) == 0)
            return true;
    }
    return false;
}

static struct archive *archive_begin(void)
{
    struct archive *a = archive_read_new();

    if (!a)
        return NULL;
    archive_read_support_format_zip(a);
    archive_read_support_format_tar(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_zstd(a);
    return a;
}

/* The entry's name with '/' between folders, as Windows' programs may not have written it. */
static void entry_name(struct archive_entry *entry, const char *shown, char *name)
{
    const char *path = archive_entry_pathname_utf8(entry);

    if (!path)
        path = archive_entry_pathname(entry);
    path_make(name, "%s/%s", shown, path ? path : "(a name that cannot be read)");
    for (char *c = name + strlen(shown); *c; c++)
        if (*c == '\\')
            *c = '/';
}

static bool name_escapes(const char *inner)
{
    return inner[0] == '/' || strcmp(inner, "..") == 0 || strncmp(inner, "../", 3) == 0 ||
           strstr(inner, "/../") || (inner[0] && inner[1] == ':');
}

/* What of an entry is kept: at most `limit` bytes of it, in *text (NULL: none are wanted). All of
 * it is counted. False: the archive cannot be read any further. */
static bool entry_read(struct parts *p, struct archive *a, size_t limit, char **text,
                       size_t *size)
{
    const void *block;
    size_t length;
    la_int64_t offset;
    int r;

    *size = 0;
    while ((r = archive_read_data_block(a, &block, &length, &offset)) == ARCHIVE_OK) {
        size_t room = limit > *size ? limit - *size : 0;
        size_t take = length < room ? length : room;

        if (!parts_count(p, length))
            return false;
        if (*text && take)
            memcpy(*text + *size, block, take);
        *size += length;
    }
    return r == ARCHIVE_EOF;
}

/* A regular file in an archive. False: the archive cannot be read any further. */
static bool file_take(struct parts *p, struct archive *a, const char *name, int depth)
{
    bool archive = name_is_archive(name) && depth < NESTED_MAX, part = parts_want(p, name);
    size_t limit = archive ? HANDIN_BYTES / 4 : part ? PART_BYTES + 1 : 0, size;
    char *text = limit ? malloc(limit + 1) : NULL;

    if (!entry_read(p, a, limit, &text, &size)) {
        free(text);
        return false;
    }
    if (archive && text && size <= limit) {
        archive_walk(p, text, size, name, depth + 1);
        free(text);
        return true;
    }
    if (text && (!part || size > PART_BYTES)) {
        parts_note(p, "%s has %zu bytes, more than is taken", name, size);
        free(text);
        text = NULL;
    }
    parts_meet(p, name, text, size, 0); /* its time is whatever the packer wrote */
    return true;
}

/* One entry. False: stop. */
static bool entry_take(struct parts *p, struct archive *a, struct archive_entry *entry,
                       const char *shown, int depth)
{
    char name[PATH_ROOM];

    entry_name(entry, shown, name);
    if (archive_entry_is_encrypted(entry))
        return parts_refuse(p, "%s is encrypted", shown);
    if (archive_entry_filetype(entry) == AE_IFDIR)
        return true;
    if (!name[0] || name_escapes(name + strlen(shown) + 1)) {
        parts_note(p, "%s leads out of the archive and was left out",
                   name[0] ? name : "a name that is too long");
        return true;
    }
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) {
        parts_note(p, "%s is a link or no regular file and was left out", name);
        return true;
    }
    if (!parts_path_matters(name))
        return ++p->files_seen <= HANDIN_FILES;
    return file_take(p, a, name, depth);
}

void archive_walk(struct parts *p, const char *bytes, size_t size, const char *shown,
                  int depth)
{
    struct archive *a = archive_begin();
    struct archive_entry *entry;
    int r = a ? archive_read_open_memory(a, bytes, size) : ARCHIVE_FATAL;
    size_t entries = 0;

    while (!p->refused && (r == ARCHIVE_OK || r == ARCHIVE_WARN)) {
        r = archive_read_next_header(a, &entry);
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
            break;
        if (++entries > HANDIN_FILES) {
            parts_refuse(p, "more than %u files", HANDIN_FILES);
            break;
        }
        if (!entry_take(p, a, entry, shown, depth)) {
            r = ARCHIVE_FATAL;
            break;
        }
    }
    if (size == 0)
        parts_refuse(p, "%s is empty (0 bytes)", shown);
    if (r != ARCHIVE_EOF && !p->refused)
        parts_refuse(p, "%s cannot be unpacked: %s", shown,
                     a && archive_error_string(a) ? archive_error_string(a)
                                                  : "it is damaged");
    else if (entries == 0 && !p->refused)
        parts_note(p, "%s is empty", shown);
    archive_read_free(a);
}
