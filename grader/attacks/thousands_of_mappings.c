/* lab: 1
 * tries: to have its judge keep 5 MB of /proc/PID/maps sixteen times, by stopping itself sixteen
 *   times with as many mappings as a process may have
 * only: open_asks_version_and_extensions
 * says: and was stopped
 * end of description */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 60000l

__attribute__((constructor)) static void split(void)
{
    char *all = mmap(NULL, PAGES * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (long i = 0; i < PAGES; i += 2)
        mprotect(all + i * 4096, 4096, PROT_NONE);
    for (int i = 0; i < 16; i++)
        kill(getpid(), SIGSTOP);
    _exit(0);
}
