/* cage.c - the words that put a command into a cage. */
#define _GNU_SOURCE
#include "lib/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/files.h"

#define KIT      "/kit" /* the folder, as a command in bubblewrap sees it */
#define FILE_AT  "/file"
#define LANDLOCK "build/bin/cage"
#define TRY_FOR  20 /* seconds */

static const char *const names[] = {
    [CAGE_BUBBLEWRAP] = "bubblewrap",
    [CAGE_LANDLOCK] = "landlock",
};

const char *cage_name(enum cage cage)
{
    return names[cage];
}

enum cage cage_named(const char *name)
{
    return strcmp(name, names[CAGE_BUBBLEWRAP]) == 0 ? CAGE_BUBBLEWRAP
           : strcmp(name, names[CAGE_LANDLOCK]) == 0 ? CAGE_LANDLOCK
                                                     : CAGE_NONE;
}

static int landlock_version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
                        LANDLOCK_CREATE_RULESET_VERSION);
}

void cage_describe(enum cage cage, char *text, size_t size)
{
    char user[32] = "";

    if (root_drops())
        snprintf(user, sizeof user, ", uid %d", APART_UID);
    if (cage == CAGE_LANDLOCK)
        snprintf(text, size, "Landlock ABI %d%s", landlock_version(), user);
    else
        snprintf(text, size, "%s", cage == CAGE_NONE ? "none" : cage_name(cage));
}

/* --- does it work? ---------------------------------------------------------------------------- */

/* In bubblewrap, as whom the agent will be. Its exit status, or -1. */
static int bubblewrap_try(void)
{
    pid_t parent = getpid(), pid = fork();
    int status = -1;

    if (pid == 0) {
        root_drop();
        child_bind(parent);
        child_apart(-1, -1, -1, NULL);
        execlp("bwrap", "bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc",
               "--", "/bin/true", NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static bool bubblewrap_works(char *why, size_t size)
{
    int status = bubblewrap_try();

    if (status == 127)
        snprintf(why, size, "bubblewrap is not installed: sudo apt install bubblewrap");
    else if (status != 0)
        snprintf(
            why, size,
            "this system forbids user namespaces to bubblewrap (try: sudo sysctl "
            "kernel.apparmor_restrict_unprivileged_userns=0; with docker: --security-opt "
            "seccomp=unconfined --security-opt systempaths=unconfined)");
    return status == 0;
}

/* The status of a command in a cage that shows nothing; *said: its first line. */
static int landlock_try(const char *const *words, char *said, size_t size)
{
    struct command c = {.count = 0};
    char *output = NULL;
    int status;

    cage_begin(&c, CAGE_LANDLOCK, &(struct cage_wish){.folder = NULL});
    command_add_words(&c, words);
    status = command_run(c.argv, &output, TRY_FOR);
    snprintf(said, size, "%.*s", (int)strcspn(output ? output : "", "\n"),
             output ? output : "");
    free(output);
    command_free(&c);
    return status;
}

/* It has to start a program, and to keep a file from it. */
static bool landlock_works(char *why, size_t size)
{
    char said[200] = "it shows files that it should not";

    if (landlock_version() < 1) {
        snprintf(why, size,
                 "this kernel offers no Landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK, "
                 "\"landlock\" in lsm=; docker before 20.10.10 hides it): %s",
                 strerror(errno));
        return false;
    }
    if (landlock_try((const char *const[]){"true", NULL}, said, sizeof said) == 0 &&
        landlock_try((const char *const[]){"cat", "/etc/passwd", NULL}, said,
                     sizeof said) != 0)
        return true;
    snprintf(why, size, "Landlock does not work here: %s", said);
    return false;
}

bool cage_works(enum cage cage, char *why, size_t why_size)
{
    return cage == CAGE_BUBBLEWRAP ? bubblewrap_works(why, why_size)
                                   : landlock_works(why, why_size);
}

/* --- bubblewrap ------------------------------------------------------------------------------- */

/* Shows a file or folder of the host, read-only. */
static void bubblewrap_show(struct command *c, const char *from, const char *folder,
                            const char *to)
{
    command_add(c, "--ro-bind");
    command_add(c, "%s", from);
    command_add(c, "%s%s", folder, to);
}

static void bubblewrap_begin(struct command *c, const struct cage_wish *wish)
{
    /* clang-format off */
    static const char *const words[] = {
        "bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL",
        "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LC_ALL", "C",
        "--setenv", "TERM", "dumb",
        "--ro-bind", "/usr", "/usr", "--dev", "/dev", "--tmpfs", "/tmp", NULL};
    /* clang-format on */

    command_add_words(c, words);
    if (wish->folder) {
        command_add_words(
            c, (const char *const[]){"--chdir", KIT, "--bind", wish->folder, KIT, NULL});
        for (const char *const *pair = wish->shown; pair && *pair; pair += 2)
            bubblewrap_show(c, pair[0], KIT "/", pair[1]);
    }
    for (const char *const *folder =
             (const char *const[]){"/lib", "/lib64", "/bin", "/etc/alternatives", NULL};
         *folder; folder++)
        command_add_words(c,
                          (const char *const[]){"--ro-bind-try", *folder, *folder, NULL});
    if (wish->file)
        bubblewrap_show(c, wish->file, "", FILE_AT);
    if (wish->emulator)
        command_add_words(c, (const char *const[]){"--as-pid-1", "--proc", "/proc", NULL});
    if (wish->info) {
        command_add(c, "--info-fd");
        command_add(c, "%d", wish->info);
    }
    command_add(c, "--");
}

/* --- Landlock: what is shown is copied into the folder ---------------------------------------- */

static struct {
    const char *from, *to; /* of the copy that is being made: nftw() has no room for them */
} copying;

/* For a moment, and readable to everybody. */
static bool bytes_copy(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC),
        out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    ssize_t n = -1;

    if (in >= 0 && out >= 0)
        while ((n = sendfile(out, in, NULL, 1u << 20)) > 0)
            ;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return n == 0;
}

static int entry_copy(const char *path, const struct stat *s, int type, struct FTW *at)
{
    char to[PATH_ROOM];

    (void)s, (void)at;
    path_make(to, "%s%s", copying.to, path + strlen(copying.from));
    if (type == FTW_D)
        return mkdir(to, 0755);
    return type != FTW_F || bytes_copy(path, to) ? 0 : -1;
}

/* What cannot be copied is missed by the command, which says so. */
static void copy_show(const char *folder, const char *from, const char *to)
{
    char path[PATH_ROOM], parent[PATH_ROOM];

    path_make(path, "%s/%s", folder, to);
    path_make(parent, "%s", path);
    *strrchr(parent, '/') = 0;
    copying.from = from;
    copying.to = path;
    if (folder_make(parent))
        nftw(from, entry_copy, 16, FTW_PHYS);
}

static void landlock_begin(struct command *c, const struct cage_wish *wish)
{
    command_add_words(c, (const char *const[]){"env", "-i", "PATH=/usr/bin:/bin",
                                               "LC_ALL=C", "TERM=dumb", NULL});
    if (wish->folder)
        command_add(c, "TMPDIR=.");
    command_add(c, LANDLOCK);
    if (wish->folder)
        command_add_words(c, (const char *const[]){"--work", wish->folder, NULL});
    for (const char *const *pair = wish->shown; pair && *pair; pair += 2)
        copy_show(wish->folder, pair[0], pair[1]);
    if (wish->file) {
        command_add(c, "--file");
        command_add(c, "%d", wish->file_fd);
    }
    if (wish->emulator)
        command_add(c, "--terminals");
    command_add(c, "--");
}

/* --- none: the same names, as links, from where the command is started ------------------------ */

static void link_show(const char *folder, const char *from, const char *to)
{
    char link[PATH_ROOM], *target = realpath(from, NULL);

    path_make(link, "%s/%s", folder, to);
    *strrchr(link, '/') = 0;
    folder_make(link);
    path_make(link, "%s/%s", folder, to);
    if (target && symlink(target, link) < 0 && errno != EEXIST)
        link[0] = 0; /* the command will miss it and say so */
    free(target);
}

static void plain_begin(struct command *c, const struct cage_wish *wish)
{
    command_add(c, "env");
    if (wish->folder)
        command_add_words(c, (const char *const[]){"-C", wish->folder, NULL});
    command_add_words(c, (const char *const[]){"LC_ALL=C", "TERM=dumb", NULL});
    for (const char *const *pair = wish->shown; pair && *pair; pair += 2)
        link_show(wish->folder, pair[0], pair[1]);
}

/* --- all of them ------------------------------------------------------------------------------ */

void cage_begin(struct command *c, enum cage cage, const struct cage_wish *wish)
{
    if (cage == CAGE_BUBBLEWRAP)
        bubblewrap_begin(c, wish);
    else if (cage == CAGE_LANDLOCK)
        landlock_begin(c, wish);
    else
        plain_begin(c, wish);
}

/* What is left in the folder is the command's own work; it belongs to us again. */
static int entry_take(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return lchown(path, 0, 0);
}

void cage_end(enum cage cage, const struct cage_wish *wish)
{
    if (!wish->folder || cage == CAGE_BUBBLEWRAP)
        return;
    for (const char *const *pair = wish->shown; pair && *pair; pair += 2) {
        char path[PATH_ROOM];

        path_make(path, "%s/%.*s", wish->folder, (int)strcspn(pair[1], "/"), pair[1]);
        folder_remove(path);
    }
    if (cage == CAGE_LANDLOCK && root_drops())
        nftw(wish->folder, entry_take, 16, FTW_PHYS);
}

void cage_file(enum cage cage, const struct cage_wish *wish, char *name, size_t size)
{
    if (cage == CAGE_BUBBLEWRAP)
        snprintf(name, size, "%s", FILE_AT);
    else
        snprintf(name, size, "/proc/self/fd/%d", wish->file_fd);
}
