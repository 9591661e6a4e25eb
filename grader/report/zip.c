/* zip.c - archives that we write (libarchive). No time and no owner of this computer is in them. */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/files.h"
#include "report/record.h"
#include "report/zip.h"

#define EPOCH 315619200 /* 1980-01-02: the first day that a zip can say everywhere */

struct zip {
    struct archive *archive;
    char path[PATH_ROOM], fresh[PATH_ROOM];
    FILE *out;
    bool failed;
    locale_t names, before; /* libarchive asks the locale how names are written */
};

struct zip *zip_begin(const char *path)
{
    struct zip *zip = calloc(1, sizeof *zip);

    if (!zip)
        return NULL;
    zip->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    zip->before = uselocale(zip->names);
    path_make(zip->path, "%s", path);
    zip->out = whole_open(zip->fresh, path);
    zip->archive = archive_write_new();
    if (zip->out && zip->archive &&
        archive_write_set_format_zip(zip->archive) == ARCHIVE_OK &&
        archive_write_set_options(zip->archive, "zip:hdrcharset=UTF-8") >= ARCHIVE_WARN &&
        archive_write_open_FILE(zip->archive, zip->out) == ARCHIVE_OK)
        return zip;
    zip->failed = true;
    zip_end(zip);
    return NULL;
}

bool zip_file(struct zip *zip, const char *name, const char *path)
{
    struct archive_entry *entry = archive_entry_new();
    size_t size;
    char *bytes = file_read(path, SIZE_MAX, &size);
    bool ok = entry && bytes;

    if (ok) {
        archive_entry_set_pathname_utf8(entry, name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_mtime(entry, EPOCH, 0);
        archive_entry_set_size(entry, (la_int64_t)size);
        ok = archive_write_header(zip->archive, entry) >= ARCHIVE_WARN &&
             archive_write_data(zip->archive, bytes, size) == (la_ssize_t)size;
    }
    zip->failed |= !ok;
    free(bytes);
    archive_entry_free(entry);
    return ok;
}

bool zip_end(struct zip *zip)
{
    bool ok;

    if (!zip)
        return false;
    ok = !zip->failed && archive_write_close(zip->archive) == ARCHIVE_OK;
    archive_write_free(zip->archive);
    if (ok)
        ok = whole_close(zip->out, zip->fresh, zip->path);
    else if (zip->out)
        fclose(zip->out), unlink(zip->fresh);
    uselocale(zip->before);
    if (zip->names)
        freelocale(zip->names);
    free(zip);
    return ok;
}
