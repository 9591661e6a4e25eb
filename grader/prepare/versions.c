/* versions.c - which kit, checks and machines gave a verdict. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/command.h"
#include "lib/hash.h"
#include "lib/host.h"
#include "prepare/prepare.h"
#include "prepare/versions.h"

/* The first thing behind `begin` in a text, up to one of `ends`. */
static char *word_behind(const char *text, const char *begin, const char *ends)
{
    const char *at = text ? strstr(text, begin) : NULL;

    if (!at)
        return strdup("");
    at += strlen(begin);
    return strndup(at, strcspn(at, ends));
}

static char *program_version(const char *program, const char *option, const char *begin)
{
    char *output = NULL, *version;
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)option, NULL};

    if (!program_there(program))
        return strdup("");
    command_run(argv, &output, 30);
    version = word_behind(output, begin, "\n");
    free(output);
    return version;
}

/* It stands in the kernel's own text. */
static char *kernel_version(const struct settings *s)
{
    static const char begin[] = "Linux version ";
    char folder[PATH_ROOM], path[PATH_ROOM], *bytes, *version = NULL;
    size_t size;

    kernel_folder(folder, s);
    path_make(path, "%s/vmlinux", folder);
    bytes = file_read(path, SIZE_MAX, &size);
    for (char *at = bytes; at && !version;) {
        at = memmem(at, size - (size_t)(at - bytes), begin, sizeof begin - 1);
        if (!at)
            break;
        at += sizeof begin - 1;
        if (*at >= '0' && *at <= '9')
            version = strndup(at, strcspn(at, " \n"));
    }
    free(bytes);
    return version ? version : strdup("");
}

static char *kit_version(void)
{
    char *text = file_read("CHANGELOG.md", 1u << 20, NULL);
    char *version = word_behind(text, "\n## ", "\n");

    free(text);
    return version;
}

void checks_key(char key[33], const struct lab *lab, const struct labs *labs)
{
    struct hash *hash = hash_new();
    char path[PATH_ROOM];

    path_make(path, "build/checks/%s", lab->name);
    hash_file(hash, path);
    path_make(path, "build/subjects/%s.o", lab->name);
    hash_file(hash, path);
    for (const char *const *file =
             (const char *const[]){"build/bin/agent", "build/subjects/main.o",
                                   "build/subjects/crash.o", "build/lib/core.a", NULL};
         *file; file++)
        hash_file(hash, *file);
    for (int i = 0; i < labs->count; i++) {
        path_make(path, "build/lib/%s.a", labs->list[i].name);
        hash_file(hash, path);
    }
    hash_folder(hash, "common/include", ".h");
    hash_folder(hash, "common/guest", "");
    hash_folder(hash, "common/silicon", "");
    hash_folder(hash, "grader/submission", ".c"); /* the compiler's flags */
    hash_stat(hash, "/usr/bin/" X86_TOOL("gcc"));
    hash_finish(hash, key);
}

static void text_add(cJSON *object, const char *name, char *text)
{
    cJSON_AddStringToObject(object, name, text);
    free(text);
}

cJSON *versions_find(const struct labs *labs, const struct settings *s)
{
    cJSON *versions = cJSON_CreateObject();
    struct hash *hash = hash_new();
    char key[33];

    for (int i = 0; i < labs->count; i++) {
        checks_key(key, &labs->list[i], labs);
        hash_text(hash, key);
    }
    hash_finish(hash, key);
    key[12] = 0;
    text_add(versions, "kit", kit_version());
    cJSON_AddStringToObject(versions, "checks", key);
    text_add(versions, "qemu",
             program_version("qemu-system-x86_64", "--version", "version "));
    text_add(versions, "bochs", program_version("bochs", "--help", "Bochs x86 Emulator "));
    text_add(versions, "compiler", program_version(X86_TOOL("gcc"), "--version", "gcc "));
    text_add(versions, "kernel", kernel_version(s));
    return versions;
}
