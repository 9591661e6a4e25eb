/* calls.c - calls one by one: posting, states, PIR to VIRR, delivery. The oracle of the
 * virtual APIC keeps plain lists of vectors.
 */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "posted_interrupt.h"

/* A vector that a device may use. */
uint32_t random_vector(struct judge *judge)
{
    return 32 + (uint32_t)judge_random_below(judge, 224);
}

uint32_t mixed_vector(struct judge *judge, uint32_t n)
{
    return n < 2 ? 0xe0 + 16 * n + (uint32_t)judge_random_below(judge, 16)
                 : random_vector(judge);
}

bool vectors_has(const struct vectors *set, unsigned v)
{
    return set->bits[v / 64] >> v % 64 & 1;
}

void vectors_put(struct vectors *set, unsigned v, bool in)
{
    if (in)
        set->bits[v / 64] |= 1ull << v % 64;
    else
        set->bits[v / 64] &= ~(1ull << v % 64);
}

static struct lab07_script_input script; /* one a process */

void call_add(struct lab07_call call)
{
    script.calls[script.call_count++] = call;
}

static void words_set(const uint64_t words[LAB07_WORDS])
{
    for (uint32_t i = 0; i < LAB07_WORDS; i++)
        call_add((struct lab07_call){.op = LAB07_SET, .a = i, .value = words[i]});
}

const struct lab07_script_output *script_run(struct judge *judge)
{
    const struct lab07_script_output *out =
        part_run(judge, LAB07_SCRIPT, &script, sizeof script, sizeof *out);

    stray_judge(judge, &out->stray);
    CHECK(judge, out->call_count == script.call_count, "all calls return", "%u of %u did",
          out->call_count, script.call_count);
    return out;
}

uint64_t control_make(bool on, bool sn, uint32_t nv, uint64_t ndst)
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

void post_decides_in_one_step(struct judge *judge)
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

/* --- states ------------------------------------------------------------------------- */

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

void state_changes_set_their_fields(struct judge *judge)
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

/* --- PIR to VIRR -------------------------------------------------------------------- */

static uint32_t highest_of(const struct vectors *set)
{
    for (unsigned v = 256; v-- > 0;)
        if (vectors_has(set, v))
            return v;
    return 0;
}

void registers_compare(struct judge *judge, const uint32_t pieces[8],
                       const struct vectors *want, const char *name, const char *situation)
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
void sync_moves_all_of_pir(struct judge *judge)
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

/* --- delivery ----------------------------------------------------------------------- */

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

void highest_vector_is_next(struct judge *judge)
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
