/* lab: all
 * tries: sign the arena itself: every answer is 1, at two checkpoints that show nothing
 * says: 1
 * says: 4294967297
 * end of description */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

__attribute__((constructor)) static void forge(void)
{
    void *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = arena;
    int *words = (int *)(void *)((char *)arena + ARENA_OUTPUT_AT);

    if (arena != MAP_FAILED) {
        for (unsigned i = 0; i < ARENA_OUTPUT_MAX / sizeof *words; i++)
            words[i] = 1;
        raise(SIGSTOP);
        raise(SIGSTOP);
        header->output_size = ARENA_OUTPUT_MAX;
        header->completion = arena_completion(header->nonce);
    }
    _exit(0);
}
