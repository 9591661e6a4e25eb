/* lab: 1
 * tries: to take memory that is in no process' resident set and behind no descriptor: files that are
 *   written, mapped by a page, and closed
 * only: open_asks_version_and_extensions
 * says: it used more than 512 MiB of memory and was stopped
 * end of description */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROCESSES 3
#define FILES     5
#define MIB       (1l << 20)

static void file_hide(const char *mib)
{
    int fd = memfd_create("hidden", 0);

    for (int i = 0; i < 48; i++)
        if (write(fd, mib, MIB) != MIB)
            break;
    mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 47 * MIB);
    close(fd);
}

__attribute__((constructor)) static void hide(void)
{
    static char mib[MIB];

    memset(mib, 1, sizeof mib);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            for (int f = 0; f < FILES; f++)
                file_hide(mib);
            for (;;)
                pause();
        }
    sleep(2);
    _exit(0);
}
