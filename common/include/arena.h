/* arena.h - all that passes between a check and the subject that it judges.
 *
 * The arena is a shared file at descriptor ARENA_FD of the subject: inputs are written by
 * the check before the subject starts, outputs are read after it has ended. Plain data
 * only; nothing in it is believed but the outputs themselves, which the check compares
 * with values that it computes later.
 *
 *   0        header
 *   4096     input   (header.input_size bytes)
 *   4096 + ARENA_INPUT_MAX   output  (header.output_size bytes, set by the subject)
 */
#ifndef ARENA_H
#define ARENA_H

#include <signal.h>
#include <stdint.h>

#define ARENA_FD         3
#define ARENA_MAGIC      0x414d524eu /* "NRMA" */
#define ARENA_INPUT_MAX  (1u << 20)
#define ARENA_OUTPUT_MAX (1u << 20)
#define ARENA_INPUT_AT   4096u
#define ARENA_OUTPUT_AT  (ARENA_INPUT_AT + ARENA_INPUT_MAX)
#define ARENA_SIZE       (ARENA_OUTPUT_AT + ARENA_OUTPUT_MAX)

#define ARENA_FRAMES 24

/* What the agent sends to a subject that hangs, so that it notes where. */
#define HANG_SIGNAL SIGQUIT

/* Where the subject was when a signal ended it, noted on its way down. It is for the message to
 * the student only: the signal itself is seen from outside. */
struct arena_crash {
    uint32_t signal;  /* 0: nothing was noted */
    int32_t code;     /* si_code */
    uint64_t address; /* that was accessed */
    uint32_t frame_count, reserved;
    uint64_t
        frames[ARENA_FRAMES]; /* code addresses: where it was, who had called, and so on */
};

struct arena_header {
    uint32_t magic;
    uint32_t entry; /* which of the subject's entry points to call */
    uint32_t input_size;
    uint32_t output_size;
    uint64_t nonce;      /* of this run */
    uint64_t completion; /* arena_completion(nonce) once the entry point has returned */
    struct arena_crash crash;
};

/* What a finished subject leaves behind. It shows that the entry point returned; that the
 * answers are right is for the check to find out. */
static inline uint64_t arena_completion(uint64_t nonce)
{
    return (nonce ^ 0x6e6f6e2d726f6f74ull) * 0x9e3779b97f4a7c15ull;
}

#endif
