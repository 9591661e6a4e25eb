/* endings.c - how runs end, what is counted and noted, which signals do not end a run. */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "exit_loop.h"
#include "exit_names.h"

struct ending {
    uint32_t reason;
    int error;
    uint32_t status;
    uint64_t detail;
};

static void ending_add(struct judge *judge, struct scenario *s, const struct ending *ending)
{
    if (ending->error) {
        exit_add_error(s, ending->error);
        return;
    }
    struct kvm_run *run = exit_add(judge, s, ending->reason);
    if (ending->reason == KVM_EXIT_FAIL_ENTRY)
        run->fail_entry.hardware_entry_failure_reason = ending->detail;
    if (ending->reason == KVM_EXIT_INTERNAL_ERROR)
        run->internal.suberror = (uint32_t)ending->detail;
}

static void ending_expect(struct judge *judge, const struct evidence *e, uint32_t n,
                          const struct ending *ending)
{
    const struct lab03_run *run = &output_of(e)->runs[n];
    char situation[80];

    if (!ending->error) {
        snprintf(situation, sizeof situation, "exit_reason %u (%s)", ending->reason,
                 exit_name(ending->reason));
        run_expect(judge, e, n, ending->status, ending->detail, situation);
        return;
    }
    CHECK(judge, run->result == -ending->error,
          "vcpu_run() returns -errno when KVM_RUN itself fails",
          "KVM_RUN failed with %s: it returned %d, not %d", strerrorname_np(ending->error),
          run->result, -ending->error);
    CHECK(judge, run->thread == 0, "vcpu->thread is 0 when nobody is inside vcpu_run()",
          "after KVM_RUN failed with %s it is %d", strerrorname_np(ending->error),
          run->thread);
}

void every_end_is_told_apart(struct judge *judge)
{
    static const int errors[] = {EFAULT, EINVAL, EIO, ENOMEM, ENXIO, EBUSY};
    const uint32_t strange = 64 + ((uint32_t)judge_random(judge) >> 1);
    const struct ending endings[] = {
        {KVM_EXIT_HLT, 0, RUN_HALTED, 0},
        {KVM_EXIT_SHUTDOWN, 0, RUN_SHUTDOWN, 0},
        {KVM_EXIT_FAIL_ENTRY, 0, RUN_FAIL_ENTRY, judge_random(judge)},
        {0, EAGAIN, 0, 0}, /* not EINTR: nobody asked for it */
        {KVM_EXIT_INTERNAL_ERROR, 0, RUN_INTERNAL_ERROR, (uint32_t)judge_random(judge)},
        {KVM_EXIT_DEBUG, 0, RUN_UNKNOWN_EXIT, KVM_EXIT_DEBUG},
        {0, errors[judge_random_below(judge, COUNT(errors))], 0, 0},
        {strange, 0, RUN_UNKNOWN_EXIT, strange},
        {KVM_EXIT_HLT, 0, RUN_HALTED, 0},
        {KVM_EXIT_SYSTEM_EVENT, 0, RUN_UNKNOWN_EXIT, KVM_EXIT_SYSTEM_EVENT},
    };
    const uint32_t count = sizeof endings / sizeof endings[0];

    scenario_begin(judge, &scene);
    for (uint32_t i = 0; i < count; i++) {
        scene.in.steps[i] = LAB03_STEP_RUN;
        for (uint64_t n = judge_random_below(judge, 3); n > 0; n--)
            exit_add_random_io(judge, &scene, 1);
        ending_add(judge, &scene, &endings[i]);
    }
    const struct evidence *e = scenario_run(judge, &scene);
    for (uint32_t i = 0; i < count; i++)
        ending_expect(judge, e, i, &endings[i]);
}

static uint32_t reason_of(const struct scenario *s, uint32_t n)
{
    return ((const struct kvm_run *)(const void *)s->exits[n].state.head)->exit_reason;
}

/* The trace's newest records are the newest exits, as they were. */
static void events_expect(struct judge *judge, const struct lab03_output *out)
{
    CHECK(judge, out->events_total == scene.plan.exit_count,
          "event_trace_add() is called once an exit", "%" PRIu64 " records of %u exits",
          out->events_total, scene.plan.exit_count);
    for (uint32_t i = 0; i < LAB03_EVENTS; i++) {
        uint32_t n = scene.plan.exit_count - 1 - i;
        const struct kvm_run *run = (const void *)scene.exits[n].state.head;
        const struct lab03_event *event = &out->events[i];
        bool io = run->exit_reason == KVM_EXIT_IO, mmio = run->exit_reason == KVM_EXIT_MMIO;
        uint64_t address = io ? run->io.port : mmio ? (uint64_t)run->mmio.phys_addr : 0;
        uint32_t size = io ? run->io.size : mmio ? run->mmio.len : 0;

        CHECK(judge,
              event->reason == run->exit_reason && event->address == address &&
                  event->size == size,
              "the trace holds the exits in their order",
              "record %u of the newest: reason %u, %u bytes at %#" PRIx64
              "; the exit was reason %u, %u bytes at %#" PRIx64,
              i, event->reason, event->size, event->address, run->exit_reason, size,
              address);
    }
}

/* Devices of the second VM, with the addresses of the first one's. */
#define SECOND_PORT_DEVICE 2u

/* What one of two vCPUs does is its own, on whatever thread it runs. */
static void run_inside_expect(struct judge *judge, const struct lab03_output *out,
                              uint32_t n, uint32_t device, const char *situation)
{
    const struct lab03_run *run = &out->runs[n];
    const struct lab03_access *access = &out->accesses[run->accesses - 1];

    CHECK(judge, run->accesses == n + 1 && access->device == device,
          "an access reaches the device on the bus of the vCPU's own VM",
          "%s: %u accesses so far, not %u; it came to device %u, not %u", situation,
          run->accesses, n + 1, access->device, device);
    CHECK(judge, run->inside == run->tid,
          "vcpu->thread is the thread that is inside vcpu_run() now",
          "%s: a device was called on thread %d, vcpu->thread was %d", situation, run->tid,
          run->inside);
    CHECK(judge, run->status == RUN_HALTED && run->thread == 0,
          "vcpu->thread is 0 when nobody is inside vcpu_run()",
          "%s: it is %d; the run ended with %s", situation, run->thread,
          status_name(run->status));
}

static void two_vcpus_try(struct judge *judge)
{
    static const uint8_t steps[] = {LAB03_STEP_RUN, LAB03_STEP_SECOND, LAB03_STEP_THREAD,
                                    LAB03_STEP_SECOND, LAB03_STEP_RUN};

    scenario_begin(judge, &scene);
    scene.in.second = 1;
    scene.in.devices[SECOND_PORT_DEVICE] = scene.in.devices[PORT_DEVICE];
    scene.in.devices[SECOND_PORT_DEVICE].bus = 2;
    scene.in.device_count = 3;
    for (uint32_t i = 0; i < COUNT(steps); i++) {
        scene.in.steps[i] = steps[i];
        exit_add_io(judge, &scene, true, (uint16_t)scene.in.devices[PORT_DEVICE].base, 1,
                    1);
        exit_add(judge, &scene, KVM_EXIT_HLT);
    }
    const struct lab03_output *out = output_of(scenario_run(judge, &scene));
    for (uint32_t i = 0; i < COUNT(steps); i++)
        run_inside_expect(
            judge, out, i, steps[i] == LAB03_STEP_SECOND ? SECOND_PORT_DEVICE : PORT_DEVICE,
            steps[i] == LAB03_STEP_SECOND   ? "the second of two vCPUs"
            : steps[i] == LAB03_STEP_THREAD ? "a run on another thread than the one before"
                                            : "the first of two vCPUs");
    CHECK(judge,
          out->exits[KVM_EXIT_IO] == 3 && out->second_exits[KVM_EXIT_IO] == 2 &&
              out->exits[KVM_EXIT_HLT] == 3 && out->second_exits[KVM_EXIT_HLT] == 2,
          "each vCPU counts its own exits",
          "three runs of one vCPU and two of another, an IO and a HLT each: exits[IO] are "
          "%" PRIu64 " and %" PRIu64 ", exits[HLT] %" PRIu64 " and %" PRIu64,
          out->exits[KVM_EXIT_IO], out->second_exits[KVM_EXIT_IO], out->exits[KVM_EXIT_HLT],
          out->second_exits[KVM_EXIT_HLT]);
}

void exits_are_counted_and_noted(struct judge *judge)
{
    uint64_t want[VCPU_EXIT_REASONS] = {0};

    scenario_begin(judge, &scene);
    scene.in.trace_events = LAB03_EVENTS;
    for (uint32_t i = 0; i < 14; i++) {
        uint32_t reason = (uint32_t)judge_random_below(judge, 90);

        scene.in.steps[i] = LAB03_STEP_RUN;
        for (uint64_t n = 2 + judge_random_below(judge, 3); n > 0; n--) {
            if (random_bool(judge))
                exit_add_random_io(judge, &scene, 1);
            else
                exit_add_random_mmio(judge, &scene);
        }
        if (reason == KVM_EXIT_IO || reason == KVM_EXIT_MMIO)
            reason = KVM_EXIT_HLT;
        exit_add(judge, &scene, i == 0 ? 64 : i == 1 ? 0xfffffff0u : reason);
    }
    for (uint32_t n = 0; n < scene.plan.exit_count; n++)
        want[reason_of(&scene, n) < 63 ? reason_of(&scene, n) : 63]++;
    const struct lab03_output *out = output_of(scenario_run(judge, &scene));
    for (uint32_t reason = 0; reason < VCPU_EXIT_REASONS; reason++)
        CHECK(judge, out->exits[reason] == want[reason],
              "vcpu->exits[] counts every exit by its reason",
              "exits[%u]%s is %" PRIu64 ", there were %" PRIu64, reason,
              reason == 63 ? " (63 and all above)" : "", out->exits[reason], want[reason]);
    CHECK(judge, out->interrupted == 0, "vcpu->interrupted counts EINTR, nothing else",
          "it is %" PRIu64 " after a run without EINTR", out->interrupted);
    events_expect(judge, out);
    two_vcpus_try(judge);
}

void interruption_without_a_kick_goes_on(struct judge *judge)
{
    const uint32_t accesses = 6 + (uint32_t)judge_random_below(judge, 13);
    uint32_t interruptions = 0, ios = 0;
    uint16_t ports[32];

    scenario_begin(judge, &scene);
    for (uint32_t i = 0; i < accesses; i++) {
        for (uint64_t n = judge_random_below(judge, 4); n > 0 || i == 0; n--) {
            exit_add_error(&scene, EINTR);
            interruptions++;
            if (n == 0)
                break;
        }
        ports[ios] =
            (uint16_t)(scene.in.devices[PORT_DEVICE].base + judge_random_below(judge, 64));
        exit_add_io(judge, &scene, true, ports[ios++], 1, 1);
    }
    exit_add(judge, &scene, KVM_EXIT_HLT);
    const struct evidence *e = scenario_run(judge, &scene);
    const struct lab03_output *out = output_of(e);
    status_expect(judge, e, 0, RUN_HALTED, "signals came that were no kick, then HLT");
    CHECK(judge, out->access_count == ios,
          "the guest runs on after a signal that is no kick",
          "%u of its %u port accesses were answered", out->access_count, ios);
    for (uint32_t i = 0; i < ios; i++)
        CHECK(judge, out->accesses[i].address == ports[i],
              "after a signal that is no kick the guest's next access is handled",
              "access %u was at port %#" PRIx64 ", the guest's at %#x", i + 1,
              out->accesses[i].address, ports[i]);
    CHECK(judge, out->interrupted == interruptions, "vcpu->interrupted counts every EINTR",
          "it is %" PRIu64 "; EINTR came %u times", out->interrupted, interruptions);
    CHECK(judge, out->exits[KVM_EXIT_IO] == ios && out->exits[KVM_EXIT_HLT] == 1,
          "an interruption is no exit: exit_reason says nothing new",
          "exits[IO] is %" PRIu64 " of %u, exits[HLT] is %" PRIu64 " of 1",
          out->exits[KVM_EXIT_IO], ios, out->exits[KVM_EXIT_HLT]);
}
