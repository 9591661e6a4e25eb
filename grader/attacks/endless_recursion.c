/* lab: 1
 * tries: use up the stack
 * says: it was ended by signal 11 (Segmentation fault)
 * end of description */
#include <string.h>

static int descend(volatile char *above)
{
    volatile char frame[65536];

    memset((char *)frame, above[0] + 1, sizeof frame);
    return descend(frame) + frame[7];
}

__attribute__((constructor)) static void start(void)
{
    char first = 0;

    _exit(descend(&first));
}
