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
    STEP_LATE_RUN,
    STEP_LAST,
    STEP_FLAGS,
    STEP_SUBLEAF,
    STEP_L0,
    STEP_CALLS,
    STEP_HOLE,
    STEP_OUT16,
    STEP_OUT_BESIDE,
    STEP_OUTS,
    STEP_FORBIDDEN,
};

/* How a life of L2 ends. */
enum ending {
    ENDS_BY_HLT,
    ENDS_BELOW,          /* a hole, behind L2's memory, below the late page */
    ENDS_BEHIND,         /* the page behind the late one, which was not touched */
    ENDS_OUT16,          /* a width at L1's port that L1 does not know */
    ENDS_OUT_BESIDE,     /* an access at another port that covers L1's */
    ENDS_OUTS,           /* a string instruction at it */
    ENDS_FORBIDDEN,      /* an instruction that always exits */
    ENDS_BAD_STATE,      /* before its first instruction: the CPU refuses its CR3 */
    ENDS_REFUSED,        /* after its first exit: VMRESUME fails */
    ENDS_REFUSED_LAUNCH, /* before its first instruction: VMLAUNCH fails */
    ENDS_NO_SUPPORT,     /* there is no L2: L1's CPU cannot, or is not allowed to */
};

#define L2_SIZE    0x14000u
#define STEPS_MAX  40u
#define LIVES      10u /* of one run */
#define MAILBOX_AT GUEST_MAILBOX_GPA
#define CALLS      60u

/* What the run is about, and what has to come of it. */
struct life {
    struct hypervisor_job job;
    uint8_t memory[L2_SIZE]; /* of L2 */
    uint64_t late[512];      /* content of the page late_to */
    enum ending ending;
    bool intel;
    uint64_t hole;
    uint32_t l0_port;
    /* the oracle's */
    uint64_t number, place;
    bool touched, over;
    struct {
        enum hypervisor_exit kind; /* HYPERVISOR_EXITS: none of them, and not answered */
        uint64_t place, number;
    } exits[STEPS_MAX + CALLS];
    uint32_t exit_count;
    uint32_t l0_value; /* last OUT to L0's port */
    uint32_t l0_writes;
};

extern struct life lives[LIVES];
extern struct life *life; /* the one that is spoken of */

/* Makes life n the one that is spoken of: a script, its data, and L2's memory. intel: else L0
 * has a port, too. */
void life_begin(struct judge *judge, uint32_t n, uint64_t l2_base, uint64_t late_to,
                bool intel, enum ending ending);
/* From the start to the end: the oracle. */
void life_follow(void);

const char *kind_name(uint32_t kind);
const char *ending_name(enum ending ending);
void end_expect(struct judge *judge, const struct hypervisor_job *got);
/* What L1 says of itself. */
void job_expect(struct judge *judge, const struct hypervisor_job *got);
void l2_expect(struct judge *judge, const uint64_t *mailbox, const char *cpu,
               const uint64_t *late);

#endif
