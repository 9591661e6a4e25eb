/* lab: 1
 * tries: leave a process behind that changes the answers after the honest ones are given
 * says: kvm_open() returned -38
 * says: kvm_open() returned 0
 * end of description */
#include <signal.h>
#include <string.h>

#include "arena.h"

_Noreturn static void scribble(void)
{
    char *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = (struct arena_header *)(void *)arena;
    int *answer = (int *)(void *)(arena + ARENA_OUTPUT_AT);

    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    for (;;) {
        answer[1] = 0; /* result of kvm_open() */
        header->completion = arena_completion(header->nonce);
    }
}

__attribute__((constructor)) static void leave_behind(void)
{
    if (fork() != 0)
        return;
    setsid();
    if (fork() != 0)
        _exit(0);
    scribble();
}
