/* kernel.c - the machine's kernel: unpacked when first needed, and again when damaged. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/command.h"
#include "lib/hash.h"
#include "lib/settings.h"
#include "prepare/manifest.h"
#include "prepare/prepare.h"

#define KERNELS "build/kernel"

static const char *const kernel_files[] = {"vmlinux", "modules.list", NULL};

bool kernel_intact(const char *folder)
{
    return manifest_holds(folder, kernel_files);
}

static bool kernel_make(const char *folder, const struct settings *s)
{
    char fresh[PATH_ROOM];
    char *argv[] = {"sh",
                    "grader/machine/kernel.sh",
                    fresh,
                    (char *)(uintptr_t)s->kernel,
                    (char *)(uintptr_t)s->modules,
                    NULL};
    int status;

    path_make(fresh, "%s.new", folder);
    folder_remove(fresh);
    if (!folder_make(fresh)) {
        fprintf(stderr, "grader: cannot make %s: %s\n", fresh, strerror(errno));
        return false;
    }
    status = command_run(argv, NULL, 0);
    if (status != 0 || !manifest_write(fresh, kernel_files)) {
        fprintf(stderr, "grader: no kernel for the machine (kernel.sh ended with %d)\n",
                status);
        folder_remove(fresh);
        return false;
    }
    folder_remove(folder);
    return rename(fresh, folder) == 0;
}

void kernel_folder(char *folder, const struct settings *s)
{
    struct hash *hash = hash_new();
    char key[33];

    hash_file(hash, "grader/machine/kernel.sh");
    if (s->kernel) {
        hash_stat(hash, s->kernel);
        hash_stat(hash, s->modules);
    }
    hash_finish(hash, key);
    path_make(folder, KERNELS "/%s", key);
}

bool kernel_prepare(char *folder, const struct settings *s)
{
    kernel_folder(folder, s);
    if (kernel_intact(folder))
        return true;
    if (access(folder, F_OK) == 0)
        fprintf(stderr, "grader: the machine's kernel is damaged; making it anew\n");
    return kernel_make(folder, s);
}

bool kernel_there(const struct settings *s)
{
    char folder[PATH_ROOM];

    kernel_folder(folder, s);
    return kernel_intact(folder);
}
