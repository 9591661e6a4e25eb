/* scenario.c - a scenario: the exits that the pretended KVM plays, the run, what it left. */
#include "checks.h"

#include <inttypes.h>
#include <string.h>

#include "exit_loop.h"

/* The bytes as a number, for messages. */
uint64_t number_of(const uint8_t *data, uint32_t size)
{
    uint64_t value = 0;

    memcpy(&value, data, size < 8 ? size : 8);
    return value;
}

void scenario_begin(struct judge *judge, struct scenario *s)
{
    memset(s, 0, sizeof *s);
    s->plan.api_version = KVM_API_VERSION;
    s->plan.run_size = 3 * 4096;
    s->in.kick_at = LAB03_NEVER;
    s->in.steps[0] = LAB03_STEP_RUN;
    s->in.device_count = 2;
    s->in.devices[PORT_DEVICE] =
        (struct lab03_device){.base = 16 + judge_random_below(judge, 0xfe00), .length = 64};
    s->in.devices[MMIO_DEVICE] = (struct lab03_device){
        .base = judge_random(judge) >> 12, .length = 0x1000, .bus = 1};
    random_fill(judge, s->in.answers, sizeof s->in.answers);
}

/* The next exit: random junk wherever its reason says nothing. */
struct kvm_run *exit_add(struct judge *judge, struct scenario *s, uint32_t reason)
{
    struct plan_exit *exit = &s->exits[s->plan.exit_count++];
    struct kvm_run *run = (struct kvm_run *)(void *)exit->state.head;

    random_fill(judge, &exit->state, sizeof exit->state);
    exit->error = 0;
    run->exit_reason = reason;
    return run;
}

void exit_add_error(struct scenario *s, int error)
{
    s->exits[s->plan.exit_count++] = (struct plan_exit){.error = error};
}

struct kvm_run *exit_add_io(struct judge *judge, struct scenario *s, bool out,
                            uint16_t port, uint8_t size, uint32_t count)
{
    struct kvm_run *run = exit_add(judge, s, KVM_EXIT_IO);

    run->io.direction = out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
    run->io.size = size;
    run->io.port = port;
    run->io.count = count;
    /* The data may begin anywhere in its page. */
    run->io.data_offset =
        PIO_DATA_AT + (size * count < 256 ? 8 * judge_random_below(judge, 16) : 0);
    return run;
}

struct kvm_run *exit_add_mmio(struct judge *judge, struct scenario *s, bool write,
                              uint64_t gpa, uint32_t length)
{
    struct kvm_run *run = exit_add(judge, s, KVM_EXIT_MMIO);

    run->mmio.phys_addr = gpa;
    run->mmio.len = length;
    run->mmio.is_write = write;
    return run;
}

/* A port of the device, or (one time in six) of nobody. */
static uint16_t random_port(struct judge *judge, const struct scenario *s, uint32_t size)
{
    uint64_t base = s->in.devices[PORT_DEVICE].base;

    if (judge_random_below(judge, 6) == 0)
        return (uint16_t)(base - 8 + judge_random_below(judge, 8 - size + 1));
    return (uint16_t)(base + judge_random_below(judge, 64 - size + 1));
}

static uint32_t random_io_size(struct judge *judge)
{
    return 1u << judge_random_below(judge, 3);
}

void exit_add_random_io(struct judge *judge, struct scenario *s, uint32_t count)
{
    uint32_t size = random_io_size(judge);

    exit_add_io(judge, s, random_bool(judge), random_port(judge, s, size), (uint8_t)size,
                count);
}

void exit_add_random_mmio(struct judge *judge, struct scenario *s)
{
    uint32_t length = 1 + (uint32_t)judge_random_below(judge, 8);
    uint64_t gpa = s->in.devices[MMIO_DEVICE].base;

    gpa += judge_random_below(judge, 6) == 0 ? 0x1000 + judge_random_below(judge, 0x1000)
                                             : judge_random_below(judge, 0x1000 - 8);
    exit_add_mmio(judge, s, random_bool(judge), gpa, length);
}

const struct lab03_output *output_of(const struct evidence *e)
{
    return (const struct lab03_output *)(const void *)e->answer;
}

void handler_expect(struct judge *judge, uint32_t no_handler)
{
    CHECK(judge, !no_handler, "VCPU_KICK_SIGNAL has a handler",
          "vcpu_kick_init() returned, and VCPU_KICK_SIGNAL (%d) has no handler: the kick "
          "would have ended the process",
          VCPU_KICK_SIGNAL);
}

const struct evidence *scenario_run(struct judge *judge, const struct scenario *s)
{
    const struct run_spec spec = {.entry = LAB03_RUN,
                                  .input = &s->in,
                                  .input_size = sizeof s->in,
                                  .plan = &s->plan,
                                  .exits = s->exits};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_output));

    CHECK(judge, output_of(e)->ready, "a vCPU can be made (parts 01 and 02)",
          "one of their functions failed");
    handler_expect(judge, output_of(e)->no_handler);
    CHECK(judge, evidence_call_count(e, CALL_IOCTL, (uint32_t)KVM_RUN) > 0,
          "vcpu_run() calls KVM_RUN", "it returned %d without having called it",
          output_of(e)->runs[0].result);
    return e;
}

const char *status_name(uint32_t status)
{
    static const char *const names[] = {"?",
                                        "RUN_HALTED",
                                        "RUN_SHUTDOWN",
                                        "RUN_KICKED",
                                        "RUN_FAIL_ENTRY",
                                        "RUN_INTERNAL_ERROR",
                                        "RUN_UNKNOWN_EXIT"};

    return names[status < sizeof names / sizeof names[0] ? status : 0];
}

/* A run has to have ended so, whatever its detail. */
void status_expect(struct judge *judge, const struct evidence *e, uint32_t n,
                   uint32_t status, const char *situation)
{
    const struct lab03_run *run = &output_of(e)->runs[n];

    CHECK(judge, output_of(e)->run_count > n && run->result == 0,
          "vcpu_run() returns 0 when the run has ended for a reason", "%s: it returned %d",
          situation, run->result);
    CHECK(judge, run->status == status, "stop->status says why the run ended",
          "%s: status is %s (%u), not %s", situation, status_name(run->status), run->status,
          status_name(status));
}

/* The n-th run has to have ended so. */
void run_expect(struct judge *judge, const struct evidence *e, uint32_t n, uint32_t status,
                uint64_t detail, const char *situation)
{
    const struct lab03_run *run = &output_of(e)->runs[n];

    status_expect(judge, e, n, status, situation);
    CHECK(judge, run->detail == detail, "stop->detail as the status says, else 0",
          "%s: detail is %#" PRIx64 ", not %#" PRIx64, situation, run->detail, detail);
    CHECK(judge, run->thread == 0, "vcpu->thread is 0 when nobody is inside vcpu_run()",
          "%s: it is %d", situation, run->thread);
}

struct scenario scene; /* one a process: each check has its own */
