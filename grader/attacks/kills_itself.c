/* lab: 1
 * tries: die of a signal that looks like the grader's own
 * says: it was ended by signal 9 (Killed)
 * end of description */
#include <signal.h>

__attribute__((constructor)) static void die(void)
{
    raise(SIGKILL);
}
