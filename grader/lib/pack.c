/* pack.c - archives that we write (libarchive). No time and no owner of this computer is in them. */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/files.h"
#include "lib/pack.h"
#include "lib/whole.h"

#define EPOCH 315619200 /* 1980-01-02: the first day that a zip can say everywhere */

struct pack {
    struct archive *archive;
    char path[PATH_ROOM], fresh[PATH_ROOM];
    FILE *out;
    bool failed;
    locale_t names, before; /* libarchive asks the locale how names are written */
};

static bool format_set(struct archive *a, const char *path)
{
    size_t length = strlen(path);

    if (length > 4 && strcmp(path + length - 4, ".zip") == 0)
        return archive_write_set_format_zip(a) == ARCHIVE_OK &&
               archive_write_set_options(a, "zip:hdrcharset=UTF-8") >= ARCHIVE_WARN;
    return archive_write_set_format_pax_restricted(a) == ARCHIVE_OK &&
           archive_write_add_filter_gzip(a) == ARCHIVE_OK &&
           archive_write_set_options(a, "gzip:!timestamp") >= ARCHIVE_WARN;
}

struct pack *pack_begin(const char *path)
{
    struct pack *pack = calloc(1, sizeof *pack);

    if (!pack)
        return NULL;
    pack->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    pack->before = uselocale(pack->names);
    path_make(pack->path, "%s", path);
    pack->out = whole_open(pack->fresh, path);
    pack->archive = archive_write_new();
    if (pack->out && pack->archive && format_set(pack->archive, path) &&
        archive_write_open_FILE(pack->archive, pack->out) == ARCHIVE_OK)
        return pack;
    pack->failed = true;
    pack_end(pack);
    return NULL;
}

bool pack_file(struct pack *pack, const char *name, const char *path)
{
    struct archive_entry *entry = archive_entry_new();
    size_t size;
    char *bytes = file_read(path, SIZE_MAX, &size);
    bool ok = entry && bytes;

    if (ok) {
        archive_entry_set_pathname_utf8(entry, name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, access(path, X_OK) == 0 ? 0755 : 0644);
        archive_entry_set_mtime(entry, EPOCH, 0);
        archive_entry_set_size(entry, (la_int64_t)size);
        ok = archive_write_header(pack->archive, entry) >= ARCHIVE_WARN &&
             archive_write_data(pack->archive, bytes, size) == (la_ssize_t)size;
    }
    pack->failed |= !ok;
    free(bytes);
    archive_entry_free(entry);
    return ok;
}

bool pack_folder(struct pack *pack, const char *name, const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    bool ok = count >= 0;

    for (int i = 0; i < count; i++) {
        char inner[PATH_ROOM], shown[PATH_ROOM];
        struct stat at;

        path_make(inner, "%s/%s", path, entries[i]->d_name);
        path_make(shown, "%s/%s", name, entries[i]->d_name);
        if (strcmp(entries[i]->d_name, ".") && strcmp(entries[i]->d_name, ".."))
            ok = ok && stat(inner, &at) == 0 &&
                 (S_ISDIR(at.st_mode) ? pack_folder(pack, shown, inner)
                                      : pack_file(pack, shown, inner));
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return ok;
}

bool pack_end(struct pack *pack)
{
    bool ok;

    if (!pack)
        return false;
    ok = !pack->failed && archive_write_close(pack->archive) == ARCHIVE_OK;
    archive_write_free(pack->archive);
    if (ok)
        ok = whole_close(pack->out, pack->fresh, pack->path);
    else if (pack->out)
        fclose(pack->out), unlink(pack->fresh);
    uselocale(pack->before);
    if (pack->names)
        freelocale(pack->names);
    free(pack);
    return ok;
}
