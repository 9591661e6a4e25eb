/* kicks.c - kicks: before a run, in a device, at every instruction of both functions. */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_loop.h"

static const char *error_text(int error)
{
    const char *name = strerrorname_np(error);

    return name ? name : "no error";
}

/* KVM_RUN calls of the n-th vcpu_run() (the dispatcher marks where each ended). */
struct run_calls {
    uint32_t entered;   /* in all */
    uint32_t immediate; /* of them with immediate_exit set */
    const struct call_run_state *last;
};

static struct run_calls run_calls(const struct evidence *e, uint32_t n)
{
    struct run_calls calls = {0};

    for (size_t i = 0; i < e->call_count; i++) {
        const struct call_record *r = e->calls[i].record;

        if (r->kind != CALL_IOCTL)
            continue;
        if (r->args[0] == LAB03_MARK && r->args[1] == LAB03_MARK_END && n-- == 0)
            break;
        if (n == 0 && r->args[0] == (uint32_t)KVM_RUN) {
            calls.last = e->calls[i].payload;
            calls.entered++;
            calls.immediate += head_of(calls.last)->immediate_exit != 0;
        }
    }
    return calls;
}

/* A run that was kicked before it began: it reaches no guest. The one after it does. */
static void waiting_kick_expect(struct judge *judge, const struct evidence *e, uint32_t n,
                                uint32_t accesses)
{
    const struct lab03_run *run = &output_of(e)->runs[n], *next = run + 1;
    const struct run_calls calls = run_calls(e, n), after = run_calls(e, n + 1);

    CHECK(judge, calls.entered == calls.immediate,
          "a kick sets immediate_exit, and it is still set when KVM_RUN is called",
          "vcpu_kick() came before vcpu_run(); KVM_RUN was called with immediate_exit = 0");
    run_expect(judge, e, n, RUN_KICKED, 0, "vcpu_kick() came before vcpu_run()");
    CHECK(judge, run->accesses == (n ? output_of(e)->runs[n - 1].accesses : 0),
          "no exit is run after a kick", "%u accesses were answered in the kicked run",
          run->accesses - (n ? output_of(e)->runs[n - 1].accesses : 0));
    CHECK(judge, run->immediate_exit == 0 && run->kick_requested == 0,
          "a kick is used up by the run that it ended",
          "afterwards immediate_exit is %u, kick_requested %u", run->immediate_exit,
          run->kick_requested);
    status_expect(judge, e, n + 1, RUN_HALTED, "the run after the kicked one");
    CHECK(judge,
          next->accesses == run->accesses + accesses && after.immediate == 0 &&
              after.entered == accesses + 1,
          "the run after the kicked one is as if nothing had been",
          "%u accesses of %u; KVM_RUN was called %u times, %u of them with immediate_exit "
          "set",
          next->accesses - run->accesses, accesses, after.entered, after.immediate);
}

/* Of two vCPUs the one that was kicked is meant. */
static void other_kick_try(struct judge *judge)
{
    static const uint8_t steps[] = {LAB03_STEP_KICK_SECOND, LAB03_STEP_RUN,
                                    LAB03_STEP_SECOND, LAB03_STEP_SECOND};

    scenario_begin(judge, &scene);
    scene.in.second = 1;
    memcpy(scene.in.steps, steps, sizeof steps);
    exit_add_error(&scene, EINTR); /* a signal that is no kick, of this one */
    for (int i = 0; i < 2; i++)
        exit_add(judge, &scene, KVM_EXIT_HLT);
    const struct evidence *e = scenario_run(judge, &scene);
    status_expect(judge, e, 0, RUN_HALTED, "another vCPU had been kicked");
    status_expect(judge, e, 1, RUN_KICKED, "the second of two vCPUs had been kicked");
    status_expect(judge, e, 2, RUN_HALTED, "the run after the kicked one");
}

void kick_before_a_run_ends_it(struct judge *judge)
{
    uint32_t step = 0, accesses[2];

    scenario_begin(judge, &scene);
    for (uint32_t i = 0; i < 2; i++) {
        for (uint64_t n = 1 + i * (1 + judge_random_below(judge, 3)); n > 0; n--)
            scene.in.steps[step++] = LAB03_STEP_KICK;
        scene.in.steps[step++] = LAB03_STEP_RUN;
        scene.in.steps[step++] = LAB03_STEP_RUN;
        accesses[i] = 1 + (uint32_t)judge_random_below(judge, 30);
        for (uint32_t n = 0; n < accesses[i]; n++)
            exit_add_io(judge, &scene, true, (uint16_t)scene.in.devices[PORT_DEVICE].base,
                        1, 1);
        exit_add(judge, &scene, KVM_EXIT_HLT);
    }
    const struct evidence *e = scenario_run(judge, &scene);
    waiting_kick_expect(judge, e, 0, accesses[0]);
    waiting_kick_expect(judge, e, 2, accesses[1]);
    other_kick_try(judge);
}

/* Exit `kicked` is the one whose device kicked. */
static void device_kick_judge(struct judge *judge, uint32_t kicked, uint32_t elements)
{
    struct follow f = {.judge = judge, .scenario = &scene};
    struct run_calls calls;

    f.evidence = scenario_run(judge, &scene);
    calls = run_calls(f.evidence, 0);
    status_expect(judge, f.evidence, 0, RUN_KICKED, "a device called vcpu_kick()");
    CHECK(judge, output_of(f.evidence)->runs[0].accesses == elements,
          "the exit in which the kick came is finished, nothing more",
          "%u accesses were answered; the exits up to the kick's have %u",
          output_of(f.evidence)->runs[0].accesses, elements);
    CHECK(judge, calls.entered == kicked + 2,
          "after the access KVM_RUN is called once more, so that KVM completes it",
          "the kick came in exit %u; KVM_RUN was called %u times before vcpu_run() "
          "returned, not %u",
          kicked + 1, calls.entered, kicked + 2);
    CHECK(judge, head_of(calls.last)->immediate_exit == 1,
          "immediate_exit makes that KVM_RUN return before the guest goes on",
          "it was called with immediate_exit = 0");
    exits_follow(&f, 0, kicked + 1);
    status_expect(judge, f.evidence, 1, RUN_HALTED, "the run after the kicked one");
}

void kick_in_a_device_completes_the_access(struct judge *judge)
{
    for (int mmio = 0; mmio < 2; mmio++) {
        uint32_t kicked = 1 + (uint32_t)judge_random_below(judge, 5);
        uint32_t count = mmio ? 1 : 2 + (uint32_t)judge_random_below(judge, 6);

        scenario_begin(judge, &scene);
        scene.in.steps[1] = LAB03_STEP_RUN;
        scene.in.kick_at = kicked + (uint32_t)judge_random_below(judge, count);
        uint16_t port = (uint16_t)scene.in.devices[PORT_DEVICE].base;
        for (uint32_t i = 0; i < kicked; i++)
            exit_add_io(judge, &scene, random_bool(judge), port, 2, 1);
        if (mmio)
            exit_add_mmio(judge, &scene, false, scene.in.devices[MMIO_DEVICE].base, 8);
        else
            exit_add_io(judge, &scene, false, port, 4, count);
        exit_add_io(judge, &scene, true, port, 1, 1);
        exit_add(judge, &scene, KVM_EXIT_HLT);
        device_kick_judge(judge, kicked, kicked + count);
    }
}

/* Kicks, each at another instruction; each uses up three exits. */
#define POSITIONS ((uint32_t)LAB03_POSITIONS)
#define WAYS      (POSITIONS + 2)
#define EXITS_WAY 5u /* at most */

/* "vcpu_run+0x41", as a debugger takes it. */
static const char *place_name(char name[48], const char *function, int32_t where)
{
    if (where == LAB03_ELSEWHERE)
        snprintf(name, 48, "in a function of the C library");
    else
        snprintf(name, 48, "at %s%c%#x", function, where < 0 ? '-' : '+',
                 (unsigned)abs(where));
    return name;
}

/* Reads the log of a stepped run. From a kick until the run that it ends, KVM_RUN may only
 * be called with immediate_exit set. */
struct kick_log {
    bool pending;
    uint32_t kicks, ended, halts;
    uint32_t position;    /* on the path through vcpu_run(), from 1; 0: before vcpu_run() */
    const uint32_t *ends; /* exits that KVM has given away when a run ends with HLT */
    uint32_t used;        /* that it has given away so far */
    uint32_t runs_before; /* calls of KVM_RUN in this vcpu_run() when the kick came */
    uint32_t runs;
};

/* Where the last kick came: for messages. */
static const char *kick_place(const struct evidence *e, const struct kick_log *log)
{
    static char text[120];
    char place[48];

    if (log->position == 0 || log->position > POSITIONS)
        return "before vcpu_run()";
    snprintf(text, sizeof text, "before instruction %u of the run (%s)", log->position,
             place_name(place, "vcpu_run", output_of(e)->where[log->position - 1]));
    return text;
}

static void kick_log_end(struct judge *judge, const struct evidence *e,
                         struct kick_log *log, uint64_t what)
{
    uint64_t status = LAB03_MARK_STATUS(what);

    if (log->pending)
        CHECK(judge, status == RUN_KICKED || (what & LAB03_MARK_PENDING),
              "a kick ends exactly one run",
              "kick %u came %s: vcpu_run() ended with %s, and the kick is gone", log->kicks,
              kick_place(e, log), status_name((uint32_t)status));
    else
        CHECK(judge, status != RUN_KICKED, "only a kick ends a run with RUN_KICKED",
              "kick %u came %s; when it had been used up, another run ended with "
              "RUN_KICKED",
              log->kicks, kick_place(e, log));
    log->ended += status == RUN_KICKED;
    if (status == RUN_HALTED && log->halts < WAYS) {
        CHECK(judge, log->used == log->ends[log->halts],
              "after each kick the guest runs on to its HLT, and no exit is left out",
              "at HLT number %u KVM had given away %u exits, not %u", log->halts + 1,
              log->used, log->ends[log->halts]);
        log->halts++;
    }
    log->pending = (what & LAB03_MARK_PENDING) != 0;
    log->runs = 0;
}

static void kick_log_kick(struct kick_log *log, uint32_t position)
{
    log->kicks++;
    log->pending = true;
    log->position = position;
    log->runs_before = log->runs;
}

static void kick_log_follow(struct judge *judge, const struct evidence *e,
                            struct kick_log *log)
{
    for (size_t i = 0; i < e->call_count; i++) {
        const struct call_record *r = e->calls[i].record;

        if (r->kind == CALL_IOCTL && r->args[0] == (uint32_t)KVM_RUN) {
            const struct kvm_run *run = head_of(e->calls[i].payload);

            log->runs++;
            log->used += !run->immediate_exit;
            CHECK(judge, !log->pending || run->immediate_exit,
                  "a kick is seen, at whatever instruction of vcpu_run() it comes",
                  "kick %u came %s, when %u of the run's KVM_RUN had returned; the next "
                  "was called with immediate_exit = 0: the guest runs on, the kick is lost",
                  log->kicks, kick_place(e, log), log->runs_before);
        } else if (r->kind == CALL_IOCTL && r->args[0] == LAB03_MARK) {
            if ((uint32_t)r->args[1] == LAB03_MARK_KICK)
                kick_log_kick(log, (uint32_t)(r->args[1] >> 32));
            else
                kick_log_end(judge, e, log, r->args[1]);
        }
    }
}

/* A way to HLT after the other, as many as needed: a signal that is no kick, OUTs, HLT. How many
 * OUTs, KVM alone knows (the first way, which is stepped through, has one); ends: how many exits
 * KVM has given away by the end of each way. */
static struct plan_exit *ways_make(struct judge *judge, uint32_t *ends, uint32_t *count)
{
    struct plan_exit *plan = memory_get(judge, WAYS * EXITS_WAY * sizeof *plan);

    exit_add_error(&scene, EINTR);
    exit_add_io(judge, &scene, true, (uint16_t)scene.in.devices[PORT_DEVICE].base, 1, 1);
    exit_add(judge, &scene, KVM_EXIT_HLT);
    *count = 0;
    for (uint32_t way = 0; way < WAYS; way++) {
        plan[(*count)++] = scene.exits[0];
        for (uint64_t n = 1 + (way ? judge_random_below(judge, EXITS_WAY - 2) : 0); n > 0;
             n--)
            plan[(*count)++] = scene.exits[1];
        plan[(*count)++] = scene.exits[2];
        ends[way] = *count;
    }
    return plan;
}

static void steps_judge(struct judge *judge, bool kick_waiting)
{
    static uint32_t ends[WAYS];
    struct kick_log log = {.ends = ends};

    scenario_begin(judge, &scene);
    scene.in.positions = POSITIONS;
    scene.in.steps[0] = kick_waiting ? LAB03_STEP_KICK : LAB03_STEP_RUN;
    struct plan_exit *plan = ways_make(judge, ends, &scene.plan.exit_count);
    const struct run_spec spec = {.entry = LAB03_STEPS,
                                  .input = &scene.in,
                                  .input_size = sizeof scene.in,
                                  .plan = &scene.plan,
                                  .exits = plan,
                                  .deadline_ms = 8000};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_output));
    free(plan);
    CHECK(judge, output_of(e)->kick_init == 0, "vcpu_kick_init() returns 0",
          "it returned %d", output_of(e)->kick_init);
    handler_expect(judge, output_of(e)->no_handler);
    kick_log_follow(judge, e, &log);
    CHECK(judge, log.kicks >= 20 && log.ended > 0 && !log.pending,
          "kicks at every instruction of vcpu_run() can be tried",
          "vcpu_run() has %u instructions; %u kicks, %u runs ended by them",
          output_of(e)->instructions, log.kicks, log.ended);
    CHECK(judge, log.halts >= log.kicks / (kick_waiting ? 2 : 1),
          "after each kick the guest runs on to its HLT", "%u kicks, %u times HLT",
          log.kicks, log.halts);
}

/* A device kicks the thread that it runs on: the signal comes before the next instruction
 * of vcpu_kick(). What is set by then is all that a run which begins now could see. */
static void signal_order_judge(struct judge *judge)
{
    scenario_begin(judge, &scene);
    scene.in.kick_at = 0;
    scene.in.steps[1] = LAB03_STEP_RUN;
    exit_add_io(judge, &scene, true, (uint16_t)scene.in.devices[PORT_DEVICE].base, 1, 1);
    exit_add(judge, &scene, KVM_EXIT_HLT);
    const struct evidence *e = scenario_run(judge, &scene);
    const struct lab03_output *out = output_of(e);
    status_expect(judge, e, 0, RUN_KICKED, "a device called vcpu_kick()");
    CHECK(judge, out->signals == 0 || out->signal_requested,
          "vcpu->kick_requested is set before the signal is sent",
          "when the signal came it was still false: KVM_RUN would return, and nobody would "
          "know why");
    CHECK(judge, out->signals == 0 || out->signal_immediate_exit,
          "run->immediate_exit is set before the signal is sent",
          "when the signal came it was still 0: a thread just before KVM_RUN would enter "
          "the guest");
}

/* After n instructions of vcpu_kick() KVM_RUN returned EINTR, and vcpu_run() did its part. */
static void interrupted_expect(struct judge *judge, const struct lab03_moment *m,
                               uint32_t n)
{
    char place[48];

    place_name(place, "vcpu_kick", m->where);
    if (m->requested)
        CHECK(judge, !m->requested_after, "a kick ends exactly one run",
              "after instruction %u of vcpu_kick() (%s) a run saw the flag and ended; "
              "vcpu_kick() went on and set it again",
              n, place);
    else
        CHECK(
            judge, m->requested_after && m->immediate_exit_after,
            "a KVM_RUN that is interrupted during vcpu_kick() loses no kick",
            "after instruction %u of vcpu_kick() (%s) immediate_exit was %u, the flag was "
            "not set: an EINTR here takes immediate_exit back and sees no kick. After "
            "vcpu_kick(): kick_requested %u, immediate_exit %u",
            n, place, m->immediate_exit, m->requested_after, m->immediate_exit_after);
}

/* After n instructions of vcpu_kick() a vCPU's thread entered vcpu_run() and KVM_RUN. */
static void enters_expect(struct judge *judge, const struct lab03_moment *m, uint32_t n)
{
    char place[48];

    CHECK(judge, m->immediate_exit || m->signals,
          "a thread that enters the guest during vcpu_kick() gets the signal",
          "after instruction %u of vcpu_kick() (%s) vcpu->thread was set and KVM_RUN "
          "called; immediate_exit was still 0, so the guest runs, and no signal was sent "
          "to the thread",
          n, place_name(place, "vcpu_kick", m->where));
}

/* A CPU may do a load before a store that stands before it: then thread is read while the store to
 * immediate_exit still waits, which no order of instructions shows. The store is the last
 * instruction at which immediate_exit was 0, the load the last at which a thread that enters is
 * still seen; one of them, or one between, has to keep the order. */
static void order_expect(struct judge *judge, const struct lab03_moment *moments,
                         uint32_t count)
{
    uint32_t store = 0, load = 0;
    bool ordered = false;
    char at[2][48];

    for (uint32_t n = 0; n < count; n++) {
        store = moments[n].immediate_exit ? store : n;
        load = moments[n].signals ? n : load;
    }
    for (uint32_t n = store; n <= load; n++)
        ordered |= moments[n].orders != 0;
    CHECK(judge, ordered,
          "the store to immediate_exit is seen by others before thread is read",
          "vcpu_kick() stores immediate_exit (%s) and reads thread (%s), without an "
          "instruction between that keeps a load from passing a store: the CPU may read "
          "thread first, and a vCPU that enters just then gets neither",
          place_name(at[0], "vcpu_kick", moments[store].where),
          place_name(at[1], "vcpu_kick", moments[load].where));
}

/* The other way round: vcpu_kick() is stopped, and the vCPU's thread goes on. */
static void moments_judge(struct judge *judge)
{
    const struct run_spec spec = {.entry = LAB03_MOMENTS,
                                  .input = &scene.in,
                                  .input_size = sizeof scene.in,
                                  .plan = &scene.plan,
                                  .exits = scene.exits,
                                  .deadline_ms = 8000};

    scenario_begin(judge, &scene);
    exit_add(judge, &scene, KVM_EXIT_HLT);
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_moments_output));
    const struct lab03_moments_output *out = (const void *)e->answer;
    CHECK(judge, out->ready && out->count[0] > 0 && out->count[1] > 0,
          "vcpu_kick() can be stepped through", "it has %u instructions", out->count[0]);
    for (uint32_t n = 0; n < out->count[LAB03_INTERRUPTED]; n++)
        interrupted_expect(judge, &out->moments[LAB03_INTERRUPTED][n], n);
    for (uint32_t n = 0; n < out->count[LAB03_ENTERS]; n++)
        enters_expect(judge, &out->moments[LAB03_ENTERS][n], n);
    order_expect(judge, out->moments[LAB03_ENTERS], out->count[LAB03_ENTERS]);
}

void kick_is_seen_at_every_instruction(struct judge *judge)
{
    if (judge_sanitized(judge))
        check_skip(judge,
                   "this check puts breakpoints on the part's instructions, which ASan "
                   "takes for errors: run it without SANITIZE=1");
    signal_order_judge(judge);
    moments_judge(judge);
    steps_judge(judge, false);
    steps_judge(judge, true);
}

/* The agent sends the signal while the call waits for its answer. Each time that the kernel begins
 * it again, the agent sees it once more. */
void kick_signal_restarts_other_calls(struct judge *judge)
{
    const uint32_t times = 3 + (uint32_t)judge_random_below(judge, 200);
    const struct kvm_plan plan = {.api_version = KVM_API_VERSION,
                                  .run_size = 3 * 4096,
                                  .disturbance = {.request = LAB03_DISTURBED,
                                                  .times = times,
                                                  .signal = VCPU_KICK_SIGNAL}};
    const struct run_spec spec = {.entry = LAB03_SIGNAL, .plan = &plan};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_signal_output));
    const struct lab03_signal_output *out = (const void *)e->answer;
    const uint32_t calls = evidence_call_count(e, CALL_IOCTL, LAB03_DISTURBED);

    CHECK(judge, out->kick_init == 0, "vcpu_kick_init() returns 0", "it returned %d",
          out->kick_init);
    CHECK(judge, out->handler, "VCPU_KICK_SIGNAL has a handler",
          "the signal is ignored, or would end the process");
    CHECK(
        judge, calls == times + 1 && out->error == ENOTTY,
        "the kick's signal does not make other system calls fail",
        "%u signals came while an ioctl() waited in the kernel: it was begun %u times, not "
        "%u, and ended with %s",
        times, calls, times + 1, error_text(out->error));
}
