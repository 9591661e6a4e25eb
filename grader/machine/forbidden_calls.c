/* forbidden_calls.c - a seccomp filter: a list of calls, and what may be asked of others. */
#define _GNU_SOURCE
#include "machine/forbidden_calls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/subject_memory.h"

#define FILTER_ROOM 128
#define X32_BIT     0x40000000u
#define NEW_SPACES                                                                         \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET |            \
     CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Never. (A message may carry descriptors, and with them memory that no process has. A session is also a group to the scheduler: all that a subject starts shares what one
 * gets, however many it starts.) */
static const int forbidden[] = {
    SYS_shmget,         SYS_msgget,        SYS_semget,       SYS_mq_open,
    SYS_unshare,        SYS_setns,         SYS_setpriority,  SYS_sched_setscheduler,
    SYS_sched_setparam, SYS_sched_setattr, SYS_ioprio_set,   SYS_io_uring_setup,
    SYS_openat2,        SYS_userfaultfd,   SYS_bpf,          SYS_perf_event_open,
    SYS_add_key,        SYS_request_key,   SYS_keyctl,       SYS_pidfd_getfd,
    SYS_fanotify_init,  SYS_inotify_init1, SYS_inotify_init, SYS_setsid,
    SYS_sendmsg,        SYS_sendmmsg,      SYS_memfd_secret,
};

/* Only for oneself: the first argument, a process, has to be 0. */
static const int own_only[] = {SYS_prlimit64, SYS_sched_setaffinity};

struct filter {
    struct sock_filter code[FILTER_ROOM];
    uint16_t size;
};

static void step(struct filter *f, uint32_t code, uint32_t value, uint8_t yes, uint8_t no)
{
    if (f->size < FILTER_ROOM)
        f->code[f->size++] = (struct sock_filter){(uint16_t)code, yes, no, value};
}

static void load(struct filter *f, size_t offset)
{
    step(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void answer(struct filter *f, uint32_t action)
{
    step(f, BPF_RET | BPF_K, action, 0, 0);
}

/* Where the lower half of argument n lies (the upper one follows it). */
static size_t argument(unsigned n)
{
    return offsetof(struct seccomp_data, args) + n * sizeof(uint64_t);
}

static void other_numberings_end(struct filter *f)
{
    load(f, offsetof(struct seccomp_data, arch));
    step(f, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    answer(f, SECCOMP_RET_KILL_PROCESS);
    load(f, offsetof(struct seccomp_data, nr));
    step(f, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    answer(f, SECCOMP_RET_KILL_PROCESS);
}

static void call_refuse(struct filter *f, int call, int error)
{
    step(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1);
    answer(f, SECCOMP_RET_ERRNO | (uint32_t)error);
}

/* Refused if test (a jump) says so of the first argument's lower half. */
static void call_refuse_if(struct filter *f, int call, uint32_t test, uint32_t value,
                           uint8_t refuse, uint8_t let)
{
    step(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4);
    load(f, argument(0));
    step(f, BPF_JMP | test | BPF_K, value, refuse, let);
    answer(f, SECCOMP_RET_ERRNO | EPERM);
    answer(f, SECCOMP_RET_ALLOW);
}

/* Refused unless the first argument has that value. */
static void call_refuse_unless(struct filter *f, int call, uint32_t value)
{
    call_refuse_if(f, call, BPF_JEQ, value, 1, 0);
}

/* A large mapping that is shared and has no file: most of it could be unmapped again, and all of
 * it would still be there (subject_memory.h). */
static void large_shared_refuse(struct filter *f)
{
    step(f, BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 9);
    load(f, argument(3));
    step(f, BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 5);
    step(f, BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 0, 4);
    load(f, argument(1) + 4);
    step(f, BPF_JMP | BPF_JGT | BPF_K, 0, 3, 0);
    load(f, argument(1));
    step(f, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)SUBJECT_FILE_MAX, 1, 0);
    answer(f, SECCOMP_RET_ALLOW);
    answer(f, SECCOMP_RET_ERRNO | ENOMEM);
}

int forbidden_calls_install(void)
{
    struct filter f = {.size = 0};
    struct sock_fprog program = {.filter = f.code};

    other_numberings_end(&f);
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
        call_refuse(&f, forbidden[i], EPERM);
    for (size_t i = 0; i < sizeof own_only / sizeof own_only[0]; i++)
        call_refuse_unless(&f, own_only[i], 0);
    /* Most other families know no network namespace, or are code that few look at. */
    call_refuse_unless(&f, SYS_socket, AF_UNIX);
    call_refuse_unless(&f, SYS_socketpair, AF_UNIX);
    large_shared_refuse(&f);
    call_refuse_if(&f, SYS_clone, BPF_JSET, NEW_SPACES, 0, 1);
    /* Who may not be dumped cannot be looked at through /proc. */
    call_refuse_if(&f, SYS_prctl, BPF_JEQ, PR_SET_DUMPABLE, 0, 1);
    /* Its flags lie in memory, where a filter cannot look; libc goes back to clone(). */
    call_refuse(&f, SYS_clone3, ENOSYS);
    answer(&f, SECCOMP_RET_ALLOW);
    program.len = f.size;
    if (f.size == FILTER_ROOM)
        return -E2BIG;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}
