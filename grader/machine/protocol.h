/* protocol.h - what the judge and the agent say to each other.
 *
 * The agent (agent.c) starts subjects and collects raw evidence; it never judges. It runs
 * in two places: as process 1 of the QEMU machine, behind a virtio serial port, and as
 * process 1 of a bubblewrap sandbox on the host, behind a socket. Same program, same frames.
 *
 *   judge -> agent   HELLO
 *                    SUBJECT <program>              kept until the next one
 *                    KERNEL <image>                 a file for the next run of a Linux
 *                    RUN <run_request, windows, plan, arena input>
 *                    CONTINUE [handover]            answers CHECKPOINT
 *                    STOP                           ends a run that takes too long
 *                    KEYS <bytes>                   somebody types (RUN_TERMINAL)
 *   agent -> judge   READY <ready>                  answers HELLO
 *                    evidence frames of the run, in any order, then END <run_end>
 *
 * A frame is a header {type, length} and `length` bytes. Both sides are our own builds for
 * x86-64, so plain structs travel as they are.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_VERSION 4
#define FRAME_MAX        (64u << 20)

enum frame_type {
    FRAME_SUBJECT = 1, /* the subject's ELF image */
    FRAME_RUN,         /* struct run_request and what it counts */
    FRAME_HELLO,       /* empty: asks for READY */
    FRAME_FORMATS,     /* empty: asks for the kernel's trace event formats */
    FRAME_CONTINUE,    /* empty, or struct handover: answers CHECKPOINT */
    FRAME_STOP,   /* empty: the run has had its time; nothing where it has just ended */
    FRAME_KEYS,   /* with RUN_TERMINAL: bytes for the subject's input */
    FRAME_KERNEL, /* a kernel to boot instead of the machine's own: kept as GUEST_KERNEL */

    FRAME_READY = 100, /* struct ready: the answer to HELLO */
    FRAME_FORMAT_TEXT, /* name, NUL, text of one format file; the last one is empty */
    FRAME_FDS,    /* u32 checkpoint, then a line per descriptor: "number flags target" */
    FRAME_MAPS,   /* u32 checkpoint, then the text of /proc/PID/maps */
    FRAME_WINDOW, /* struct window_data, then the bytes */
    FRAME_CALLS,  /* struct call_record with payloads, one after the other */
    FRAME_TRACE,  /* raw ring-buffer pages of the kernel's trace, 4096 bytes each */
    FRAME_OUTPUT, /* what the subject printed, cut off: for diagnosis only */
    FRAME_ANSWER, /* arena_header, then its output */
    FRAME_END,    /* struct run_end */
    FRAME_CHECKPOINT, /* u32 checkpoint: with RUN_HOLD, the subject stands until CONTINUE */
    FRAME_CONSOLE,    /* with RUN_TERMINAL: what the subject printed, while it runs */
};

#define GUEST_KERNEL "/boot/other"

struct frame_header {
    uint32_t type;
    uint32_t length;
};

struct ready {
    uint32_t version;
    uint32_t has_kvm;     /* /dev/kvm is there and real */
    uint32_t has_trace;   /* KVM tracepoints can be recorded */
    uint32_t has_device;  /* there is a PCI device to be lent through VFIO */
    uint32_t calibration; /* microseconds that the calibration loop took just now */
    uint64_t time_us;     /* the agent's clock (CLOCK_MONOTONIC) when it answered */
};

/* --- RUN ------------------------------------------------------------------------------ */

#define RUN_TRACE       (1u << 0) /* record the kernel's KVM tracepoints */
#define RUN_PRETEND_KVM (1u << 1) /* the agent answers for /dev/kvm (call_supervisor.h) */
#define RUN_HIDE_KVM    (1u << 2) /* the subject may not open /dev/kvm */
#define RUN_NO_DEADLINE (1u << 3) /* for debugging by hand */
#define RUN_SANITIZED   (1u << 4) /* the subject needs the address space of ASan's shadow */
#define RUN_DEVICE      (1u << 5) /* the subject may use the PCI device (device_lend.h) */
#define RUN_HOLD        (1u << 6) /* the judge looks around at each checkpoint */
#define RUN_TERMINAL    (1u << 7) /* keys go to the subject, and its output comes at once */
#define RUN_LINUX       (1u << 8) /* the subject boots a Linux: it needs that much memory */

#define RUN_WINDOWS_MAX     16
#define RUN_CHECKPOINTS_MAX 16
#define RUN_OUTPUT_MAX      16384u

struct run_request {
    uint32_t flags;
    uint32_t deadline_ms; /* own time (own_time.h); in the machine, the judge sees to it */
    uint32_t entry;
    uint32_t window_count;
    uint32_t plan_size; /* 0 or sizeof(struct kvm_plan) + its exits */
    uint32_t input_size;
    uint64_t nonce;
};

/* A piece of a memfd of the subject, by name ("guest-ram"), to be read at each
 * checkpoint (the subject stops itself). */
struct window {
    char name[32];
    uint64_t offset;
    uint32_t length;
    uint32_t reserved;
};

struct window_data {
    uint32_t checkpoint;
    uint32_t window;
    uint32_t length; /* what could be read; 0 if there is no such memfd */
    uint32_t reserved;
};

/* --- CONTINUE -------------------------------------------------------------------------- */

#define HANDOVER_BYTES 64u

/* Bytes for a memfd of the subject, which get there while it stands at a checkpoint. alone: only
 * if no code but what stands behind the checkpoint can run before the guest (handover.c). */
struct handover {
    char name[32];
    uint64_t offset;
    uint32_t checkpoint;
    uint32_t length;
    uint32_t alone;
    uint32_t reserved;
    uint8_t bytes[HANDOVER_BYTES];
};

/* Why it was not done; positive: the number of a signal that has a handler. */
enum handover_refused {
    HANDOVER_THREADS = -1,   /* there is more than one thread */
    HANDOVER_PROCESSES = -2, /* there are other processes */
    HANDOVER_NO_MEMORY = -3, /* no memfd of that name, or more than one */
};

/* --- END ------------------------------------------------------------------------------ */

enum run_outcome {
    RUN_EXITED = 1,  /* status = exit status */
    RUN_SIGNALLED,   /* status = signal */
    RUN_TIMED_OUT,   /* killed at the deadline */
    RUN_TOO_STOPPED, /* stopped itself more than RUN_CHECKPOINTS_MAX times */
    RUN_NOT_STARTED, /* status = errno: the agent could not start it */
    RUN_TOO_LARGE,  /* killed: too much memory, it and its children, or too many mappings */
    RUN_TRACE_FULL, /* killed: more VM exits than the record has room for */
    RUN_STARVED,    /* killed: it had hardly any processor, so nothing can be said */
    RUN_NOT_ALONE,  /* killed: status = enum handover_refused */
};

struct run_end {
    uint32_t outcome;
    int32_t status;
    uint32_t checkpoints;
    uint32_t elapsed_us;       /* own time; in the machine, by its clock */
    uint32_t trace_lost;       /* events that did not fit into the buffer */
    uint32_t output_total;     /* bytes that it printed in all */
    uint32_t processes_killed; /* that it left behind */
    uint32_t calls_lost;       /* supervised calls that did not fit into the log */
};

#endif
