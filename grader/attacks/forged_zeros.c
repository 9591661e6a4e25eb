/* lab: all
 * tries: sign the arena itself: all answers are 0, and the run is complete
 * says: 0
 * end of description */
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

__attribute__((constructor)) static void forge(void)
{
    void *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = arena;

    if (arena != MAP_FAILED) {
        header->output_size = ARENA_OUTPUT_MAX;
        header->completion = arena_completion(header->nonce);
    }
    _exit(0);
}
