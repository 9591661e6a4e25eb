/* 03-exit-loop.h - what checks and dispatcher of lab 03 say to each other. */
#ifndef SUBJECT_03_H
#define SUBJECT_03_H

#include <stdint.h>

enum lab03_entry {
    LAB03_BUS,   /* struct lab03_bus_input: operations on one bus, one after the other */
    LAB03_RUN,   /* struct lab03_input: vcpu_run() on the pretended KVM */
    LAB03_GUEST, /* struct lab03_input: the same with memory and a guest in the real one */
    LAB03_STEPS, /* struct lab03_input: a kick at each instruction of vcpu_run() */
    LAB03_MOMENTS, /* struct lab03_input: something happens at each one of vcpu_kick() */
    LAB03_SIGNAL, /* the kick's signal, which the agent sends, arrives in another system call */
    LAB03_KICKS, /* struct lab03_kicks_input: kicks from a second thread, many times */
};

#define LAB03_DEVICES   32
#define LAB03_OPS       400
#define LAB03_ACCESSES  256
#define LAB03_RUNS      16
#define LAB03_EVENTS    32
#define LAB03_POSITIONS 500
#define LAB03_NEVER     0xffffffffu

/* A device that notes each access and answers reads from the input's `answers`. */
struct lab03_device {
    uint64_t base, length;
    uint32_t bus; /* LAB03_RUN, LAB03_GUEST: 0 = PIO, 1 = MMIO; + 2: of the second VM */
    uint32_t no_access; /* LAB03_BUS: its access function is NULL */
};

/* What a device was told. data: what it read (write), or what it answered (read). */
struct lab03_access {
    uint32_t device;
    uint32_t size;
    uint64_t address, offset;
    uint32_t is_write;
    uint32_t reserved;
    uint8_t data[8];
};

/* --- LAB03_BUS ------------------------------------------------------------------------ */

enum lab03_op_kind { LAB03_OP_ADD, LAB03_OP_FIND, LAB03_OP_ACCESS };

struct lab03_op {
    uint32_t kind;
    uint32_t device; /* ADD */
    uint64_t address;
    uint32_t size;
    uint32_t is_write;
    uint8_t data[8]; /* ACCESS: the data before it */
};

struct lab03_bus_input {
    uint32_t op_count;
    uint32_t reserved;
    struct lab03_device devices[LAB03_DEVICES];
    struct lab03_op ops[LAB03_OPS];
    uint64_t answers[LAB03_ACCESSES];
};

struct lab03_op_result {
    int32_t result;     /* ADD */
    int32_t device;     /* FIND: the device's number, or -1 */
    uint8_t data[8];    /* ACCESS: the data after it */
    uint32_t accesses;  /* devices called so far */
    uint32_t count;     /* bus->count after it */
    uint64_t unclaimed; /* after it */
};

struct lab03_bus_output {
    struct lab03_op_result results[LAB03_OPS];
    struct lab03_access accesses[LAB03_ACCESSES];
};

/* --- LAB03_RUN, LAB03_GUEST, LAB03_STEPS ----------------------------------------------- */

enum lab03_step {
    LAB03_STEP_END,
    LAB03_STEP_RUN,         /* vcpu_run() */
    LAB03_STEP_KICK,        /* vcpu_kick() */
    LAB03_STEP_THREAD,      /* vcpu_run() on a thread of its own */
    LAB03_STEP_SECOND,      /* vcpu_run() of the second VM's vCPU */
    LAB03_STEP_KICK_SECOND, /* vcpu_kick() of it */
};

struct lab03_input {
    uint8_t steps[LAB03_RUNS]; /* LAB03_STEPS: steps[0] == KICK: kick before each run */
    uint32_t device_count;
    uint32_t kick_at;      /* number of the access in which the device kicks, from 0 */
    uint32_t trace_events; /* capacity of vcpu->trace; 0 = none */
    uint32_t second;       /* LAB03_RUN: there is a second VM with a vCPU */

    uint32_t mode; /* LAB03_GUEST: enum guest_mode */
    uint32_t image_size;
    uint32_t strays;        /* signals that are not kicks, sent while it runs */
    uint32_t kick_after_ms; /* then a kick from another thread; 0 = none */
    uint32_t positions;     /* LAB03_STEPS: at most so many */
    struct lab03_device devices[LAB03_DEVICES];
    uint64_t answers[LAB03_ACCESSES];
    uint64_t mailbox[32];
    uint8_t image[16384];
};

/* One vcpu_run(): what it said, and the vCPU right after it. */
struct lab03_run {
    int32_t result;
    uint32_t status; /* of struct run_stop, filled with junk before */
    uint64_t detail;
    int32_t thread;
    uint32_t kick_requested;
    uint32_t immediate_exit;
    uint32_t accesses; /* so far */
    int32_t inside;    /* vcpu->thread as the last device found it, ... */
    int32_t tid;       /* ... and the thread that it was called on */
    uint64_t rip, rax; /* LAB03_GUEST: KVM_GET_REGS */
};

struct lab03_event {
    uint32_t reason, size;
    uint64_t address;
    uint32_t count, is_write;
};

struct lab03_output {
    int32_t ready; /* all objects are there */
    int32_t kick_init;
    uint32_t run_count;
    uint32_t access_count;
    struct lab03_run runs[LAB03_RUNS];
    struct lab03_access accesses[LAB03_ACCESSES];
    uint64_t digest; /* of all accesses, also those that are no longer in the list */
    uint64_t exits[64];
    uint64_t second_exits[64]; /* of the second vCPU */
    uint64_t interrupted;
    uint64_t unclaimed[2]; /* by bus */
    uint64_t events_total;
    struct lab03_event events[LAB03_EVENTS]; /* newest first */
    int32_t stuck; /* LAB03_GUEST: never returned from vcpu_run() */
    /* the signal of a kick in a device: what the thread found when it arrived */
    uint32_t signals, signal_requested, signal_immediate_exit;
    uint32_t no_handler; /* a kick was not tried: its signal would end the process */
    /* LAB03_STEPS */
    uint32_t instructions;          /* of a run without a kick */
    int32_t where[LAB03_POSITIONS]; /* by position: see LAB03_ELSEWHERE */
};

/* Where an instruction stands, as its distance from vcpu_run() or vcpu_kick(). */
#define LAB03_ELSEWHERE INT32_MIN /* not near it: in a function of the C library */

/* LAB03_RUN and LAB03_STEPS write these into the log of calls: ioctl(vcpu, LAB03_MARK,
 * argument). */
#define LAB03_MARK         0x3a03u
#define LAB03_MARK_KICK    1u       /* vcpu_kick() has just returned; << 32: position + 1 */
#define LAB03_MARK_END     0x100u   /* + status: vcpu_run() has returned... */
#define LAB03_MARK_PENDING 0x10000u /* ...with kick_requested set */
/* LAB03_SIGNAL: the call that the kick's signal disturbs. */
#define LAB03_DISTURBED 0x3a04u

#define LAB03_MARK_STATUS(m) (((m)&0xffffu) - LAB03_MARK_END)

/* Takes one access into the digest: what makes it so, in its order. */
static inline uint64_t lab03_digest(uint64_t digest, const struct lab03_access *access)
{
    const uint8_t *bytes = (const uint8_t *)access;

    for (unsigned i = 0; i < sizeof *access; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3ull;
    return digest;
}

/* --- LAB03_MOMENTS ------------------------------------------------------------------------ */

/* What the vCPU's thread does between two instructions of vcpu_kick(). */
enum lab03_meanwhile {
    LAB03_INTERRUPTED, /* KVM_RUN returned EINTR: takes immediate_exit back, then the flag */
    LAB03_ENTERS,      /* vcpu_run() begins; if immediate_exit is 0, in the guest by now */
    LAB03_MEANWHILES,
};

struct lab03_moment {
    int32_t where;                                  /* the next instruction */
    uint32_t immediate_exit, requested;             /* at the moment */
    uint32_t immediate_exit_after, requested_after; /* when vcpu_kick() had returned */
    uint32_t signals;                               /* sent to the thread of the vCPU */
    uint32_t orders; /* the next instruction lets no load pass a store before it */
};

struct lab03_moments_output {
    int32_t ready;
    uint32_t count[LAB03_MEANWHILES];
    /* after 0, 1, ... instructions of vcpu_kick() */
    struct lab03_moment moments[LAB03_MEANWHILES][LAB03_POSITIONS];
};

/* --- LAB03_SIGNAL ------------------------------------------------------------------------ */

struct lab03_signal_output {
    int32_t kick_init;
    int32_t handler; /* a function is installed: neither default nor ignored */
    int32_t error;   /* of the call that was disturbed; ENOTTY is the answer */
};

/* --- LAB03_KICKS ------------------------------------------------------------------------- */

struct lab03_kicks_input {
    uint32_t tries;
    uint32_t sleepers; /* one try in so many is made at a random time after a sleep */
    uint32_t sleep_us; /* at most */
    uint32_t watched;  /* one in so many is made when the guest has counted on: it runs */
    uint32_t image_size, reserved;
    uint64_t seed;
    uint8_t image[256]; /* real-mode guest that counts for ever, at GUEST_MAILBOX_GPA */
};

struct lab03_kicks_output {
    int32_t ready;
    uint32_t tries;      /* made */
    uint32_t kicked;     /* runs that ended with RUN_KICKED */
    uint32_t others;     /* runs that ended otherwise */
    uint32_t lost;       /* 1: after the last kick vcpu_run() did not come back */
    uint32_t slept;      /* the last try came after a sleep of so many microseconds + 1 */
    uint32_t no_handler; /* no kick was tried: its signal would end the process */
};

#endif
