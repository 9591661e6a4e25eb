/* answer.c - runs in the guest Linux when a check has booted it: says what this Linux found, and
 * an answer that follows from the nonce on the command line. It prints on the console, so each
 * byte becomes an OUT that KVM's tracepoints record. Then it switches the machine off. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "answer.h"

static void file_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY);
    size_t used = 0;
    ssize_t n = 0;

    while (fd >= 0 && used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = 0;
    if (fd >= 0)
        close(fd);
}

/* The lines of a file that have a word in them. */
static void lines_print(const char *path, const char *word)
{
    static char text[65536];
    char *save;

    file_read(path, text, sizeof text);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strstr(line, word))
            printf("%s: %s\n", path, line);
}

int main(int argc, char **argv)
{
    char version[1024];

    file_read("/proc/version", version, sizeof version);
    lines_print("/proc/iomem", "System RAM");
    lines_print("/proc/cpuinfo", "apicid");
    lines_print("/proc/interrupts", "ttyS0");
    lines_print("/proc/interrupts", "LOC:");
    printf("answer %016llx\n", (unsigned long long)answer_of(
                                   argc > 1 ? strtoull(argv[1], NULL, 16) : 0, version));
    fflush(stdout);
    reboot(RB_POWER_OFF);
    return 1;
}
