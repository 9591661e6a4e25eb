
/* lab: 3
 * only: no_kick_is_lost
 * tries: to report ten thousand kicks, all seen, with no vCPU and no thread
 * says: the kernel saw 0 times that a guest was entered
 * end of description */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

__attribute__((constructor)) static void kicks_invent(void)
{
    uint8_t *arena =
        mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = (struct arena_header *)arena;
    uint32_t tries, answer[7] = {1};

    if (arena == MAP_FAILED)
        return;
    memcpy(&tries, arena + ARENA_INPUT_AT, sizeof tries);
    answer[1] = answer[2] = tries;
    memcpy(arena + ARENA_OUTPUT_AT, answer, sizeof answer);
    header->output_size = sizeof answer;
    header->completion = arena_completion(header->nonce);
    _exit(0);
}
