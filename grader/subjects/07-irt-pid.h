/* 07-irt-pid.h - what checks and dispatcher of lab 07 say to each other. */
#ifndef SUBJECT_07_H
#define SUBJECT_07_H

#include <stddef.h>
#include <stdint.h>

enum lab07_entry {
    LAB07_IRT,     /* struct lab07_irt_input: requests, one after the other */
    LAB07_SCRIPT,  /* struct lab07_script_input: calls, one after the other */
    LAB07_EXPLORE, /* struct lab07_explore_input: every order of steps */
    LAB07_STRESS,  /* struct lab07_stress_input: threads that post, one that takes */
    LAB07_GUEST,   /* struct lab07_guest_input: a vCPU of the real KVM */
};

/* --- LAB07_IRT ------------------------------------------------------------------------------- */

#define LAB07_ENTRIES  65536
#define LAB07_REQUESTS 1024

struct lab07_request {
    uint32_t address, data, source;
    uint32_t x2apic;
    uint64_t low, high; /* the entry at `at`, written before the lookup */
    uint32_t at, count; /* count: of the table, for this lookup */
};

struct lab07_irt_input {
    uint32_t request_count;
    uint32_t reserved;
    struct lab07_request requests[LAB07_REQUESTS];
};

struct lab07_route {
    uint32_t returned, fault, recorded, index, posted, vector;
    uint32_t delivery, logical, hint, level, destination, urgent;
    uint64_t descriptor;
};

struct lab07_irt_output {
    uint32_t outside; /* 1 + the request whose lookup read past the table, or 0 */
    uint32_t reserved;
    struct lab07_route routes[LAB07_REQUESTS];
};

/* --- LAB07_SCRIPT ---------------------------------------------------------------------------- */

enum lab07_op {
    LAB07_END,
    LAB07_POST, /* a: vector, b: urgent */
    LAB07_RUN,  /* a: APIC ID */
    LAB07_READY,
    LAB07_HALT, /* a: APIC ID */
    LAB07_WAKEUP,
    LAB07_SYNC,
    LAB07_REQUEST, /* a: word, value: bits */
    LAB07_PENDING,
    LAB07_DELIVER,
    LAB07_EOI,
    LAB07_SET,        /* a: word of the descriptor (0 to 4), or 5: state */
    LAB07_TPR,        /* value: VTPR */
    LAB07_PPR,        /* value: VPPR */
    LAB07_GUEST_WAIT, /* LAB07_EXPLORE: in the guest, until a notification comes */
    LAB07_GUEST_HLT,  /* LAB07_EXPLORE: in the guest until it has no interrupt left */
};

struct lab07_call {
    uint32_t op, a, b, reserved;
    uint64_t value;
};

#define LAB07_CALLS      1000
#define LAB07_STATE_WORD 5 /* words 0 to 3: PIR, 4: control, 5: state */
#define LAB07_WORDS      6

/* After a call. */
struct lab07_snapshot {
    uint64_t words[LAB07_WORDS];
    int32_t returned;
    uint32_t notifications, wakes; /* in this call */
    uint32_t vector, destination;  /* of the last notification */
    uint32_t rvi, svi, ppr;
    uint32_t irr[8], isr[8];
    uint32_t others; /* bytes of the page outside of the registers that have changed */
    uint32_t steps;
};

struct lab07_script_input {
    uint32_t call_count;
    uint32_t reserved;
    struct lab07_call calls[LAB07_CALLS];
};

/* What was touched otherwise than by a step of atomic_step.h. */
struct lab07_stray {
    uint32_t happened; /* 1: read, 2: write */
    uint32_t word;
    uint32_t call; /* LAB07_SCRIPT: number of the call */
    uint32_t reserved;
};

struct lab07_script_output {
    struct lab07_stray stray;
    uint32_t call_count; /* done */
    uint32_t reserved;
    struct lab07_snapshot snapshots[LAB07_CALLS];
    uint8_t page[4096]; /* the virtual-APIC page at the end */
};

/* --- LAB07_EXPLORE ----------------------------------------------------------------------------- */

#define LAB07_ACTORS    4 /* actor 0 is the vCPU's thread, 1 the handler of WNV, others post */
#define LAB07_ORDERS    8
#define LAB07_DEPTH     64
#define LAB07_UNBOUNDED 1000u

struct lab07_explore_input {
    uint64_t words[LAB07_WORDS]; /* at the start */
    uint32_t cpu;                /* APIC ID of the processor */
    uint32_t preemptions;        /* at most so many in a schedule */
    uint32_t actor_count;
    uint32_t given; /* choices that are given: where the last report broke off; 0: begin */
    uint8_t choice[LAB07_DEPTH];
    struct lab07_call orders[LAB07_ACTORS][LAB07_ORDERS];
};

/* What happened. Records of a schedule begin where it differs from the one before. */
enum lab07_record_kind {
    LAB07_BRANCH = 1, /* value: how many choices this schedule shares with the last one */
    LAB07_CHOICE,     /* actor goes on */
    LAB07_STEP,       /* op: enum step_kind; word; operand, expected, seen */
    LAB07_CALL,       /* enters a function: op, operand = a */
    LAB07_RETURN,     /* leaves it: seen = what it returned */
    LAB07_NOTIFY,     /* vector: operand, destination: seen */
    LAB07_WAKE,       /* wake() was called */
    LAB07_WOKEN,      /* the thread has taken a wake(); seen = *state */
    LAB07_TAKES,      /* the guest's handler of vector operand runs */
    LAB07_PARKED,     /* op: enum lab07_park: why the actor does not go on by itself */
    LAB07_END_OF_RUN, /* nobody can go on: seen = checksum of all words; operand = rvi */
};

enum lab07_park {
    LAB07_BEFORE_STEP = 1,
    LAB07_IN_GUEST, /* goes on when a notification is pending */
    LAB07_ASLEEP,   /* goes on when wake() has been called */
    LAB07_IDLE,     /* the handler: goes on when WNV is pending */
    LAB07_DONE,
};

struct lab07_record {
    uint8_t kind, actor, op, word;
    uint32_t reserved;
    uint64_t operand, expected, seen;
};

#define LAB07_RECORDS 32700 /* and those of one more schedule have to fit */

struct lab07_explore_output {
    struct lab07_stray stray;
    uint32_t record_count;
    uint32_t overflow; /* a schedule has more than LAB07_DEPTH steps */
    uint32_t schedules;
    uint32_t given; /* there are more schedules than fit: how the next one begins */
    uint8_t choice[LAB07_DEPTH];
    struct lab07_record records[LAB07_RECORDS];
};

/* Of an answer with so many records: the rest of its megabyte is not sent. */
static inline uint32_t lab07_explore_size(uint32_t records)
{
    return (uint32_t)offsetof(struct lab07_explore_output, records) +
           records * (uint32_t)sizeof(struct lab07_record);
}

static inline uint64_t lab07_checksum(const uint64_t words[LAB07_WORDS])
{
    uint64_t sum = 0xcbf29ce484222325ull;

    for (int i = 0; i < LAB07_WORDS; i++)
        sum = (sum ^ words[i] ^ words[i] >> 31) * 0x100000001b3ull;
    return sum;
}

/* --- LAB07_STRESS ------------------------------------------------------------------------------- */

#define LAB07_POSTERS 4

struct lab07_stress_input {
    uint32_t posters, rounds;
    uint64_t seed;
};

/* Each poster owns the vectors v with v % posters == its number, and posts one again only when
 * it has been taken. */
struct lab07_stress_output {
    uint64_t posted[256], taken[256];
    uint64_t stray_taken; /* vectors taken that nobody had posted at that moment */
    uint32_t lost;        /* 1: nothing came any more while posts were waiting */
    uint32_t halts, readies, wakes;
    uint32_t notifications, reserved;
};

/* --- LAB07_GUEST ---------------------------------------------------------------------------------- */

#define LAB07_ROUNDS      8
#define LAB07_ROUND_POSTS 64
#define LAB07_EOI_PORT    0x20u

enum lab07_when {
    LAB07_WHILE_RUNNING,
    LAB07_WHILE_READY,
    LAB07_WHILE_HALTED,
};

struct lab07_round {
    uint32_t when; /* enum lab07_when */
    uint32_t count;
    uint8_t vectors[LAB07_ROUND_POSTS]; /* all different */
};

struct lab07_guest_input {
    uint32_t round_count, posters, image_size, apic_id;
    struct lab07_round rounds[LAB07_ROUNDS];
    uint8_t image[4096];
};

struct lab07_guest_output {
    int32_t ready; /* all objects are there */
    uint32_t rounds_done;
    uint32_t lost; /* 1 + the round whose interrupts did not all arrive */
    uint32_t run_error;
    uint32_t halts, sleeps, wakes, notifications, kicks;
    uint32_t bad_notifications; /* to another processor, or with another vector */
};

#endif
