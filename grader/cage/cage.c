/* cage.c - the second cage: for what bubblewrap does where no namespaces can be made (containers).
 *
 *   cage [--work FOLDER] [--file N] [--terminals] COMMAND...
 *
 * The command is started in FOLDER, which is all that it can change; it reads the system's programs
 * and libraries, and the file behind descriptor N; with --terminals it can make a pair of pseudo
 * terminals. Everything else, the kit and other submissions first of all, is refused by Landlock; so
 * are signals to others, sockets, tracing and what else of the kernel's a compiler does not need, by
 * seccomp. Where we are root, it becomes a user who owns nothing (but the folder, which is given to
 * him). Limits come from prlimit(1), the group and the guard from who starts us. Landlock's versions
 * differ in what they know; what a version does not know is refused by seccomp where it matters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/host.h"

#define PROCESSES 256 /* of all cages together, where they are a user's own */
#define FAILED    125 /* our exit status when there is no cage */

/* The headers may be older than the kernel (linux/landlock.h). */
#define RIGHTS_1       0x1fffull /* execute, read, write, make, remove: 13 bits */
#define RIGHT_REFER    (1ull << 13)
#define RIGHT_TRUNCATE (1ull << 14)
#define RIGHT_IOCTL    (1ull << 15)
#define READ_AND_EXECUTE                                                                   \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                           \
     LANDLOCK_ACCESS_FS_READ_DIR)
#define OF_FILES                                                                           \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                           \
     LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE | RIGHT_IOCTL)

/* struct landlock_ruleset_attr of version 6; older kernels take its beginning. */
struct ruleset {
    uint64_t files, net, scoped;
};

#define SCOPED_ALL 3ull /* abstract sockets and signals stay inside */

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "cage: %s: %s\n", what, strerror(errno));
    _exit(FAILED);
}

static uint64_t rights_known(int version)
{
    return RIGHTS_1 | (version >= 2 ? RIGHT_REFER : 0) |
           (version >= 3 ? RIGHT_TRUNCATE : 0) | (version >= 5 ? RIGHT_IOCTL : 0);
}

static int ruleset_new(int version)
{
    const struct ruleset all = {rights_known(version), 3, SCOPED_ALL};
    size_t size = version >= 6   ? sizeof all
                  : version >= 4 ? offsetof(struct ruleset, scoped)
                                 : offsetof(struct ruleset, net);
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);

    if (rules < 0)
        fail("Landlock");
    return rules;
}

/* Allows rights on a file or on all below a folder; a rule for a file must not name what only folders
 * have. */
static void allow(int rules, int version, int fd, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {rights & rights_known(version), fd};
    struct stat s;

    if (fstat(fd, &s) < 0)
        fail("allow");
    if (!S_ISDIR(s.st_mode))
        rule.allowed_access &= OF_FILES;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        fail("allow");
}

/* What is not there needs no rule. */
static void allow_path(int rules, int version, const char *path, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd >= 0) {
        allow(rules, version, fd, rights);
        close(fd);
    }
}

/* --- what of the kernel is refused ------------------------------------------------------------ */

static const int refused[] = {
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_fsopen,
    SYS_fsmount,
    SYS_move_mount,
    SYS_open_tree,
    SYS_mount_setattr,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_shmget,
    SYS_msgget,
    SYS_semget,
    SYS_mq_open,
    SYS_fanotify_init,
    SYS_inotify_init1,
    SYS_memfd_secret,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_personality,
    SYS_prlimit64,
    SYS_setpriority,
    SYS_sched_setscheduler,
    SYS_sched_setattr,
    SYS_truncate, /* Landlock knows it from version 3 on */
#ifdef SYS_inotify_init
    SYS_inotify_init, /* (calls that newer architectures never had) */
#endif
};

/* These go by a name, and Landlock does not know them: they do nothing, and say that they have (ld
 * makes its output executable, which nobody needs here). */
static const int pretended[] = {
    SYS_fchmodat, 452 /* fchmodat2 */, SYS_fchownat,    SYS_utimensat,
    SYS_setxattr, SYS_lsetxattr,       SYS_removexattr, SYS_lremovexattr,
#ifdef SYS_chmod
    SYS_chmod,    SYS_chown,           SYS_lchown,      SYS_utime,
    SYS_utimes,   SYS_futimesat,
#endif
};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define X32_BIT     0x40000000u
#define NEW_USERS                                                                          \
    0x7e020000u /* CLONE_NEW*: all but those of time, which clone() cannot have */

/* prlimit64() is also how setrlimit() is done: raising limits is not. clone3()'s flags lie in memory,
 * where a filter cannot look: libc goes back to clone(). */
static void calls_refuse(void)
{
    struct sock_filter code[COUNT(refused) + COUNT(pretended) + 16];
    unsigned short n = 0;

#define STEP(operation, value, yes, no)                                                    \
    code[n++] = (struct sock_filter){(unsigned short)(operation), (uint8_t)(yes),          \
                                     (uint8_t)(no), (uint32_t)(value)}
    STEP(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    STEP(BPF_JMP | BPF_JEQ | BPF_K, HOST_AUDIT_ARCH, 1, 0);
    STEP(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    STEP(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    STEP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    STEP(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
    STEP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
    STEP(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
    for (size_t i = 0; i < COUNT(refused); i++)
        STEP(BPF_JMP | BPF_JEQ | BPF_K, refused[i],
             COUNT(refused) - i + COUNT(pretended) + 3, 0);
    for (size_t i = 0; i < COUNT(pretended); i++)
        STEP(BPF_JMP | BPF_JEQ | BPF_K, pretended[i], COUNT(pretended) - i + 4, 0);
    STEP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 2);
    STEP(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args), 0, 0);
    STEP(BPF_JMP | BPF_JSET | BPF_K, NEW_USERS, 1, 0);
    STEP(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    STEP(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
    STEP(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0, 0, 0);
#undef STEP
    struct sock_fprog program = {n, code};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        fail("seccomp");
}

/* --- the cage --------------------------------------------------------------------------------- */

struct wish {
    const char *work;
    int file; /* -1: none */
    bool terminals;
    char **command;
};

static bool wish_parse(struct wish *wish, char **words)
{
    *wish = (struct wish){.file = -1};
    for (words++; *words && strncmp(*words, "--", 2) == 0; words++) {
        if (strcmp(*words, "--") == 0) {
            words++;
            break;
        }
        if (strcmp(*words, "--terminals") == 0)
            wish->terminals = true;
        else if (strcmp(*words, "--work") == 0 && words[1])
            wish->work = *++words;
        else if (strcmp(*words, "--file") == 0 && words[1])
            wish->file = atoi(*++words);
        else
            return false;
    }
    wish->command = words;
    return *words != NULL;
}

static void rules_add(const struct wish *wish, int rules, int version)
{
    static const char *const system[] = {
        "/usr", "/lib", "/lib64", "/bin", "/etc/alternatives", "/etc/ld.so.cache", NULL};

    for (const char *const *path = system; *path; path++)
        allow_path(rules, version, *path, READ_AND_EXECUTE);
    allow_path(rules, version, "/dev/null",
               LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    if (wish->work)
        allow_path(rules, version, ".", rights_known(version) & ~RIGHT_IOCTL);
    if (wish->file >= 0)
        allow(rules, version, wish->file, LANDLOCK_ACCESS_FS_READ_FILE);
    for (const char *const *path = (const char *const[]){"/dev/ptmx", "/dev/pts", NULL};
         wish->terminals && *path; path++)
        allow_path(rules, version, *path,
                   LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                       RIGHT_IOCTL);
}

/* What is shown in the folder stays ours, what is made there is his. Names above it may be closed
 * to him: he is in it already. */
static void work_enter(const char *folder)
{
    if (!folder) {
        if (chdir("/") < 0)
            fail("/");
        return;
    }
    if (chdir(folder) < 0 || (root_drops() && chown(".", APART_UID, APART_UID) < 0))
        fail(folder);
}

int main(int argc, char **argv)
{
    int version =
        (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    bool root = root_drops();
    struct wish wish;

    if (argc < 2 || !wish_parse(&wish, argv)) {
        fprintf(stderr, "cage: started by the grader\n");
        return FAILED;
    }
    if (version < 1)
        fail("this kernel has no Landlock");
    work_enter(wish.work);
    int rules = ruleset_new(version);
    rules_add(&wish, rules, version);
    root_drop();
    child_bind(getppid()); /* a change of user undid it */
    if (root)
        setrlimit(RLIMIT_NPROC, &(struct rlimit){PROCESSES, PROCESSES});
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        fail("Landlock");
    close(rules);
    calls_refuse();
    execvp(wish.command[0], wish.command);
    fail(wish.command[0]);
}
