/* lab: 1
 * tries: never come back
 * says: and was stopped
 * end of description */
#include <signal.h>

__attribute__((constructor)) static void stay(void)
{
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    for (volatile int i = 0;; i++)
        ;
}
