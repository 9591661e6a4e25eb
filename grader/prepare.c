/* prepare.c - kernel and machine: made when first needed, and again when stale or damaged.
 *
 * Both lie in folders that are named by the hash of everything that went into them, so that
 * a stale one is simply not found. A folder appears under its name only when it is complete.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "grader.h"
#include "qemu.h"
#include "sandbox.h"

#define KERNELS      "build/kernel"
#define MACHINES     "build/machine"
#define PREPARE_LOCK "build/prepare.lock"
#define GUEST_ANSWER "build/bin/answer"
#define GUEST_INIT   "labs/11-boot-linux/linux/init"
#define HOUR         3600
#define BOOTS_MAX    5

bool program_there(const char *name)
{
    const char *path = getenv("PATH");
    char *copy = strdup(path ? path : "/usr/bin:/bin"), file[PATH_ROOM];
    bool found = false;

    for (char *save, *dir = strtok_r(copy, ":", &save); dir && !found;
         dir = strtok_r(NULL, ":", &save)) {
        path_make(file, "%s/%s", dir, name);
        found = access(file, X_OK) == 0;
    }
    free(copy);
    return found;
}

/* --- kernel ------------------------------------------------------------------------------------- */

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

static bool kernel_intact(const char *folder)
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

static void kernel_folder(char *folder, const struct settings *s)
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

/* --- machine ------------------------------------------------------------------------------------ */

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

/* Removes what is older than `seconds` in a folder, but for one entry (or NULL). Another
 * grader may be using what is younger. */
static void folder_prune(const char *folder, const char *keep, long seconds)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char path[PATH_ROOM];
        struct stat s;

        path_make(path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && (!keep || strcmp(path, keep) != 0) &&
            stat(path, &s) == 0 && time(NULL) - s.st_mtime > seconds)
            folder_remove(path);
    }
    if (dir)
        closedir(dir);
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
    folder_prune(MACHINES, folder, HOUR);
    return ok;
}

static bool machine_prepare(char *folder, const struct settings *s, bool boot)
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

static bool kernel_there(const struct settings *s)
{
    char folder[PATH_ROOM];

    kernel_folder(folder, s);
    return kernel_intact(folder);
}

/* Without a sandbox, subjects of the model and silicon checks run in the machine; without
 * both, nowhere. */
static void model_settle(struct targets_found *found)
{
    if (!found->no_sandbox[0] || !found->no_machine[0])
        return;
    if (!found->no_model[0])
        snprintf(found->no_model, sizeof found->no_model, "%s", found->no_sandbox);
    if (!found->no_silicon[0])
        snprintf(found->no_silicon, sizeof found->no_silicon, "%s", found->no_sandbox);
}

static void target_refuse(char *why, size_t size, const char *name,
                          const struct settings *s)
{
    if (s->sanitize && strcmp(name, "model") != 0)
        snprintf(why, size, "SANITIZE=1 works on target model only");
    else if (s->target && strcmp(s->target, name) != 0)
        snprintf(why, size, "TARGET=%s was asked for", s->target);
}

/* What was not asked for, and what is not installed. */
static void targets_choose(struct targets_found *found, const struct settings *s)
{
    target_refuse(found->no_model, sizeof found->no_model, "model", s);
    target_refuse(found->no_machine, sizeof found->no_machine, "machine", s);
    target_refuse(found->no_silicon, sizeof found->no_silicon, "silicon", s);
    if (!found->no_machine[0] && !program_there("qemu-system-x86_64"))
        snprintf(found->no_machine, sizeof found->no_machine,
                 "QEMU is not installed: sudo apt install qemu-system-x86");
    if (!found->no_silicon[0] && !program_there("bochs"))
        snprintf(found->no_silicon, sizeof found->no_silicon,
                 "Bochs is not installed: sudo apt install bochs bochs-term");
}

bool targets_prepare(struct targets_found *found, const struct settings *s)
{
    int lock;
    bool ok;

    *found = (struct targets_found){.machine = ""};
    sandbox_usable(found->no_sandbox, sizeof found->no_sandbox);
    targets_choose(found, s);
    if (found->no_machine[0]) {
        model_settle(found);
        return true;
    }
    if (!folder_make("build") || (lock = lock_take(PREPARE_LOCK)) < 0) {
        fprintf(stderr, "grader: cannot write to build/: %s\n", strerror(errno));
        return false;
    }
    folder_prune("build/tmp", NULL, HOUR); /* of runs that were killed */
    folder_prune("build/cache", NULL, 12 * HOUR);
    ok = machine_prepare(found->machine, s, false);
    if (!ok && !kernel_there(s)) {
        ok = true;
        snprintf(found->no_machine, sizeof found->no_machine,
                 "there is no kernel for the machine (see above; a kernel of your own: "
                 "KERNEL=bzImage MODULES=/lib/modules/VERSION)");
        model_settle(found);
    }
    lock_drop(lock);
    return ok;
}

bool boot_machine_prepare(struct targets_found *found, const struct settings *s)
{
    int lock;
    bool ok;

    if (found->no_machine[0] || found->boot_machine[0])
        return true;
    lock = lock_take(PREPARE_LOCK);
    if (lock < 0) {
        fprintf(stderr, "grader: cannot write to build/: %s\n", strerror(errno));
        return false;
    }
    ok = machine_prepare(found->boot_machine, s, true);
    lock_drop(lock);
    return ok;
}
