/* parts.c - which of a hand-in's files are the labs' parts. By name; wherever they lie. What is
 * not plain is told, and not guessed. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intake/parts.h"
#include "judge/text.h"
#include "lib/hash.h"
#include "lib/json.h"
#include "submission/submission.h"

#define NOTES_MAX 40
#define SHOWN_MAX 200 /* files that are listed */

struct parts parts_begin(const struct labs *labs)
{
    return (struct parts){
        .labs = labs,
        .files = cJSON_CreateArray(),
        .notes = cJSON_CreateArray(),
        .misspelled = cJSON_CreateObject(),
    };
}

void parts_free(struct parts *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->list[i].path);
        free(p->list[i].text);
    }
    free(p->list);
    cJSON_Delete(p->misspelled);
    *p = (struct parts){.labs = NULL};
}

void parts_note(struct parts *p, const char *format, ...)
{
    char text[600];
    va_list list;

    if (cJSON_GetArraySize(p->notes) >= NOTES_MAX)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    text_clean(text);
    if (cJSON_GetArraySize(p->notes) == NOTES_MAX - 1)
        snprintf(text, sizeof text, "and more of the kind");
    cJSON_AddItemToArray(p->notes, cJSON_CreateString(text));
}

bool parts_refuse(struct parts *p, const char *format, ...)
{
    va_list list;

    if (p->refused)
        return false;
    va_start(list, format);
    vsnprintf(p->why, sizeof p->why, format, list);
    va_end(list);
    text_clean(p->why);
    p->refused = true;
    return false;
}

bool parts_count(struct parts *p, size_t bytes)
{
    p->bytes += bytes;
    return p->bytes <= HANDIN_BYTES ||
           parts_refuse(p, "more than %u MiB when unpacked", HANDIN_BYTES >> 20);
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Is a folder of that name on the way to the file? */
static bool path_passes(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    for (const char *at = path; (at = strstr(at, folder)); at++)
        if ((at == path || at[-1] == '/') && at[length] == '/')
            return true;
    return false;
}

bool parts_path_matters(const char *path)
{
    static const char *const ours[] = {".git",      "__MACOSX", "build", "backups",
                                       "solutions", "mutants",  ".svn",  "node_modules"};
    const char *base = base_of(path);

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (path_passes(path, ours[i]))
            return false;
    return strncmp(base, "._", 2) != 0 && strcmp(base, ".DS_Store") != 0 &&
           strcmp(base, "Thumbs.db") != 0 && strcmp(base, "desktop.ini") != 0;
}

/* "part-1.c", "part (1).c", "PART.C", " part.c": the name before somebody's program made it that,
 * in small letters. */
static void renaming_undo(const char *base, char *name, size_t size)
{
    char *dot, *end;

    snprintf(name, size, "%s", base + strspn(base, " "));
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    dot = strrchr(name, '.');
    if (!dot || dot == name)
        return;
    for (end = dot; end > name && isdigit((unsigned char)end[-1]); end--)
        ;
    if (end < dot && end > name && end[-1] == '-')
        memmove(end - 1, dot, strlen(dot) + 1);
    else if (dot[-1] == ')' && (end = strrchr(name, '(')) != NULL &&
             strspn(end + 1, "0123456789") == (size_t)(dot - end - 2)) {
        while (end > name && end[-1] == ' ')
            end--;
        memmove(end, dot, strlen(dot) + 1);
    }
}

/* The part of that name, in any lab; its rank by the folder that it lies in. */
static bool part_find(const struct parts *p, const char *path, struct candidate *found)
{
    char renamed[256], folder[80];
    const char *base = base_of(path);

    renaming_undo(base, renamed, sizeof renamed);
    for (int i = 0; i < p->labs->count; i++)
        for (int n = 0; n < p->labs->list[i].part_count; n++) {
            const struct lab *lab = &p->labs->list[i];
            const char *part = lab->parts[n];

            if (strcmp(renamed, part) != 0)
                continue;
            *found = (struct candidate){.lab = lab, .part = n, .rank = RANK_BY_NAME};
            snprintf(folder, sizeof folder, "labs/%s", lab->name);
            if (strcmp(base, part) != 0)
                found->rank = RANK_RENAMED;
            else if (path_passes(path, folder))
                found->rank = RANK_IN_LABS;
            else if (path_passes(path, lab->name))
                found->rank = RANK_IN_FOLDER;
            return true;
        }
    return false;
}

bool parts_want(const struct parts *p, const char *path)
{
    struct candidate found;

    return part_find(p, path, &found);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters have to be changed, put in or taken out (Levenshtein). */
static size_t letters_differ(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);

    if (n >= 64 || strlen(a) >= 64)
        return 64;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];

            row[j] =
                smaller(smaller(above, row[j - 1]) + 1, corner + (a[i - 1] != b[j - 1]));
            corner = above;
        }
    }
    return row[n];
}

/* Only letters and digits, small; endings that mail programs and editors add are cut off. */
static void name_reduce(const char *base, char *name, size_t size)
{
    static const char *const endings[] = {".txt", ".bak", ".orig", "~"};
    size_t n = 0, length = strlen(base);

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t tail = strlen(endings[i]);

        if (length > tail && strcasecmp(base + length - tail, endings[i]) == 0)
            length -= tail;
    }
    for (size_t i = 0; i < length && n + 1 < size; i++)
        if (isalnum((unsigned char)base[i]))
            name[n++] = (char)tolower((unsigned char)base[i]);
    name[n] = 0;
}

/* Is it nearly a part's name? Then that is kept, for when the part itself is not there. */
static void misspelling_look(struct parts *p, const char *path)
{
    char name[80], wanted[80];

    name_reduce(base_of(path), name, sizeof name);
    for (int i = 0; i < p->labs->count; i++)
        for (int n = 0; n < p->labs->list[i].part_count; n++) {
            const char *part = p->labs->list[i].parts[n];

            name_reduce(part, wanted, sizeof wanted);
            if (letters_differ(name, wanted) <= 2 &&
                !cJSON_HasObjectItem(p->misspelled, part))
                cJSON_AddStringToObject(p->misspelled, part, path);
        }
}

static cJSON *file_list(struct parts *p, const char *path, size_t size)
{
    cJSON *file = cJSON_CreateObject();
    char *shown = strdup(path);

    if (shown)
        text_clean(shown);
    cJSON_AddStringToObject(file, "path", shown ? shown : "");
    cJSON_AddNumberToObject(file, "bytes", (double)size);
    free(shown);
    if (cJSON_GetArraySize(p->files) < SHOWN_MAX)
        cJSON_AddItemToArray(p->files, file);
    else
        cJSON_Delete(file);
    return file;
}

void parts_meet(struct parts *p, const char *path, char *text, size_t size, time_t when)
{
    struct candidate found, *more;

    if (++p->files_seen > HANDIN_FILES) {
        parts_refuse(p, "more than %u files", HANDIN_FILES);
        free(text);
        return;
    }
    if (when > p->newest)
        p->newest = when;
    file_list(p, path, size);
    if (!text) {
        misspelling_look(p, path);
        return;
    }
    more = reallocarray(p->list, p->count + 1, sizeof *more);
    if (!more || !part_find(p, path, &found)) {
        free(text);
        return;
    }
    found.text = text;
    found.size = size;
    found.path = strdup(path);
    p->list = more;
    p->list[p->count++] = found;
}

/* --- choosing --------------------------------------------------------------------------------- */

static bool same_text(const struct candidate *a, const struct candidate *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* The one that lies where it belongs; NULL if there is none, or no telling which. */
static const struct candidate *candidate_choose(struct parts *p, const struct lab *lab,
                                                int part, bool *unclear)
{
    const struct candidate *best = NULL;

    for (size_t i = 0; i < p->count; i++) {
        const struct candidate *c = &p->list[i];

        if (c->lab == lab && c->part == part && (!best || c->rank < best->rank))
            best = c;
    }
    for (size_t i = 0; best && i < p->count; i++) {
        const struct candidate *c = &p->list[i];

        if (c->lab != lab || c->part != part || c == best || same_text(c, best))
            continue;
        if (c->rank == best->rank) {
            parts_note(p,
                       "%s is there twice and not the same: %s and %s; neither was taken",
                       lab->parts[part], best->path, c->path);
            *unclear = true;
            return NULL;
        }
        parts_note(p, "%s is there twice and not the same: %s was taken, %s was not",
                   lab->parts[part], best->path, c->path);
    }
    if (best && best->rank == RANK_RENAMED)
        parts_note(p, "%s was taken as %s", best->path, lab->parts[part]);
    return best;
}

static void taken_mark(struct parts *p, const struct candidate *c)
{
    cJSON *file;

    cJSON_ArrayForEach(file, p->files)
    {
        if (strcmp(json_text(file, "path"), c->path) == 0 &&
            !cJSON_HasObjectItem(file, "taken")) {
            cJSON_AddStringToObject(file, "taken", c->lab->parts[c->part]);
            return;
        }
    }
}

static bool part_write(struct parts *p, const struct candidate *c, const char *folder,
                       struct hash *hash)
{
    char path[PATH_ROOM];

    path_make(path, "%s/%s", folder, c->lab->name);
    if (!folder_make(path))
        return false;
    path_make(path, "%s/%s/%s", folder, c->lab->name, c->lab->parts[c->part]);
    hash_text(hash, c->lab->name);
    hash_text(hash, c->lab->parts[c->part]);
    hash_bytes(hash, c->text, c->size);
    taken_mark(p, c);
    return file_write(path, c->text, c->size);
}

/* Nothing of that name; is there a file whose writer may have meant it? */
static void missing_note(struct parts *p, const char *part, bool *unclear)
{
    const char *path = json_text(p->misspelled, part);

    if (!path[0])
        return;
    parts_note(p, "%s is not there; is %s meant? It was not taken", part, path);
    *unclear = true;
}

/* How many parts of a lab were written; -1 with errno. */
static int lab_choose(struct parts *p, const struct lab *lab, const char *folder,
                      struct hash *hash, bool *unclear)
{
    int written = 0, missing = -1;

    for (int n = 0; n < lab->part_count; n++) {
        bool doubled = false;
        const struct candidate *c = candidate_choose(p, lab, n, &doubled);

        if (c && !part_write(p, c, folder, hash))
            return -1;
        written += c != NULL;
        if (!c && !doubled) {
            missing_note(p, lab->parts[n], unclear);
            missing = n;
        }
        *unclear |= doubled;
    }
    if (written > 0 && missing >= 0 && !*unclear)
        parts_note(p, "lab %02d is not complete: %s is not there", lab->number,
                   lab->parts[missing]);
    return written;
}

cJSON *parts_choose(struct parts *p, const char *folder, char key[33])
{
    cJSON *states = cJSON_CreateObject();
    struct hash *hash = hash_new();
    int all = 0, written = 0;

    for (int i = 0; i < p->labs->count && written >= 0; i++) {
        const struct lab *lab = &p->labs->list[i];
        bool unclear = false;

        written = lab_choose(p, lab, folder, hash, &unclear);
        all += written;
        cJSON_AddStringToObject(states, lab->name,
                                unclear       ? "unclear"
                                : written > 0 ? "handed in"
                                              : "not handed in");
    }
    hash_finish(hash, key);
    if (all <= 0)
        key[0] = 0;
    if (written >= 0)
        return states;
    cJSON_Delete(states);
    return NULL;
}
