/* child.c - the first steps of a new process. */
#define _GNU_SOURCE
#include "lib/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLOEXEC_THEM (1u << 2) /* CLOSE_RANGE_CLOEXEC */

bool root_drops(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    const unsigned needed = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_CHOWN;

    return geteuid() == 0 && syscall(SYS_capget, &head, data) == 0 &&
           (data[0].effective & needed) == needed;
}

void root_drop(void)
{
    if (!root_drops())
        return;
    if (setgroups(0, NULL) < 0 || setgid(APART_UID) < 0 || setuid(APART_UID) < 0)
        _exit(126);
}

void child_bind(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

/* Kernels before 5.11 do not know the call, or not the flag. */
static void rest_close(void)
{
    struct rlimit files = {.rlim_cur = 1024};

    if (syscall(SYS_close_range, 3, ~0u, CLOEXEC_THEM) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &files);
    for (int fd = 3; (rlim_t)fd < files.rlim_cur; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void memory_limit(unsigned long bytes)
{
    struct rlimit memory;

    if (getrlimit(RLIMIT_AS, &memory) == 0 && memory.rlim_cur > bytes) {
        memory.rlim_cur = bytes;
        setrlimit(RLIMIT_AS, &memory);
    }
}

static void memory_unlimit(void)
{
    struct rlimit memory;

    if (getrlimit(RLIMIT_AS, &memory) == 0 && memory.rlim_cur < memory.rlim_max) {
        memory.rlim_cur = memory.rlim_max;
        setrlimit(RLIMIT_AS, &memory);
    }
}

void child_files(int in, int out, int err, const int *kept)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int ends[] = {in, out, err};

    for (int fd = 0; fd < 3; fd++)
        if (dup2(ends[fd] < 0 ? null : ends[fd], fd) < 0)
            _exit(126);
    rest_close();
    memory_unlimit();
    for (; kept && *kept >= 0; kept++)
        fcntl(*kept, F_SETFD, 0);
}

void child_apart(int in, int out, int err, const int *kept)
{
    setsid();
    child_files(in, out, err, kept);
}

void files_settle(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd < 3);
    if (syscall(SYS_close_range, 3, ~0u, 0) < 0 && fd >= 0)
        close(fd);
}
