/* lab: 1
 * tries: become root of namespaces of its own, and mount what the agent looks at
 * says: kvm_open() returned -38
 * end of description */
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd >= 0 && write(fd, text, strlen(text)) >= 0)
        close(fd);
}

__attribute__((constructor)) static void rule(void)
{
    /* user, mount, pid, ipc, net */
    if (syscall(SYS_unshare, 0x10000000 | 0x20000 | 0x20000000 | 0x8000000 | 0x40000000) <
        0)
        return;
    put("/proc/self/setgroups", "deny");
    put("/proc/self/uid_map", "0 1000 1");
    if (mount("none", "/proc", "tmpfs", 0, NULL) == 0 ||
        mount("none", "/dev", "tmpfs", 0, NULL) == 0 ||
        mount("none", "/sys", "tmpfs", 0, NULL) == 0)
        _exit(0); /* it should not have come so far */
}
