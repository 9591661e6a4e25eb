/* qemu.c - QEMU as a child process: what it is told, how it starts and ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "judge/qemu_inside.h"
#include "lib/child.h"
#include "lib/host.h"

#define QEMU "qemu-system-x86_64"
/* (On a host that keeps stores in less order than an x86 does, QEMU warns of the other one.) */
#define TCG      (HOST_RUNS_SUBJECTS ? "tcg,thread=multi" : "tcg,thread=single")
#define RAM_SIZE "512M"

/* One CPU: with two, TCG can kill the kernel while KVM patches its code (CONTRIBUTING).
 * Expedited RCU: to empty the trace's buffer, the kernel waits for a grace period, which takes
 * some ticks (15 ms) otherwise. */
#define KERNEL_COMMAND_LINE                                                                \
    "console=ttyS0 quiet intel_iommu=on iommu=nopt panic=-1 cryptomgr.notests "            \
    "tsc=reliable no_timer_check mitigations=off lpj=4000000 random.trust_cpu=on "         \
    "rcupdate.rcu_expedited=1"

void argument_add(struct arguments *arguments, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (arguments->count < ARGS_MAX - 1 &&
        vasprintf(&arguments->item[arguments->count], format, list) >= 0)
        arguments->count++;
    va_end(list);
}

void arguments_free(struct arguments *arguments)
{
    for (int i = 0; i < arguments->count; i++)
        free(arguments->item[i]);
}

int why_write(char *why, size_t size, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(why, size, format, list);
    va_end(list);
    return -EIO;
}

void machine_arguments(struct arguments *a, const char *ram, bool share)
{
    argument_add(a, QEMU);
    for (const char *const *word =
             (const char *const[]){"-accel", TCG, "-cpu", "max,-xsave", "-smp", "1", "-m",
                                   RAM_SIZE, "-display", "none", "-no-reboot",
                                   "-nodefaults", "-no-user-config", NULL};
         *word; word++)
        argument_add(a, "%s", *word);
    argument_add(a, "-M");
    argument_add(a, "q35,kernel-irqchip=split%s", ram ? ",memory-backend=ram" : "");
    if (ram) {
        argument_add(a, "-object");
        argument_add(a, "memory-backend-file,id=ram,size=" RAM_SIZE ",mem-path=%s,share=%s",
                     ram, share ? "on" : "off");
    }
    argument_add(a, "-device");
    /* (39 address bits, three levels: QEMU 7.2's own; from 9.2 on it would be 48.) */
    argument_add(a, "intel-iommu,intremap=on,caching-mode=on,aw-bits=39");
    argument_add(a, "-device");
    argument_add(a, "edu,addr=5");
}

static void channel_arguments(struct arguments *a, int channel, int qmp)
{
    argument_add(a, "-serial");
    argument_add(a, "stdio");
    argument_add(a, "-chardev");
    argument_add(a, "socket,id=c0,fd=%d", channel);
    argument_add(a, "-device");
    argument_add(a, "virtio-serial-pci,addr=6");
    argument_add(a, "-device");
    argument_add(a, "virtserialport,chardev=c0,name=job,nr=1");
    argument_add(a, "-chardev");
    argument_add(a, "socket,id=q0,fd=%d", qmp);
    argument_add(a, "-mon");
    argument_add(a, "chardev=q0,mode=control");
}

void boot_arguments(struct arguments *a, const char *kernel, const char *initramfs,
                    const char *extra)
{
    argument_add(a, "-kernel");
    argument_add(a, "%s", kernel);
    argument_add(a, "-initrd");
    argument_add(a, "%s", initramfs);
    argument_add(a, "-append");
    argument_add(a, KERNEL_COMMAND_LINE "%s", extra);
}

/* In the child: keep only the descriptors that QEMU is told about, die with the parent. */
_Noreturn static void qemu_exec(const struct arguments *a, bool apart, pid_t parent,
                                int console, const int *kept)
{
    if (apart)
        root_drop();
    child_bind(parent);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    child_apart(-1, console, console, kept);
    execvp(QEMU, a->item);
    dprintf(2, "cannot start " QEMU ": %m\n");
    _exit(127);
}

int qemu_start(struct machine *m, struct arguments *a)
{
    int channel[2] = {-1, -1}, qmp[2] = {-1, -1};
    pid_t parent = getpid();

    m->console = memfd_create("console", MFD_CLOEXEC);
    if (m->console < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) < 0)
        return -errno;
    channel_arguments(a, channel[1], qmp[1]);
    a->item[a->count] = NULL;
    m->pid = fork();
    if (m->pid == 0)
        qemu_exec(a, m->ram >= 0, parent, m->console,
                  (int[]){channel[1], qmp[1], m->state, m->events, m->memory, m->ram, -1});
    close(channel[1]);
    close(qmp[1]);
    m->channel = channel[0];
    m->qmp = qmp[0];
    return m->pid < 0 ? -errno : 0;
}

void receive_timeout_set(int fd, int seconds)
{
    struct timeval limit = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

void machine_stop(struct machine *m)
{
    int *const descriptors[] = {&m->channel, &m->qmp,    &m->state,
                                &m->events,  &m->memory, &m->ram};

    if (m->pid > 0) {
        kill(m->pid, SIGKILL);
        waitpid(m->pid, NULL, 0);
    }
    m->pid = 0;
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        if (*descriptors[i] >= 0)
            close(*descriptors[i]);
        *descriptors[i] = -1;
    }
}

char *machine_console_tail(const struct machine *m, size_t size)
{
    char *text = calloc(1, size + 1);
    off_t end = lseek(m->console, 0, SEEK_END);
    off_t from = end > (off_t)size ? end - (off_t)size : 0;

    if (text && end >= 0 && pread(m->console, text, size, from) < 0)
        text[0] = 0;
    return text;
}

bool machine_ended(struct machine *m, int *status)
{
    for (int i = 0; i < 200; i++) {
        if (m->pid > 0 && waitpid(m->pid, status, WNOHANG) == m->pid) {
            m->pid = 0;
            return true;
        }
        usleep(10000);
    }
    return false;
}

pid_t machine_interactive(const char *kernel, const char *initramfs, int input, int output)
{
    struct arguments a = {0};

    machine_arguments(&a, NULL, false);
    argument_add(&a, "-serial");
    argument_add(&a, "mon:stdio");
    boot_arguments(&a, kernel, initramfs, " shell");
    a.item[a.count] = NULL;
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        child_bind(parent);
        child_files(input, output, 2, NULL);
        execvp(QEMU, a.item);
        dprintf(2, "cannot start " QEMU ": %m\n");
        _exit(127);
    }
    arguments_free(&a);
    return pid < 0 ? -errno : pid;
}
