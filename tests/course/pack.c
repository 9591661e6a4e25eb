/* pack.c - archives that students' computers make, and some that they do not.
 *
 *   pack OUT.zip|OUT.tar.gz|OUT.tar.xz [--password WORD] NAME=FILE... NAME->TARGET... NAME*BYTES...
 *
 * NAME=FILE puts a file in, NAME->TARGET a symbolic link, NAME*BYTES that many zeros. */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);

    return length > tail && strcmp(name + length - tail, ending) == 0;
}

static struct archive *archive_begin(const char *out, const char *password)
{
    struct archive *a = archive_write_new();

    if (ends_with(out, ".zip"))
        archive_write_set_format_zip(a);
    else
        archive_write_set_format_pax_restricted(a);
    if (ends_with(out, ".gz"))
        archive_write_add_filter_gzip(a);
    if (ends_with(out, ".xz"))
        archive_write_add_filter_xz(a);
    if (password &&
        (archive_write_set_options(a, "zip:encryption=zipcrypt") != ARCHIVE_OK ||
         archive_write_set_passphrase(a, password) != ARCHIVE_OK))
        return NULL;
    return archive_write_open_filename(a, out) == ARCHIVE_OK ? a : NULL;
}

static void head_write(struct archive *a, const char *name, unsigned type, long long size,
                       const char *target)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 1800000000, 0);
    archive_entry_set_size(entry, size);
    if (target)
        archive_entry_set_symlink(entry, target);
    if (archive_write_header(a, entry) < ARCHIVE_WARN) {
        fprintf(stderr, "pack: %s: %s\n", name, archive_error_string(a));
        exit(1);
    }
    archive_entry_free(entry);
}

static void file_write(struct archive *a, const char *name, const char *path)
{
    FILE *in = fopen(path, "r");
    static char bytes[1 << 22];
    size_t size;

    if (!in) {
        perror(path);
        exit(1);
    }
    size = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    head_write(a, name, AE_IFREG, (long long)size, NULL);
    archive_write_data(a, bytes, size);
}

static void zeros_write(struct archive *a, const char *name, long long size)
{
    static char zeros[1 << 20];

    head_write(a, name, AE_IFREG, size, NULL);
    for (long long left = size; left > 0; left -= (long long)sizeof zeros)
        archive_write_data(a, zeros,
                           left < (long long)sizeof zeros ? (size_t)left : sizeof zeros);
}

static void word_write(struct archive *a, char *word)
{
    char *mark;

    if ((mark = strstr(word, "->")) != NULL) {
        *mark = 0;
        head_write(a, word, AE_IFLNK, 0, mark + 2);
    } else if ((mark = strchr(word, '=')) != NULL) {
        *mark = 0;
        file_write(a, word, mark + 1);
    } else if ((mark = strchr(word, '*')) != NULL) {
        *mark = 0;
        zeros_write(a, word, atoll(mark + 1));
    }
}

int main(int argc, char **argv)
{
    bool locked = argc > 3 && strcmp(argv[2], "--password") == 0;
    struct archive *a;

    setlocale(LC_CTYPE, "C.UTF-8");
    a = argc > 1 ? archive_begin(argv[1], locked ? argv[3] : NULL) : NULL;
    if (!a) {
        fprintf(stderr, "pack: cannot begin %s\n", argc > 1 ? argv[1] : "");
        return 1;
    }
    for (int i = locked ? 4 : 2; i < argc; i++)
        word_write(a, argv[i]);
    if (archive_write_close(a) != ARCHIVE_OK)
        return 1;
    archive_write_free(a);
    return 0;
}
