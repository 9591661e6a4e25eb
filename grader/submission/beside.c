/* beside.c - a part is not where it has to be: what lies there instead. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/names.h"
#include "submission/build.h"

#define DEPTH       3    /* ROOT/FOLDER/NN-name/part.c */
#define ENTRIES_MAX 5000 /* that are looked at: a folder may be anything */
#define NAMED_MAX   4

struct search {
    const char *root;
    const char *part;
    int entries, found;
    char first[PATH_ROOM]; /* path of the first one, from root */
    FILE *text;            /* the names, as a sentence's list */
};

static void found_add(struct search *s, const char *path)
{
    char *clean = name_clean(path);

    if (++s->found == 1)
        path_make(s->first, "%s", path);
    if (s->found <= NAMED_MAX)
        fprintf(s->text, "%s%s", s->found > 1 ? ", " : "", clean ? clean : "?");
    else if (s->found == NAMED_MAX + 1)
        fprintf(s->text, ", ...");
    free(clean);
}

/* Letters and digits of a name up to its first dot: "Kvm-Open (1).c" is kvmopen1. */
static void essence(char *to, size_t size, const char *name)
{
    size_t n = 0;

    for (; *name && *name != '.' && n < size - 1; name++)
        if (isalnum((unsigned char)*name))
            to[n++] = (char)tolower((unsigned char)*name);
    to[n] = 0;
}

/* Could the file be the part under another name: "kvm_open (1).c", "01-kvm-open\kvm_open.c"? */
static bool name_is_near(const char *name, const char *part)
{
    const char *last = strrchr(name, '\\') ? strrchr(name, '\\') + 1 : name;
    char wanted[64], have[64];

    essence(wanted, sizeof wanted, part);
    essence(have, sizeof have, last);
    return strncmp(have, wanted, strlen(wanted)) == 0;
}

/* Walks through a folder, and the folders in it; links are not followed. */
static void folder_search(struct search *s, const char *folder, int depth)
{
    char path[PATH_ROOM];
    struct dirent *entry;
    DIR *dir;

    path_make(path, "%s/%s", s->root, folder);
    dir = opendir(path);
    while (dir && s->entries++ < ENTRIES_MAX && (entry = readdir(dir))) {
        struct stat status;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        path_make(path, "%s%s%s", folder, folder[0] ? "/" : "", entry->d_name);
        if (S_ISDIR(status.st_mode) && depth > 1)
            folder_search(s, path, depth - 1);
        else if (S_ISREG(status.st_mode) && name_is_near(entry->d_name, s->part))
            found_add(s, path);
    }
    if (dir)
        closedir(dir);
}

/* "X/01-kvm-open/kvm_open.c": X is the folder that was meant. */
static void deeper_mention(const struct search *s, const struct lab *lab)
{
    char tail[PATH_ROOM];
    size_t length = strlen(s->first), n;

    path_make(tail, "/%s/%s", lab->name, s->part);
    n = strlen(tail);
    if (length > n && strcmp(s->first + length - n, tail) == 0) {
        char *folder, *quoted;

        if (asprintf(&folder, "%s/%.*s", s->root, (int)(length - n), s->first) < 0)
            return;
        quoted = name_quote(folder);
        fprintf(s->text, "\n(the folder that holds %s/: FROM=%s)", lab->name,
                quoted ? quoted : "?");
        free(folder);
        free(quoted);
    }
}

char *beside_part(const char *root, const struct lab *lab, const char *part)
{
    struct search s = {.root = root, .part = part};
    char *text = NULL;
    size_t size;

    s.text = open_memstream(&text, &size);
    if (!s.text)
        return NULL;
    fprintf(s.text, "\nWhat lies there and looks like it: ");
    folder_search(&s, "", DEPTH);
    deeper_mention(&s, lab);
    if (fclose(s.text) != 0 || !s.found) {
        free(text);
        return NULL;
    }
    return text;
}

static bool is_source(const char *name)
{
    const size_t n = strlen(name);

    return n > 2 && name[n - 2] == '.' && (name[n - 1] == 'c' || name[n - 1] == 'h');
}

static bool is_part(const struct lab *lab, const char *name)
{
    for (int i = 0; i < lab->part_count; i++)
        if (strcmp(lab->parts[i], name) == 0)
            return true;
    return false;
}

char *beside_helpers(const char *root, const struct lab *lab)
{
    struct search s = {.root = root};
    char path[PATH_ROOM], *text = NULL;
    struct dirent *entry;
    size_t size;
    DIR *dir;

    path_make(path, "%s/%s", root, lab->name);
    dir = opendir(path);
    s.text = dir ? open_memstream(&text, &size) : NULL;
    while (s.text && s.entries++ < ENTRIES_MAX && (entry = readdir(dir)))
        if (is_source(entry->d_name) && !is_part(lab, entry->d_name))
            found_add(&s, entry->d_name);
    if (dir)
        closedir(dir);
    if (s.text && fclose(s.text) == 0 && s.found)
        return text;
    free(text);
    return NULL;
}
