/* lab.c - which labs there are, and what their checks programs declare. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/command.h"
#include "lib/files.h"
#include "lib/json.h"
#include "lib/lab.h"

static int name_is_lab(const struct dirent *entry)
{
    const char *n = entry->d_name;

    return n[0] >= '0' && n[0] <= '9' && n[1] >= '0' && n[1] <= '9' && n[2] == '-';
}

static int name_is_c(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 2 && strcmp(entry->d_name + length - 2, ".c") == 0;
}

bool kit_is_handed_out(void)
{
    return access(STARTERS, F_OK) == 0 && access("solutions", F_OK) < 0;
}

const char *parts_root(void)
{
    return kit_is_handed_out() ? STARTERS : "solutions";
}

/* (What is handed out has no sources of checks; all its labs have checks.) */
static bool checks_exist(const struct dirent *entry)
{
    char path[PATH_ROOM];

    path_make(path, "grader/checks/%s.c", entry->d_name);
    return kit_is_handed_out() || access(path, F_OK) == 0;
}

/* A lab's parts are the C files of its reference. */
static bool parts_find(struct lab *lab)
{
    char folder[PATH_ROOM];
    struct dirent **entries;
    int count;

    path_make(folder, "%s/%s", parts_root(), lab->name);
    count = scandir(folder, &entries, name_is_c, alphasort);
    for (int i = 0; i < count; i++) {
        if (lab->part_count < PARTS_MAX)
            snprintf(lab->parts[lab->part_count++], sizeof lab->parts[0], "%.39s",
                     entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return lab->part_count > 0;
}

static bool declaration_load(struct lab *lab)
{
    char program[PATH_ROOM], *output = NULL;
    char *argv[] = {program, "--list", NULL};

    path_make(program, "build/checks/%s", lab->name);
    if (command_run(argv, &output, 30) == 0)
        lab->declared = cJSON_Parse(output);
    free(output);
    if (!lab->declared)
        fprintf(stderr, "grader: %s is missing or broken; run make\n", program);
    return lab->declared != NULL;
}

bool labs_load(struct labs *labs)
{
    struct dirent **entries;
    int count = scandir(parts_root(), &entries, name_is_lab, alphasort);
    bool ok = count > 0;

    *labs = (struct labs){0};
    if (count < 0)
        fprintf(stderr, "grader: no folder solutions/ here; run it through make, in the "
                        "kit's top folder\n");
    for (int i = 0; i < count; i++) {
        struct lab *lab = &labs->list[labs->count];

        if (ok && labs->count < LABS_MAX && checks_exist(entries[i])) {
            snprintf(lab->name, sizeof lab->name, "%.39s", entries[i]->d_name);
            lab->number = atoi(lab->name);
            labs->count++;
            ok = parts_find(lab) && declaration_load(lab);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return ok;
}

void labs_free(struct labs *labs)
{
    for (int i = 0; i < labs->count; i++)
        cJSON_Delete(labs->list[i].declared);
    labs->count = 0;
}

/* "labs/01-kvm-open/kvm_open.c" is in the folder of lab 01-kvm-open. */
static bool path_is_in(const struct lab *lab, const char *path)
{
    const size_t length = strlen(lab->name);

    return strncmp(path, "labs/", 5) == 0 && strncmp(path + 5, lab->name, length) == 0 &&
           (path[5 + length] == '/' || path[5 + length] == 0);
}

const struct lab *lab_find(const struct labs *labs, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    bool is_number = *text && *end == 0;

    for (int i = 0; i < labs->count; i++)
        if (strcmp(labs->list[i].name, text) == 0 || path_is_in(&labs->list[i], text) ||
            (is_number && labs->list[i].number == number))
            return &labs->list[i];
    fprintf(stderr, "grader: there is no LAB=%s. There are:\n", text);
    for (int i = 0; i < labs->count; i++)
        fprintf(stderr, "  LAB=%d  %s\n", labs->list[i].number, labs->list[i].name);
    return NULL;
}

/* One word of the list: a lab, or numbers from - to. */
static bool range_choose(const struct labs *labs, const char *word, bool chosen[LABS_MAX])
{
    int from, to, used = 0;
    const struct lab *lab;

    if (sscanf(word, "%2d-%2d%n", &from, &to, &used) == 2 && !word[used]) {
        bool any = false;

        for (int i = 0; i < labs->count; i++)
            if (labs->list[i].number >= from && labs->list[i].number <= to)
                any = chosen[i] = true;
        if (!any)
            fprintf(stderr, "grader: there are no labs %s\n", word);
        return any;
    }
    lab = lab_find(labs, word);
    if (lab)
        chosen[lab - labs->list] = true;
    return lab != NULL;
}

bool labs_choose(const struct labs *labs, const char *list, bool chosen[LABS_MAX])
{
    char *copy = strdup(list ? list : ""), *save;
    bool ok = copy != NULL;

    for (int i = 0; i < LABS_MAX; i++)
        chosen[i] = !list && i < labs->count;
    if (list && !*list) {
        fprintf(stderr, "grader: LABS= names no lab; for example LABS=1-6\n");
        ok = false;
    }
    for (char *word = ok ? strtok_r(copy, ", ", &save) : NULL; ok && word;
         word = strtok_r(NULL, ", ", &save))
        ok = range_choose(labs, word, chosen);
    free(copy);
    return ok;
}

bool lab_is_capstone(const struct lab *lab)
{
    return strcmp(lab->name, CAPSTONE_LAB) == 0;
}

const cJSON *lab_check(const struct lab *lab, const char *id)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        if (strcmp(json_text(check, "id"), id) == 0)
            return check;
    }
    return NULL;
}

int lab_tenths(const struct lab *lab)
{
    const cJSON *check;
    int tenths = 0;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        tenths += json_int(check, "tenths");
    }
    return tenths;
}
