/* replay.h - a recorded run: what a subject handed in, for one that does nothing else to hand in
 * again (replay.c). The judge writes it (judge/replay.h) and appends it to the replaying subject's
 * ELF image:
 *
 *   struct replay_head, the output, the calls as the agent logged them, and for each window at each
 *   checkpoint a struct replay_window with its bytes; at the very end struct replay_tail. */
#ifndef REPLAY_FORMAT_H
#define REPLAY_FORMAT_H

#include <stdint.h>

#define REPLAY_MAGIC 0x79616c706572724eull

struct replay_head {
    uint32_t output_size;
    uint32_t checkpoints;
    uint32_t calls_size;
    uint32_t windows;
};

/* A piece of a memfd, by its name, as it was at a checkpoint. */
struct replay_window {
    char name[32];
    uint64_t offset;
    uint32_t checkpoint;
    uint32_t length; /* bytes that follow */
};

struct replay_tail {
    uint64_t magic;
    uint64_t size; /* of the recording before it */
};

#endif
