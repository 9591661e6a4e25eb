/* schedules.c - follows what the explorer reports, with a model of its own.
 *
 * Nothing of a report is taken for granted: each step is done again on the judge's copy of
 * the descriptor, and has to have seen what that copy holds; who could have gone on at
 * each point is computed here, so that a schedule that was left out shows; and whether
 * interrupts were lost is decided from the steps.
 */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "posted_interrupt.h"

#define FOLLOWS "every step that is reported was done, one after the other"

/* This schedule breaks a promise. Kept: the one with the fewest switches, then steps. */
__attribute__((format(printf, 2, 3))) static void schedule_fails(struct schedules *s,
                                                                 const char *format, ...)
{
    va_list list;

    if (s->now.dead)
        return;
    s->now.dead = true;
    s->failed++;
    if (s->reason[0] &&
        (s->now.switches > s->best_switches ||
         (s->now.switches == s->best_switches && s->depth >= s->best_depth)))
        return;
    va_start(list, format);
    vsnprintf(s->reason, sizeof s->reason, format, list);
    va_end(list);
    s->best_switches = s->now.switches;
    s->best_depth = s->depth;
    s->best_length = s->path_length;
    memcpy(s->best_path, s->path, s->path_length * sizeof s->path[0]);
}

static uint64_t control_field(const struct schedules *s, uint64_t mask)
{
    return s->now.words[4] & mask;
}

static void vectors_text(const struct vectors *set, char text[100])
{
    size_t n = 0;

    text[0] = 0;
    for (unsigned v = 0; v < 256 && n < 80; v++)
        if (vectors_has(set, v))
            n += (size_t)snprintf(text + n, 100 - n, "%s%02Xh", n ? ", " : "", v);
}

/* --- who could go on ---------------------------------------------------------------- */

static bool model_enabled(const struct model *m, uint32_t actor)
{
    switch (m->actors[actor].park) {
    case LAB07_BEFORE_STEP:
        return true;
    case LAB07_IN_GUEST:
        return m->active;
    case LAB07_ASLEEP:
        return m->wakes > 0;
    case LAB07_IDLE:
        return m->wakeup;
    default:
        return false;
    }
}

static uint8_t model_choices(const struct schedules *s)
{
    const struct model *m = &s->now;
    uint8_t set = 0;

    for (uint32_t i = 0; i < s->in->actor_count; i++)
        set |= (uint8_t)(model_enabled(m, i) << i);
    if (s->depth && set >> m->last & 1 && m->preemptions >= s->in->preemptions)
        set = (uint8_t)(1u << m->last);
    return set;
}

/* All that could have been chosen from this depth on has been. */
static void depth_leave(struct schedules *s, uint32_t depth)
{
    uint32_t left = s->enabled[depth] & ~((2u << s->choice[depth]) - 1);

    CHECK(s->judge, !left, FOLLOWS,
          "the report leaves schedules out: after %u steps, %s was never chosen", depth,
          actor_name(s, (uint32_t)__builtin_ctz(left)));
}

/* A schedule has ended; the next one shares `shared` choices with it. */
static void branch_follow(struct schedules *s, uint64_t shared)
{
    CHECK(s->judge, shared < s->depth, FOLLOWS,
          "the report branches off at step %" PRIu64 " of %u", shared, s->depth);
    for (uint32_t depth = s->depth; depth-- > shared + 1;)
        depth_leave(s, depth);
    s->depth = (uint32_t)shared;
    s->now = s->before[shared];
    s->path_length = s->starts[shared];
}

static void choice_follow(struct schedules *s, const struct lab07_record *r, bool branched)
{
    uint8_t set = model_choices(s), left = set;

    if (branched) /* the choices before this one have been tried */
        left &= (uint8_t) ~((2u << s->choice[s->depth]) - 1);
    CHECK(s->judge,
          s->depth < LAB07_DEPTH && r->actor < s->in->actor_count && left &&
              r->actor == __builtin_ctz(left),
          FOLLOWS, "after %u steps %s goes on, which it cannot or which comes out of turn",
          s->depth, actor_name(s, r->actor));
    s->before[s->depth] = s->now;
    s->starts[s->depth] = s->path_length;
    s->choice[s->depth] = r->actor;
    s->enabled[s->depth] = set;
    if (s->depth && s->now.last != r->actor) {
        s->now.preemptions += set >> s->now.last & 1;
        s->now.switches++;
    }
    s->now.last = r->actor;
    s->now.actors[r->actor].park = LAB07_BEFORE_STEP;
    s->depth++;
}

/* --- what steps and events do ------------------------------------------------------- */

/* The fields of control that are this function's, at this point. */
static uint64_t control_fields(const struct actor_model *a)
{
    switch (a->op) {
    case LAB07_POST:
    case LAB07_SYNC:
        return PID_ON;
    case LAB07_RUN:
        return PID_SN | PID_NV | PID_NDST;
    case LAB07_READY:
        return PID_SN;
    default: /* pid_halt() and pid_wakeup() */
        if (a->op == LAB07_HALT && !a->leaves)
            return PID_ON | PID_SN | PID_NV | PID_NDST;
        return a->left_halted ? PID_SN : 0;
    }
}

/* With SN = 0 anybody may notify: NV and NDST have to be those of one state. */
static bool target_torn(const struct schedules *s, const struct actor_model *a,
                        uint64_t changed, uint64_t after)
{
    const uint64_t vector =
        a->op == LAB07_RUN ? POSTED_ACTIVE_VECTOR : POSTED_WAKEUP_VECTOR;

    if (a->op != LAB07_RUN)
        changed &= a->op == LAB07_HALT ? PID_NV | PID_NDST : 0;
    return changed && !(after & PID_SN) &&
           (after & (PID_NV | PID_NDST)) !=
               (vector << PID_NV_SHIFT | (uint64_t)s->in->cpu << PID_NDST_SHIFT);
}

static void control_step_judge(struct schedules *s, const struct lab07_record *r)
{
    const struct actor_model *a = &s->now.actors[r->actor];
    const uint64_t after = step_result(r), changed = r->seen ^ after;
    const uint64_t foreign = changed & ~control_fields(a);
    char text[64];

    control_change_text(r->seen, r->seen ^ foreign, text);
    if (r->op == STEP_STORE || r->op == STEP_EXCHANGE)
        schedule_fails(s,
                       "%s() writes control as a whole, whatever it holds by then: what "
                       "somebody has set since it looked (ON, SN) is gone",
                       function_name(a->op));
    else if (foreign)
        schedule_fails(s,
                       "%s() changes fields of control that are not its own at this "
                       "point: they become %s",
                       function_name(a->op), text);
    else if ((a->op == LAB07_HALT || a->op == LAB07_WAKEUP) && changed & after & PID_SN &&
             !a->left_halted)
        schedule_fails(s,
                       "%s() sets SN and is not the one that has taken the vCPU out of "
                       "VCPU_HALTED",
                       function_name(a->op));
    else if (target_torn(s, a, changed, after))
        schedule_fails(s,
                       "in the middle of %s() control has SN 0, NV %02Xh, NDST %#" PRIx64
                       ": a notification would go there",
                       function_name(a->op), (unsigned)(after >> PID_NV_SHIFT & 0xff),
                       after >> PID_NDST_SHIFT);
}

static void step_follow(struct schedules *s, const struct lab07_record *r)
{
    struct actor_model *a = &s->now.actors[r->actor];
    const uint64_t after = step_result(r);

    CHECK(s->judge, r->word < LAB07_WORDS, "nothing but PIR, control and state is touched",
          "%s() did a step on a reserved word of the descriptor", function_name(a->op));
    CHECK(s->judge,
          s->now.words[r->word] == r->seen && r->op >= STEP_LOAD &&
              r->op <= STEP_COMPARE_EXCHANGE,
          FOLLOWS, "a step of %s() saw %#" PRIx64 " where %#" PRIx64 " was",
          function_name(a->op), r->seen, s->now.words[r->word]);
    if (r->word < 4) {
        uint64_t gone = r->seen & ~after;

        s->now.moved.bits[r->word] |= gone;
    }
    if (r->word == 4 && !(r->seen & PID_ON) && after & PID_ON && !a->on_set) {
        a->on_set = true;
        a->control_at_on = r->seen;
    }
    if (r->word == 4) {
        control_step_judge(s, r);
        a->looked = true;
        a->control_left = after;
    }
    if (r->word == LAB07_STATE_WORD && r->seen == VCPU_HALTED && after == VCPU_READY)
        a->left_halted = true;
    if (r->word == LAB07_STATE_WORD && r->op == STEP_COMPARE_EXCHANGE &&
        r->expected == VCPU_HALTED)
        a->leaves = true;
    s->now.words[r->word] = after;
    a->park = LAB07_BEFORE_STEP;
}

/* Which of its orders it begins: urgent or not is not in the record. */
static void call_follow(struct schedules *s, const struct lab07_record *r)
{
    struct actor_model *a = &s->now.actors[r->actor];
    bool ordered = r->op != LAB07_WAKEUP && !r->word;
    const struct lab07_call *order = &s->in->orders[r->actor][a->order % LAB07_ORDERS];

    CHECK(s->judge, !ordered || (a->order < LAB07_ORDERS && order->op == r->op), FOLLOWS,
          "%s calls %s(), which was not its turn", actor_name(s, r->actor),
          function_name(r->op));
    *a = (struct actor_model){.park = LAB07_BEFORE_STEP,
                              .op = r->op,
                              .order = (uint8_t)(a->order + ordered),
                              .vector = (uint8_t)order->a,
                              .urgent = ordered && order->b};
    if (r->op == LAB07_SYNC)
        s->now.active = false;
    if (r->op == LAB07_WAKEUP)
        s->now.wakeup = false;
}

static void notify_follow(struct schedules *s, const struct lab07_record *r)
{
    struct actor_model *a = &s->now.actors[r->actor];
    const uint64_t control = a->control_at_on;
    char vector[16];

    if (a->op != LAB07_POST || !a->on_set || a->notified)
        schedule_fails(s, "%s() sends a notification %s", function_name(a->op),
                       a->notified ? "twice" : "without having changed ON from 0 to 1");
    else if (control & PID_SN && !a->urgent)
        schedule_fails(s, "pid_post(%02Xh) sends a notification although SN is 1",
                       a->vector);
    else if (r->operand != (control >> PID_NV_SHIFT & 0xff) ||
             r->seen != control >> PID_NDST_SHIFT)
        schedule_fails(s,
                       "pid_post(%02Xh) notifies with vector %s, destination %#" PRIx64
                       "; beside the ON that it set stood NV %02Xh, NDST %#" PRIx64,
                       a->vector, vector_name((uint32_t)r->operand, vector), r->seen,
                       (unsigned)(control >> PID_NV_SHIFT & 0xff),
                       control >> PID_NDST_SHIFT);
    a->notified = true;
    if (r->seen == s->in->cpu) {
        s->now.active |= r->operand == POSTED_ACTIVE_VECTOR;
        s->now.wakeup |= r->operand == POSTED_WAKEUP_VECTOR;
    }
}

static void wake_follow(struct schedules *s, const struct lab07_record *r)
{
    struct actor_model *a = &s->now.actors[r->actor];

    s->now.wakes++;
    if (a->op != LAB07_WAKEUP || !a->left_halted)
        schedule_fails(s,
                       "wake() is called by a %s() that did not take the vCPU out of "
                       "VCPU_HALTED (state is %s)",
                       function_name(a->op), state_name(s->now.words[LAB07_STATE_WORD]));
}

static void takes_follow(struct schedules *s, const struct lab07_record *r)
{
    unsigned v = r->operand & 0xff;

    if (!vectors_has(&s->now.moved, v))
        schedule_fails(s, "the guest takes vector %02Xh %s", v,
                       s->now.delivered[v] ? "a second time" : "which nobody has posted");
    vectors_put(&s->now.moved, v, false);
    s->now.delivered[v]++;
}

/* A post that leaves ON as it is: the last that it saw of control has to allow that. */
static void quiet_post_judge(struct schedules *s, const struct actor_model *a)
{
    char control[64];

    control_text(a->control_left, control);
    if (!a->looked)
        schedule_fails(s, "pid_post(%02Xh) returns without a look at control", a->vector);
    else if (!(a->control_left & PID_ON) && (a->urgent || !(a->control_left & PID_SN)))
        schedule_fails(s,
                       "pid_post(%02Xh, %s) gives up: it does not set ON, although the "
                       "last that it saw of control was %s",
                       a->vector, a->urgent ? "urgent" : "not urgent", control);
}

/* What control has to hold when a function returns (nobody else changes SN and NV then). */
static void return_follow(struct schedules *s, const struct lab07_record *r)
{
    struct actor_model *a = &s->now.actors[r->actor];
    char control[64];

    control_text(s->now.words[4], control);
    if (a->op == LAB07_POST && a->on_set && !a->notified)
        schedule_fails(s, "pid_post(%02Xh) has set ON and does not notify", a->vector);
    if (a->op == LAB07_POST && !a->on_set)
        quiet_post_judge(s, a);
    if (a->op == LAB07_SYNC && (!a->looked || a->control_left & PID_ON))
        schedule_fails(s, "pid_sync() returns and has not made ON 0");
    if (a->op == LAB07_RUN &&
        (control_field(s, PID_SN) ||
         control_field(s, PID_NV) >> PID_NV_SHIFT != POSTED_ACTIVE_VECTOR ||
         s->now.words[LAB07_STATE_WORD] != VCPU_RUNNING))
        schedule_fails(s, "after pid_run() control has %s, state is %s", control,
                       state_name(s->now.words[LAB07_STATE_WORD]));
    if ((a->op == LAB07_READY || (a->op == LAB07_HALT && !r->seen)) &&
        (!control_field(s, PID_SN) || s->now.words[LAB07_STATE_WORD] != VCPU_READY))
        schedule_fails(s, "after %s control has %s, state is %s",
                       a->op == LAB07_READY ? "pid_ready()" : "pid_halt() returned false",
                       control, state_name(s->now.words[LAB07_STATE_WORD]));
    if (a->op == LAB07_WAKEUP && a->left_halted && s->now.wakes == 0 &&
        s->now.actors[0].park == LAB07_ASLEEP)
        schedule_fails(s, "pid_wakeup() has made the vCPU ready and does not call wake()");
}

static void parked_follow(struct schedules *s, const struct lab07_record *r)
{
    struct actor_model *a = &s->now.actors[r->actor];

    a->park = r->op;
    CHECK(s->judge, r->op != LAB07_BEFORE_STEP && r->op <= LAB07_DONE, FOLLOWS,
          "an actor waits for %u", r->op);
    CHECK(s->judge,
          r->op != LAB07_DONE || a->order == LAB07_ORDERS ||
              !s->in->orders[r->actor][a->order].op,
          FOLLOWS, "%s ended before it had done its part", actor_name(s, r->actor));
}

/* --- the end of a schedule ---------------------------------------------------------- */

/* A vector that was to be delivered, and was not, or too often. */
static bool deliveries_judge(struct schedules *s, const uint8_t posts[256])
{
    for (unsigned v = 0; v < 256; v++) {
        if (s->now.delivered[v] > posts[v]) {
            schedule_fails(s, "vector %02Xh was posted %u time%s and delivered %u times", v,
                           posts[v], posts[v] == 1 ? "" : "s", s->now.delivered[v]);
            return false;
        }
        if (posts[v] && !s->now.delivered[v]) {
            schedule_fails(s,
                           "vector %02Xh was posted and is gone: neither in PIR nor "
                           "delivered",
                           v);
            return false;
        }
    }
    return true;
}

/* The thread has done its part (a halt that is over, or pid_ready()) and is not to go on. */
static void ready_judge(struct schedules *s, const char *control)
{
    if (s->now.words[LAB07_STATE_WORD] != VCPU_READY || !(s->now.words[4] & PID_SN))
        schedule_fails(s,
                       "the vCPU should be ready at the end; state is %s, %s: a ready vCPU "
                       "has SN = 1",
                       state_name(s->now.words[LAB07_STATE_WORD]), control);
    else if (s->now.wakes)
        schedule_fails(s, "a wake() is left over: the next halt would end at once");
}

static void end_judge(struct schedules *s, const uint8_t posts[256])
{
    const struct vectors pir = {
        {s->now.words[0], s->now.words[1], s->now.words[2], s->now.words[3]}};
    char waiting[100], control[64];

    vectors_text(&pir, waiting);
    control_text(s->now.words[4], control);
    if (s->now.actors[0].park == LAB07_ASLEEP && waiting[0])
        schedule_fails(s,
                       "the vCPU sleeps for ever: state is %s, in PIR: %s; %s, and no "
                       "notification and no wake() is under way",
                       state_name(s->now.words[LAB07_STATE_WORD]), waiting, control);
    else if (s->now.actors[0].park == LAB07_DONE)
        ready_judge(s, control);
    else if (waiting[0])
        schedule_fails(s,
                       "lost: %s stays in PIR while the guest runs; %s, and no "
                       "notification is under way",
                       waiting, control);
    else if (!deliveries_judge(s, posts))
        return;
    else if (s->now.words[4] & PID_ON)
        schedule_fails(s,
                       "ON is stuck: it is 1 and no notification is under way; nobody will "
                       "ever notify this vCPU again");
    else if (s->now.words[4] & PID_SN)
        schedule_fails(s, "the vCPU runs or sleeps with SN = 1: nobody will notify it");
    else if (s->now.wakes)
        schedule_fails(s, "a wake() is left over: the next halt would end at once");
}

static void end_follow(struct schedules *s, const struct lab07_record *r,
                       const uint8_t posts[256])
{
    CHECK(s->judge, model_choices(s) == 0, FOLLOWS,
          "a schedule ends after %u steps although %s could go on", s->depth,
          actor_name(s, (uint32_t)__builtin_ctz(model_choices(s) | 0x80)));
    CHECK(s->judge, r->seen == lab07_checksum(s->now.words), FOLLOWS,
          "at the end of a schedule the descriptor is not what its steps have made of it");
    s->complete++;
    if (!s->now.dead)
        end_judge(s, posts);
    if (s->now.switches > s->example_switches) {
        s->example_switches = s->now.switches;
        s->example_length = s->path_length;
        memcpy(s->example, s->path, s->path_length * sizeof s->path[0]);
    }
}

static void record_follow(struct schedules *s, const struct lab07_record *r,
                          const uint8_t posts[256])
{
    switch (r->kind) {
    case LAB07_CALL:
        call_follow(s, r);
        break;
    case LAB07_NOTIFY:
        notify_follow(s, r);
        break;
    case LAB07_WAKE:
        wake_follow(s, r);
        break;
    case LAB07_WOKEN:
        CHECK(s->judge, s->now.wakes > 0, FOLLOWS, "a thread woke without wake()");
        s->now.wakes--;
        break;
    case LAB07_TAKES:
        takes_follow(s, r);
        break;
    case LAB07_RETURN:
        return_follow(s, r);
        break;
    case LAB07_PARKED:
        parked_follow(s, r);
        break;
    case LAB07_END_OF_RUN:
        end_follow(s, r, posts);
        break;
    default:
        break;
    }
}

/* --- a scenario --------------------------------------------------------------------- */

void posts_count(const struct lab07_explore_input *in, uint8_t posts[256])
{
    memset(posts, 0, 256);
    for (unsigned v = 0; v < 256; v++)
        posts[v] = in->words[v / 64] >> v % 64 & 1;
    for (uint32_t i = 0; i < LAB07_ACTORS; i++)
        for (uint32_t n = 0; n < LAB07_ORDERS; n++)
            if (in->orders[i][n].op == LAB07_POST)
                posts[in->orders[i][n].a & 0xff]++;
}

void stray_judge(struct judge *judge, const struct lab07_stray *stray)
{
    static const char *const names[] = {"PIR[0]",  "PIR[1]", "PIR[2]",         "PIR[3]",
                                        "control", "*state", "a reserved word"};

    CHECK(judge, !stray->happened,
          "descriptor and *state are touched through atomic_step.h only",
          "%s was %s by a plain access (no step of atomic_step.h): other processors could "
          "come in between",
          names[stray->word < 7 ? stray->word : 6],
          stray->happened == 1 ? "read" : "written");
}

static void record_place(struct schedules *s, const struct lab07_record *r)
{
    CHECK(s->judge, r->actor < s->in->actor_count, FOLLOWS, "by actor %u?", r->actor);
    if (r->kind == LAB07_STEP || r->kind == LAB07_CHOICE) {
        choice_follow(s, r, s->branched);
        s->branched = false;
    }
    CHECK(s->judge, s->path_length < PATH_MAX_RECORDS, FOLLOWS,
          "one schedule has more than %u events", PATH_MAX_RECORDS);
    s->path[s->path_length++] = *r;
}

static void records_follow(struct schedules *s, const uint8_t posts[256])
{
    for (uint32_t i = 0; i < s->out->record_count; i++) {
        const struct lab07_record *r = &s->out->records[i];

        if (r->kind == LAB07_BRANCH) {
            branch_follow(s, r->operand);
            s->branched = true;
            continue;
        }
        record_place(s, r);
        if (r->kind == LAB07_STEP)
            step_follow(s, r);
        else
            record_follow(s, r, posts);
    }
}

/* One report: all schedules, or as many as fit. */
static void report_follow(struct schedules *s, const uint8_t posts[256], const char *what)
{
    const struct run_spec spec = {
        .entry = LAB07_EXPLORE, .input = s->in, .input_size = sizeof *s->in};
    const struct evidence *e = judge_run(s->judge, &spec, lab07_explore_size(0));
    uint32_t before = s->complete;

    s->out = (const void *)e->answer;
    CHECK(s->judge,
          s->out->record_count <= LAB07_RECORDS &&
              e->header.output_size >= lab07_explore_size(s->out->record_count),
          FOLLOWS, "%u records are announced, %u bytes came", s->out->record_count,
          e->header.output_size);
    stray_judge(s->judge, &s->out->stray);
    CHECK(
        s->judge, !s->out->overflow, "every function comes to its end",
        "%s: in one order of steps there are more than %u of them: a loop goes on for ever",
        what, LAB07_DEPTH);
    records_follow(s, posts);
    CHECK(s->judge, s->complete - before == s->out->schedules && s->out->schedules > 0,
          FOLLOWS, "%u schedules, %u of them complete", s->out->schedules,
          s->complete - before);
}

#define REPORTS_MAX 6

/* Runs one scenario and judges all of its schedules; returns how many there are. */
uint32_t scenario_judge(struct judge *judge, struct lab07_explore_input *in,
                        const char *what)
{
    static struct schedules s;
    static char path[1500];
    uint8_t posts[256];
    uint32_t reports = 0;

    s = (struct schedules){.judge = judge, .in = in};
    posts_count(in, posts);
    memcpy(s.now.words, in->words, sizeof s.now.words);
    for (uint32_t i = 0; i < in->actor_count; i++)
        s.now.actors[i].park = LAB07_BEFORE_STEP;
    do {
        report_follow(&s, posts, what);
        in->given = s.out->given;
        memcpy(in->choice, s.out->choice, sizeof in->choice);
    } while (in->given && !s.failed && ++reports < REPORTS_MAX);
    path_describe(&s, path, sizeof path);
    schedule_view(&s, what);
    CHECK(judge, s.failed == 0,
          "no order of steps loses an interrupt, a wake-up or a notification",
          "%s: %s. %u schedules tried%s; the shortest of them that fails:%s", what,
          s.reason, s.complete,
          in->preemptions < LAB07_UNBOUNDED ? " (of those with few preemptions)" : "",
          path);
    CHECK(judge, !in->given, "the functions take no more steps than the header allows",
          "%s: there are too many orders to try: %u have been, and there are more", what,
          s.complete);
    for (uint32_t depth = s.depth; depth-- > 0;)
        depth_leave(&s, depth);
    return s.complete;
}
