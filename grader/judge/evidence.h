/* evidence.h - what came back from one run of a subject, and how to look at it.
 *
 * All of it was gathered by the agent or the kernel, outside the subject's process; only
 * the answer (and the printed output, which no check reads) is the subject's own word.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "judge/deadline.h"
#include "judge/device_events.h"
#include "judge/trace.h"
#include "machine/call_supervisor.h"
#include "machine/protocol.h"

/* One supervised call (target model). */
struct call {
    const struct call_record *record;
    const void *payload;
};

struct evidence {
    struct run_end end;
    bool complete; /* the entry point returned: the completion record is right */
    struct arena_header header; /* as the subject left it */
    uint8_t *answer;            /* header.output_size bytes (ARENA_OUTPUT_MAX at most) */
    char *output;               /* what it printed, NUL-terminated */
    char *fds[RUN_CHECKPOINTS_MAX];  /* text, see FRAME_FDS */
    char *maps[RUN_CHECKPOINTS_MAX]; /* text of /proc/PID/maps */
    struct {
        uint8_t *bytes;
        uint32_t length;
    } windows[RUN_CHECKPOINTS_MAX][RUN_WINDOWS_MAX];
    uint8_t *calls_raw;
    size_t calls_size;
    struct call *calls;
    size_t call_count;
    struct kvm_events events;    /* target machine, with RUN_TRACE */
    struct device_events device; /* target machine, with RUN_DEVICE */
};

/* What the receiver of evidence has to know. */
struct evidence_source {
    int channel;
    uint64_t nonce;           /* of the run */
    const char *formats_path; /* of the trace events, or NULL: there is no trace */
    const int *keep;          /* a file to which all frames are copied, or NULL */
    /* Called while the subject stands at a checkpoint (RUN_HOLD); may be NULL. */
    void (*at_checkpoint)(void *context, unsigned checkpoint);
    void *context;
    struct deadline *deadline; /* of a run in the machine; NULL: the agent has its own */
    const struct handover *handovers; /* what goes into its memory then */
    uint32_t handover_count;
};

/* Receives frames until END. 0, -errno of the channel (-EAGAIN: the agent did not answer in
 * time, or what deadline_look() says), -EPROTO. Free it in every case. */
int evidence_receive(struct evidence *evidence, const struct evidence_source *source);
void evidence_free(struct evidence *evidence);

/* How many descriptors at a checkpoint lead to a target that begins with text; *flags (may be
 * NULL) are those of the last one (O_* as in /proc/PID/fdinfo). */
unsigned evidence_fds(const struct evidence *evidence, unsigned checkpoint,
                      const char *text, unsigned *flags);

/* How many mappings at a checkpoint are of a file whose name begins with text; *size (may be NULL) is their sum. */
unsigned evidence_maps(const struct evidence *evidence, unsigned checkpoint,
                       const char *text, uint64_t *size);

/* The n-th call (from 0) of a kind (and, for CALL_IOCTL, a request), or NULL. */
const struct call *evidence_call(const struct evidence *evidence, uint32_t kind,
                                 unsigned long request, unsigned n);
unsigned evidence_call_count(const struct evidence *evidence, uint32_t kind,
                             unsigned long request);

/* A supervised call in words, e.g. "ioctl(vm, KVM_CREATE_VCPU, 0) = 5". */
void call_describe(const struct call *call, char *buffer, size_t size);

/* One of a window's bytes, as a little-endian number of 4 or 8 bytes; 0 if absent. */
uint64_t window_u64(const struct evidence *evidence, unsigned checkpoint, unsigned window,
                    size_t offset);
uint32_t window_u32(const struct evidence *evidence, unsigned checkpoint, unsigned window,
                    size_t offset);

#endif
