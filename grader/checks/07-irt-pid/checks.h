/* checks.h - what the files of lab 07's checks share; the table is in ../07-irt-pid.c. */
#ifndef CHECKS_07_H
#define CHECKS_07_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/check.h"
#include "judge/random.h"
#include "judge/script.h"
#include "subjects/07-irt-pid.h"

/* --- calls.c: calls one by one --- */

struct vectors {
    uint64_t bits[4];
};

uint32_t random_vector(struct judge *judge);
/* The n-th of several, from 0. The first two have bits in the top 32 of PIR, in both halves: who
 * gets the order within a piece wrong is never lucky. */
uint32_t mixed_vector(struct judge *judge, uint32_t n);
bool vectors_has(const struct vectors *set, unsigned v);
void vectors_put(struct vectors *set, unsigned v, bool in);
void call_add(struct lab07_call call);
const struct lab07_script_output *script_run(struct judge *judge);
uint64_t control_make(bool on, bool sn, uint32_t nv, uint64_t ndst);
void registers_compare(struct judge *judge, const uint32_t pieces[8],
                       const struct vectors *want, const char *name, const char *situation);

/* --- schedules.c: a scenario and the model that follows its schedules --- */

struct actor_model {
    uint8_t park;
    uint8_t op;     /* function that it is in, or 0 */
    uint8_t vector; /* of a post */
    uint8_t order;  /* orders begun */
    bool urgent, on_set, notified, left_halted;
    bool leaves; /* a pid_halt() that has tried to leave VCPU_HALTED */
    bool looked; /* it has done a step on control, and left there: */
    uint64_t control_left;
    uint64_t control_at_on; /* what control held when this post set ON */
};

/* The world between two steps. */
struct model {
    uint64_t words[LAB07_WORDS];
    struct vectors moved; /* taken out of PIR, not delivered yet */
    struct actor_model actors[LAB07_ACTORS];
    bool active, wakeup; /* notifications pending */
    uint8_t wakes;
    uint8_t delivered[256];
    uint8_t last, preemptions, switches;
    bool dead; /* this schedule has failed */
};

#define PATH_MAX_RECORDS (LAB07_DEPTH * 16u)

struct schedules {
    struct judge *judge;
    const struct lab07_explore_input *in;
    const struct lab07_explore_output *out;
    struct model now;
    struct model before[LAB07_DEPTH + 1]; /* each choice */
    uint8_t choice[LAB07_DEPTH], enabled[LAB07_DEPTH];
    uint32_t starts[LAB07_DEPTH + 1];           /* of choices, in path */
    struct lab07_record path[PATH_MAX_RECORDS]; /* of this schedule */
    uint32_t depth, path_length;
    bool branched;
    uint32_t complete, failed; /* schedules */
    /* the shortest one that failed */
    char reason[700];
    uint32_t best_switches, best_depth, best_length;
    struct lab07_record best_path[PATH_MAX_RECORDS];
    /* the one with the most switches, for `make trace` */
    uint32_t example_switches, example_length;
    struct lab07_record example[PATH_MAX_RECORDS];
};

#define CONTROL_RESERVED (~(PID_ON | PID_SN | PID_NV | PID_NDST))

void posts_count(const struct lab07_explore_input *in, uint8_t posts[256]);
void stray_judge(struct judge *judge, const struct lab07_stray *stray);
uint32_t scenario_judge(struct judge *judge, struct lab07_explore_input *in,
                        const char *what);

/* --- records.c: what the explorer reports, in words --- */

const char *actor_name(const struct schedules *s, uint32_t actor);
const char *function_name(uint32_t op);
const char *state_name(uint64_t state);
const char *vector_name(uint32_t vector, char text[16]);
void control_text(uint64_t control, char text[64]);
void control_change_text(uint64_t from, uint64_t to, char text[64]);
uint64_t step_result(const struct lab07_record *r);
void record_describe(const struct lab07_record *r, char *text, size_t size);
void path_describe(const struct schedules *s, char *text, size_t size);

/* --- view.c: a schedule for `make trace` --- */

void schedule_view(const struct schedules *s, const char *what);

/* --- machine.c: the guest's mailbox; silicon.c has the same --- */

#define MAILBOX_WINDOW 0x1400u
#define TAKEN_AT       0x4u
#define ORDER_AT       0x1000u

/* --- the checks --- */

/* entries.c */
void request_names_its_entry(struct judge *judge);
void malformed_entry_is_a_fault(struct judge *judge);
void source_is_validated(struct judge *judge);
void entry_is_decoded(struct judge *judge);

/* calls.c */
void post_decides_in_one_step(struct judge *judge);
void state_changes_set_their_fields(struct judge *judge);
void sync_moves_all_of_pir(struct judge *judge);
void highest_vector_is_next(struct judge *judge);

/* orders.c */
void running_vcpu_loses_nothing(struct judge *judge);
void ready_vcpu_finds_all_posted(struct judge *judge);
void halted_vcpu_is_woken(struct judge *judge);
void threads_lose_nothing(struct judge *judge);

/* machine.c */
void guest_counts_what_was_posted(struct judge *judge);
void ready_guest_gets_highest_first(struct judge *judge);

/* silicon.c */
void silicon_delivers_without_exits(struct judge *judge);
void silicon_takes_what_is_posted(struct judge *judge);

#endif
