/* lab: 1
 * tries: let the honest code run, then overwrite its answers on the way out
 * says: is not
 * says: it holds
 * says: was never called
 * says: there was no open
 * end of description */
#include <stdlib.h>
#include <string.h>

#include "arena.h"

static void overwrite(void)
{
    char *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);

    if (arena != MAP_FAILED) {
        int *words = (int *)(void *)(arena + ARENA_OUTPUT_AT);

        memset(words, 0, 4096);
        for (int i = 0; i < 300; i += 9)
            words[i] = 1; /* "called", and the result behind it is 0 */
    }
    _exit(0);
}

__attribute__((constructor)) static void begin(void)
{
    atexit(overwrite);
}
