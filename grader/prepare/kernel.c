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
#include "prepare/prepare.h"

#define KERNELS "build/kernel"

/* What is remembered of the unpacked kernel: enough to notice damage. */
static bool kernel_fingerprint(const char *folder, char *text, size_t size)
{
    static const char *const files[] = {"vmlinux", "modules.list"};
    size_t used = 0;

    for (size_t i = 0; i < 2; i++) {
        char path[PATH_ROOM];
        struct stat s;

        path_make(path, "%s/%s", folder, files[i]);
        if (stat(path, &s) < 0)
            return false;
        used += (size_t)snprintf(text + used, size - used, "%s %lld %lld.%09ld\n", files[i],
                                 (long long)s.st_size, (long long)s.st_mtim.tv_sec,
                                 s.st_mtim.tv_nsec);
    }
    return true;
}

bool kernel_intact(const char *folder)
{
    char path[PATH_ROOM], now[512], *then;
    bool same;

    path_make(path, "%s/manifest", folder);
    then = file_read(path, sizeof now, NULL);
    same = then && kernel_fingerprint(folder, now, sizeof now) && strcmp(now, then) == 0;
    free(then);
    return same;
}

static bool kernel_make(const char *folder, const struct settings *s)
{
    char fresh[PATH_ROOM], manifest[PATH_ROOM], text[512];
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
    path_make(manifest, "%s/manifest", fresh);
    if (status != 0 || !kernel_fingerprint(fresh, text, sizeof text) ||
        !file_write(manifest, text, strlen(text))) {
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
