/* script.c - a script of calls on the bitmaps; the oracle replays it on one flag per port
 * and compares.
 */
#include "checks.h"

#include "vmx.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct script *script_new(struct judge *judge, const char *asked)
{
    struct script *s = memory_get(judge, sizeof *s);

    s->judge = judge;
    s->asked = asked;
    s->in.fill = 1 + (uint32_t)judge_random_below(judge, 254); /* neither 00h nor ffh */
    return s;
}

void op_put(struct script *s, struct lab06_op op)
{
    s->in.ops[script_place(s->judge, &s->in.op_count, LAB06_OPS)] = op;
}

void save_put(struct script *s, uint32_t bitmap)
{
    OP(s, .kind = LAB06_SAVE, .bitmap = bitmap, .at = s->snapshots++);
}

void device_put(struct script *s, uint32_t kind, uint32_t first, uint32_t count)
{
    s->in.devices[s->devices++] = (struct lab06_device){kind, first, count};
}

/* The devices from `at` on are given to the guest. */
void assign_put(struct script *s, uint32_t at, bool conflict_wanted)
{
    OP(s, .kind = LAB06_ASSIGN, .at = at, .count = s->devices - at,
       .first = conflict_wanted ? s->conflicts++ : LAB06_NO_CONFLICT);
}

/* A range that begins and ends anywhere, often short, often at a place that matters. */
void range_make(struct judge *judge, uint32_t *first, uint32_t *count)
{
    static const uint32_t places[] = {0, BORDER_PORT - 3, BORDER_PORT, IO_PORTS - 5, 0x3f8};
    const uint64_t kind = judge_random_below(judge, 4);

    *first = kind == 0 ? places[judge_random_below(judge, COUNT(places))]
                       : (uint32_t)judge_random_below(judge, IO_PORTS);
    *count = 1 + (uint32_t)judge_random_below(judge, kind == 1 ? IO_PORTS : 20);
    if (*count > IO_PORTS - *first)
        *count = IO_PORTS - *first;
}

/* --- what has to be ----------------------------------------------------------------- */

static int range_due(uint32_t first, uint32_t count)
{
    if (count == 0)
        return -EINVAL;
    return (uint64_t)first + count > IO_PORTS ? -ERANGE : 0;
}

bool access_due(const struct space *space, uint32_t primary, uint32_t port, uint32_t size)
{
    const bool asks = primary >> 25 & 1, always = primary >> 24 & 1;

    for (uint32_t p = port; asks && p < port + size; p++)
        if (p > 0xffff || space->exits[p])
            return true;
    return !asks && always;
}

static void merge_due(const struct script *s, const struct lab06_op *op,
                      struct space *spaces)
{
    static struct space sum;

    memset(&sum, op->count == 0, sizeof sum);
    for (uint32_t i = 0; i < op->count; i++) {
        const struct lab06_party *party = &s->in.parties[op->at + i];

        for (uint32_t port = 0; port < IO_PORTS; port++)
            sum.exits[port] |=
                access_due(&spaces[party->bitmap % LAB06_BITMAPS], party->primary, port, 1);
    }
    spaces[op->bitmap] = sum;
}

bool device_has(const struct lab06_device *device, uint32_t port)
{
    return port >= device->first && port - device->first < device->count;
}

/* What is wrong with device i, given those before it. */
static int device_due(const struct lab06_device *devices, uint32_t i,
                      struct lab06_conflict *wrong)
{
    const struct lab06_device *device = &devices[i];
    const int bad = range_due(device->first, device->count);

    *wrong = (struct lab06_conflict){.device = i, .with = i, .port = device->first};
    if (bad)
        return bad;
    for (uint32_t j = 0; j < i; j++)
        for (uint32_t port = device->first; device_has(device, port); port++)
            if (device_has(&devices[j], port) &&
                (device->kind == IO_DEVICE_PASSED || devices[j].kind == IO_DEVICE_PASSED)) {
                wrong->with = j;
                wrong->port = port;
                return -EBUSY;
            }
    return 0;
}

static int assign_due(const struct script *s, const struct lab06_op *op,
                      struct space *spaces, struct lab06_conflict *wrong)
{
    const struct lab06_device *devices = &s->in.devices[op->at];

    for (uint32_t i = 0; i < op->count; i++) {
        int r = device_due(devices, i, wrong);

        if (r)
            return r;
    }
    memset(&spaces[op->bitmap], 1, sizeof *spaces);
    for (uint32_t i = 0; i < op->count; i++)
        if (devices[i].kind == IO_DEVICE_PASSED)
            memset(&spaces[op->bitmap].exits[devices[i].first], 0, devices[i].count);
    return 0;
}

/* --- in words ----------------------------------------------------------------------- */

static void op_describe(const struct lab06_op *op, char *buffer, size_t size)
{
    switch (op->kind) {
    case LAB06_PASS:
    case LAB06_INTERCEPT:
        snprintf(buffer, size, "io_bitmap_%s(first %#x, count %#x)",
                 op->kind == LAB06_PASS ? "pass" : "intercept", op->first, op->count);
        break;
    case LAB06_ACCESS:
        snprintf(buffer, size, "io_access_exits(controls %#x, port %#x, %u byte%s)",
                 op->primary, op->first, op->count, op->count == 1 ? "" : "s");
        break;
    case LAB06_MERGE:
        snprintf(buffer, size, "io_bitmap_merge() of %u parties", op->count);
        break;
    case LAB06_ASSIGN:
        snprintf(buffer, size, "io_bitmap_assign() of %u devices", op->count);
        break;
    default:
        snprintf(buffer, size, "io_bitmap_init()");
        break;
    }
}

/* --- comparing ---------------------------------------------------------------------- */

bool page_bit(const uint8_t *pages, uint32_t port)
{
    return pages[port / 8] >> (port % 8) & 1;
}

/* What a party of a merge has at a port: its controls, and its bitmap's number. */
static void parties_describe(const struct script *s, const struct lab06_op *op,
                             const struct space *spaces, uint32_t port, char *buffer,
                             size_t size)
{
    size_t length = strlen(buffer);

    for (uint32_t i = 0; i < op->count && length < size; i++) {
        const struct lab06_party *party = &s->in.parties[op->at + i];
        const bool uses = party->primary & PRIMARY_USE_IO_BITMAPS;
        const char *what = uses && party->bitmap == op->bitmap
                               ? "is the merged bitmap itself, as it was before"
                           : uses ? spaces[party->bitmap].exits[port]
                                        ? "has the bit 1 there"
                                        : "has the bit 0 there"
                           : party->primary & PRIMARY_UNCONDITIONAL_IO_EXITING
                               ? "uses no bitmap, and every port exits"
                               : "uses no bitmap, and no port exits";

        length += (size_t)snprintf(buffer + length, size - length, "%s party %u %s",
                                   i ? ";" : ":", i, what);
    }
}

/* The operation before this one that changed, or should have, the bitmap. */
static void before_describe(const struct script *s, uint32_t i, const struct space *spaces,
                            uint32_t port, char *buffer, size_t size)
{
    const uint32_t bitmap = s->in.ops[i].bitmap;

    while (i > 0 &&
           (s->in.ops[i].bitmap != bitmap || s->in.ops[i].kind == LAB06_SAVE ||
            s->in.ops[i].kind == LAB06_DECIDE || s->in.ops[i].kind == LAB06_ACCESS))
        i--;
    op_describe(&s->in.ops[i], buffer, size);
    if (s->in.ops[i].kind == LAB06_MERGE && s->in.ops[i].count <= 8)
        parties_describe(s, &s->in.ops[i], spaces, port, buffer, size);
}

static void pages_expect(const struct script *s, uint32_t i, const uint8_t *pages,
                         const struct space *spaces)
{
    const struct space *due = &spaces[s->in.ops[i].bitmap % LAB06_BITMAPS];
    char last[900];

    for (uint32_t port = 0; port < IO_PORTS; port++) {
        if (page_bit(pages, port) == due->exits[port])
            continue;
        before_describe(s, i, spaces, port, last, sizeof last);
        check_fail(
            s->judge, s->asked,
            "the bit of port %#x (bitmap %c, byte %#x, bit %u) is %d, but %s: %s; the "
            "last operation before that was %s",
            port, port < BORDER_PORT ? 'A' : 'B', port % BORDER_PORT / 8, port % 8,
            page_bit(pages, port), due->exits[port] ? "has to be 1" : "has to be 0",
            due->exits[port] ? "the port is to exit" : "the guest may drive it", last);
    }
}

static void decisions_expect(const struct script *s, const struct lab06_op *op,
                             const struct space *due)
{
    for (uint32_t power = 0; power < 3; power++)
        for (uint32_t port = 0; port < IO_PORTS; port++) {
            const bool got = page_bit(s->out->decisions[op->at][power], port);

            if (got == access_due(due, op->primary, port, 1u << power))
                continue;
            check_fail(s->judge, s->asked,
                       "an access of %u byte%s at port %#x: your answer is \"%s\", but %s",
                       1u << power, power ? "s" : "", port, got ? "exits" : "does not exit",
                       got ? "no bit of a port that it touches is 1"
                       : port + (1u << power) > IO_PORTS
                           ? "it wraps around to port 0"
                           : "a port that it touches has the bit 1");
        }
}

static void conflict_expect(const struct script *s, const struct lab06_op *op, int r,
                            const struct lab06_conflict *due)
{
    const struct lab06_conflict *got = &s->out->conflicts[op->first];
    uint64_t untouched = 0x0101010101010101ull * s->in.fill;

    if (r == 0) {
        CHECK(s->judge,
              got->device == untouched && got->with == untouched &&
                  got->port == (uint32_t)untouched,
              "*conflict is not touched on success",
              "device %" PRIu64 ", with %" PRIu64 ", port %#x", got->device, got->with,
              got->port);
        return;
    }
    CHECK(s->judge,
          got->device == due->device && got->with == due->with && got->port == due->port,
          "the conflict says which device, with which, at which port",
          "conflict is device %" PRIu64 ", with %" PRIu64 ", port %#x; due: device %" PRIu64
          ", with %" PRIu64 ", port %#x",
          got->device, got->with, got->port, due->device, due->with, due->port);
}

void result_expect(const struct script *s, uint32_t i, int64_t due)
{
    char what[120], got_text[30], due_text[30];

    if (s->out->results[i] == due)
        return;
    op_describe(&s->in.ops[i], what, sizeof what);
    errno_text(s->out->results[i], got_text, sizeof got_text);
    errno_text(due, due_text, sizeof due_text);
    check_fail(s->judge, s->asked, "%s returned %s; due: %s", what, got_text, due_text);
}

static void range_replay(const struct script *s, uint32_t i, struct space *space)
{
    const struct lab06_op *op = &s->in.ops[i];
    const int r = range_due(op->first, op->count);

    result_expect(s, i, r);
    if (r == 0)
        memset(&space->exits[op->first], op->kind == LAB06_INTERCEPT, op->count);
}

static void assign_replay(const struct script *s, uint32_t i, struct space *spaces)
{
    const struct lab06_op *op = &s->in.ops[i];
    struct lab06_conflict wrong = {0};
    const int r = assign_due(s, op, spaces, &wrong);

    result_expect(s, i, r);
    if (op->first != LAB06_NO_CONFLICT)
        conflict_expect(s, op, r, &wrong);
}

static void op_replay(const struct script *s, uint32_t i, struct space *spaces)
{
    const struct lab06_op *op = &s->in.ops[i];
    struct space *space = &spaces[op->bitmap % LAB06_BITMAPS];

    switch (op->kind) {
    case LAB06_INIT:
        memset(space, 1, sizeof *space);
        break;
    case LAB06_PASS:
    case LAB06_INTERCEPT:
        range_replay(s, i, space);
        break;
    case LAB06_ACCESS:
        result_expect(s, i, access_due(space, op->primary, op->first, op->count));
        break;
    case LAB06_MERGE:
        merge_due(s, op, spaces);
        break;
    case LAB06_ASSIGN:
        assign_replay(s, i, spaces);
        break;
    case LAB06_SAVE:
        pages_expect(s, i, s->out->snapshots[op->at], spaces);
        break;
    default:
        decisions_expect(s, op, space);
        break;
    }
}

static void borders_expect(const struct script *s)
{
    for (uint32_t i = 0; i < LAB06_BITMAPS; i++)
        for (uint32_t at = 0; at < LAB06_BORDER; at++)
            CHECK(s->judge,
                  s->out->bitmaps[i].before[at] == s->in.fill &&
                      s->out->bitmaps[i].after[at] == s->in.fill,
                  "nothing outside the bitmap is written",
                  "a byte before or behind it (distance %u or %u) has changed",
                  LAB06_BORDER - at, at);
}

void script_run(struct script *s)
{
    if (s->snapshots > LAB06_SNAPSHOTS || s->decisions > LAB06_DECISIONS ||
        s->devices > LAB06_DEVICES || s->parties > LAB06_PARTIES)
        judge_error(s->judge, "the check's script wants too much");
    s->out = part_run(s->judge, LAB06_SCRIPT, &s->in, sizeof s->in, sizeof *s->out);
}

/* What was in the bitmaps before is known to both sides. */
void script_judge(struct script *s)
{
    struct space *spaces = memory_get(s->judge, LAB06_BITMAPS * sizeof *spaces);

    for (uint32_t i = 0; i < LAB06_BITMAPS; i++)
        for (uint32_t port = 0; port < IO_PORTS; port++)
            spaces[i].exits[port] = s->in.fill >> (port % 8) & 1;
    script_run(s);
    for (uint32_t i = 0; i < s->in.op_count; i++)
        op_replay(s, i, spaces);
    borders_expect(s);
}
