/* 03-exit-loop.c - the checks of lab 03.
 *
 * Target model: the agent plays KVM. Each exit is written by it, and at every KVM_RUN it
 * notes kvm_run as the VMM left it, so answers to reads are seen from outside. Target
 * machine: real exits; the kernel's tracepoints and guest memory are the evidence.
 */
#define _GNU_SOURCE
#include "../subjects/03-exit-loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "exit_loop.h"
#include "exit_names.h"
#include "guest_image.h"
#include "guest_loader.h"

GUEST_IMAGE(tour, "tour.bin");
GUEST_IMAGE(ask, "ask.bin");
GUEST_IMAGE(counter, "counter.bin");
GUEST_IMAGE(spin, "spin.bin");
GUEST_IMAGE(triple_fault, "triple_fault.bin");

#define PIO_DATA_AT 4096u /* of struct kvm_run: where the pretended KVM has its PIO data */
#define EXITS_MAX   80

static bool random_bool(struct judge *judge)
{
    return judge_random(judge) & 1;
}

static void random_fill(struct judge *judge, void *bytes, size_t size)
{
    uint8_t *at = bytes;

    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)judge_random(judge);
}

/* The bytes as a number, for messages. */
static uint64_t number_of(const uint8_t *data, uint32_t size)
{
    uint64_t value = 0;

    memcpy(&value, data, size < 8 ? size : 8);
    return value;
}

/* === the bus =================================================================================== */

/* Exact arithmetic: a range may end at 2^64. */
typedef unsigned __int128 wide;

static wide range_end(const struct lab03_device *device)
{
    return (wide)device->base + device->length;
}

static bool ranges_share(const struct lab03_device *a, const struct lab03_device *b)
{
    return a->base < range_end(b) && b->base < range_end(a);
}

/* What the devices that were accepted so far make of the next one. */
struct bus_model {
    const struct lab03_device *devices;
    uint32_t accepted[DEVICE_BUS_MAX];
    uint32_t count;
};

static int bus_model_add(struct bus_model *bus, uint32_t number)
{
    const struct lab03_device *device = &bus->devices[number];

    if (device->length == 0 || device->no_access || range_end(device) > (wide)1 << 64)
        return -EINVAL;
    for (uint32_t i = 0; i < bus->count; i++)
        if (ranges_share(device, &bus->devices[bus->accepted[i]]))
            return -EEXIST;
    if (bus->count == DEVICE_BUS_MAX)
        return -ENOSPC;
    bus->accepted[bus->count++] = number;
    return 0;
}

/* The number of the device that holds all of an access, or -1. */
static int bus_model_find(const struct bus_model *bus, uint64_t address, uint32_t size)
{
    for (uint32_t i = 0; i < bus->count; i++) {
        const struct lab03_device *device = &bus->devices[bus->accepted[i]];

        if (address >= device->base && (wide)address + size <= range_end(device))
            return (int)bus->accepted[i];
    }
    return -1;
}

static const struct lab03_bus_output *bus_run(struct judge *judge,
                                              const struct lab03_bus_input *in)
{
    const struct run_spec spec = {
        .entry = LAB03_BUS, .input = in, .input_size = sizeof *in};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_bus_output));

    return (const struct lab03_bus_output *)(const void *)e->answer;
}

static void bus_op_add(struct lab03_bus_input *in, struct lab03_op op)
{
    in->ops[in->op_count++] = op;
}

static const char *add_answer(int result)
{
    return result == 0 ? "0" : strerrorname_np(-result) ? strerrorname_np(-result) : "?";
}

/* Adds devices 0 to count - 1 and compares every answer. */
static void adds_try(struct judge *judge, struct lab03_bus_input *in, uint32_t count)
{
    struct bus_model model = {.devices = in->devices};
    const struct lab03_bus_output *out;

    in->op_count = 0;
    for (uint32_t i = 0; i < count; i++)
        bus_op_add(in, (struct lab03_op){.kind = LAB03_OP_ADD, .device = i});
    out = bus_run(judge, in);
    for (uint32_t i = 0; i < count; i++) {
        const struct lab03_device *device = &in->devices[i];
        uint32_t before = model.count;
        int want = bus_model_add(&model, i);

        CHECK(judge, out->results[i].result == want,
              "device_bus_add() takes what is clear and refuses the rest",
              "with %u devices there, base %#" PRIx64 ", length %#" PRIx64
              "%s: it returned %d, not %s%s",
              before, device->base, device->length,
              device->no_access ? ", no access function" : "", out->results[i].result,
              want ? "-" : "", add_answer(want));
        CHECK(judge, out->results[i].count == model.count,
              "a device that is refused leaves the bus as it was",
              "after base %#" PRIx64 ", length %#" PRIx64 " (%s) count is %u, not %u",
              device->base, device->length, want ? "refused" : "taken",
              out->results[i].count, model.count);
    }
}

/* A device that does not fit beside the good one, which is there already. */
static struct lab03_device bad_device(const struct lab03_device *good, uint32_t kind)
{
    const uint64_t at = good->base, length = good->length;

    switch (kind) {
    case 0: /* an empty one inside */
        return (struct lab03_device){.base = at + 1};
    case 1: /* nobody to call, and an overlap */
        return (struct lab03_device){.base = at, .length = length, .no_access = 1};
    case 2: /* wraps around, over everything */
        return (struct lab03_device){.base = at, .length = UINT64_MAX};
    case 3: /* its last byte is one too many */
        return (struct lab03_device){.base = at - 1, .length = 2};
    case 4: /* its first byte is */
        return (struct lab03_device){.base = at + length - 1, .length = 2};
    case 5: /* around it */
        return (struct lab03_device){.base = at - 1, .length = length + 2};
    case 6: /* inside of it */
        return (struct lab03_device){.base = at + 1, .length = length - 1};
    default:
        return *good;
    }
}

/* Devices that touch, between them bad ones, then more than there is room for. */
static void bus_fill(struct judge *judge, struct lab03_bus_input *in)
{
    uint64_t at = judge_random(judge) >> 8 | 0x10000;
    uint32_t n = 0;

    for (uint32_t good = 0; good < DEVICE_BUS_MAX; good++) {
        struct lab03_device *device = &in->devices[n++];

        *device =
            (struct lab03_device){.base = at, .length = 2 + judge_random_below(judge, 300)};
        if (good % 2 == 0)
            in->devices[n++] = bad_device(device, good / 2);
        at += device->length;
    }
    in->devices[n++] = (struct lab03_device){.base = at};
    in->devices[n++] = (struct lab03_device){.base = at - 1, .length = 1};
    in->devices[n++] = (struct lab03_device){.base = at, .length = 1};
    adds_try(judge, in, n);
}

static void bus_refuses_ambiguous_devices(struct judge *judge)
{
    struct lab03_bus_input in = {0};
    uint64_t tail = 1 + judge_random_below(judge, 1000);

    bus_fill(judge, &in);

    /* The end of the address space belongs to it. */
    in.devices[0] = (struct lab03_device){.base = 0 - tail, .length = tail};
    in.devices[1] = (struct lab03_device){.base = 0 - tail, .length = tail + 1};
    in.devices[2] = (struct lab03_device){.base = UINT64_MAX, .length = 1};
    in.devices[3] = (struct lab03_device){.base = 0, .length = 0 - tail};
    in.devices[4] = (struct lab03_device){.base = 0, .length = 1};
    adds_try(judge, &in, 5);
}

/* Six devices, the middle ones touching, the last one up to the end of the address space. */
static void bus_layout(struct judge *judge, struct lab03_bus_input *in)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < 6; i++) {
        /* 3 and 5 are long enough to be hit by some access, whatever the seed. */
        uint64_t length =
            (i == 3 || i == 5 ? 8 : 1) + judge_random_below(judge, i % 2 ? 12 : 4096);

        at = i == 5 ? 0 - length : at;
        in->devices[i] = (struct lab03_device){.base = at, .length = length};
        at += length + (i < 2 || i == 4 ? judge_random_below(judge, 12) : 0);
        bus_op_add(in, (struct lab03_op){.kind = LAB03_OP_ADD, .device = i});
    }
}

static const uint32_t sizes[] = {1, 2, 4, 8};

/* An access near an edge of a device, from either side. */
static struct lab03_op edge_op(struct judge *judge, const struct lab03_bus_input *in)
{
    const struct lab03_device *device = &in->devices[judge_random_below(judge, 6)];
    uint64_t edge = device->base + (random_bool(judge) ? device->length : 0);

    return (struct lab03_op){.address = edge + judge_random_below(judge, 19) - 9,
                             .size = sizes[judge_random_below(judge, 4)]};
}

/* The first address behind a device: 2^64 fits into no number. */
static const char *end_name(const struct lab03_device *device, char name[32])
{
    wide end = range_end(device);

    if (end >> 64)
        snprintf(name, 32, "2^64");
    else
        snprintf(name, 32, "%#" PRIx64, (uint64_t)end);
    return name;
}

static void bus_finds_whole_accesses_only(struct judge *judge)
{
    struct lab03_bus_input in = {0};
    struct bus_model model = {.devices = in.devices};
    char end[32];

    bus_layout(judge, &in);
    while (in.op_count < LAB03_OPS) {
        struct lab03_op op = edge_op(judge, &in);

        op.kind = LAB03_OP_FIND;
        bus_op_add(&in, op);
    }
    const struct lab03_bus_output *out = bus_run(judge, &in);
    for (uint32_t i = 0; i < 6; i++) {
        bus_model_add(&model, i);
        CHECK(judge, out->results[i].result == 0, "devices that do not overlap are added",
              "base %#" PRIx64 ", length %#" PRIx64 ": device_bus_add() returned %d",
              in.devices[i].base, in.devices[i].length, out->results[i].result);
    }
    for (uint32_t i = 6; i < in.op_count; i++) {
        const struct lab03_op *op = &in.ops[i];
        int want = bus_model_find(&model, op->address, op->size);
        int got = out->results[i].device;
        const struct lab03_device *device = &in.devices[want >= 0  ? want
                                                        : got >= 0 ? got
                                                                   : 0];

        CHECK(judge, got == want,
              "device_bus_find() finds the device that holds all bytes of an access",
              "%u byte%s at %#" PRIx64 ": %s; %s the device at [%#" PRIx64 ", %s)",
              op->size, op->size == 1 ? "" : "s", op->address,
              got < 0 ? "found nobody" : "found a device",
              want >= 0 ? "they lie in" : "they do not all lie in", device->base,
              end_name(device, end));
    }
}

/* One access of the script, as it should have gone. */
static void bus_access_expect(struct judge *judge, const struct lab03_bus_input *in,
                              const struct lab03_bus_output *out, uint32_t i, int device,
                              uint32_t calls, uint64_t unclaimed)
{
    const struct lab03_op *op = &in->ops[i];
    const struct lab03_op_result *result = &out->results[i];
    const struct lab03_access *seen = &out->accesses[(calls - 1) % LAB03_ACCESSES];
    uint8_t want[8];

    memcpy(want, op->data, sizeof want);
    if (!op->is_write && device >= 0)
        memcpy(want, &in->answers[(calls - 1) % LAB03_ACCESSES], op->size);
    else if (!op->is_write)
        memset(want, 0xff, op->size);
    CHECK(judge, result->accesses == calls && result->unclaimed == unclaimed,
          "a device is called if it holds the whole access; else it counts as unclaimed",
          "%s of %u at %#" PRIx64 " (%s): %u calls of devices, unclaimed %" PRIu64
          "; should be %u and %" PRIu64,
          op->is_write ? "write" : "read", op->size, op->address,
          device >= 0 ? "claimed" : "claimed by nobody", result->accesses,
          result->unclaimed, calls, unclaimed);
    CHECK(judge,
          device < 0 || (seen->device == (uint32_t)device && seen->address == op->address &&
                         seen->offset == op->address - in->devices[device].base &&
                         seen->size == op->size && seen->is_write == op->is_write),
          "the device is told address, offset from its base, size and direction",
          "%s of %u at %#" PRIx64 ", base %#" PRIx64 ": the device was told %s of %u at "
          "%#" PRIx64 ", offset %#" PRIx64,
          op->is_write ? "write" : "read", op->size, op->address,
          in->devices[device < 0 ? 0 : device].base, seen->is_write ? "write" : "read",
          seen->size, seen->address, seen->offset);
    CHECK(judge, memcmp(result->data, want, sizeof want) == 0,
          "a read fills exactly its bytes (ones if nobody answers), a write changes none",
          "%s of %u at %#" PRIx64 " (%s): data is %#" PRIx64 ", not %#" PRIx64
          " (8 bytes shown)",
          op->is_write ? "write" : "read", op->size, op->address,
          device >= 0 ? "claimed" : "claimed by nobody", number_of(result->data, 8),
          number_of(want, 8));
}

static void bus_answers_for_absent_devices(struct judge *judge)
{
    struct lab03_bus_input in = {0};
    struct bus_model model = {.devices = in.devices};
    uint32_t calls = 0;
    uint64_t unclaimed = 0;

    bus_layout(judge, &in);
    random_fill(judge, in.answers, sizeof in.answers);
    while (in.op_count < LAB03_ACCESSES) {
        struct lab03_op op = edge_op(judge, &in);

        op.kind = LAB03_OP_ACCESS;
        op.is_write = random_bool(judge);
        random_fill(judge, op.data, sizeof op.data);
        bus_op_add(&in, op);
    }
    const struct lab03_bus_output *out = bus_run(judge, &in);
    for (uint32_t i = 0; i < 6; i++)
        bus_model_add(&model, i);
    for (uint32_t i = 6; i < in.op_count; i++) {
        int device = bus_model_find(&model, in.ops[i].address, in.ops[i].size);

        calls += device >= 0;
        unclaimed += device < 0;
        bus_access_expect(judge, &in, out, i, device, calls, unclaimed);
    }
}

/* === the loop, on the pretended KVM ============================================================ */

/* A vCPU's life: devices, steps, and the exits that KVM will report. Large: kept static. */
struct scenario {
    struct lab03_input in;
    struct kvm_plan plan;
    struct plan_exit exits[EXITS_MAX];
};

#define PORT_DEVICE 0u
#define MMIO_DEVICE 1u

static void scenario_begin(struct judge *judge, struct scenario *s)
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
static struct kvm_run *exit_add(struct judge *judge, struct scenario *s, uint32_t reason)
{
    struct plan_exit *exit = &s->exits[s->plan.exit_count++];
    struct kvm_run *run = (struct kvm_run *)(void *)exit->state.head;

    random_fill(judge, &exit->state, sizeof exit->state);
    exit->error = 0;
    run->exit_reason = reason;
    return run;
}

static void exit_add_error(struct scenario *s, int error)
{
    s->exits[s->plan.exit_count++] = (struct plan_exit){.error = error};
}

static struct kvm_run *exit_add_io(struct judge *judge, struct scenario *s, bool out,
                                   uint16_t port, uint8_t size, uint32_t count)
{
    struct kvm_run *run = exit_add(judge, s, KVM_EXIT_IO);

    run->io.direction = out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
    run->io.size = size;
    run->io.port = port;
    run->io.count = count;
    run->io.data_offset = PIO_DATA_AT;
    return run;
}

static struct kvm_run *exit_add_mmio(struct judge *judge, struct scenario *s, bool write,
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
    return sizes[judge_random_below(judge, 3)];
}

static void exit_add_random_io(struct judge *judge, struct scenario *s, uint32_t count)
{
    uint32_t size = random_io_size(judge);

    exit_add_io(judge, s, random_bool(judge), random_port(judge, s, size), (uint8_t)size,
                count);
}

static void exit_add_random_mmio(struct judge *judge, struct scenario *s)
{
    uint32_t length = 1 + (uint32_t)judge_random_below(judge, 8);
    uint64_t gpa = s->in.devices[MMIO_DEVICE].base;

    gpa += judge_random_below(judge, 6) == 0 ? 0x1000 + judge_random_below(judge, 0x1000)
                                             : judge_random_below(judge, 0x1000 - 8);
    exit_add_mmio(judge, s, random_bool(judge), gpa, length);
}

static const struct lab03_output *output_of(const struct evidence *e)
{
    return (const struct lab03_output *)(const void *)e->answer;
}

static void handler_expect(struct judge *judge, uint32_t no_handler)
{
    CHECK(judge, !no_handler, "VCPU_KICK_SIGNAL has a handler",
          "vcpu_kick_init() returned, and VCPU_KICK_SIGNAL (%d) has no handler: the kick "
          "would have ended the process",
          VCPU_KICK_SIGNAL);
}

static const struct evidence *scenario_run(struct judge *judge, const struct scenario *s)
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

static const char *status_name(uint32_t status)
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
static void status_expect(struct judge *judge, const struct evidence *e, uint32_t n,
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
static void run_expect(struct judge *judge, const struct evidence *e, uint32_t n,
                       uint32_t status, uint64_t detail, const char *situation)
{
    const struct lab03_run *run = &output_of(e)->runs[n];

    status_expect(judge, e, n, status, situation);
    CHECK(judge, run->detail == detail, "stop->detail as the status says, else 0",
          "%s: detail is %#" PRIx64 ", not %#" PRIx64, situation, run->detail, detail);
    CHECK(judge, run->thread == 0, "vcpu->thread is 0 when nobody is inside vcpu_run()",
          "%s: it is %d", situation, run->thread);
}

/* --- what devices were told, and what KVM was answered --------------------------------------- */

/* kvm_run as the VMM left it when it called KVM_RUN for the n-th time (from 0), or NULL. */
static const struct call_run_state *state_at(const struct evidence *e, uint32_t n)
{
    const struct call *call = evidence_call(e, CALL_IOCTL, (uint32_t)KVM_RUN, n);

    return call && call->record->payload == sizeof(struct call_run_state) ? call->payload
                                                                          : NULL;
}

static const struct kvm_run *head_of(const struct call_run_state *state)
{
    return (const struct kvm_run *)(const void *)state->head;
}

/* A script's accesses, followed one by one. */
struct follow {
    struct judge *judge;
    const struct scenario *scenario;
    const struct evidence *evidence;
    uint32_t calls; /* of devices, so far */
    uint64_t unclaimed[2];
    char what[120]; /* the exit in hand */
};

/* One element: who should have got it; data is what was to be written, or becomes what was
 * to be read. */
static void element_follow(struct follow *f, uint32_t device, uint64_t address,
                           uint32_t size, bool write, uint8_t *data)
{
    const struct lab03_output *out = output_of(f->evidence);
    const struct lab03_device *claimed = &f->scenario->in.devices[device];
    const struct lab03_access *seen = &out->accesses[f->calls % LAB03_ACCESSES];

    if (address < claimed->base || address + size > claimed->base + claimed->length) {
        f->unclaimed[device]++;
        if (!write)
            memset(data, 0xff, size);
        return;
    }
    CHECK(f->judge, f->calls < out->access_count, "every access reaches its device",
          "%s: the device was not called for it (%u accesses in all)", f->what,
          out->access_count);
    CHECK(f->judge,
          seen->device == device && seen->address == address && seen->size == size &&
              seen->is_write == write && seen->offset == address - claimed->base,
          "the device is told what the exit says: address, size, direction",
          "%s: access %u of the run was a %s of %u at %#" PRIx64 ", offset %#" PRIx64
          "; it was to be a %s of %u at %#" PRIx64,
          f->what, f->calls, seen->is_write ? "write" : "read", seen->size, seen->address,
          seen->offset, write ? "write" : "read", size, address);
    if (write)
        CHECK(f->judge, memcmp(seen->data, data, size) == 0,
              "a device gets the bytes that the guest wrote, in order",
              "%s: access %u brought %#" PRIx64 ", the guest wrote %#" PRIx64, f->what,
              f->calls, number_of(seen->data, size), number_of(data, size));
    else
        memcpy(data, &f->scenario->in.answers[f->calls % LAB03_ACCESSES], size);
    f->calls++;
}

static uint64_t answer_word(const uint8_t *bytes, uint32_t at, uint32_t size)
{
    return number_of(bytes + at, size);
}

/* Exit n, and the data area as it was when KVM_RUN was called next. */
static void io_follow(struct follow *f, uint32_t n)
{
    const struct plan_exit *exit = &f->scenario->exits[n];
    const struct kvm_run *run = (const struct kvm_run *)(const void *)exit->state.head;
    const struct call_run_state *after = state_at(f->evidence, n + 1);
    bool out = run->io.direction == KVM_EXIT_IO_OUT;
    uint8_t data[PLAN_RUN_DATA];

    snprintf(f->what, sizeof f->what, "exit %u, %s of %u x %u bytes, port %#x", n + 1,
             out ? "OUT" : "IN", run->io.count, run->io.size, run->io.port);
    memcpy(data, exit->state.data, sizeof data);
    for (uint32_t i = 0; i < run->io.count; i++)
        element_follow(f, PORT_DEVICE, run->io.port, run->io.size, out,
                       data + i * run->io.size);
    CHECK(f->judge, after, "after a port access the guest runs on",
          "%s: KVM_RUN was not called again", f->what);
    for (uint32_t i = 0; !out && i < run->io.count; i++) {
        uint32_t at = i * run->io.size;

        CHECK(f->judge, memcmp(after->data + at, data + at, run->io.size) == 0,
              "what a device answers lies in kvm_run when KVM_RUN is called next",
              "%s: element %u is %#" PRIx64 " there, the answer was %#" PRIx64, f->what, i,
              answer_word(after->data, at, run->io.size),
              answer_word(data, at, run->io.size));
    }
    CHECK(f->judge, memcmp(after->data, data, sizeof data) == 0,
          "nothing but the elements of an IN changes in the data area",
          "%s: other bytes of the area have changed", f->what);
}

static void mmio_follow(struct follow *f, uint32_t n)
{
    const struct plan_exit *exit = &f->scenario->exits[n];
    const struct kvm_run *run = (const struct kvm_run *)(const void *)exit->state.head;
    const struct call_run_state *after = state_at(f->evidence, n + 1);
    uint8_t data[8];

    snprintf(f->what, sizeof f->what, "exit %u, %s of %u bytes at gpa %#" PRIx64, n + 1,
             run->mmio.is_write ? "write" : "read", run->mmio.len,
             (uint64_t)run->mmio.phys_addr);
    memcpy(data, run->mmio.data, sizeof data);
    element_follow(f, MMIO_DEVICE, run->mmio.phys_addr, run->mmio.len, run->mmio.is_write,
                   data);
    CHECK(f->judge, after, "after an MMIO access the guest runs on",
          "%s: KVM_RUN was not called again", f->what);
    CHECK(f->judge,
          run->mmio.is_write || memcmp(head_of(after)->mmio.data, data, sizeof data) == 0,
          "the answer to an MMIO read fills exactly mmio.len bytes of mmio.data",
          "%s: mmio.data is %#" PRIx64 ", it was to be %#" PRIx64 " (8 bytes shown)",
          f->what, number_of(head_of(after)->mmio.data, 8), number_of(data, 8));
}

/* Follows exits from to to - 1. */
static void exits_follow(struct follow *f, uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++) {
        const struct plan_exit *exit = &f->scenario->exits[n];

        if (((const struct kvm_run *)(const void *)exit->state.head)->exit_reason ==
            KVM_EXIT_IO)
            io_follow(f, n);
        else
            mmio_follow(f, n);
    }
}

/* Runs a scenario of IO and MMIO exits that ends with HLT, and follows all of it. */
static void accesses_judge(struct judge *judge, struct scenario *s)
{
    struct follow f = {.judge = judge, .scenario = s};
    uint32_t accesses = s->plan.exit_count;

    exit_add(judge, s, KVM_EXIT_HLT);
    f.evidence = scenario_run(judge, s);
    exits_follow(&f, 0, accesses);
    const struct lab03_output *out = output_of(f.evidence);
    CHECK(judge, out->access_count == f.calls, "devices are called once an access",
          "%u accesses for them, %u calls", f.calls, out->access_count);
    CHECK(judge, memcmp(out->unclaimed, f.unclaimed, sizeof f.unclaimed) == 0,
          "an access that nobody claims is counted on its own bus",
          "unclaimed: pio %" PRIu64 ", mmio %" PRIu64 "; should be %" PRIu64
          " and %" PRIu64,
          out->unclaimed[0], out->unclaimed[1], f.unclaimed[0], f.unclaimed[1]);
    status_expect(judge, f.evidence, 0, RUN_HALTED, "HLT after all accesses");
}

static struct scenario scene; /* one a process: each check has its own */

/* A read and a write that nobody claims, whatever the random ones are like. */
static void exits_add_absent(struct judge *judge, struct scenario *s, bool mmio,
                             uint32_t count)
{
    uint64_t port = s->in.devices[PORT_DEVICE].base - 8;
    uint64_t gpa = s->in.devices[MMIO_DEVICE].base + 0x1000;

    for (int write = 0; write < 2; write++) {
        if (mmio)
            exit_add_mmio(judge, s, write, gpa, 4);
        else
            exit_add_io(judge, s, write, (uint16_t)port, 2, count);
    }
}

static void port_access_reaches_its_device(struct judge *judge)
{
    scenario_begin(judge, &scene);
    exits_add_absent(judge, &scene, false, 1);
    for (uint32_t i = 0; i < 46; i++)
        exit_add_random_io(judge, &scene, 1);
    accesses_judge(judge, &scene);
}

static void string_access_goes_element_by_element(struct judge *judge)
{
    scenario_begin(judge, &scene);
    exits_add_absent(judge, &scene, false, 3);
    for (uint32_t i = 0; i < 12; i++)
        exit_add_random_io(judge, &scene, 2 + (uint32_t)judge_random_below(judge, 15));
    accesses_judge(judge, &scene);
}

static void mmio_access_reaches_its_device(struct judge *judge)
{
    scenario_begin(judge, &scene);
    exits_add_absent(judge, &scene, true, 1);
    for (uint32_t i = 0; i < 46; i++)
        exit_add_random_mmio(judge, &scene);
    accesses_judge(judge, &scene);
}

/* --- how runs end ------------------------------------------------------------------------------ */

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

static void every_end_is_told_apart(struct judge *judge)
{
    static const int errors[] = {EFAULT, EINVAL, EIO, ENOMEM, ENXIO};
    const uint32_t strange = 64 + ((uint32_t)judge_random(judge) >> 1);
    const uint64_t first = judge_random_below(judge, 5); /* the other one is different */
    const struct ending endings[] = {
        {KVM_EXIT_HLT, 0, RUN_HALTED, 0},
        {KVM_EXIT_SHUTDOWN, 0, RUN_SHUTDOWN, 0},
        {KVM_EXIT_FAIL_ENTRY, 0, RUN_FAIL_ENTRY, judge_random(judge)},
        {0, errors[first], 0, 0},
        {KVM_EXIT_INTERNAL_ERROR, 0, RUN_INTERNAL_ERROR, (uint32_t)judge_random(judge)},
        {KVM_EXIT_DEBUG, 0, RUN_UNKNOWN_EXIT, KVM_EXIT_DEBUG},
        {0, errors[(first + 1 + judge_random_below(judge, 4)) % 5], 0, 0},
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

static void exits_are_counted_and_noted(struct judge *judge)
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
}

static void interruption_without_a_kick_goes_on(struct judge *judge)
{
    uint32_t interruptions = 0, ios = 0;

    scenario_begin(judge, &scene);
    for (uint32_t i = 0; i < 12; i++) {
        for (uint64_t n = judge_random_below(judge, 4); n > 0 || i == 0; n--) {
            exit_add_error(&scene, EINTR);
            interruptions++;
            if (n == 0)
                break;
        }
        exit_add_io(judge, &scene, true, (uint16_t)scene.in.devices[PORT_DEVICE].base, 1,
                    1);
        ios++;
    }
    exit_add(judge, &scene, KVM_EXIT_HLT);
    const struct evidence *e = scenario_run(judge, &scene);
    const struct lab03_output *out = output_of(e);
    status_expect(judge, e, 0, RUN_HALTED, "signals came that were no kick, then HLT");
    CHECK(judge, out->access_count == ios,
          "the guest runs on after a signal that is no kick",
          "%u of its %u port accesses were answered", out->access_count, ios);
    CHECK(judge, out->interrupted == interruptions, "vcpu->interrupted counts every EINTR",
          "it is %" PRIu64 "; EINTR came %u times", out->interrupted, interruptions);
    CHECK(judge, out->exits[KVM_EXIT_IO] == ios && out->exits[KVM_EXIT_HLT] == 1,
          "an interruption is no exit: exit_reason says nothing new",
          "exits[IO] is %" PRIu64 " of %u, exits[HLT] is %" PRIu64 " of 1",
          out->exits[KVM_EXIT_IO], ios, out->exits[KVM_EXIT_HLT]);
}

/* --- kicks ------------------------------------------------------------------------------------- */

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
static void waiting_kick_expect(struct judge *judge, const struct evidence *e, uint32_t n)
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
    CHECK(judge, next->accesses == run->accesses + 1 && after.immediate == 0,
          "the run after the kicked one is as if nothing had been",
          "%u accesses of 1; KVM_RUN was called %u times with immediate_exit set",
          next->accesses - run->accesses, after.immediate);
}

static void kick_before_a_run_ends_it(struct judge *judge)
{
    uint32_t step = 0;

    scenario_begin(judge, &scene);
    for (uint32_t i = 0; i < 2; i++) {
        for (uint64_t n = 1 + i * (1 + judge_random_below(judge, 3)); n > 0; n--)
            scene.in.steps[step++] = LAB03_STEP_KICK;
        scene.in.steps[step++] = LAB03_STEP_RUN;
        scene.in.steps[step++] = LAB03_STEP_RUN;
        exit_add_io(judge, &scene, true, (uint16_t)scene.in.devices[PORT_DEVICE].base, 1,
                    1);
        exit_add(judge, &scene, KVM_EXIT_HLT);
    }
    const struct evidence *e = scenario_run(judge, &scene);
    waiting_kick_expect(judge, e, 0);
    waiting_kick_expect(judge, e, 2);
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

static void kick_in_a_device_completes_the_access(struct judge *judge)
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
    uint32_t kicks, ended;
    uint32_t position;    /* on the path through vcpu_run(), from 1; 0: before vcpu_run() */
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

/* Runs of three exits (a signal that is no kick, an OUT, HLT), as many as needed. */
static void steps_judge(struct judge *judge, bool kick_waiting)
{
    const uint32_t exits = 3 * (POSITIONS + 2);
    struct plan_exit *plan = calloc(exits, sizeof *plan);
    struct kick_log log = {.pending = false};

    if (!plan)
        judge_error(judge, "out of memory");
    scenario_begin(judge, &scene);
    scene.in.positions = POSITIONS;
    scene.in.steps[0] = kick_waiting ? LAB03_STEP_KICK : LAB03_STEP_RUN;
    exit_add_error(&scene, EINTR);
    exit_add_io(judge, &scene, true, (uint16_t)scene.in.devices[PORT_DEVICE].base, 1, 1);
    exit_add(judge, &scene, KVM_EXIT_HLT);
    for (uint32_t i = 0; i < exits; i++)
        plan[i] = scene.exits[i % 3];
    scene.plan.exit_count = exits;
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
}

static void kick_is_seen_at_every_instruction(struct judge *judge)
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

static void kick_signal_restarts_other_calls(struct judge *judge)
{
    const struct run_spec spec = {.entry = LAB03_SIGNAL};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_signal_output));
    const struct lab03_signal_output *out = (const void *)e->answer;

    CHECK(judge, out->kick_init == 0, "vcpu_kick_init() returns 0", "it returned %d",
          out->kick_init);
    CHECK(judge, out->handler, "VCPU_KICK_SIGNAL has a handler",
          "the signal is ignored, or would end the process");
    CHECK(judge, out->read_bytes == 1,
          "the kick's signal does not make other system calls fail",
          "a thread that was in read() when the signal came got %d (%s)", out->read_bytes,
          out->read_bytes < 0 ? strerrorname_np(-out->read_bytes) : "bytes");
}

/* === on the machine: the real KVM ============================================================== */

#define TOUR_PORT     0x300u
#define TOUR_MMIO     0x200000u
#define MAILBOX_BYTES 256u

static void guest_begin(struct judge *judge, struct lab03_input *in, const uint8_t *image,
                        size_t size, enum guest_mode mode)
{
    *in = (struct lab03_input){.kick_at = LAB03_NEVER,
                               .mode = mode,
                               .image_size = (uint32_t)size,
                               .steps = {LAB03_STEP_RUN},
                               .device_count = 2,
                               .devices = {{.base = TOUR_PORT, .length = 64},
                                           {.base = TOUR_MMIO, .length = 64, .bus = 1}}};
    memcpy(in->image, image, size);
    random_fill(judge, in->answers, sizeof in->answers);
    random_fill(judge, in->mailbox, sizeof in->mailbox);
}

static const struct evidence *guest_run(struct judge *judge, const struct lab03_input *in)
{
    static const struct window mailbox = {
        .name = "guest-ram", .offset = GUEST_MAILBOX_GPA, .length = MAILBOX_BYTES};
    const struct run_spec spec = {.entry = LAB03_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = in,
                                  .input_size = sizeof *in,
                                  .windows = &mailbox,
                                  .window_count = 1};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_output));

    CHECK(judge, output_of(e)->ready, "a guest can be loaded (parts 01 and 02)",
          "one of their functions failed");
    handler_expect(judge, output_of(e)->no_handler);
    CHECK(judge, kvm_events_count(&e->events, EVENT_ENTRY, KVM_EVENT_ANY) > 0,
          "vcpu_run() runs the guest", "the kernel has no VM entry; it returned %d",
          output_of(e)->runs[0].result);
    CHECK(judge, !output_of(e)->stuck, "vcpu_run() comes back",
          "it was still running 4 seconds later");
    return e;
}

/* How often the kernel told user space of a reason (KVM_RUN returned 0). */
static uint64_t kernel_exits(const struct evidence *e, uint32_t reason)
{
    uint64_t n = 0;

    for (size_t i = 0; i < e->events.count; i++)
        n += e->events.list[i].kind == EVENT_USERSPACE_EXIT &&
             (int32_t)e->events.list[i].value >= 0 && e->events.list[i].reason == reason;
    return n;
}

static uint64_t kernel_interruptions(const struct evidence *e)
{
    uint64_t n = 0;

    for (size_t i = 0; i < e->events.count; i++)
        n += e->events.list[i].kind == EVENT_USERSPACE_EXIT &&
             (int32_t)e->events.list[i].value == -EINTR;
    return n;
}

static void counters_expect(struct judge *judge, const struct evidence *e)
{
    const struct lab03_output *out = output_of(e);

    for (uint32_t reason = 0; reason < VCPU_EXIT_REASONS - 1; reason++)
        CHECK(judge, out->exits[reason] == kernel_exits(e, reason),
              "vcpu->exits[] agrees with the kernel's kvm_userspace_exit records",
              "%s: the kernel has %" PRIu64 ", vcpu->exits[%u] says %" PRIu64,
              exit_name(reason), kernel_exits(e, reason), reason, out->exits[reason]);
    CHECK(judge, out->interrupted == kernel_interruptions(e),
          "vcpu->interrupted agrees with the kernel's kvm_userspace_exit records",
          "the kernel has %" PRIu64 " with EINTR, vcpu->interrupted says %" PRIu64,
          kernel_interruptions(e), out->interrupted);
}

/* What the tour guest does, in its order: element size, count, where, direction, and the
 * mailbox slot that it writes from or reads into. */
struct tour_step {
    uint32_t size, count;
    uint64_t address;
    bool write;
    uint32_t slot;
};

static const struct tour_step tour_steps[] = {
    {1, 1, TOUR_PORT, true, 0},       {2, 1, TOUR_PORT + 1, true, 1},
    {4, 1, TOUR_PORT + 4, true, 2},   {1, 1, TOUR_PORT, false, 16},
    {2, 1, TOUR_PORT + 1, false, 17}, {4, 1, TOUR_PORT + 4, false, 18},
    {1, 5, TOUR_PORT + 8, true, 3},   {4, 4, TOUR_PORT + 8, true, 4},
    {1, 7, TOUR_PORT + 8, false, 19}, {4, 3, TOUR_PORT + 8, false, 20},
    {1, 1, TOUR_MMIO + 1, true, 6},   {2, 1, TOUR_MMIO + 2, true, 7},
    {4, 1, TOUR_MMIO + 4, true, 8},   {8, 1, TOUR_MMIO + 8, true, 9},
    {1, 1, TOUR_MMIO + 1, false, 22}, {2, 1, TOUR_MMIO + 2, false, 23},
    {4, 1, TOUR_MMIO + 4, false, 24}, {8, 1, TOUR_MMIO + 8, false, 25},
};

#define TOUR_STEPS (sizeof tour_steps / sizeof tour_steps[0])

/* The step as the devices saw it; reads leave their bytes in the expected mailbox. */
static uint32_t tour_step_follow(struct judge *judge, const struct lab03_input *in,
                                 const struct lab03_output *out,
                                 const struct tour_step *step, uint32_t call,
                                 uint8_t *mailbox)
{
    uint8_t *data = mailbox + step->slot * 8;

    for (uint32_t i = 0; i < step->count; i++, call++, data += step->size) {
        const struct lab03_access *seen = &out->accesses[call];

        CHECK(judge,
              call < out->access_count && seen->address == step->address &&
                  seen->size == step->size && seen->is_write == step->write,
              "devices see the guest's accesses, one by one and in order",
              "access %u was a %s of %u at %#" PRIx64 "; the guest did a %s of %u at "
              "%#" PRIx64,
              call + 1, seen->is_write ? "write" : "read", seen->size, seen->address,
              step->write ? "write" : "read", step->size, step->address);
        if (!step->write)
            memcpy(data, &in->answers[call], step->size);
        CHECK(judge, memcmp(seen->data, data, step->size) == 0,
              "devices get what the guest wrote",
              "access %u at %#" PRIx64 ": %#" PRIx64 ", the guest wrote %#" PRIx64,
              call + 1, step->address, number_of(seen->data, step->size),
              number_of(data, step->size));
    }
    return call;
}

/* How many bytes the kernel saw go through an address in one direction. */
static uint64_t kernel_bytes(const struct evidence *e, uint64_t address, bool write)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if (event->kind == EVENT_PIO && event->address == address &&
            (event->write != 0) == write)
            bytes += (uint64_t)event->size * event->count;
    }
    return bytes;
}

/* Is there a record of this single access, with its value? */
static bool kernel_saw(const struct evidence *e, const struct tour_step *step,
                       uint64_t value)
{
    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if ((event->kind == EVENT_PIO || event->kind == EVENT_MMIO) &&
            event->address == step->address && (event->write != 0) == step->write &&
            event->size == step->size && event->value == value)
            return true;
    }
    return false;
}

static void tour_kernel_expect(struct judge *judge, const struct evidence *e,
                               const uint8_t *mailbox)
{
    for (size_t i = 0; i < TOUR_STEPS; i++) {
        const struct tour_step *step = &tour_steps[i];
        uint64_t value = number_of(mailbox + step->slot * 8, step->size);

        CHECK(judge, step->count > 1 || kernel_saw(e, step, value),
              "the kernel's kvm_pio and kvm_mmio records have the values of the devices",
              "no record of a %s of %u at %#" PRIx64 " with value %#" PRIx64,
              step->write ? "write" : "read", step->size, step->address, value);
    }
    CHECK(judge,
          kernel_bytes(e, TOUR_PORT + 8, true) == 5 + 16 &&
              kernel_bytes(e, TOUR_PORT + 8, false) == 7 + 12,
          "string instructions move all of their elements",
          "the kernel saw %" PRIu64 " bytes go out and %" PRIu64 " come in; %d and %d are "
          "what the guest does",
          kernel_bytes(e, TOUR_PORT + 8, true), kernel_bytes(e, TOUR_PORT + 8, false),
          5 + 16, 7 + 12);
}

static void counters_agree_with_the_kernel(struct judge *judge)
{
    static struct lab03_input in;
    uint8_t mailbox[MAILBOX_BYTES];
    uint32_t call = 0;

    guest_begin(judge, &in, tour, GUEST_IMAGE_SIZE(tour), GUEST_LONG64);
    memcpy(mailbox, in.mailbox, sizeof mailbox);
    const struct evidence *e = guest_run(judge, &in);
    for (size_t i = 0; i < TOUR_STEPS; i++) {
        const struct tour_step *step = &tour_steps[i];

        /* A narrow read is stored as a whole slot. */
        if (!step->write && step->count == 1)
            memset(mailbox + step->slot * 8, 0, 8);
        call = tour_step_follow(judge, &in, output_of(e), step, call, mailbox);
    }
    status_expect(judge, e, 0, RUN_HALTED, "the guest halted after its accesses");
    CHECK(judge, output_of(e)->access_count == call, "devices are called once an access",
          "%u calls, the guest did %u accesses", output_of(e)->access_count, call);
    for (uint32_t slot = 0; slot < MAILBOX_BYTES / 8; slot++)
        CHECK(judge, window_u64(e, 0, 0, slot * 8) == number_of(mailbox + slot * 8, 8),
              "what devices answered is in the guest's memory",
              "at GPA %#x: %#" PRIx64 ", it was to be %#" PRIx64,
              GUEST_MAILBOX_GPA + slot * 8, window_u64(e, 0, 0, slot * 8),
              number_of(mailbox + slot * 8, 8));
    counters_expect(judge, e);
    tour_kernel_expect(judge, e, mailbox);
}

#define ASK_BEHIND_IN 5u /* mov dx, 0310h has 3 bytes, in eax, dx has 2 */

static void kicked_instruction_is_complete(struct judge *judge)
{
    static struct lab03_input in;

    guest_begin(judge, &in, ask, GUEST_IMAGE_SIZE(ask), GUEST_REAL16);
    in.kick_at = 0;
    in.steps[1] = LAB03_STEP_RUN;
    uint32_t answer = (uint32_t)in.answers[0];
    const struct evidence *e = guest_run(judge, &in);
    const struct lab03_run *kicked = &output_of(e)->runs[0];

    status_expect(judge, e, 0, RUN_KICKED, "the device called vcpu_kick() during an IN");
    CHECK(judge, kicked->rip == ASK_BEHIND_IN && (uint32_t)kicked->rax == answer,
          "in a kicked run the guest has finished the instruction of its exit, no more",
          "KVM_GET_REGS: rip %#" PRIx64 ", eax %#x; behind the IN rip is %#x, eax %#x",
          kicked->rip, (uint32_t)kicked->rax, ASK_BEHIND_IN, answer);
    status_expect(judge, e, 1, RUN_HALTED, "the run after the kicked one");
    CHECK(judge, window_u32(e, 0, 0, 0) == answer && output_of(e)->access_count == 1,
          "the guest goes on with the answer that the device gave",
          "at GPA 8000h: %#x, the device answered %#x (asked %u times)",
          window_u32(e, 0, 0, 0), answer, output_of(e)->access_count);
}

static void triple_fault_is_a_shutdown(struct judge *judge)
{
    static struct lab03_input in;
    const struct tour_step number = {2, 1, 0x320, true, 0};

    guest_begin(judge, &in, triple_fault, GUEST_IMAGE_SIZE(triple_fault), GUEST_REAL16);
    const struct evidence *e = guest_run(judge, &in);
    status_expect(judge, e, 0, RUN_SHUTDOWN, "the guest had a triple fault");
    CHECK(judge, kernel_saw(e, &number, (uint16_t)in.mailbox[0]),
          "the guest ran: it wrote its number to port 320h first",
          "the kernel has no record of %#x", (uint16_t)in.mailbox[0]);
    counters_expect(judge, e);
}

/* Time from the first VM entry to the last return to user space, in milliseconds. */
static double kernel_span_ms(const struct evidence *e)
{
    uint64_t from = 0, to = 0;

    for (size_t i = 0; i < e->events.count; i++) {
        if (e->events.list[i].kind == EVENT_ENTRY && !from)
            from = e->events.list[i].time_ns;
        if (e->events.list[i].kind == EVENT_USERSPACE_EXIT)
            to = e->events.list[i].time_ns;
    }
    return to > from ? (double)(to - from) / 1e6 : 0;
}

static void spinning_guest_is_stopped(struct judge *judge)
{
    static struct lab03_input in;

    guest_begin(judge, &in, counter, GUEST_IMAGE_SIZE(counter), GUEST_REAL16);
    in.mailbox[0] &= 0xffff;
    in.strays = 2;
    in.kick_after_ms = 15 + (uint32_t)judge_random_below(judge, 6);
    const struct evidence *e = guest_run(judge, &in);
    status_expect(judge, e, 0, RUN_KICKED, "the guest counts for ever, then a kick came");
    CHECK(judge, kernel_interruptions(e) >= 2,
          "signals that are no kick do not end the run; the kick does",
          "two signals and a kick were sent; the kernel saw KVM_RUN interrupted %" PRIu64
          " times",
          kernel_interruptions(e));
    CHECK(judge, kernel_span_ms(e) >= in.kick_after_ms / 2.0,
          "the guest runs until its deadline",
          "the kick came %u ms after the start; by the kernel's clock the guest had "
          "only %.1f ms",
          in.kick_after_ms, kernel_span_ms(e));
    CHECK(judge, window_u64(e, 0, 0, 0) != in.mailbox[0],
          "the guest counted in its memory meanwhile",
          "the number at GPA 8000h is still %#x", window_u32(e, 0, 0, 0));
    counters_expect(judge, e);
}

#define TRIES 10000u

static void no_kick_is_lost(struct judge *judge)
{
    struct lab03_kicks_input in = {.tries = TRIES,
                                   .sleepers = 400,
                                   .sleep_us = 60,
                                   .image_size = (uint32_t)GUEST_IMAGE_SIZE(spin),
                                   .seed = judge_random(judge)};
    const struct run_spec spec = {
        .entry = LAB03_KICKS, .input = &in, .input_size = sizeof in, .deadline_ms = 20000};

    memcpy(in.image, spin, in.image_size);
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_kicks_output));
    const struct lab03_kicks_output *out = (const void *)e->answer;
    CHECK(judge, out->ready, "vcpu_kick_init() works and a guest can be loaded",
          "one of them failed");
    handler_expect(judge, out->no_handler);
    CHECK(judge, !out->lost, "no kick is lost, whenever it comes",
          "kick %u of %u was lost: 4 seconds later vcpu_run() had not come back",
          out->tries, TRIES);
    CHECK(judge, out->tries == TRIES && out->kicked == TRIES && out->others == 0,
          "each kick ends one run with RUN_KICKED",
          "%u kicks, %u runs ended with RUN_KICKED, %u otherwise", out->tries, out->kicked,
          out->others);
}

#define API(section) "Linux Documentation/virt/kvm/api.rst, " section

static const struct check checks[] = {
    {
        .id = "bus_refuses_ambiguous_devices",
        .title = "refuses devices that a lookup could not tell apart",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bus_refuses_ambiguous_devices,
        .why = "Two devices at one address: which one answers would be an accident.",
        .handout = "Steps, 1",
        .slide = "I/O Mapping",
        .manual = "common/include/device_bus.h, device_bus_add()",
        .hints =
            {"Draw the ranges. Which is the last address of each? Which one may a range "
             "end at?",
             "Compare last addresses, not ends: base + length of a range that reaches "
             "the end of the address space is 0.",
             "last = base + length - 1; it wraps exactly if last < base. Two ranges "
             "overlap if each one's base is <= the other's last."},
        .explanation =
            "An end that is excluded cannot be written down for the last range of "
            "the address space. That is why hardware, too, has base and limit.",
    },
    {
        .id = "bus_finds_whole_accesses_only",
        .title = "finds the device that holds all of an access",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bus_finds_whole_accesses_only,
        .why = "A device that answers for bytes beyond its range reads its neighbour's.",
        .handout = "Steps, 2",
        .slide = "I/O Mapping",
        .manual = "common/include/device_bus.h, device_bus_find()",
        .hints = {"Which byte of the access is the last one? Is it inside?",
                  "Work with distances: how far is the address from the base, how many "
                  "bytes of the device are left from there?",
                  "address >= base && size <= length && address - base <= length - size"},
        .explanation = "None of the three terms can wrap: subtracting what is known to be "
                       "smaller is safe where adding is not.",
    },
    {
        .id = "bus_answers_for_absent_devices",
        .title = "hands an access on, or answers for nobody",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = bus_answers_for_absent_devices,
        .why = "Guests probe for hardware: what is not there has to look like it.",
        .handout = "Steps, 3",
        .slide = "I/O Mapping",
        .manual = "common/include/device_bus.h, device_bus_access()",
        .hints = {"What does a guest read from a port behind which there is no device?",
                  "All bits are one: no chip pulls the lines of the bus low. Count it.",
                  "Copy *access, fill in offset = address - base, call access(); without a "
                  "device: unclaimed++, and memset(data, 0xff, size) if it is a read."},
        .explanation = "PCI enumeration rests on it: vendor id FFFFh means that no card is "
                       "in the slot.",
    },
    {
        .id = "port_access_reaches_its_device",
        .title = "IN and OUT reach their device, answers the guest",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = port_access_reaches_its_device,
        .why = "This is device emulation: the exit carries the question and the answer.",
        .handout = "Steps, 4",
        .slide = "I/O Mapping",
        .manual = API("5, KVM_EXIT_IO"),
        .hints =
            {"Where does kvm_run keep the bytes of an OUT? And where does KVM look for "
             "those of an IN?",
             "The data is not in run->io but io.data_offset bytes behind the start of "
             "kvm_run; direction says who writes them.",
             "data = (uint8_t *)run + run->io.data_offset; one device_bus_access() on "
             "vm->pio with address = port; then KVM_RUN again."},
        .explanation = "The device writes right into the page that kernel and VMM share: "
                       "the next KVM_RUN takes the answer from there into AL, AX or EAX.",
    },
    {
        .id = "string_access_goes_element_by_element",
        .title = "INS and OUTS: every element is an access",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = string_access_goes_element_by_element,
        .why =
            "Disk drivers move whole sectors with one instruction: one exit, many words.",
        .handout = "Steps, 4",
        .slide = "I/O Mapping",
        .manual = API("5, KVM_EXIT_IO") "; SDM 1, 19.4",
        .hints = {"io.count says how many; what stays the same from one to the next, and "
                  "what moves on?",
                  "The port stays, the data moves on by io.size bytes each time.",
                  "for (i = 0; i < run->io.count; i++) access data + i * run->io.size"},
        .explanation =
            "The port does not count up: an element after the other goes through "
            "the same door, as with a FIFO.",
    },
    {
        .id = "mmio_access_reaches_its_device",
        .title = "MMIO reaches its device, answers the guest",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = mmio_access_reaches_its_device,
        .why = "Today's devices have registers in memory, not ports.",
        .handout = "Steps, 4",
        .slide = "Passed-through device",
        .manual = API("5, KVM_EXIT_MMIO"),
        .hints =
            {"Which three fields of run->mmio describe the access? Which bus is it on?",
             "Exactly mmio.len bytes of mmio.data count; the others are not yours.",
             "One device_bus_access() on vm->mmio with address = phys_addr, size = len, "
             "data = run->mmio.data."},
        .explanation = "There is no MMIO instruction: a load or store hits an address "
                       "without memory slot, and KVM decodes the instruction for us.",
    },
    {
        .id = "every_end_is_told_apart",
        .title = "tells apart why a run ended",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = every_end_is_told_apart,
        .why = "A guest that halts, one that died and a broken VMM need different answers.",
        .handout = "Steps, 4",
        .slide = "Virtual Machine Control Structure",
        .manual = API("4.10, 5"),
        .hints =
            {"The table of run_status names an exit reason for each, and what detail is.",
             "fail_entry, internal: each reason has its own part of kvm_run. And what "
             "if the ioctl itself failed?",
             "A switch over exit_reason with a default; -errno (saved at once) if "
             "KVM_RUN fails with anything but EINTR. Every way out sets thread to 0."},
        .explanation =
            "The exit reason that the slide places in the VMCS is what KVM reads "
            "first; most reasons it deals with itself, the rest it translates "
            "into these numbers.",
    },
    {
        .id = "exits_are_counted_and_noted",
        .title = "counts exits by reason and notes them",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = exits_are_counted_and_noted,
        .why = "Exits are what virtualization costs: whoever tunes a VM counts them first.",
        .handout = "Steps, 6",
        .slide = "Hardware passthrough",
        .manual = "common/include/exit_loop.h, vmm.h, event_trace.h",
        .hints =
            {"exits[] needs an entry for every number that a reason can have. How many "
             "entries are there, and what if a reason is larger?",
             "Count every return of KVM_RUN that is an exit, those that end the run as "
             "well; the trace may be NULL.",
             "exits[reason < VCPU_EXIT_REASONS ? reason : VCPU_EXIT_REASONS - 1]++; "
             "if (vcpu->trace) event_trace_add(vcpu->trace, vcpu->run);"},
        .explanation = "`perf kvm stat` and QEMU's tracing do the same; here the kernel's "
                       "tracepoints will check your numbers.",
    },
    {
        .id = "interruption_without_a_kick_goes_on",
        .title = "goes on after a signal that is no kick",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = interruption_without_a_kick_goes_on,
        .why = "Timers, terminals and debuggers send signals too; the guest must not stop.",
        .handout = "Steps, 6",
        .slide = "VM States",
        .manual = API("4.10") "; man 7 signal",
        .hints =
            {"KVM_RUN failed with EINTR: what does exit_reason hold now?",
             "Nothing new: look neither at it nor at its data. Count, look for a kick, "
             "call KVM_RUN again.",
             "vcpu->interrupted++; if kick_requested was set: RUN_KICKED; else go on."},
        .explanation =
            "An interrupted KVM_RUN may leave the last exit's record behind: handling "
            "it again would do a device's access twice.",
    },
    {
        .id = "kick_before_a_run_ends_it",
        .title = "a kick before the run ends it, and only it",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = kick_before_a_run_ends_it,
        .why = "Whoever kicks does not know whether the vCPU is running at the moment.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, immediate_exit"),
        .hints =
            {"No signal helps here: there is no thread to send it to. Who remembers the "
             "kick?",
             "vcpu_kick() leaves two traces: a flag for us, one for the kernel. When "
             "are they taken back?",
             "Take both back where the kick is seen, after KVM_RUN returned EINTR; "
             "never at the start of a run."},
        .explanation =
            "\"Start clean\" is the classic mistake: a loop that clears the flag "
            "first throws away the kick that came a moment earlier.",
    },
    {
        .id = "kick_in_a_device_completes_the_access",
        .title = "a kicked run has finished its pending access",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = kick_in_a_device_completes_the_access,
        .why = "A VM saved in the middle of an IN would have lost the answer.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, KVM_EXIT_IO and KVM_EXIT_MMIO; immediate_exit"),
        .hints = {"After an IN exit, when does the guest's EAX change?",
                  "When KVM_RUN is called the next time. So it has to be called once more, "
                  "without running the guest.",
                  "Do not look at kick_requested between an exit and KVM_RUN: with "
                  "immediate_exit set, KVM_RUN completes the access and returns EINTR."},
        .explanation =
            "api.rst asks for it: before state is saved, user space has to enter "
            "the kernel once more so that the operation completes.",
    },
    {
        .id = "kick_is_seen_at_every_instruction",
        .title = "a kick is seen, at whatever instruction it comes",
        .tenths = 11,
        .target = TARGET_MODEL,
        .run = kick_is_seen_at_every_instruction,
        .why =
            "A race that shows once a month is found by trying every moment, not by luck.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, immediate_exit") "; man 2 tgkill",
        .hints =
            {"This check stops one side after each machine instruction and lets the "
             "other side do all of its part: vcpu_run() as well as vcpu_kick(). Go through "
             "your lines like that.",
             "In vcpu_kick(): what if KVM_RUN returns EINTR, or a thread enters it, "
             "between two of your lines? In vcpu_run(), after EINTR: you clear one thing "
             "and look at another. A kick between the two sets both; which order survives "
             "it?",
             "vcpu_kick(): kick_requested, immediate_exit, and only then read thread "
             "and send the signal. After EINTR: clear immediate_exit first, then "
             "exchange kick_requested with false."},
        .explanation =
            "Say what you want before you ring the bell; put the bell back before "
            "you read the note. Stepping sees the order of instructions only: that the "
            "store is done before the load takes a barrier, such as atomic_exchange().",
    },
    {
        .id = "kick_signal_restarts_other_calls",
        .title = "the kick's signal disturbs no other system call",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = kick_signal_restarts_other_calls,
        .why = "A VMM reads disks and sockets; they must not fail because of a kick.",
        .handout = "Steps, 5",
        .slide = "KVM",
        .manual = "man 2 sigaction, SA_RESTART; man 7 signal",
        .hints =
            {"What happens to a signal without a handler? And to one that is ignored?",
             "A handler that does nothing, and a flag of sigaction() that makes system "
             "calls go on after it.",
             "sigaction(VCPU_KICK_SIGNAL, {.sa_handler = empty, .sa_flags = SA_RESTART})"},
        .explanation = "KVM_RUN is not restarted by SA_RESTART: it returns EINTR to user "
                       "space in any case. That is why one signal can do both.",
    },
    {
        .id = "counters_agree_with_the_kernel",
        .title = "a guest's exits, as the kernel recorded them",
        .tenths = 10,
        .target = TARGET_MACHINE,
        .run = counters_agree_with_the_kernel,
        .why = "Here the whole way is real: instruction, VM exit, KVM, your loop, back.",
        .handout = "Run it",
        .slide = "Root and non-root modes",
        .manual = API("4.10, 5"),
        .hints = {"If the model checks of ports, strings, MMIO and counters pass, this one "
                  "does. Start with the first of them that fails.",
                  "`make trace LAB=3` shows the exits of this very run beside each other.",
                  "The guest is labs/03-exit-loop/guests/tour.long64.c: compare its lines "
                  "with what your devices were told."},
        .explanation =
            "The records kvm_pio, kvm_mmio and kvm_userspace_exit are written by "
            "the kernel; your counters had to agree with all of them.",
    },
    {
        .id = "kicked_instruction_is_complete",
        .title = "after a kick in an IN, EAX holds the answer",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = kicked_instruction_is_complete,
        .why = "This is the moment at which a live migration would save the registers.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, KVM_EXIT_IO; immediate_exit"),
        .hints = {"The model check about a kick in a device asks for the same.",
                  "rip must be behind the IN and eax its answer when vcpu_run() returns.",
                  "KVM_RUN has to be called after the device answered, with immediate_exit "
                  "set: it completes the IN and returns EINTR."},
        .explanation = "KVM keeps a pending access in the kernel; it is not part of any "
                       "state that KVM_GET_REGS would show.",
    },
    {
        .id = "triple_fault_is_a_shutdown",
        .title = "a triple fault is a shutdown",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = triple_fault_is_a_shutdown,
        .why = "It is how a guest kernel dies when nothing else works; VMMs must notice.",
        .handout = "Steps, 4",
        .slide = "Virtual Machine Control Structure",
        .manual = API("5, KVM_EXIT_SHUTDOWN") "; SDM 3A, 6.15 (#DF)",
        .hints = {"The model check of ends asks for the same.",
                  "exit_reason is KVM_EXIT_SHUTDOWN.",
                  "RUN_SHUTDOWN with detail 0; counted like every other exit."},
        .explanation =
            "A real machine would reset here: the processor signals shutdown and "
            "the chipset pulls the reset line.",
    },
    {
        .id = "spinning_guest_is_stopped",
        .title = "a guest that spins is stopped at its deadline",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = spinning_guest_is_stopped,
        .why = "A guest need never exit by itself; the VMM has to get its thread back.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("4.10") "; man 2 tgkill",
        .hints = {"immediate_exit is read when KVM_RUN is called. The guest runs already. "
                  "What gets it out?",
                  "A signal to the very thread that is inside KVM_RUN. Who knows which?",
                  "vcpu->thread = gettid() before the loop; tgkill(getpid(), thread, "
                  "VCPU_KICK_SIGNAL) in vcpu_kick()."},
        .explanation =
            "The signal makes the kernel interrupt the processor that runs the "
            "guest (an IPI if it is another one): an external-interrupt VM exit.",
    },
    {
        .id = "no_kick_is_lost",
        .title = "10,000 kicks from another thread, each ends one run",
        .tenths = 9,
        .target = TARGET_MACHINE,
        .run = no_kick_is_lost,
        .why = "One lost kick in 10,000 is a VM that hangs every few minutes.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, immediate_exit"),
        .hints =
            {"The model checks about kicks say more: look at them first.",
             "Between your last look at the flag and the guest there is a gap that only "
             "the kernel can close.",
             "immediate_exit closes it: the kernel reads it after it has taken over, "
             "and a signal from then on ends KVM_RUN as well."},
        .explanation =
            "That 10,000 went well proves little: the gap before KVM_RUN is a few "
            "instructions wide, and few kicks fall into it. The proof is the check "
            "that tries every instruction.",
    },
};

const struct lab_checks lab_checks = {
    .name = "03-exit-loop",
    .title = "The exit loop",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
