/* version.c - the verb version: what made a result. */
#include <stdio.h>

#include "lib/json.h"
#include "lib/lab.h"
#include "prepare/versions.h"
#include "verbs/verbs.h"

static int version_verb(const struct settings *s)
{
    struct labs labs;
    cJSON *versions;
    const cJSON *item;

    if (!labs_load(&labs))
        return EXIT_GRADER;
    versions = versions_find(&labs, s);
    cJSON_ArrayForEach(item, versions)
    {
        printf("%-9s %s\n", item->string,
               item->valuestring[0] ? item->valuestring : "(not here)");
    }
    cJSON_Delete(versions);
    labs_free(&labs);
    return EXIT_ALL;
}

const struct verb verb_version = {
    .name = "version",
    .run = version_verb,
    .whom = FOR_INSTRUCTOR,
    .help = "make version                which kit, checks, QEMU, Bochs and kernel\n",
};
