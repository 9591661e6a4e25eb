/* lab: 1
 * tries: fill memory that belongs to no process: files in memory, one after the other
 * only: open_asks_version_and_extensions
 * says: it used more than 512 MiB of memory and was stopped
 * end of description */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

__attribute__((constructor)) static void devour(void)
{
    static char piece[1u << 20];

    signal(SIGXFSZ, SIG_IGN);
    memset(piece, 0x5a, sizeof piece);
    for (;;) {
        int fd = (int)syscall(SYS_memfd_create, "hog", 0);

        if (fd < 0)
            fork();
        while (fd >= 0 && write(fd, piece, sizeof piece) > 0)
            ;
    }
}
