/* l2.h - the life of L2 in one run, as the oracle knows it. */
#ifndef L2_H
#define L2_H

#include "checks.h"
#include "guest_hypervisor.h"
#include "guest_loader.h"

/* As in guests/l2.long64.c. */
enum step {
    STEP_HALT,
    STEP_CALL,
    STEP_CPUID,
    STEP_NAME,
    STEP_OUT32,
    STEP_OUT8,
    STEP_IN32,
    STEP_IN8,
    STEP_LATE_READ,
    STEP_LATE_WRITE,
    STEP_L0,
    STEP_CALLS,
    STEP_HOLE,
};

#define L2_SIZE    0x14000u
#define STEPS_MAX  32u
#define MAILBOX_AT GUEST_MAILBOX_GPA
#define CALLS      60u

/* What the run is about, and what has to come of it. */
struct life {
    struct hypervisor_job job;
    uint8_t memory[L2_SIZE]; /* of L2 */
    uint64_t late[512];      /* content of the page late_to */
    uint64_t hole;
    uint32_t l0_port;
    /* the oracle's */
    uint64_t number, place;
    bool touched;
    struct {
        enum hypervisor_exit kind;
        bool hole;
        uint64_t place, number;
    } exits[STEPS_MAX + CALLS];
    uint32_t exit_count;
    uint32_t l0_value; /* last OUT to L0's port */
    uint32_t l0_writes;
};

extern struct life life;

/* A script, its data, and L2's memory. vmcall: for the Intel CPU; else L0 has a port, too. */
void life_begin(struct judge *judge, uint64_t l2_base, uint64_t late_to, bool vmcall,
                enum step end);
/* From the start to HLT or the hole. */
void life_follow(void);

const char *kind_name(uint32_t kind);
void end_expect(struct judge *judge, const struct hypervisor_job *got, bool hole);
/* What L1 says of itself after a run to HLT. */
void job_expect(struct judge *judge, const struct hypervisor_job *got);
void l2_expect(struct judge *judge, const uint64_t *mailbox, const char *cpu,
               const uint64_t *late);

#endif
