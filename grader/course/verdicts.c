/* verdicts.c - the store: what the same bytes gave with the same checks, seed and machine is not
 * run again. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "course/course.h"
#include "lib/command.h"
#include "lib/hash.h"
#include "lib/json.h"
#include "prepare/versions.h"

#define STORE         CLASSES "/verdicts"
#define VERDICT_BYTES (16u << 20)

void verdict_prepare(struct course *c)
{
    char *bochs = NULL, *argv[] = {"bochs", "--help", NULL};

    if (!c->targets.no_silicon[0])
        command_run(argv, &bochs, 30);
    for (int i = 0; i < c->labs.count; i++) {
        struct hash *hash = hash_new();
        char key[33];

        checks_key(key, &c->labs.list[i], &c->labs);
        hash_text(hash, "verdict 1");
        hash_text(hash, key);
        hash_bytes(hash, &c->seed, sizeof c->seed);
        /* (The snapshot's folder is named by kernel, agent and QEMU's version.) */
        hash_text(hash, c->targets.machine);
        hash_text(hash, c->targets.no_machine);
        hash_text(hash, c->targets.no_model);
        hash_text(hash, c->targets.no_silicon);
        hash_text(hash,
                  bochs && strstr(bochs, "Emulator") ? strstr(bochs, "Emulator") : "");
        hash_finish(hash, c->fingerprints[i]);
    }
    free(bochs);
}

static void parts_hash(struct hash *hash, const struct course *c, const struct lab *lab,
                       const char *parts)
{
    for (int i = 0; i < lab->part_count; i++) {
        char path[PATH_ROOM], *text;
        size_t size = 0;

        path_make(path, "%s/parts/%s/%s/%s", c->folder, parts, lab->name, lab->parts[i]);
        text = file_read(path, 1u << 21, &size);
        hash_text(hash, text ? lab->parts[i] : "");
        hash_bytes(hash, text ? text : "", size);
        free(text);
    }
}

void verdict_key(char key[33], const struct course *c, const struct lab *lab,
                 const char *parts)
{
    struct hash *hash = hash_new();

    hash_text(hash, c->fingerprints[lab - c->labs.list]);
    hash_text(hash, c->own ? "own" : "");
    parts_hash(hash, c, lab, parts);
    for (int i = 0; c->own && &c->labs.list[i] != lab; i++)
        parts_hash(hash, c, &c->labs.list[i], parts);
    hash_finish(hash, key);
}

static cJSON *json_read(const char *path)
{
    char *text = file_read(path, VERDICT_BYTES, NULL);
    cJSON *json = text ? cJSON_Parse(text) : NULL;

    free(text);
    return json;
}

cJSON *verdict_load(const struct course *c, const char *key)
{
    char path[PATH_ROOM];

    (void)c;
    path_make(path, STORE "/%s.json", key);
    return json_read(path);
}

bool verdict_stored(const char *key)
{
    char path[PATH_ROOM];

    path_make(path, STORE "/%s.json", key);
    return access(path, R_OK) == 0;
}

cJSON *error_load(const struct course *c, const char *key)
{
    char path[PATH_ROOM];

    path_make(path, "%s/errors/%s.json", c->folder, key);
    return json_read(path);
}

static bool has_error(const cJSON *verdict)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(verdict, "checks"))
    {
        if (strcmp(json_text(check, "verdict"), "error") == 0)
            return true;
    }
    return false;
}

void errors_forget(const struct course *c)
{
    char folder[PATH_ROOM];

    path_make(folder, "%s/errors", c->folder);
    folder_remove(folder);
}

/* The text of a verdict; of an ERROR, with how often it was tried. */
static char *verdict_text(const struct course *c, const char *key, const cJSON *verdict,
                          bool failed)
{
    cJSON *copy = cJSON_Duplicate(verdict, true), *before = error_load(c, key);
    char *text;

    if (failed)
        cJSON_AddNumberToObject(copy, "tries", json_int(before, "tries") + 1);
    text = cJSON_PrintUnformatted(copy);
    cJSON_Delete(copy);
    cJSON_Delete(before);
    return text;
}

bool verdict_store(const struct course *c, const char *key, const cJSON *verdict)
{
    char folder[PATH_ROOM], path[PATH_ROOM], error[PATH_ROOM];
    bool ok, failed = has_error(verdict);
    char *text = verdict_text(c, key, verdict, failed);

    path_make(folder, "%s/errors", c->folder);
    path_make(error, "%s/%s.json", folder, key);
    path_make(path, STORE "/%s.json", key);
    ok = text && folder_make(failed ? folder : STORE) &&
         file_write(failed ? error : path, text, strlen(text));
    if (ok && !failed)
        unlink(error);
    free(text);
    return ok;
}
