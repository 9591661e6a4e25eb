/* machine.c - the machine's snapshot: made when first needed, and again when stale or damaged. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "judge/qemu.h"
#include "lib/command.h"
#include "lib/hash.h"
#include "lib/settings.h"
#include "prepare/prepare.h"

#define MACHINES     "build/machine"
#define BOOTS_MAX    5
#define GUEST_ANSWER "build/bin/answer"
#define GUEST_INIT   "labs/11-boot-linux/linux/init"
#define KEPT         3600 /* seconds: another grader may be using an older machine */

/* boot: the machine of the capstone, which holds a kernel for a guest. A machine of its own: in
 * the others' it would only cost memory and time. */
static void machine_folder(char *folder, const char *kernel, bool boot)
{
    struct hash *hash = hash_new();
    char key[33], manifest[PATH_ROOM], *version = NULL;
    char *argv[] = {"qemu-system-x86_64", "--version", NULL};

    path_make(manifest, "%s/manifest", kernel);
    hash_file(hash, manifest);
    hash_file(hash, "build/bin/agent");
    hash_file(hash, "grader/machine/initramfs.sh");
    hash_file(hash, "grader/judge/qemu.c");
    hash_file(hash, "grader/judge/snapshot.c");
    if (boot) {
        hash_file(hash, "grader/machine/guest_linux.sh");
        hash_file(hash, GUEST_ANSWER);
        hash_file(hash, GUEST_INIT);
    }
    if (command_run(argv, &version, 30) == 0)
        hash_text(hash, version);
    free(version);
    hash_finish(hash, key);
    path_make(folder, MACHINES "/%s", key);
}

/* What a guest boots, into the machine's own folder: the judge compares with it. */
static bool guest_linux_make(const char *folder, const char *kernel)
{
    char *argv[] = {"sh",
                    "grader/machine/guest_linux.sh",
                    (char *)(uintptr_t)folder,
                    (char *)(uintptr_t)kernel,
                    GUEST_ANSWER,
                    GUEST_INIT,
                    NULL};

    return command_run(argv, NULL, 0) == 0;
}

static bool machine_make(const char *folder, const char *kernel, bool boot)
{
    char fresh[PATH_ROOM], initramfs[PATH_ROOM], vmlinux[PATH_ROOM], why[2000] = "";
    char *argv[] = {"sh",
                    "grader/machine/initramfs.sh",
                    initramfs,
                    (char *)(uintptr_t)kernel,
                    "build/bin/agent",
                    boot ? fresh : NULL,
                    NULL};
    int r = -EAGAIN;
    bool ok;

    path_make(fresh, "%s.new", folder);
    path_make(initramfs, "%s/initramfs", fresh);
    path_make(vmlinux, "%s/vmlinux", kernel);
    folder_remove(fresh);
    if (!folder_make(fresh)) {
        fprintf(stderr, "grader: cannot make %s: %s\n", fresh, strerror(errno));
        return false;
    }
    fprintf(stderr, "machine: booting it once, to take a snapshot%s\n",
            boot ? " (with a kernel for a guest in it)" : "");
    ok = (!boot || guest_linux_make(fresh, kernel)) && command_run(argv, NULL, 0) == 0;
    for (int tried = 0; ok && r == -EAGAIN && tried < BOOTS_MAX; tried++)
        r = machine_build(fresh, vmlinux, initramfs, why, sizeof why);
    ok = ok && r == 0;
    if (ok) {
        folder_remove(folder);
        ok = rename(fresh, folder) == 0;
    }
    if (ok)
        fprintf(stderr, "machine: ready\n");
    else
        fprintf(stderr, "grader: the machine could not be made: %s\n",
                why[0] ? why : strerror(errno));
    folder_remove(fresh);
    folder_prune(MACHINES, folder, KEPT);
    return ok;
}

bool machine_prepare(char *folder, const struct settings *s, bool boot)
{
    char kernel[PATH_ROOM];

    if (!kernel_prepare(kernel, s))
        return false;
    machine_folder(folder, kernel, boot);
    if (machine_intact(folder)) {
        utimensat(AT_FDCWD, folder, NULL, 0); /* in use: folder_prune() goes by this */
        return true;
    }
    if (access(folder, F_OK) == 0)
        fprintf(stderr, "grader: the machine's snapshot is damaged; making it anew\n");
    return machine_make(folder, kernel, boot);
}

bool machine_made(const struct settings *s)
{
    char kernel[PATH_ROOM], folder[PATH_ROOM];

    kernel_folder(kernel, s);
    machine_folder(folder, kernel, false);
    return kernel_intact(kernel) && machine_intact(folder);
}
