/* 07-irt-pid.c - the checks of lab 07.
 *
 * Entries of the table are judged in 07-entries.h; what happens between several processors in
 * 07-schedules.h, from every order of steps; the rest here, with an oracle for the virtual
 * APIC that keeps plain lists of vectors.
 */
#define _GNU_SOURCE
#include "../subjects/07-irt-pid.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../silicon/silicon.h"
#include "07-entries.h"
#include "07-schedules.h"
#include "07-view.h"
#include "check.h"
#include "guest_image.h"
#include "guest_loader.h"
#include "irte.h"

GUEST_IMAGE(counts, "counts.bin");
GUEST_IMAGE(virtual_guest, "virtual.bin");

/* === calls one by one ============================================================================= */

static struct lab07_script_input script; /* one a process */

static void call_add(struct lab07_call call)
{
    script.calls[script.call_count++] = call;
}

static void words_set(const uint64_t words[LAB07_WORDS])
{
    for (uint32_t i = 0; i < LAB07_WORDS; i++)
        call_add((struct lab07_call){.op = LAB07_SET, .a = i, .value = words[i]});
}

static const struct lab07_script_output *script_run(struct judge *judge)
{
    const struct run_spec spec = {
        .entry = LAB07_SCRIPT, .input = &script, .input_size = sizeof script};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab07_script_output));
    const struct lab07_script_output *out = (const void *)e->answer;

    stray_judge(judge, &out->stray);
    CHECK(judge, out->call_count == script.call_count, "all calls return", "%u of %u did",
          out->call_count, script.call_count);
    return out;
}

static uint64_t control_make(bool on, bool sn, uint32_t nv, uint64_t ndst)
{
    return (uint64_t)on | (uint64_t)sn << 1 | (uint64_t)nv << 16 | ndst << 32;
}

static void words_compare(struct judge *judge, const struct lab07_snapshot *s,
                          const uint64_t want[LAB07_WORDS], const char *situation)
{
    char got_text[64], want_text[64];

    for (int i = 0; i < 4; i++)
        CHECK(judge, s->words[i] == want[i],
              "PIR changes as the function says, no other bit",
              "%s: PIR[%d] is %#" PRIx64 ", not %#" PRIx64, situation, i, s->words[i],
              want[i]);
    control_text(s->words[4], got_text);
    control_text(want[4], want_text);
    CHECK(judge, s->words[4] == want[4],
          "control changes in the fields that the function is about, in no other",
          "%s: control is %#" PRIx64 " (%s, NDST %#" PRIx64 "), not %#" PRIx64
          " (%s, NDST %#" PRIx64 ")",
          situation, s->words[4], got_text, s->words[4] >> 32, want[4], want_text,
          want[4] >> 32);
    CHECK(judge, s->words[5] == want[5], "*state is what the header's drawing says",
          "%s: state is %s (%" PRIu64 "), not %s", situation, state_name(s->words[5]),
          s->words[5], state_name(want[5]));
}

static void words_random(struct judge *judge, uint64_t words[LAB07_WORDS], bool on, bool sn)
{
    for (int i = 0; i < 4; i++)
        words[i] = judge_random(judge) & judge_random(judge);
    words[4] = control_make(on, sn, random_vector(judge), judge_random(judge) >> 32) |
               (judge_random(judge) & CONTROL_RESERVED);
    words[5] = judge_random_below(judge, 3);
}

#define SETS LAB07_WORDS /* calls of words_set() */

static void post_decides_in_one_step(struct judge *judge)
{
    uint64_t words[96][LAB07_WORDS];
    uint32_t vectors[96];
    char situation[200];

    for (uint32_t i = 0; i < 96; i++) {
        words_random(judge, words[i], i & 1, i & 2);
        vectors[i] = random_vector(judge);
        if (i & 8) /* the same interrupt waits already */
            words[i][vectors[i] / 64] |= 1ull << vectors[i] % 64;
        words_set(words[i]);
        call_add((struct lab07_call){.op = LAB07_POST, .a = vectors[i], .b = i >> 2 & 1});
    }
    const struct lab07_script_output *out = script_run(judge);
    for (uint32_t i = 0; i < 96; i++) {
        const struct lab07_snapshot *s = &out->snapshots[(i + 1) * (SETS + 1) - 1];
        bool on = i & 1, sn = i & 2, urgent = i & 4, notify = !on && (!sn || urgent);
        uint64_t before = words[i][4];

        words[i][vectors[i] / 64] |= 1ull << vectors[i] % 64;
        words[i][4] |= notify;
        snprintf(situation, sizeof situation, "pid_post(%02Xh, %s) with ON %d, SN %d",
                 vectors[i], urgent ? "urgent" : "not urgent", on, sn);
        words_compare(judge, s, words[i], situation);
        CHECK(judge, s->notifications == notify,
              "notify() is called once if ON = 0 and (SN = 0 or urgent), else not",
              "%s: %u calls", situation, s->notifications);
        CHECK(judge,
              !notify ||
                  (s->vector == (before >> 16 & 0xff) && s->destination == before >> 32),
              "notify() gets NV and NDST of the descriptor",
              "%s: vector %02Xh, destination %#x; the descriptor had NV %02Xh, NDST %#x",
              situation, s->vector, s->destination, (unsigned)(before >> 16 & 0xff),
              (unsigned)(before >> 32));
        CHECK(judge, s->wakes == 0, "posting does not call wake() itself", "%s: it did",
              situation);
        CHECK(judge, s->steps <= 4, "pid_post() takes 4 steps at most", "%s: %u steps",
              situation, s->steps);
    }
}

/* --- states ------------------------------------------------------------------------------------- */

struct transition {
    uint32_t op;
    uint32_t apic_id;
    uint64_t before[LAB07_WORDS], after[LAB07_WORDS];
    int32_t returned; /* of pid_halt() */
    uint32_t wakes, steps;
};

static struct transition transitions[80];

static void transition_run(struct transition *t)
{
    t->steps = 5;
    t->before[5] = VCPU_READY;
    t->after[5] = VCPU_RUNNING;
    t->after[4] = control_make(t->before[4] & 1, 0, POSTED_ACTIVE_VECTOR, t->apic_id) |
                  (t->before[4] & CONTROL_RESERVED);
}

static void transition_ready(struct transition *t)
{
    t->steps = 4;
    t->before[5] = VCPU_RUNNING;
    t->after[5] = VCPU_READY;
    t->after[4] |= PID_SN;
}

static void transition_halt(struct transition *t, bool waiting)
{
    t->steps = 10;
    t->before[5] = VCPU_RUNNING;
    for (int i = 0; i < 4; i++)
        t->before[i] = t->after[i] = waiting ? t->before[i] & 0x8000100000000ull << i : 0;
    if (waiting)
        t->before[t->apic_id % 4] = t->after[t->apic_id % 4] |= 1ull << (t->apic_id % 64);
    else
        t->before[4] &= ~PID_ON;
    t->returned = !waiting;
    t->after[5] = waiting ? VCPU_READY : VCPU_HALTED;
    t->after[4] = control_make(0, waiting, POSTED_WAKEUP_VECTOR, t->apic_id) |
                  (t->before[4] & CONTROL_RESERVED);
}

static void transition_wakeup(struct transition *t, uint64_t state)
{
    t->steps = 4;
    t->before[5] = state;
    t->after[5] = state == VCPU_HALTED ? VCPU_READY : state;
    t->wakes = state == VCPU_HALTED;
    t->after[4] |= t->wakes ? PID_SN : 0;
}

static void transition_make(struct judge *judge, struct transition *t, uint32_t i)
{
    words_random(judge, t->before, i & 1, i & 2);
    t->apic_id = (uint32_t)judge_random(judge);
    memcpy(t->after, t->before, sizeof t->after);
    switch (i / 4 % 7) {
    case 0:
        t->op = LAB07_RUN;
        transition_run(t);
        break;
    case 1:
        t->op = LAB07_READY;
        transition_ready(t);
        break;
    case 2:
    case 3:
        t->op = LAB07_HALT;
        transition_halt(t, i / 4 % 7 == 3);
        break;
    default:
        t->op = LAB07_WAKEUP;
        transition_wakeup(t, i / 4 % 7 - 4);
    }
}

static void state_changes_set_their_fields(struct judge *judge)
{
    char situation[120], control[64];

    for (uint32_t i = 0; i < COUNT(transitions); i++) {
        transition_make(judge, &transitions[i], i);
        words_set(transitions[i].before);
        call_add((struct lab07_call){.op = transitions[i].op, .a = transitions[i].apic_id});
    }
    const struct lab07_script_output *out = script_run(judge);
    for (uint32_t i = 0; i < COUNT(transitions); i++) {
        const struct transition *t = &transitions[i];
        const struct lab07_snapshot *s = &out->snapshots[(i + 1) * (SETS + 1) - 1];
        uint64_t after[LAB07_WORDS];

        memcpy(after, t->after, sizeof after);
        control_text(t->before[4], control);
        snprintf(situation, sizeof situation, "%s() in state %s with %s, PIR %s",
                 function_name(t->op), state_name(t->before[5]), control,
                 t->op == LAB07_HALT && t->returned ? "empty" : "not empty");
        if (t->op == LAB07_HALT && !t->returned) /* what it did before is not asked for */
            after[4] = (s->words[4] & ~CONTROL_RESERVED) | PID_SN |
                       (t->before[4] & CONTROL_RESERVED);
        words_compare(judge, s, after, situation);
        CHECK(judge, t->op != LAB07_HALT || s->returned == t->returned,
              "pid_halt() returns whether the thread has to sleep", "%s: it returned %d",
              situation, s->returned);
        CHECK(judge, s->wakes == t->wakes,
              "pid_wakeup() calls wake() exactly if it made a halted vCPU ready",
              "%s: %u calls of wake()", situation, s->wakes);
        CHECK(judge, s->notifications == 0, "a change of state notifies nobody",
              "%s: notify() was called", situation);
        CHECK(judge, s->steps <= t->steps, "no more steps than the header says",
              "%s: %u steps, %u are allowed", situation, s->steps, t->steps);
    }
}

/* --- PIR to VIRR ------------------------------------------------------------------------------------ */

static uint32_t highest_of(const struct vectors *set)
{
    for (unsigned v = 256; v-- > 0;)
        if (vectors_has(set, v))
            return v;
    return 0;
}

static void registers_compare(struct judge *judge, const uint32_t pieces[8],
                              const struct vectors *want, const char *name,
                              const char *situation)
{
    for (unsigned i = 0; i < 8; i++) {
        uint32_t piece = (uint32_t)(want->bits[i / 2] >> i % 2 * 32);

        CHECK(judge, pieces[i] == piece,
              "the registers of the virtual-APIC page hold what they should",
              "%s: %s at %03Xh (vectors %02Xh to %02Xh) is %#x, not %#x", situation, name,
              (name[1] == 'I' && name[2] == 'R' ? VAPIC_IRR : VAPIC_ISR) + i * 16, i * 32,
              i * 32 + 31, pieces[i], piece);
    }
}

static void page_compare(struct judge *judge, const struct lab07_snapshot *s,
                         const char *situation)
{
    CHECK(judge, s->others == 0, "nothing else on the virtual-APIC page changes",
          "%s: %u other bytes have changed", situation, s->others);
}

/* Rounds: some interrupts wait in VIRR already, others come through PIR. */
static void sync_moves_all_of_pir(struct judge *judge)
{
    uint64_t words[60][LAB07_WORDS];
    struct vectors irr = {{0}};
    char situation[100];

    for (uint32_t i = 0; i < 60; i++) {
        words_random(judge, words[i], i & 1, random_bool(judge));
        for (int n = 0; n < 4; n++) /* few at first, so that RVI climbs */
            words[i][n] = judge_random_below(judge, 60 - i) < 4
                              ? 1ull << judge_random_below(judge, 64)
                              : 0;
        words[i][0] &= ~0xffffffffull;
        words_set(words[i]);
        call_add((struct lab07_call){.op = LAB07_SYNC});
    }
    const struct lab07_script_output *out = script_run(judge);
    for (uint32_t i = 0; i < 60; i++) {
        const struct lab07_snapshot *s = &out->snapshots[(i + 1) * (SETS + 1) - 1];

        for (int n = 0; n < 4; n++) {
            irr.bits[n] |= words[i][n];
            words[i][n] = 0;
        }
        words[i][4] &= ~PID_ON;
        snprintf(situation, sizeof situation, "pid_sync() number %u", i + 1);
        words_compare(judge, s, words[i], situation);
        registers_compare(judge, s->irr, &irr, "VIRR", situation);
        page_compare(judge, s, situation);
        CHECK(judge, s->rvi == highest_of(&irr) && s->returned == (int32_t)s->rvi,
              "RVI is the highest vector in VIRR, and is returned",
              "%s: RVI is %02Xh, returned was %02Xh; the highest is %02Xh", situation,
              s->rvi, s->returned, highest_of(&irr));
        CHECK(judge, s->steps <= 10, "pid_sync() takes 10 steps at most", "%s: %u steps",
              situation, s->steps);
    }
}

/* --- delivery ---------------------------------------------------------------------------------------- */

/* The virtual APIC as lists of vectors. */
struct apic_model {
    struct vectors irr, isr;
    uint32_t tpr; /* its low byte: more of VTPR does not count */
    uint32_t ppr; /* the register: it may be out of date, or hold anything */
};

static uint32_t model_ppr(const struct apic_model *m)
{
    uint32_t service = highest_of(&m->isr);

    return m->tpr / 16 >= service / 16 ? m->tpr : service / 16 * 16;
}

static int model_pending(const struct apic_model *m)
{
    uint32_t next = highest_of(&m->irr);

    return next / 16 > model_ppr(m) / 16 ? (int)next : -1;
}

static int model_call(struct apic_model *m, const struct lab07_call *call)
{
    int vector = model_pending(m);

    switch (call->op) {
    case LAB07_REQUEST:
        m->irr.bits[call->a] |= call->value;
        return 0;
    case LAB07_TPR:
        m->tpr = call->value & 0xff;
        return 0;
    case LAB07_PPR:
        m->ppr = (uint32_t)call->value;
        return 0;
    case LAB07_EOI:
        if (!highest_of(&m->isr))
            return 0;
        vectors_put(&m->isr, highest_of(&m->isr), false);
        m->ppr = model_ppr(m);
        return 0;
    case LAB07_DELIVER:
        if (vector >= 0) {
            vectors_put(&m->irr, (unsigned)vector, false);
            vectors_put(&m->isr, (unsigned)vector, true);
        }
        m->ppr = model_ppr(m);
        return vector;
    default:
        m->ppr = model_ppr(m);
        return vector;
    }
}

static const char *apic_call_name(uint32_t op)
{
    switch (op) {
    case LAB07_REQUEST:
        return "vapic_request";
    case LAB07_DELIVER:
        return "vapic_deliver";
    case LAB07_EOI:
        return "vapic_eoi";
    case LAB07_PENDING:
        return "vapic_pending";
    case LAB07_TPR:
        return "VTPR written";
    default:
        return "VPPR written";
    }
}

/* Some task priority; often of the class of what is in service. */
static uint64_t random_tpr(struct judge *judge, const struct apic_model *model)
{
    uint32_t service = highest_of(&model->isr);

    return service && random_bool(judge) ? (service & 0xf0) | judge_random_below(judge, 16)
                                         : judge_random_below(judge, 0x50);
}

static void model_call_add(struct apic_model *model, struct lab07_call call)
{
    model_call(model, &call);
    call_add(call);
}

/* What the guest writes to VTPR has 32 bits, of which 8 count; and VPPR may be old. */
static void priority_calls_add(struct judge *judge, struct apic_model *model)
{
    uint64_t above = random_bool(judge) ? judge_random(judge) << 8 & 0xffffff00 : 0;

    model_call_add(model, (struct lab07_call){.op = LAB07_TPR,
                                              .value = random_tpr(judge, model) | above});
    if (random_bool(judge))
        model_call_add(model, (struct lab07_call){.op = LAB07_PPR,
                                                  .value = judge_random(judge) >> 32});
    if (random_bool(judge))
        model_call_add(model, (struct lab07_call){.op = LAB07_EOI});
}

static void delivery_call_add(struct judge *judge, struct apic_model *model)
{
    uint64_t pick = judge_random_below(judge, 16);
    struct lab07_call call = {.op = LAB07_PENDING};

    if (pick >= 14) {
        priority_calls_add(judge, model);
        return;
    }

    if (pick < 4)
        call = (struct lab07_call){.op = LAB07_REQUEST,
                                   .a = (uint32_t)judge_random_below(judge, 4),
                                   .value = 1ull << (32 + judge_random_below(judge, 32))};
    else if (pick < 9)
        call.op = LAB07_DELIVER;
    else if (pick < 12)
        call.op = LAB07_EOI;
    model_call_add(model, call);
}

static void highest_vector_is_next(struct judge *judge)
{
    struct apic_model model = {.tpr = 0}, planned = {.tpr = 0};
    char situation[120];

    while (script.call_count < LAB07_CALLS - 2)
        delivery_call_add(judge, &planned);
    const struct lab07_script_output *out = script_run(judge);
    for (uint32_t i = 0; i < script.call_count; i++) {
        const struct lab07_call *call = &script.calls[i];
        const struct lab07_snapshot *s = &out->snapshots[i];
        bool idle_eoi = call->op == LAB07_EOI && !highest_of(&model.isr);
        uint32_t before = model.ppr;
        int want = model_call(&model, call);

        if (call->op == LAB07_REQUEST && s->ppr == model_ppr(&model))
            model.ppr = s->ppr; /* it may be brought up to date */
        snprintf(situation, sizeof situation,
                 "call %u, %s%s (VTPR's low byte %02Xh, VPPR was %02Xh)", i + 1,
                 apic_call_name(call->op), idle_eoi ? " with nothing in service" : "",
                 model.tpr, before);
        CHECK(judge, s->returned == want,
              "the highest waiting vector is next, if its class is above VPPR's",
              "%s: it returned %d (%02Xh), should be %d (%02Xh)", situation, s->returned,
              (unsigned)s->returned & 0xff, want, (unsigned)want & 0xff);
        registers_compare(judge, s->irr, &model.irr, "VIRR", situation);
        registers_compare(judge, s->isr, &model.isr, "VISR", situation);
        page_compare(judge, s, situation);
        CHECK(judge, s->rvi == highest_of(&model.irr) && s->svi == highest_of(&model.isr),
              "RVI and SVI are the highest vectors in VIRR and in VISR",
              "%s: RVI %02Xh, SVI %02Xh; should be %02Xh and %02Xh", situation, s->rvi,
              s->svi, highest_of(&model.irr), highest_of(&model.isr));
        CHECK(judge, s->ppr == model.ppr,
              "VPPR follows VTPR's low byte and SVI, in all of its 32 bits",
              "%s: VPPR is %02Xh, not %02Xh", situation, s->ppr, model.ppr);
    }
}

/* === every order of steps ========================================================================= */

#define HANDLER  1
#define POSTER_A 2
#define POSTER_B 3

/* The word of PIR in which all vectors of a scene lie, so that posters are in each other's way.
 * Each scene takes the next word: four in a row have used all. */
static uint32_t scene_word;

static void scene_make(struct judge *judge, struct lab07_explore_input *in, uint64_t state,
                       bool on, bool sn)
{
    *in = (struct lab07_explore_input){.cpu = (uint32_t)judge_random(judge),
                                       .preemptions = LAB07_UNBOUNDED,
                                       .actor_count = POSTER_A + 1};
    in->words[4] = control_make(on, sn, POSTED_ACTIVE_VECTOR,
                                state == VCPU_RUNNING ? in->cpu : ~in->cpu) |
                   (judge_random(judge) & CONTROL_RESERVED);
    in->words[5] = state;
    scene_word = (scene_word + 1) % 4;
}

/* A vector that no other part of the scene uses. */
static uint32_t scene_vector(struct judge *judge, struct lab07_explore_input *in)
{
    uint8_t used[256];
    uint32_t vector;

    posts_count(in, used);
    do
        vector = random_vector(judge);
    while (used[vector] || vector / 64 != scene_word);
    return vector;
}

static void scene_waiting(struct judge *judge, struct lab07_explore_input *in)
{
    uint32_t vector = scene_vector(judge, in);

    in->words[vector / 64] |= 1ull << vector % 64;
}

static void scene_post(struct judge *judge, struct lab07_explore_input *in, uint32_t poster,
                       uint32_t n, bool urgent)
{
    in->orders[poster][n] =
        (struct lab07_call){.op = LAB07_POST, .a = scene_vector(judge, in), .b = urgent};
    if (poster >= in->actor_count)
        in->actor_count = poster + 1;
}

/* What the vCPU's thread does, in order. */
static void scene_thread(struct lab07_explore_input *in, const uint32_t *ops)
{
    for (uint32_t i = 0; ops[i]; i++)
        in->orders[0][i] = (struct lab07_call){.op = ops[i], .a = in->cpu};
}

#define THREAD(in, ...) scene_thread(in, (const uint32_t[]){__VA_ARGS__, LAB07_END})

static struct lab07_explore_input scene;

static void running_vcpu_loses_nothing(struct judge *judge)
{
    uint32_t tried = 0;

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene_post(judge, &scene, POSTER_B, 0, false);
    tried += scenario_judge(judge, &scene, "a guest that runs, two posters");

    for (int word = 0; word < 4; word++) {
        scene_make(judge, &scene, VCPU_RUNNING, true, false);
        scene_waiting(judge, &scene);
        THREAD(&scene, LAB07_SYNC, LAB07_GUEST_WAIT);
        scene_post(judge, &scene, POSTER_A, 0, false);
        scene_post(judge, &scene, POSTER_A, 1, random_bool(judge));
        scene.preemptions = 3;
        tried += scenario_judge(judge, &scene,
                                "a VM entry with ON = 1 from before, one poster, twice");
    }
    judge_figure(judge, "orders tried, a running vCPU", tried, "");
}

static void ready_vcpu_finds_all_posted(struct judge *judge)
{
    uint32_t tried = 0;

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_READY, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    tried += scenario_judge(judge, &scene, "a vCPU is preempted and goes on, one poster");

    scene_make(judge, &scene, VCPU_READY, false, true);
    scene_waiting(judge, &scene);
    THREAD(&scene, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene_post(judge, &scene, POSTER_A, 1, false);
    scene.preemptions = 3;
    tried += scenario_judge(judge, &scene, "a ready vCPU goes on, one poster, twice");

    scene_make(judge, &scene, VCPU_READY, false, true);
    THREAD(&scene, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, true);
    scene_post(judge, &scene, POSTER_B, 0, false);
    scene.preemptions = 3;
    tried +=
        scenario_judge(judge, &scene, "a ready vCPU goes on, an urgent poster and another");

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_READY, LAB07_RUN, LAB07_READY);
    scene_post(judge, &scene, POSTER_A, 0, true);
    tried += scenario_judge(judge, &scene,
                            "a vCPU becomes ready, runs, becomes ready, an urgent poster");
    judge_figure(judge, "orders tried, a ready vCPU", tried, "");
}

static void halted_vcpu_is_woken(struct judge *judge)
{
    uint32_t tried = 0;

    for (int word = 0; word < 4; word++) {
        scene_make(judge, &scene, VCPU_RUNNING, false, false);
        if (word == 3) /* since it ran its thread has moved to another processor */
            scene.words[4] ^= PID_NDST;
        THREAD(&scene, LAB07_HALT);
        scene_post(judge, &scene, POSTER_A, 0, word == 2);
        scene.preemptions = word ? 2 : LAB07_UNBOUNDED;
        tried += scenario_judge(judge, &scene, "a vCPU halts, one poster");
    }

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_HALT, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene.preemptions = 3;
    tried +=
        scenario_judge(judge, &scene, "a vCPU halts and is back in the guest, one poster");

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_SYNC, LAB07_GUEST_HLT, LAB07_HALT, LAB07_RUN, LAB07_SYNC,
           LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene_post(judge, &scene, POSTER_A, 1, false);
    scene.preemptions = 3;
    tried += scenario_judge(judge, &scene, "a guest runs, then halts, one poster, twice");

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_HALT, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene_post(judge, &scene, POSTER_B, 0, false);
    scene.preemptions = 2;
    tried += scenario_judge(judge, &scene, "a vCPU halts, two posters");
    judge_figure(judge, "orders tried, a halted vCPU", tried, "");
}

/* === real threads ================================================================================== */

static void threads_lose_nothing(struct judge *judge)
{
    const struct lab07_stress_input in = {
        .posters = LAB07_POSTERS, .rounds = 20000, .seed = judge_random(judge)};
    const struct run_spec spec = {
        .entry = LAB07_STRESS, .input = &in, .input_size = sizeof in, .deadline_ms = 15000};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab07_stress_output));
    const struct lab07_stress_output *out = (const void *)e->answer;
    uint64_t posted = 0;

    CHECK(
        judge, !out->lost, "no interrupt is lost between real threads",
        "nothing came to the vCPU for 3 seconds, while interrupts were waiting for it; it "
        "had halted %u times, wake() had been called %u times",
        out->halts, out->wakes);
    for (unsigned v = 0; v < 256; v++) {
        posted += out->posted[v];
        CHECK(judge, out->posted[v] == out->taken[v], "what is posted is taken, once",
              "vector %02Xh: posted %" PRIu64 " times, taken %" PRIu64 " times", v,
              out->posted[v], out->taken[v]);
    }
    CHECK(judge, posted == (uint64_t)in.posters * in.rounds && out->stray_taken == 0,
          "what is posted is taken, once",
          "%" PRIu64 " posts of %u; %" PRIu64 " vectors were taken that nobody had posted",
          posted, in.posters * in.rounds, out->stray_taken);
}

/* === on the machine: a vCPU of the real KVM =========================================================== */

#define MAILBOX_WINDOW 0x1400u
#define TAKEN_AT       0x4u
#define COUNTS_AT      0x400u
#define ORDER_AT       0x1000u

static void guest_begin(struct judge *judge, struct lab07_guest_input *in)
{
    *in = (struct lab07_guest_input){.posters = 3,
                                     .image_size = (uint32_t)GUEST_IMAGE_SIZE(counts),
                                     .apic_id = (uint32_t)judge_random(judge)};
    memcpy(in->image, counts, in->image_size);
}

static void round_add(struct judge *judge, struct lab07_guest_input *in, uint32_t when,
                      uint32_t count)
{
    struct lab07_round *round = &in->rounds[in->round_count++];
    struct vectors used = {{0}};

    round->when = when;
    while (round->count < count) {
        uint32_t vector = random_vector(judge);

        if (!vectors_has(&used, vector))
            round->vectors[round->count++] = (uint8_t)vector;
        vectors_put(&used, vector, true);
    }
}

static const struct evidence *guest_run(struct judge *judge,
                                        const struct lab07_guest_input *in)
{
    static const char *const whens[] = {"running", "ready", "halted"};
    static const struct window mailbox = {
        .name = "guest-ram", .offset = GUEST_MAILBOX_GPA, .length = MAILBOX_WINDOW};
    const struct run_spec spec = {.entry = LAB07_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = in,
                                  .input_size = sizeof *in,
                                  .windows = &mailbox,
                                  .window_count = 1,
                                  .deadline_ms = 20000};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab07_guest_output));
    const struct lab07_guest_output *out = (const void *)e->answer;

    CHECK(judge, out->ready, "a guest can be loaded (parts 01 to 03)",
          "one of their functions failed");
    CHECK(judge, kvm_events_count(&e->events, EVENT_ENTRY, KVM_EVENT_ANY) > 0,
          "the guest runs", "the kernel has no VM entry");
    CHECK(judge, e->windows[0][0].length == MAILBOX_WINDOW, "the guest's memory is there",
          "no memfd guest-ram of the size that the dispatcher has made");
    CHECK(judge, !out->run_error, "the vCPU can be run and be given interrupts",
          "vcpu_run() or KVM_INTERRUPT failed in round %u", out->rounds_done + 1);
    CHECK(judge, out->bad_notifications == 0,
          "notifications go to the vCPU's processor, with ANV or WNV", "%u of %u did not",
          out->bad_notifications, out->notifications);
    CHECK(judge, !out->lost, "what is posted arrives",
          "round %u (%u interrupts while the vCPU was %s): for 3 seconds nothing came "
          "to the guest any more; it has taken %u in all",
          out->lost, in->rounds[(out->lost - 1) % LAB07_ROUNDS].count,
          whens[in->rounds[(out->lost - 1) % LAB07_ROUNDS].when % 3],
          window_u32(e, 0, 0, TAKEN_AT));
    return e;
}

/* The vectors that the kernel gave the guest, in order; returns how many. If a VM exit (a page
 * fault of the second level) comes in between, KVM injects the same one again: what counts is
 * the last one before each EOI of the guest's. */
static uint32_t kernel_injected(const struct evidence *e, uint8_t *vectors, uint32_t max)
{
    uint32_t n = 0;
    int last = -1;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if (event->kind == EVENT_INJECT)
            last = (int)event->value;
        if (event->kind == EVENT_PIO && event->address == LAB07_EOI_PORT && last >= 0 &&
            n < max) {
            vectors[n++] = (uint8_t)last;
            last = -1;
        }
    }
    return n;
}

static void counts_compare(struct judge *judge, const struct evidence *e,
                           const struct lab07_guest_input *in)
{
    uint8_t injected[1024];
    uint32_t total = kernel_injected(e, injected, sizeof injected), posted[256] = {0};
    uint32_t kernel[256] = {0};

    for (uint32_t i = 0; i < total; i++)
        kernel[injected[i]]++;
    for (uint32_t i = 0; i < in->round_count; i++)
        for (uint32_t n = 0; n < in->rounds[i].count; n++)
            posted[in->rounds[i].vectors[n]]++;
    for (uint32_t v = 0; v < 256; v++) {
        uint32_t taken = window_u32(e, 0, 0, COUNTS_AT + v * 4);

        CHECK(judge, taken == posted[v],
              "each handler of the guest ran as often as its vector was posted",
              "vector %02Xh: posted %u times, the guest's count at GPA %#x is %u", v,
              posted[v], GUEST_MAILBOX_GPA + COUNTS_AT + v * 4, taken);
        CHECK(judge, kernel[v] == posted[v],
              "the kernel injected each vector as often as it was posted",
              "vector %02Xh: posted %u times, kvm_inj_virq %u times", v, posted[v],
              kernel[v]);
    }
}

static void guest_counts_what_was_posted(struct judge *judge)
{
    static struct lab07_guest_input in;
    static const uint32_t whens[] = {LAB07_WHILE_RUNNING, LAB07_WHILE_HALTED,
                                     LAB07_WHILE_READY,   LAB07_WHILE_RUNNING,
                                     LAB07_WHILE_READY,   LAB07_WHILE_HALTED};
    uint32_t halts = 0;

    guest_begin(judge, &in);
    for (uint32_t i = 0; i < COUNT(whens); i++) {
        halts += whens[i] == LAB07_WHILE_HALTED;
        round_add(judge, &in, whens[i], 12 + (uint32_t)judge_random_below(judge, 12));
    }
    const struct evidence *e = guest_run(judge, &in);
    const struct lab07_guest_output *out = (const void *)e->answer;
    counts_compare(judge, e, &in);
    CHECK(judge,
          kvm_events_count(&e->events, EVENT_USERSPACE_EXIT, KVM_EXIT_HLT) >= halts &&
              out->sleeps >= halts && out->wakes >= halts,
          "a halted vCPU sleeps until it is woken",
          "%u rounds with a halted vCPU: it slept %u times, wake() was called %u times",
          halts, out->sleeps, out->wakes);
}

/* All of a round wait when the vCPU goes on: they have to come in order. */
static void ready_guest_gets_highest_first(struct judge *judge)
{
    static struct lab07_guest_input in;
    uint8_t injected[1024];
    uint32_t at = 0;

    guest_begin(judge, &in);
    for (uint32_t i = 0; i < 3; i++)
        round_add(judge, &in, LAB07_WHILE_READY,
                  16 + (uint32_t)judge_random_below(judge, 16));
    const struct evidence *e = guest_run(judge, &in);
    const struct lab07_guest_output *out = (const void *)e->answer;
    counts_compare(judge, e, &in);
    kernel_injected(e, injected, sizeof injected);
    CHECK(judge, out->notifications == 0, "a ready vCPU is not notified (SN = 1)",
          "%u notifications were sent while it was ready", out->notifications);
    for (uint32_t i = 0; i < in.round_count; at += in.rounds[i++].count)
        for (uint32_t n = 1; n < in.rounds[i].count; n++)
            CHECK(judge, injected[at + n - 1] > injected[at + n],
                  "what waited while the vCPU was ready comes highest vector first",
                  "round %u: %02Xh came before %02Xh", i + 1, injected[at + n - 1],
                  injected[at + n]);
    for (uint32_t n = 0; n < at; n++)
        CHECK(judge, e->windows[0][0].bytes[ORDER_AT + n] == injected[n],
              "the guest's handlers ran in the order of injection",
              "number %u: handler of %02Xh, the kernel injected %02Xh", n + 1,
              e->windows[0][0].bytes[ORDER_AT + n], injected[n]);
}

/* === on silicon: the processor delivers ============================================================== */

#define VAPIC_HPA     SILICON_FREE_HPA
#define SILICON_POSTS 48

/* Without an exit for EOI, register 80Bh of the x2APIC: writes of MSRs up to 1FFFh are the
 * bits from byte 800h on. (SDM 3C 25.6.9) */
static void eoi_let_through(struct silicon *s)
{
    uint8_t bits = 0xff & ~(1u << (0x80b % 8));

    silicon_put(s, SILICON_MSR_BITMAP_HPA + 0x800 + 0x80b / 8, &bits, 1);
}

static void virtual_apic_use(struct silicon *s, const struct lab07_snapshot *last,
                             const uint8_t *page)
{
    struct vmx_controls *c = &s->job.controls;

    c->pin |= PIN_EXTERNAL_INTERRUPT_EXITING; /* a condition for the last control here */
    c->primary |= PRIMARY_USE_TPR_SHADOW | PRIMARY_SECONDARY_CONTROLS;
    c->secondary |= SECONDARY_VIRTUALIZE_X2APIC_MODE | SECONDARY_VIRTUAL_INTERRUPT_DELIVERY;
    c->virtual_apic = VAPIC_HPA;
    s->job.guest.interrupt_status = (last->rvi & 0xff) | (last->svi & 0xff) << 8;
    silicon_put(s, VAPIC_HPA, page, VAPIC_PAGE_SIZE);
}

/* Posts some vectors, in any order; one pid_sync() moves them. */
static const struct lab07_script_output *silicon_script(struct judge *judge, uint32_t tpr,
                                                        struct vectors *posted)
{
    call_add((struct lab07_call){.op = LAB07_TPR, .value = tpr});
    call_add((struct lab07_call){.op = LAB07_RUN, .a = 1});
    for (uint32_t i = 0; i < SILICON_POSTS; i++) {
        uint32_t vector = random_vector(judge);

        vectors_put(posted, vector, true);
        call_add((struct lab07_call){.op = LAB07_POST, .a = vector});
    }
    call_add((struct lab07_call){.op = LAB07_SYNC});
    return script_run(judge);
}

static void silicon_order_compare(struct judge *judge, const struct silicon *s,
                                  struct vectors *posted, uint32_t tpr)
{
    const uint8_t *mailbox = s->windows[0].bytes;
    uint32_t taken, n = 0;

    memcpy(&taken, mailbox + TAKEN_AT, sizeof taken);
    for (unsigned v = 256; v-- > 0;) {
        if (!vectors_has(posted, v) || v / 16 <= tpr / 16)
            continue;
        CHECK(judge, n < taken && mailbox[ORDER_AT + n] == v,
              "the CPU delivers all that was posted, highest vector first",
              "interrupt %u was to be %02Xh; the guest took %02Xh (%u in all)", n + 1, v,
              n < taken ? mailbox[ORDER_AT + n] : 0, taken);
        vectors_put(posted, v, false);
        n++;
    }
    CHECK(judge, taken == n, "the CPU delivers nothing else",
          "the guest took %u interrupts, %u were above VTPR %02Xh", taken, n, tpr);
}

static void silicon_delivers_without_exits(struct judge *judge)
{
    uint32_t tpr = 0x30 + (uint32_t)judge_random_below(judge, 64);
    struct vectors posted = {{0}};
    struct lab07_snapshot after = {.rvi = 0};
    const struct lab07_script_output *out = silicon_script(judge, tpr, &posted);
    struct silicon *s = silicon_new(judge);

    silicon_guest(s, virtual_guest, GUEST_IMAGE_SIZE(virtual_guest), GUEST_REAL16);
    eoi_let_through(s);
    virtual_apic_use(s, &out->snapshots[script.call_count - 1], out->page);
    silicon_window(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, MAILBOX_WINDOW);
    silicon_window(s, VAPIC_HPA, VAPIC_PAGE_SIZE);
    silicon_run_to_end(s, "the guest takes its interrupts and comes to its end");
    silicon_order_compare(judge, s, &posted, tpr);
    CHECK(judge, s->log.record_count == 1, "interrupts are delivered without a VM exit",
          "%u VM exits; the one at the guest's end is the only one allowed",
          s->log.record_count);
    for (unsigned i = 0; i < 8; i++)
        memcpy(&after.irr[i], s->windows[1].bytes + VAPIC_IRR + i * 16, 4);
    registers_compare(judge, after.irr, &posted, "VIRR",
                      "what VTPR holds back, after the run");
}

#define VTD(section) "Intel VT-d specification, " section
#define SDM(section) "Intel SDM 3C, " section

static const struct check checks[] = {
    {
        .id = "request_names_its_entry",
        .title = "finds the entry that a request names, or says why not",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = request_names_its_entry,
        .why = "A device writes an address; a wrong index is somebody else's interrupt.",
        .handout = "Steps, 2",
        .slide = "Interrupt Remapping Table",
        .manual = VTD("5.1.2, 5.1.3, 7.1"),
        .hints =
            {"Where are the 16 bits of the handle, and which one is not beside the "
             "others? When does the subhandle count?",
             "Bit 2 of the address is bit 15 of the handle. Handle and subhandle are "
             "added, and the sum may need 17 bits.",
             "index in a uint32_t: (address >> 5 & 0x7fff) | (address >> 2 & 1) << 15, "
             "plus data & 0xffff if SHV; then compare with count."},
        .explanation =
            "With SHV a device with many MSI messages needs one handle: its entries "
            "stand side by side, and the data says which.",
    },
    {
        .id = "malformed_entry_is_a_fault",
        .title = "entries that are absent or malformed are faults",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = malformed_entry_is_a_fault,
        .why =
            "Reserved bits get a meaning in later hardware: who sets them has a bug today.",
        .handout = "Steps, 1",
        .slide = "Interrupt Remapping Table",
        .manual = VTD("7.1, 9.10, 9.11"),
        .hints =
            {"The two formats have different reserved bits. Which bit says which format "
             "it is?",
             "xAPIC mode has more of them: only 8 bits of DST mean anything. And two "
             "fields have values that are reserved.",
             "Write one mask for each word of each format. P first; FPD of an entry that "
             "was read decides `recorded`, also where P = 0."},
        .explanation =
            "FPD exists because a device that goes mad faults thousands of times a "
            "second: the log is silenced, the interrupt stays blocked.",
    },
    {
        .id = "source_is_validated",
        .title = "an entry serves only those whom it is for",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = source_is_validated,
        .why = "Without it a guest with a device could fake any other device's interrupt.",
        .handout = "Steps, 2",
        .slide = "Interrupt Remapping Table",
        .manual = VTD("5.1.4, 9.10 (SVT, SQ, SID)"),
        .hints =
            {"SVT says what SID means: a source, or two bus numbers. What does SQ leave "
             "out?",
             "A source-id's function is bits 2:0; SQ leaves out bit 2, bits 2:1 or all "
             "three. A range of buses includes both ends.",
             "((source ^ sid) & mask[sq]) == 0 with masks FFFFh, FFFBh, FFF9h, FFF8h; "
             "or sid >> 8 <= bus && bus <= (sid & 0xff)."},
        .explanation =
            "SQ is for devices that send under several function numbers (phantom "
            "functions), bus ranges for what stands behind a bridge that puts its "
            "own name on everything.",
    },
    {
        .id = "entry_is_decoded",
        .title = "both formats of an entry are decoded",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = entry_is_decoded,
        .why = "This is the fork in the road: a host's processor, or a vCPU's descriptor.",
        .handout = "Steps, 2",
        .slide = "Interrupt Remapping Table",
        .manual = VTD("9.10, 9.11"),
        .hints =
            {"Which fields exist in one format only? They have to be 0 in the other.",
             "The descriptor's address comes in two pieces: bits 31:6 in the low word, "
             "63:32 in the high one. An xAPIC ID is bits 47:40.",
             "descriptor = (low >> 38) << 6 | (high >> 32) << 32"},
        .explanation =
            "The slide's \"entry maps to the vector of a VM or to a PID\" is one "
            "bit, IM; all others change their meaning with it.",
    },
    {
        .id = "post_decides_in_one_step",
        .title = "posts one bit, and notifies exactly when it should",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = post_decides_in_one_step,
        .why = "One notification too few loses an interrupt, one too many costs a VM exit.",
        .handout = "Steps, 10",
        .slide = "Interrupt delivery",
        .manual = VTD("5.2.3"),
        .hints =
            {"What are the four combinations of ON and SN, and what does urgent change?",
             "That the bit in PIR was 1 already says nothing about ON.",
             "Notify if ON = 0 and (SN = 0 or urgent), with NV and NDST from the same "
             "value of control in which you set ON."},
        .explanation =
            "ON makes notifications rare: a burst of a hundred interrupts costs one. "
            "The slide leaves ON out; without it each post would notify.",
    },
    {
        .id = "state_changes_set_their_fields",
        .title = "running, ready, halted: SN, NV, NDST, nothing else",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = state_changes_set_their_fields,
        .why = "The descriptor is how the VMM tells the hardware where the vCPU is.",
        .handout = "Steps, 11",
        .slide = "PID update",
        .manual = VTD("5.2.5, 9.12") "; common/include/posted_interrupt.h",
        .hints =
            {"Take the table of the header: which fields does each state change?",
             "ON is not yours to change, but in pid_sync() and pid_halt(). A store of "
             "the whole word would change it.",
             "load, then compare-exchange (seen & ~fields) | value until it succeeds."},
        .explanation = "NDST follows the vCPU from processor to processor; KVM does it in "
                       "vmx_vcpu_pi_load().",
    },
    {
        .id = "sync_moves_all_of_pir",
        .title = "a VM entry moves PIR into VIRR and raises RVI",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = sync_moves_all_of_pir,
        .why = "From here on the interrupt is the guest's: nothing of it may stay behind.",
        .handout = "Steps, 14",
        .slide = "PID update",
        .manual = SDM("30.1.1, 30.6"),
        .hints =
            {"Four words of PIR, eight pieces of VIRR. Where does the piece of vector 32 "
             "begin?",
             "A piece is 32 bits every 16 bytes. VIRR keeps what waits there already, and "
             "so does RVI.",
             "vapic_request(): two pieces, |=; RVI = the highest bit of all of VIRR."},
        .explanation =
            "The slide says that NV has to be \"set accordingly\" when PIR is not "
            "empty; what the processor looks at on entry is RVI.",
    },
    {
        .id = "highest_vector_is_next",
        .title = "the highest vector is delivered first, EOI follows",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = highest_vector_is_next,
        .why = "A disk's interrupt must not be interrupted by a mouse, but by a timer.",
        .handout = "Steps, 7",
        .slide = "Interrupt delivery",
        .manual = SDM("30.1.3, 30.1.4, 30.2"),
        .hints =
            {"Two things can hold an interrupt back: the task priority and what is in "
             "service. What is compared?",
             "Only classes, bits 7:4: 4Fh does not interrupt 41h. After an EOI the next "
             "lower one in service counts again.",
             "pending: RVI >> 4 > VPPR >> 4. deliver: VISR |=, VIRR &= ~, SVI = vector, "
             "RVI = highest of VIRR. eoi: clear SVI's bit, SVI = highest of VISR. VPPR "
             "each time."},
        .explanation =
            "The processor does just this when virtual-interrupt delivery is on: "
            "your functions are its microcode.",
    },
    {
        .id = "running_vcpu_loses_nothing",
        .title = "every order: a running guest gets all that is posted",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = running_vcpu_loses_nothing,
        .why = "A race that shows once in a month is found by trying every order, not by "
               "luck.",
        .handout = "Case 1: running",
        .slide = "Interrupts management",
        .manual = SDM("30.6") "; " VTD("5.2.3"),
        .hints =
            {"Read the schedule from above: after which line is the interrupt beyond "
             "help? Who thought that somebody else would look?",
             "Whoever finds ON = 1 relies on a look at PIR that is still to come. So when "
             "may ON become 0?",
             "pid_sync(): clear ON first, then exchange each word of PIR with 0. "
             "pid_post(): PIR first, then one compare-exchange that sets ON."},
        .explanation =
            "Put the bell back before you read the letters: then whoever writes a "
            "new one rings again.",
    },
    {
        .id = "ready_vcpu_finds_all_posted",
        .title = "every order: a ready vCPU finds all when it goes on",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = ready_vcpu_finds_all_posted,
        .why = "With SN = 1 nobody calls: what was posted has to be looked for.",
        .handout = "Case 2: ready",
        .slide = "Interrupts management",
        .manual = VTD("5.2.5") "; " SDM("30.6"),
        .hints =
            {"An interrupt that is posted while SN = 1 sends no notification. Which line "
             "of yours finds it, and could it be posted after that line?",
             "The look at PIR has to come after SN has become 0. And ON says nothing "
             "about what was posted while SN was 1.",
             "pid_run(): SN = 0 in a compare-exchange. pid_sync(), always: clear ON, "
             "exchange all four words, whatever ON was."},
        .explanation =
            "First open the door, then look who waited outside. The other way round "
            "somebody arrives between the look and the opening.",
    },
    {
        .id = "halted_vcpu_is_woken",
        .title = "every order: a halted vCPU is woken",
        .tenths = 10,
        .target = TARGET_MODEL,
        .run = halted_vcpu_is_woken,
        .why =
            "A lost wake-up is a virtual machine that hangs until somebody touches a key.",
        .handout = "Case 3: halted",
        .slide = "Interrupts management",
        .manual = VTD("5.2.5") "; Linux arch/x86/kvm/vmx/posted_intr.c",
        .hints =
            {"There are three at work: thread, poster, handler. Which of them thinks in "
             "the schedule that another one will do it?",
             "Be findable before you call for notifications; look at PIR after you have. "
             "Whoever takes the state from HALTED to READY is the one who does the rest.",
             "pid_halt(): state, then control (ON = SN = 0, NV = WNV), then PIR. Leaving: "
             "compare-exchange HALTED to READY; only the winner sets SN; pid_wakeup() "
             "calls wake() last."},
        .explanation =
            "Every sleep has this shape: say that you sleep, then look once more, "
            "then sleep. Linux' futex and wait queues are the same.",
    },
    {
        .id = "threads_lose_nothing",
        .title = "four threads post, one vCPU takes, none is lost",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = threads_lose_nothing,
        .why = "The orders above are tried one at a time; here all happens at once.",
        .handout = "Run it",
        .slide = "Posted Interrupts",
        .manual = "common/include/posted_interrupt.h",
        .hints =
            {"If one of the checks of every order fails, look at that one: it shows the "
             "steps.",
             "Any number of threads post: what if two set bits of the same word?",
             "step_fetch_or64() sets a bit and leaves those of others; a load and a store "
             "do not."},
        .explanation =
            "That it went well proves little: the orders that lose are rare. `make "
            "test SUITE=stress` runs it under ThreadSanitizer as well.",
    },
    {
        .id = "guest_counts_what_was_posted",
        .title = "a guest's handlers run as often as was posted",
        .tenths = 7,
        .target = TARGET_MACHINE,
        .run = guest_counts_what_was_posted,
        .why = "Here the whole way is real: descriptor, kick, injection, handler, EOI.",
        .handout = "Run it",
        .slide = "Interrupts management",
        .manual = "Linux Documentation/virt/kvm/api.rst, 4.16 (KVM_INTERRUPT)",
        .hints =
            {"If the model checks pass, this one does: start with the first of them that "
             "fails.",
             "The failing round says in which state the vCPU was. `make trace LAB=7` "
             "shows what was injected.",
             "running: notify() with ANV kicks the vCPU, and pid_sync() comes before each "
             "entry. halted: pid_wakeup() has to call wake()."},
        .explanation =
            "The kernel's kvm_inj_virq records and the guest's counts agree with "
            "what was posted.",
    },
    {
        .id = "silicon_delivers_without_exits",
        .title = "an Intel CPU delivers what was posted, without exits",
        .tenths = 7,
        .target = TARGET_SILICON,
        .run = silicon_delivers_without_exits,
        .why = "The slide's second option: the guest is interrupted, the VMM is not asked.",
        .handout = "On silicon",
        .slide = "Interrupts",
        .manual = SDM("25.4.2, 30.1, 30.2"),
        .hints =
            {"The CPU reads the page that your pid_sync() has filled, and the RVI that it "
             "returned. What does the model check of pid_sync() say?",
             "A vector that the CPU does not find stands in the wrong piece of VIRR; one "
             "that never comes has no RVI that leads to it.",
             "Piece v / 32 at 200h + (v / 32) * 16, bit v % 32; RVI = the highest one."},
        .explanation =
            "Delivery, EOI and the next one: all inside of the guest. 48 posts, and "
            "the only VM exit was the guest's goodbye.",
    },
    {
        .id = "ready_guest_gets_highest_first",
        .title = "what waited comes in order, without a notification",
        .tenths = 5,
        .target = TARGET_MACHINE,
        .run = ready_guest_gets_highest_first,
        .why = "After a pause the guest should see the urgent first, not the oldest.",
        .handout = "Case 2: ready",
        .slide = "VM States",
        .manual = SDM("30.2") "; Linux Documentation/virt/kvm/api.rst, 4.16",
        .hints = {"Who sorts interrupts that have been posted in any order?",
                  "VIRR needs no sorting: its highest bit is next.",
                  "vapic_deliver() takes RVI, then finds the new highest bit of VIRR."},
        .explanation =
            "Interrupts have no order of arrival: PIR and IRR are sets. A device "
            "that needs order keeps a queue in memory.",
    },
};

const struct lab_checks lab_checks = {
    .name = "07-irt-pid",
    .title = "Posted interrupts",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
