/* lab: 1
 * tries: keep the agent busy taking evidence, from several processes at once
 * says: it stopped itself more than 16 times
 * end of description */
#include <signal.h>

__attribute__((constructor)) static void stutter(void)
{
    int self = getpid();

    if (fork() == 0)
        for (;;)
            kill(self, SIGSTOP);
    for (;;)
        raise(SIGSTOP);
}
