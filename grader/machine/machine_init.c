/* machine_init.c - process 1: from the kernel's hand to a machine with KVM and a channel. */
#define _GNU_SOURCE
#include "machine/machine_init.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULE_LIST "/lib/modules.list"
#define PORT        "/dev/vport0p1"

static void file_system_mount(const char *type, const char *where)
{
    mkdir(where, 0755);
    if (mount(type, where, type, 0, NULL) < 0)
        printf("agent: mount %s on %s: %m\n", type, where);
}

static void file_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        printf("agent: %s: %m\n", path);
    if (fd >= 0)
        close(fd);
}

/* A line of the list is "file parameters"; the order is the order of dependence. */
static void modules_load(void)
{
    char line[256];
    FILE *list = fopen(MODULE_LIST, "re");

    while (list && fgets(line, sizeof line, list)) {
        char path[300], *parameters;

        line[strcspn(line, "\n")] = 0;
        parameters = strchr(line, ' ');
        if (parameters)
            *parameters++ = 0;
        snprintf(path, sizeof path, "/lib/%s", line);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, parameters ? parameters : "", 0) < 0)
            printf("agent: module %s: %m\n", line);
        if (fd >= 0)
            close(fd);
    }
    if (list)
        fclose(list);
}

void machine_init(void)
{
    file_system_mount("proc", "/proc");
    file_system_mount("sysfs", "/sys");
    file_system_mount("devtmpfs", "/dev");
    /* No tmpfs: a subject has nowhere to leave anything for the next one. */
    file_system_mount("tracefs", "/sys/kernel/tracing");
    int console = open("/dev/console", O_RDWR);
    for (int fd = 0; console >= 0 && fd < 3; fd++)
        dup2(console, fd);
    setvbuf(stdout, NULL, _IONBF, 0);
    chmod("/sys/kernel/tracing", 0700);
    modules_load();
    file_put("/proc/sys/kernel/modprobe",
             "\n"); /* no program is run on a subject's behalf */
    file_put("/proc/sys/kernel/core_pattern", "\n");
    chmod("/dev/kvm", 0666);
    /* There is one CPU, and a subject may have many processes that want it. */
    const struct sched_param first = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) < 0)
        printf("agent: scheduling: %m\n");
}

/* Where there is a kernel for a guest, there will be a guest of a hundred MiB: large pages save
 * most of its nested page faults. */
void machine_large_pages(void)
{
    if (access("/boot", F_OK) == 0)
        file_put("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always");
}

bool machine_hold_kvm(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu;

    if (kvm < 0)
        return false;
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    return vm >= 0 && vcpu >= 0;
}

void machine_warm_up(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu;

    if (kvm < 0)
        return;
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (vcpu >= 0)
        close(vcpu);
    if (vm >= 0)
        close(vm);
    close(kvm);
}

int machine_channel_open(void)
{
    for (;;) {
        int fd = open(PORT, O_RDWR | O_CLOEXEC);

        if (fd >= 0)
            return fd;
        usleep(2000);
    }
}

bool machine_option(const char *word)
{
    char text[4096];
    FILE *file = fopen("/proc/cmdline", "re");
    bool found = false;

    if (!file)
        return false;
    if (fgets(text, sizeof text, file))
        for (char *save, *w = strtok_r(text, " \n", &save); w;
             w = strtok_r(NULL, " \n", &save))
            found |= strcmp(w, word) == 0;
    fclose(file);
    return found;
}

static void file_print(const char *path)
{
    char line[256];
    FILE *file = fopen(path, "re");

    while (file && fgets(line, sizeof line, file))
        fputs(line, stdout);
    if (file)
        fclose(file);
}

_Noreturn void machine_shell(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        char *const argv[] = {"sh", NULL};
        char *const envp[] = {"PATH=/bin:/kit", "HOME=/kit", "TERM=linux", "PS1=machine# ",
                              NULL};

        if (chdir("/kit") == 0)
            file_print("README");
        setsid();
        ioctl(0, TIOCSCTTY, 1);
        execve("/bin/busybox", argv, envp);
        printf("agent: no shell in this machine: %m\n");
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    sync();
    for (;;)
        reboot(RB_POWER_OFF);
}
