/* lab: 1
 * tries: become another program: with LD_PRELOAD and friends, and itself once more
 * says: it ended before answering
 * says: and was stopped
 * end of description */
#include <stdlib.h>

__attribute__((constructor)) static void become(void)
{
    static char *const environment[] = {"LD_PRELOAD=/tmp/evil.so",
                                        "LD_LIBRARY_PATH=/tmp",
                                        "LD_AUDIT=/tmp/evil.so",
                                        "GLIBC_TUNABLES=x=y",
                                        "AGAIN=1",
                                        NULL};
    static char *const shell[] = {"sh", "-c", "kill -9 -1; reboot -f; echo PASS", NULL};
    static char *const agent[] = {"agent", "sandbox", "3", NULL};
    static char *const self[] = {"subject", NULL};

    if (getenv("AGAIN"))
        _exit(0);
    if (fork() == 0) {
        execve("/init", agent, environment);
        execve("/proc/1/exe", agent, environment);
        execve("/bin/sh", shell, environment);
        execve("/bin/busybox", shell, environment);
        _exit(1);
    }
    execve("/proc/self/exe", self, environment);
    _exit(0);
}
