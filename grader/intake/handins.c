/* handins.c - the folder of all submissions: which entries belong to whose try? */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "intake/forms.h"
#include "intake/parts.h"
#include "lib/status.h"

#define GROUP_MAX 16
#define METADATA  "submission_metadata.yml"

/* What has been read of the folder so far. */
struct search {
    struct handins *found;
    char *metadata;   /* Gradescope's, or NULL */
    char **checkouts; /* names of git checkouts */
    size_t checkout_count, prefix;
};

static void memory_want(const void *p)
{
    if (!p) {
        fprintf(stderr, "grader: out of memory\n");
        exit(EXIT_GRADER);
    }
}

static void item_add(struct handin *h, const char *item, const char *shown)
{
    h->items = reallocarray(h->items, h->item_count + 1, sizeof *h->items);
    h->shown = reallocarray(h->shown, h->item_count + 1, sizeof *h->shown);
    memory_want(h->items);
    memory_want(h->shown);
    h->items[h->item_count] = strdup(item);
    h->shown[h->item_count++] = strdup(shown);
}

static void handin_free(struct handin *h)
{
    char **texts[] = {&h->id, &h->name, &h->email, &h->attempt, &h->source};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(*texts[i]);
    for (size_t i = 0; i < h->item_count; i++) {
        free(h->items[i]);
        free(h->shown[i]);
    }
    free(h->items);
    free(h->shown);
}

void handins_free(struct handins *handins)
{
    for (size_t i = 0; i < handins->count; i++)
        handin_free(&handins->list[i]);
    free(handins->list);
    cJSON_Delete(handins->strangers);
    *handins = (struct handins){.folder = ""};
}

/* Loose files of one try belong together; takes *h over. */
static void handin_add(struct handins *found, struct handin *h, const char *item,
                       const char *shown)
{
    for (size_t i = 0; shown[0] && i < found->count; i++) {
        struct handin *other = &found->list[i];

        if (other->form == h->form && strcmp(other->id, h->id) == 0 &&
            (strcmp(h->form, "canvas") == 0 || strcmp(other->attempt, h->attempt) == 0)) {
            item_add(other, item, shown);
            handin_free(h);
            return;
        }
    }
    h->source = strdup(item);
    item_add(h, item, shown[0] ? shown : item);
    found->list = reallocarray(found->list, found->count + 1, sizeof *h);
    memory_want(found->list);
    found->list[found->count++] = *h;
}

static char *base_name(const char *name)
{
    char *base = strdup(name), *dot = base;

    memory_want(base);
    if (name_is_archive(base)) {
        dot = strrchr(base, '.');
        *dot = 0;
        if (strlen(base) > 4 && strcmp(base + strlen(base) - 4, ".tar") == 0)
            base[strlen(base) - 4] = 0;
    }
    return base;
}

static void plain_add(struct search *s, const char *name, const char *form, size_t skip)
{
    char *base = base_name(name);
    struct handin h = {.form = form,
                       .id = strdup(base + skip),
                       .name = strdup(""),
                       .email = strdup(""),
                       .attempt = strdup("")};

    handin_add(s->found, &h, name, "");
    free(base);
}

/* Gradescope: a group's folder is a try of each of them. */
static bool gradescope_add(struct search *s, const char *name)
{
    struct handin list[GROUP_MAX];
    size_t count = s->metadata ? gradescope_read(s->metadata, name, list, GROUP_MAX) : 0;

    for (size_t i = 0; i < count; i++) {
        if (!list[i].id[0]) {
            free(list[i].id);
            list[i].id = strdup(list[i].email[0] ? list[i].email : list[i].name);
        }
        free(list[i].attempt);
        list[i].attempt = strdup(name);
        handin_add(s->found, &list[i], name, "");
    }
    return count > 0;
}

static void checkout_add(struct search *s, const char *name, const char *path)
{
    struct handin *h;
    size_t before = s->found->count;

    plain_add(s, name, "github", s->prefix);
    if (s->found->count == before)
        return;
    h = &s->found->list[before];
    h->when = checkout_time(path);
    h->when_from = h->when ? "its last commit" : NULL;
}

static void entry_add(struct search *s, const char *name)
{
    char path[PATH_ROOM], *rest;
    struct handin h;
    struct stat at;

    path_make(path, "%s/%s", s->found->folder, name);
    if (name[0] == '.' || !parts_path_matters(name) || strcmp(name, METADATA) == 0)
        return;
    if (lstat(path, &at) < 0 || (!S_ISDIR(at.st_mode) && !S_ISREG(at.st_mode))) {
        cJSON_AddItemToArray(s->found->strangers, cJSON_CreateString(name));
    } else if (name_parse(name, &h, &rest)) {
        handin_add(s->found, &h, name, S_ISDIR(at.st_mode) ? "" : rest);
        free(rest);
    } else if (S_ISDIR(at.st_mode) && gradescope_add(s, name)) {
        return;
    } else if (S_ISDIR(at.st_mode) && checkout_is(path)) {
        checkout_add(s, name, path);
    } else if (S_ISDIR(at.st_mode) || name_is_archive(name)) {
        plain_add(s, name, "plain", 0);
    } else {
        cJSON_AddItemToArray(s->found->strangers, cJSON_CreateString(name));
    }
}

static void search_begin(struct search *s, struct dirent **entries, int count)
{
    char path[PATH_ROOM];

    path_make(path, "%s/" METADATA, s->found->folder);
    s->metadata = file_read(path, HANDIN_BYTES, NULL);
    if (s->metadata) { /* section_find() looks for beginnings of lines */
        char *text = NULL;

        if (asprintf(&text, "\n%s", s->metadata) >= 0) {
            free(s->metadata);
            s->metadata = text;
        }
    }
    s->checkouts = calloc((size_t)count + 1, sizeof *s->checkouts);
    memory_want(s->checkouts);
    for (int i = 0; i < count; i++) {
        path_make(path, "%s/%s", s->found->folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && checkout_is(path))
            s->checkouts[s->checkout_count++] = entries[i]->d_name;
    }
    s->prefix = prefix_common(s->checkouts, s->checkout_count);
}

bool handins_find(struct handins *handins, const char *folder)
{
    struct search s = {.found = handins};
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);

    *handins = (struct handins){.strangers = cJSON_CreateArray()};
    path_make(handins->folder, "%s", folder);
    if (count < 0)
        return false;
    search_begin(&s, entries, count);
    for (int i = 0; i < count; i++)
        entry_add(&s, entries[i]->d_name);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    free(s.metadata);
    free(s.checkouts);
    return true;
}
