/* bus.c - the device bus: which devices it takes, which it finds, what an access does.
 *
 * The oracle reckons in 128 bits: a range may end at 2^64.
 */
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "device_bus.h"

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
    return part_run(judge, LAB03_BUS, in, sizeof *in, sizeof(struct lab03_bus_output));
}

static void bus_op_add(struct lab03_bus_input *in, struct lab03_op op)
{
    in->ops[in->op_count++] = op;
}

static const char *add_answer(int result)
{
    return result == 0 ? "0" : errno_name(result) ? errno_name(result) : "?";
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

/* DEVICE_BUS_MAX devices that touch, in an order that is not that of their addresses; one of them
 * is larger than 4 GiB. Returns the first address behind them. */
static uint64_t devices_draw(struct judge *judge, struct lab03_device *devices)
{
    uint64_t at = judge_random(judge) >> 8 | 0x10000;
    const uint64_t large = judge_random_below(judge, DEVICE_BUS_MAX);

    for (uint32_t i = 0; i < DEVICE_BUS_MAX; i++) {
        const uint64_t place = judge_random_below(judge, i + 1);

        devices[i] = devices[place];
        devices[place] = (struct lab03_device){
            .base = at,
            .length = 2 + judge_random_below(judge, 300) + (i == large ? 1ull << 32 : 0)};
        at += devices[place].length;
    }
    return at;
}

/* Each of them is in the way, not the newest alone: a bad one beside each, when all are there. */
static void bus_crowd(struct judge *judge, struct lab03_bus_input *in)
{
    devices_draw(judge, in->devices);
    for (uint32_t i = 0; i < DEVICE_BUS_MAX; i++)
        in->devices[DEVICE_BUS_MAX + i] =
            bad_device(&in->devices[i], 3 + (uint32_t)judge_random_below(judge, 5));
    adds_try(judge, in, 2 * DEVICE_BUS_MAX);
}

#define BAD_KINDS (DEVICE_BUS_MAX / 2)

/* Devices that touch, between them bad ones, at places that nobody knows beforehand; then more
 * than there is room for. */
static void bus_fill(struct judge *judge, struct lab03_bus_input *in)
{
    struct lab03_device devices[DEVICE_BUS_MAX];
    const uint64_t at = devices_draw(judge, devices);
    uint32_t bad[DEVICE_BUS_MAX], n = 0; /* a kind, or none */

    for (uint32_t i = 0; i < DEVICE_BUS_MAX; i++)
        bad[i] = i;
    random_order(judge, bad, DEVICE_BUS_MAX, sizeof *bad);
    for (uint32_t good = 0; good < DEVICE_BUS_MAX; good++) {
        in->devices[n++] = devices[good];
        if (bad[good] < BAD_KINDS)
            in->devices[n++] =
                bad_device(&devices[judge_random_below(judge, good + 1)], bad[good]);
    }
    in->devices[n++] = (struct lab03_device){.base = at};
    in->devices[n++] = (struct lab03_device){.base = at - 1, .length = 1};
    in->devices[n++] = (struct lab03_device){.base = at, .length = 1};
    adds_try(judge, in, n);
}

void bus_refuses_ambiguous_devices(struct judge *judge)
{
    struct lab03_bus_input in = {0};
    uint64_t tail = 1 + judge_random_below(judge, 1000);

    bus_fill(judge, &in);
    bus_crowd(judge, &in);

    /* The end of the address space belongs to it. */
    in.devices[0] = (struct lab03_device){.base = 0 - tail, .length = tail};
    in.devices[1] = (struct lab03_device){.base = 0 - tail, .length = tail + 1};
    in.devices[2] = (struct lab03_device){.base = UINT64_MAX, .length = 1};
    in.devices[3] = (struct lab03_device){.base = 0, .length = 0 - tail};
    in.devices[4] = (struct lab03_device){.base = 0, .length = 1};
    adds_try(judge, &in, 5);
}

#define LARGE_DEVICE 6

/* As many devices as there is room for, most of them touching, the last one up to the end of the
 * address space, one larger than 4 GiB; added in some order, no list need be sorted. */
static void bus_layout(struct judge *judge, struct lab03_bus_input *in)
{
    uint32_t order[DEVICE_BUS_MAX];
    uint64_t at = 0;

    for (uint32_t i = 0; i < DEVICE_BUS_MAX; i++) {
        const bool last = i == DEVICE_BUS_MAX - 1;
        const uint64_t place = judge_random_below(judge, i + 1);
        /* 3 and the last one are long enough to be hit by some access, whatever the seed. */
        uint64_t length =
            (i == 3 || last ? 8 : 1) + judge_random_below(judge, i % 2 ? 12 : 4096);

        length += i == LARGE_DEVICE ? 1ull << 33 : 0;
        at = last ? 0 - length : at;
        in->devices[i] = (struct lab03_device){.base = at, .length = length};
        at += length + (i < 2 || i % 5 == 4 ? judge_random_below(judge, 12) : 0);
        order[i] = order[place];
        order[place] = i;
    }
    for (uint32_t i = 0; i < DEVICE_BUS_MAX; i++)
        bus_op_add(in, (struct lab03_op){.kind = LAB03_OP_ADD, .device = order[i]});
}

/* An access near an edge of a device, from either side; or anywhere in the large one. */
static struct lab03_op edge_op(struct judge *judge, const struct lab03_bus_input *in)
{
    const struct lab03_device *device =
        &in->devices[judge_random_below(judge, DEVICE_BUS_MAX)];
    uint64_t edge = device->base + (random_bool(judge) ? device->length : 0);

    if (device == &in->devices[LARGE_DEVICE])
        edge = device->base + judge_random_below(judge, device->length);
    return (struct lab03_op){.address = edge + judge_random_below(judge, 19) - 9,
                             .size = 1 + (uint32_t)judge_random_below(judge, 8)};
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

void bus_finds_whole_accesses_only(struct judge *judge)
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
    for (uint32_t i = 0; i < DEVICE_BUS_MAX; i++) {
        const struct lab03_device *added = &in.devices[in.ops[i].device];

        bus_model_add(&model, i);
        CHECK(judge, out->results[i].result == 0, "devices that do not overlap are added",
              "base %#" PRIx64 ", length %#" PRIx64 ": device_bus_add() returned %d",
              added->base, added->length, out->results[i].result);
    }
    for (uint32_t i = DEVICE_BUS_MAX; i < in.op_count; i++) {
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

void bus_answers_for_absent_devices(struct judge *judge)
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
    for (uint32_t i = 0; i < DEVICE_BUS_MAX; i++)
        bus_model_add(&model, i);
    for (uint32_t i = DEVICE_BUS_MAX; i < in.op_count; i++) {
        int device = bus_model_find(&model, in.ops[i].address, in.ops[i].size);

        calls += device >= 0;
        unclaimed += device < 0;
        bus_access_expect(judge, &in, out, i, device, calls, unclaimed);
    }
}
