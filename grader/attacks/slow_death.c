/* lab: 1
 * tries: be hard to end: hundreds of threads, signals blocked, memory locked, children waiting
 * only: no_leak_whichever_call_fails
 * says: and was stopped
 * end of description */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static void *stay(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

__attribute__((constructor)) static void dig_in(void)
{
    sigset_t all;
    pthread_t thread;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 500; i++)
        pthread_create(&thread, NULL, stay, NULL);
    if (syscall(SYS_vfork) == 0)
        stay(NULL);
    stay(NULL);
}
