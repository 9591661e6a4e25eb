/* call_filter.c - in the subject's process, before exec: the calls that the agent is to answer. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/call_supervisor.h"

int call_filter_install(void)
{
    static const int watched[] = {SYS_openat, SYS_open,   SYS_close,   SYS_ioctl,
                                  SYS_mmap,   SYS_munmap, SYS_pread64, SYS_pwrite64};
    enum { COUNT = sizeof watched / sizeof watched[0] };
    struct sock_filter filter[COUNT + 3];
    struct sock_fprog program = {.len = COUNT + 3, .filter = filter};

    filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                             offsetof(struct seccomp_data, nr));
    for (int i = 0; i < COUNT; i++)
        filter[1 + i] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)watched[i], (uint8_t)(COUNT - i), 0);
    filter[1 + COUNT] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[2 + COUNT] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                        SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}
