/* lab: 1
 * tries: break whoever reads the arena: sizes of 4 GB, another entry, nonce and magic
 * says: it ended before answering, with exit status 0
 * end of description */
#include <string.h>

#include "arena.h"

__attribute__((constructor)) static void forge(void)
{
    char *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = (struct arena_header *)(void *)arena;

    if (arena != MAP_FAILED) {
        memset(arena, 0xff, ARENA_SIZE);
        header->nonce = 1;
        header->completion = arena_completion(header->nonce);
    }
    _exit(0);
}
