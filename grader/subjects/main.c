/* main.c - every subject's main(): find the arena, call one entry point, sign off. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"
#include "subject.h"

void subject_checkpoint(void)
{
    raise(SIGSTOP);
}

/* The kernel's own, which nobody stands in front of. */
void subject_checkpoint_alone(void)
{
    static const struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } none;

    for (long number = 1; number <= 64; number++)
        syscall(SYS_rt_sigaction, number, &none, NULL, sizeof none.mask);
    subject_checkpoint();
}

int main(void)
{
    uint8_t *arena =
        mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = (struct arena_header *)arena;

    if (arena == MAP_FAILED || header->magic != ARENA_MAGIC ||
        header->entry >= subject_entry_count) {
        fprintf(stderr, "subject: started by the grader, not by hand\n");
        return 2;
    }
    struct subject subject = {.input = arena + ARENA_INPUT_AT,
                              .input_size = header->input_size,
                              .output = arena + ARENA_OUTPUT_AT};

    subject_crash_begin(header);
    subject_entries[header->entry](&subject);
    header->output_size = (uint32_t)subject.output_size;
    header->completion = arena_completion(header->nonce);
    return 0;
}
