/* accesses.c - the loop's accesses: every exit is followed element by element, from what
 * devices were told to what KVM found in kvm_run when it was called again.
 */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "exit_loop.h"

/* kvm_run as the VMM left it when it called KVM_RUN for the n-th time (from 0), or NULL. */
static const struct call_run_state *state_at(const struct evidence *e, uint32_t n)
{
    const struct call *call = evidence_call(e, CALL_IOCTL, (uint32_t)KVM_RUN, n);

    return call && call->record->payload == sizeof(struct call_run_state) ? call->payload
                                                                          : NULL;
}

const struct kvm_run *head_of(const struct call_run_state *state)
{
    return (const struct kvm_run *)(const void *)state->head;
}

/* One element: who should have got it; data is what was to be written, or becomes what was
 * to be read. */
static void element_follow(struct follow *f, uint32_t device, uint64_t address,
                           uint32_t size, bool write, uint8_t *data)
{
    const struct lab03_output *out = output_of(f->evidence);
    const struct lab03_device *claimed = &f->scenario->in.devices[device];
    const struct lab03_access *seen = &out->accesses[f->calls % LAB03_ACCESSES];
    const bool listed = out->access_count - f->calls <= LAB03_ACCESSES;

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
          !listed ||
              (seen->device == device && seen->address == address && seen->size == size &&
               seen->is_write == write && seen->offset == address - claimed->base),
          "the device is told what the exit says: address, size, direction",
          "%s: access %u of the run was a %s of %u at %#" PRIx64 ", offset %#" PRIx64
          "; it was to be a %s of %u at %#" PRIx64,
          f->what, f->calls, seen->is_write ? "write" : "read", seen->size, seen->address,
          seen->offset, write ? "write" : "read", size, address);
    if (write)
        CHECK(f->judge, !listed || memcmp(seen->data, data, size) == 0,
              "a device gets the bytes that the guest wrote, in order",
              "%s: access %u brought %#" PRIx64 ", the guest wrote %#" PRIx64, f->what,
              f->calls, number_of(seen->data, size), number_of(data, size));
    else
        memcpy(data, &f->scenario->in.answers[f->calls % LAB03_ACCESSES], size);
    struct lab03_access due = {.device = device,
                               .size = size,
                               .address = address,
                               .offset = address - claimed->base,
                               .is_write = write};
    memcpy(due.data, data, size);
    f->digest = lab03_digest(f->digest, &due);
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
    uint8_t *data = f->area + (run->io.data_offset - PIO_DATA_AT);

    snprintf(f->what, sizeof f->what, "exit %u, %s of %u x %u bytes, port %#x", n + 1,
             out ? "OUT" : "IN", run->io.count, run->io.size, run->io.port);
    for (uint32_t i = 0; i < run->io.count; i++)
        element_follow(f, PORT_DEVICE, run->io.port, run->io.size, out,
                       data + i * run->io.size);
    CHECK(f->judge, after, "after a port access the guest runs on",
          "%s: KVM_RUN was not called again", f->what);
    for (uint32_t i = 0; !out && i < run->io.count; i++) {
        uint32_t at = i * run->io.size, place = (uint32_t)(data - f->area) + at;

        if (place + run->io.size > PLAN_RUN_DATA)
            break;
        CHECK(f->judge, memcmp(after->data + place, data + at, run->io.size) == 0,
              "what a device answers lies in kvm_run when KVM_RUN is called next",
              "%s: element %u is %#" PRIx64 " there, the answer was %#" PRIx64, f->what, i,
              answer_word(after->data, place, run->io.size),
              answer_word(data, at, run->io.size));
    }
    CHECK(f->judge, memcmp(after->data, f->area, PLAN_RUN_DATA) == 0,
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
void exits_follow(struct follow *f, uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++) {
        const struct plan_exit *exit = &f->scenario->exits[n];

        memcpy(f->area, exit->state.data, PLAN_RUN_DATA);
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
    CHECK(judge, out->digest == f.digest,
          "every element is told as it is, in order, however many an exit has",
          "of %u accesses the last %u are right; one before them was not", f.calls,
          LAB03_ACCESSES);
    CHECK(judge, memcmp(out->unclaimed, f.unclaimed, sizeof f.unclaimed) == 0,
          "an access that nobody claims is counted on its own bus",
          "unclaimed: pio %" PRIu64 ", mmio %" PRIu64 "; should be %" PRIu64
          " and %" PRIu64,
          out->unclaimed[0], out->unclaimed[1], f.unclaimed[0], f.unclaimed[1]);
    status_expect(judge, f.evidence, 0, RUN_HALTED, "HLT after all accesses");
}

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

void port_access_reaches_its_device(struct judge *judge)
{
    scenario_begin(judge, &scene);
    exits_add_absent(judge, &scene, false, 1);
    for (uint32_t i = 0; i < 46; i++)
        exit_add_random_io(judge, &scene, 1);
    accesses_judge(judge, &scene);
}

/* As many elements as a page holds. What an IN has left behind the bytes that can be seen here,
 * the OUT behind it brings to a device. */
static void page_long_strings_try(struct judge *judge)
{
    scenario_begin(judge, &scene);
    const uint16_t port = (uint16_t)scene.in.devices[PORT_DEVICE].base;

    for (uint32_t size = 1; size <= 4; size *= 2) {
        exit_add_io(judge, &scene, false, port, (uint8_t)size, 4096 / size);
        exit_add_io(judge, &scene, true, port, (uint8_t)size, 4096 / size);
    }
    exit_add_io(judge, &scene, false, (uint16_t)(port - 8), 1, 4096);
    exit_add_io(judge, &scene, true, port, 1,
                300 + (uint32_t)judge_random_below(judge, 3700));
    accesses_judge(judge, &scene);
}

void string_access_goes_element_by_element(struct judge *judge)
{
    scenario_begin(judge, &scene);
    exits_add_absent(judge, &scene, false, 3);
    for (uint32_t i = 0; i < 12; i++)
        exit_add_random_io(judge, &scene, 2 + (uint32_t)judge_random_below(judge, 15));
    accesses_judge(judge, &scene);
    page_long_strings_try(judge);
}

void mmio_access_reaches_its_device(struct judge *judge)
{
    scenario_begin(judge, &scene);
    exits_add_absent(judge, &scene, true, 1);
    for (uint32_t i = 0; i < 46; i++)
        exit_add_random_mmio(judge, &scene);
    accesses_judge(judge, &scene);
}
