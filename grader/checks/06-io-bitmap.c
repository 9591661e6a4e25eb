/* 06-io-bitmap.c - the checks of lab 06.
 *
 * Target model: scripts of operations on a few bitmaps. After the answer has come, the
 * script is replayed on a port space that has one byte for each port (`struct space`), port
 * by port, and compared: results, all 65,536 bits, all decisions. Target silicon: the
 * student's bitmaps are given to the emulated Intel CPU, which executes I/O instructions that
 * we chose; its exits, its qualifications and what it left in the registers are compared
 * with the student's answers.
 */
#define _GNU_SOURCE
#include "../subjects/06-io-bitmap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../silicon/silicon.h"
#include "guest_image.h"
#include "io_bitmap.h"
#include "io_exit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BORDER_PORT  0x8000u /* the first of bitmap B */

GUEST_IMAGE(drive_guest, "drive.bin");

/* --- a script, and the port space that it is replayed on -------------------------------------- */

struct script {
    struct judge *judge;
    struct lab06_script in;
    const char *asked; /* of the check */
    uint32_t parties, devices, snapshots, decisions, conflicts;
    const struct lab06_answer *out;
};

/* One byte for each port: 1 exits. */
struct space {
    uint8_t exits[IO_PORTS];
};

static struct script *script_new(struct judge *judge, const char *asked)
{
    struct script *s = calloc(1, sizeof *s);

    if (!s)
        judge_error(judge, "out of memory");
    s->judge = judge;
    s->asked = asked;
    s->in.fill = 1 + (uint32_t)judge_random_below(judge, 254); /* neither 00h nor ffh */
    return s;
}

static void op_put(struct script *s, struct lab06_op op)
{
    if (s->in.op_count == LAB06_OPS)
        judge_error(s->judge, "the check's script is too long");
    s->in.ops[s->in.op_count++] = op;
}

#define OP(s, ...) op_put(s, (struct lab06_op){__VA_ARGS__})

static void save_put(struct script *s, uint32_t bitmap)
{
    OP(s, .kind = LAB06_SAVE, .bitmap = bitmap, .at = s->snapshots++);
}

static void device_put(struct script *s, uint32_t kind, uint32_t first, uint32_t count)
{
    s->in.devices[s->devices++] = (struct lab06_device){kind, first, count};
}

/* The devices from `at` on are given to the guest. */
static void assign_put(struct script *s, uint32_t at, bool conflict_wanted)
{
    OP(s, .kind = LAB06_ASSIGN, .at = at, .count = s->devices - at,
       .first = conflict_wanted ? s->conflicts++ : LAB06_NO_CONFLICT);
}

/* A range that begins and ends anywhere, often short, often at a place that matters. */
static void range_make(struct judge *judge, uint32_t *first, uint32_t *count)
{
    static const uint32_t places[] = {0, BORDER_PORT - 3, BORDER_PORT, IO_PORTS - 5, 0x3f8};
    const uint64_t kind = judge_random_below(judge, 4);

    *first = kind == 0 ? places[judge_random_below(judge, COUNT(places))]
                       : (uint32_t)judge_random_below(judge, IO_PORTS);
    *count = 1 + (uint32_t)judge_random_below(judge, kind == 1 ? IO_PORTS : 20);
    if (*count > IO_PORTS - *first)
        *count = IO_PORTS - *first;
}

/* --- what has to be ------------------------------------------------------------------------------ */

static int range_due(uint32_t first, uint32_t count)
{
    if (count == 0)
        return -EINVAL;
    return (uint64_t)first + count > IO_PORTS ? -ERANGE : 0;
}

static bool access_due(const struct space *space, uint32_t primary, uint32_t port,
                       uint32_t size)
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

static bool device_has(const struct lab06_device *device, uint32_t port)
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

/* --- in words --------------------------------------------------------------------------------------- */

static void result_describe(int64_t value, char *buffer, size_t size)
{
    const char *name = value < 0 && value > -200 ? strerrorname_np((int)-value) : NULL;

    if (name)
        snprintf(buffer, size, "-%s", name);
    else
        snprintf(buffer, size, "%" PRId64, value);
}

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

/* --- comparing ---------------------------------------------------------------------------------------- */

static bool page_bit(const uint8_t *pages, uint32_t port)
{
    return pages[port / 8] >> (port % 8) & 1;
}

/* The operation before this one that changed, or should have, the bitmap. */
static void before_describe(const struct script *s, uint32_t i, char *buffer, size_t size)
{
    const uint32_t bitmap = s->in.ops[i].bitmap;

    while (i > 0 &&
           (s->in.ops[i].bitmap != bitmap || s->in.ops[i].kind == LAB06_SAVE ||
            s->in.ops[i].kind == LAB06_DECIDE || s->in.ops[i].kind == LAB06_ACCESS))
        i--;
    op_describe(&s->in.ops[i], buffer, size);
}

static void pages_expect(const struct script *s, uint32_t i, const uint8_t *pages,
                         const struct space *due)
{
    char last[120];

    for (uint32_t port = 0; port < IO_PORTS; port++) {
        if (page_bit(pages, port) == due->exits[port])
            continue;
        before_describe(s, i, last, sizeof last);
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

static void result_expect(const struct script *s, uint32_t i, int64_t due)
{
    char what[120], got_text[30], due_text[30];

    if (s->out->results[i] == due)
        return;
    op_describe(&s->in.ops[i], what, sizeof what);
    result_describe(s->out->results[i], got_text, sizeof got_text);
    result_describe(due, due_text, sizeof due_text);
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
        pages_expect(s, i, s->out->snapshots[op->at], space);
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

static void script_run(struct script *s)
{
    const struct run_spec spec = {
        .entry = LAB06_SCRIPT, .input = &s->in, .input_size = sizeof s->in};

    if (s->snapshots > LAB06_SNAPSHOTS || s->decisions > LAB06_DECISIONS ||
        s->devices > LAB06_DEVICES || s->parties > LAB06_PARTIES)
        judge_error(s->judge, "the check's script wants too much");
    s->out = (const void *)judge_run(s->judge, &spec, sizeof *s->out)->answer;
}

/* What was in the bitmaps before is known to both sides. */
static void script_judge(struct script *s)
{
    struct space *spaces = calloc(LAB06_BITMAPS, sizeof *spaces);

    if (!spaces)
        judge_error(s->judge, "out of memory");
    for (uint32_t i = 0; i < LAB06_BITMAPS; i++)
        for (uint32_t port = 0; port < IO_PORTS; port++)
            spaces[i].exits[port] = s->in.fill >> (port % 8) & 1;
    script_run(s);
    for (uint32_t i = 0; i < s->in.op_count; i++)
        op_replay(s, i, spaces);
    borders_expect(s);
    free(spaces);
}

/* --- the checks: bitmaps -------------------------------------------------------------------------------- */

static void random_ranges_put(struct script *s, uint32_t bitmap, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t first, length;

        range_make(s->judge, &first, &length);
        OP(s, .kind = judge_random(s->judge) & 1 ? LAB06_PASS : LAB06_INTERCEPT,
           .bitmap = bitmap, .first = first, .count = length);
    }
}

static void ranges_change_exactly_their_ports(struct judge *judge)
{
    struct script *s = script_new(
        judge, "a range changes the bits of its ports, in both bitmaps, and no others");

    OP(s, .kind = LAB06_INIT, .bitmap = 1);
    save_put(s, 1);
    save_put(s, 2);
    for (unsigned i = 0; i < 16; i++) {
        random_ranges_put(s, 1, 1 + (unsigned)judge_random_below(judge, 12));
        save_put(s, 1);
    }
    OP(s, .kind = LAB06_PASS, .bitmap = 1, .count = IO_PORTS);
    save_put(s, 1);
    OP(s, .kind = LAB06_INTERCEPT, .bitmap = 1, .first = BORDER_PORT - 1, .count = 2);
    save_put(s, 1);
    OP(s, .kind = LAB06_INIT, .bitmap = 1);
    save_put(s, 1);
    script_judge(s);
}

static void bad_ranges_change_nothing(struct judge *judge)
{
    struct script *s =
        script_new(judge, "a range that is none is refused, and changes no bit");
    const uint32_t inside = BORDER_PORT + 2 + (uint32_t)judge_random_below(judge, 0x7ff0);
    const uint32_t ranges[][2] = {
        {inside, 0},
        {IO_PORTS, 0}, /* both apply: -EINVAL is the first */
        {UINT32_MAX, 0},
        {inside, IO_PORTS - inside + 1},
        {inside, IO_PORTS},
        {0, IO_PORTS + 1},
        {IO_PORTS, 1},
        {IO_PORTS - 1, 2},
        {UINT32_MAX, 1},
        {UINT32_MAX, 2}, /* the sum is 1, in 32 bits */
        {inside, UINT32_MAX - inside + 2},
        {inside, UINT32_MAX},
        {0x10000 + inside, 1}, /* in 16 bits it would be a port */
        {inside, 0x10001},
        {IO_PORTS - 1, 1}, /* these are good */
        {inside, IO_PORTS - inside},
        {0, IO_PORTS},
    };

    for (uint32_t i = 0; i < 2 * COUNT(ranges); i++) {
        const uint32_t kind = i % 2 ? LAB06_INTERCEPT : LAB06_PASS;

        if (i % 2 == 0) { /* both values are there to be changed */
            OP(s, .kind = LAB06_INIT);
            OP(s, .kind = LAB06_PASS, .first = inside, .count = IO_PORTS - inside);
            OP(s, .kind = LAB06_PASS, .count = 1);
        }
        OP(s, .kind = kind, .first = ranges[i / 2][0], .count = ranges[i / 2][1]);
        save_put(s, 0);
    }
    script_judge(s);
}

/* Single ports and short ranges, so that every kind of neighbourhood occurs. */
static void sparse_put(struct script *s, uint32_t bitmap)
{
    OP(s, .kind = LAB06_INIT, .bitmap = bitmap);
    OP(s, .kind = LAB06_PASS, .bitmap = bitmap, .count = IO_PORTS);
    for (unsigned i = 0; i < 150; i++)
        OP(s, .kind = LAB06_INTERCEPT, .bitmap = bitmap,
           .first = (uint32_t)judge_random_below(s->judge, IO_PORTS), .count = 1);
}

static void every_port_and_size_is_decided(struct judge *judge)
{
    struct script *s = script_new(
        judge, "an access exits exactly if one of the ports that it touches does");

    for (uint32_t i = 0; i < 4; i++) {
        sparse_put(s, i);
        OP(s, .kind = i % 2 ? LAB06_INTERCEPT : LAB06_PASS, .bitmap = i,
           .first = BORDER_PORT - 1 - i / 2, .count = 1 + i / 2);
        OP(s, .kind = i % 2 ? LAB06_PASS : LAB06_INTERCEPT, .bitmap = i,
           .first = BORDER_PORT + i / 2, .count = 2);
        OP(s, .kind = LAB06_DECIDE, .bitmap = i, .primary = PRIMARY_USE_IO_BITMAPS,
           .at = s->decisions++);
    }
    script_judge(s);
}

static void accesses_that_wrap_always_exit(struct judge *judge)
{
    static const uint32_t wrapping[][2] = {
        {0xffff, 2}, {0xfffd, 4}, {0xfffe, 4}, {0xffff, 4}};
    static const uint32_t fitting[][2] = {{0xffff, 1}, {0xfffe, 2}, {0xfffc, 4}, {0, 4},
                                          {0x7fff, 2}, {0x7ffd, 4}, {0x7fff, 4}};
    struct script *s = script_new(
        judge,
        "an access that wraps around exits even where every bit is 0; others do not");

    OP(s, .kind = LAB06_INIT);
    OP(s, .kind = LAB06_PASS, .count = IO_PORTS);
    for (uint32_t i = 0; i < COUNT(wrapping); i++)
        OP(s, .kind = LAB06_ACCESS, .primary = PRIMARY_USE_IO_BITMAPS,
           .first = wrapping[i][0], .count = wrapping[i][1]);
    for (uint32_t i = 0; i < COUNT(fitting); i++)
        OP(s, .kind = LAB06_ACCESS, .primary = PRIMARY_USE_IO_BITMAPS,
           .first = fitting[i][0], .count = fitting[i][1]);
    OP(s, .kind = LAB06_DECIDE, .primary = PRIMARY_USE_IO_BITMAPS, .at = s->decisions++);
    script_judge(s);
}

#define IO_CONTROLS (PRIMARY_USE_IO_BITMAPS | PRIMARY_UNCONDITIONAL_IO_EXITING)

/* Other controls are none of this function's business. */
static uint32_t primary_make(struct judge *judge, uint32_t io_controls)
{
    return ((uint32_t)judge_random(judge) & ~IO_CONTROLS) | io_controls;
}

static void controls_decide_before_the_bitmap(struct judge *judge)
{
    static const uint32_t controls[] = {0, PRIMARY_UNCONDITIONAL_IO_EXITING,
                                        PRIMARY_USE_IO_BITMAPS, IO_CONTROLS};
    struct script *s = script_new(
        judge, "\"use I/O bitmaps\" comes first, then \"unconditional I/O exiting\"");

    OP(s, .kind = LAB06_INIT);
    OP(s, .kind = LAB06_PASS, .first = 0x4000, .count = 0x8000);
    for (unsigned i = 0; i < 400; i++) {
        const uint32_t io = controls[i % 4];
        const bool asks = io & PRIMARY_USE_IO_BITMAPS;
        const bool far = i % 16 < 4; /* where an access can wrap */

        OP(s, .kind = LAB06_ACCESS, .primary = primary_make(judge, io),
           .bitmap = asks || i % 3 ? 0 : LAB06_NO_BITMAP,
           .first = (uint32_t)(far ? 0xfffd + judge_random_below(judge, 3)
                                   : judge_random_below(judge, IO_PORTS)),
           .count = 1u << judge_random_below(judge, 3));
    }
    for (uint32_t i = 0; i < COUNT(controls); i++)
        OP(s, .kind = LAB06_DECIDE, .primary = primary_make(judge, controls[i]),
           .at = s->decisions++);
    script_judge(s);
}

static void party_put(struct script *s, uint32_t io_controls, uint32_t bitmap)
{
    s->in.parties[s->parties++] = (struct lab06_party){
        .primary = primary_make(s->judge, io_controls), .bitmap = bitmap};
}

/* The parties that were put last, merged. */
static void merge_put(struct script *s, uint32_t bitmap, uint32_t parties)
{
    OP(s, .kind = LAB06_MERGE, .bitmap = bitmap, .at = s->parties - parties,
       .count = parties);
    save_put(s, bitmap);
}

static void random_party_put(struct script *s)
{
    const uint64_t kind = judge_random_below(s->judge, 12);

    if (kind == 0)
        party_put(s, 0, LAB06_NO_BITMAP);
    else if (kind == 1)
        party_put(s, PRIMARY_UNCONDITIONAL_IO_EXITING, LAB06_NO_BITMAP);
    else
        party_put(s, kind > 8 ? IO_CONTROLS : PRIMARY_USE_IO_BITMAPS,
                  (uint32_t)judge_random_below(s->judge, LAB06_BITMAPS));
}

/* One kind of party after the other, so that every run has each; the result may lie over the
 * first or the last input. Bitmaps 0 to 2 are sparse still when the random ones begin. */
static void merges_put(struct script *s)
{
    party_put(s, IO_CONTROLS, 3);
    party_put(s, PRIMARY_USE_IO_BITMAPS, 4);
    merge_put(s, 4, 2);
    party_put(s, PRIMARY_USE_IO_BITMAPS, 3);
    party_put(s, IO_CONTROLS, 2);
    merge_put(s, 3, 2);
    party_put(s, 0, LAB06_NO_BITMAP);
    merge_put(s, 4, 1);
    party_put(s, PRIMARY_UNCONDITIONAL_IO_EXITING, LAB06_NO_BITMAP);
    merge_put(s, 4, 1);
    merge_put(s, 3, 0);
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t n = 0; n <= i; n++)
            random_party_put(s);
        merge_put(s, i, 1 + i);
    }
}

static void merge_passes_what_all_parties_allow(struct judge *judge)
{
    struct script *s = script_new(
        judge, "a port passes exactly if every party lets a 1-byte access to it pass");

    for (uint32_t i = 0; i < LAB06_BITMAPS; i++) {
        OP(s, .kind = LAB06_INIT, .bitmap = i);
        OP(s, .kind = LAB06_PASS, .bitmap = i, .count = IO_PORTS);
        for (uint32_t n = 0; n < 40; n++)
            OP(s, .kind = LAB06_INTERCEPT, .bitmap = i,
               .first = (uint32_t)judge_random_below(judge, 0xfff0), .count = 1 + n % 16);
    }
    merges_put(s);
    script_judge(s);
}

/* A list in which nothing is wrong: each device has its own part of the port space, but
 * emulated ones may lie over each other. */
static void good_devices_put(struct script *s, unsigned count)
{
    uint32_t at = (uint32_t)judge_random_below(s->judge, 0x400);
    uint32_t from = s->devices;

    for (unsigned i = 0; i < count; i++) {
        const uint32_t room =
            1 + (uint32_t)judge_random_below(s->judge, IO_PORTS / count / 2);
        const uint32_t kind =
            judge_random(s->judge) & 1 ? IO_DEVICE_PASSED : IO_DEVICE_EMULATED;

        device_put(s, kind, at, room);
        if (kind == IO_DEVICE_EMULATED)
            device_put(s, kind, at + room / 2, 1);
        at += room; /* they touch, often */
        if (judge_random(s->judge) & 1)
            at += (uint32_t)judge_random_below(s->judge, IO_PORTS / count / 3);
    }
    for (uint32_t i = s->devices - 1; i > from; i--) { /* in any order */
        const uint32_t j = from + (uint32_t)judge_random_below(s->judge, i - from + 1);
        const struct lab06_device swapped = s->in.devices[i];

        s->in.devices[i] = s->in.devices[j];
        s->in.devices[j] = swapped;
    }
}

static void passed_devices_pass_and_nothing_else(struct judge *judge)
{
    struct script *s =
        script_new(judge, "the ports of passed devices pass, and every other port exits");

    for (unsigned i = 0; i < 12; i++) {
        const uint32_t at = s->devices;

        good_devices_put(s, 1 + i);
        assign_put(s, at, i % 2);
        save_put(s, 0);
    }
    device_put(s, IO_DEVICE_PASSED, 0, IO_PORTS);
    assign_put(s, s->devices - 1, true);
    save_put(s, 0);
    assign_put(s, s->devices, true); /* no device at all */
    save_put(s, 0);
    device_put(s, IO_DEVICE_PASSED, BORDER_PORT - 8, 16);
    device_put(s, IO_DEVICE_PASSED, 0xffff, 1);
    assign_put(s, s->devices - 2, false);
    save_put(s, 0);
    script_judge(s);
}

/* Wrong in one way or in several: what is first counts. */
static void wrong_devices_put(struct script *s, unsigned how)
{
    const struct lab06_device *old =
        &s->in.devices[s->devices - 1 - judge_random_below(s->judge, 3)];
    const uint32_t kind = (uint32_t)judge_random_below(s->judge, 2);
    const uint32_t other = IO_DEVICE_PASSED + IO_DEVICE_EMULATED - kind;
    const uint32_t inside = old->first + (uint32_t)judge_random_below(s->judge, old->count);

    if (how % 4 == 0)
        device_put(s, kind, 0x10000 - how, how + 1);
    if (how % 5 == 0)
        device_put(s, kind, inside, 0);
    device_put(s, other, inside, 1);
    if (how % 3 == 0) /* comes too late to be the answer */
        device_put(s, kind, IO_PORTS, 1);
    device_put(s, IO_DEVICE_PASSED, inside, 1);
    device_put(s, IO_DEVICE_PASSED, old->first ? old->first - 1 : 0, old->count + 1);
}

static void device_conflicts_are_named(struct judge *judge)
{
    struct script *s = script_new(
        judge,
        "the first device that cannot be added is named; the bitmap stays as it was");

    OP(s, .kind = LAB06_INIT);
    OP(s, .kind = LAB06_PASS, .first = 0x1000, .count = 0x2000);
    for (unsigned i = 0; i < 30; i++) {
        const uint32_t at = s->devices;

        good_devices_put(s, 3 + i % 4);
        wrong_devices_put(s, i);
        assign_put(s, at, i % 7 != 3);
        if (i < 8)
            save_put(s, 0);
    }
    for (unsigned i = 0; i < 8; i++) { /* one that is all around an earlier one */
        const uint32_t around = 1 + (uint32_t)judge_random_below(judge, 40);
        const uint32_t first = 100 + (uint32_t)judge_random_below(judge, 0xff00);

        device_put(s, i % 2 ? IO_DEVICE_PASSED : IO_DEVICE_EMULATED, first, 1 + i);
        device_put(s, i % 2 ? IO_DEVICE_EMULATED : IO_DEVICE_PASSED, first - around,
                   around + 1 + i + around);
        assign_put(s, s->devices - 2, true);
    }
    /* One that overlaps two, the later one at a lower port. */
    device_put(s, IO_DEVICE_PASSED, 0x300, 8);
    device_put(s, IO_DEVICE_EMULATED, 0x2f8, 8);
    device_put(s, IO_DEVICE_PASSED, 0x2fc, 8);
    assign_put(s, s->devices - 3, true);
    save_put(s, 0);
    script_judge(s);
}

/* --- single calls of io_exit.h ------------------------------------------------------------------------ */

struct calls {
    struct judge *judge;
    struct lab06_calls in;
    const struct lab06_returns *out;
};

static struct calls *calls_new(struct judge *judge)
{
    struct calls *c = calloc(1, sizeof *c);

    if (!c)
        judge_error(judge, "out of memory");
    c->judge = judge;
    return c;
}

static struct lab06_call *call_put(struct calls *c, enum lab06_call_kind kind)
{
    struct lab06_call *call = &c->in.calls[c->in.count++];

    if (c->in.count > LAB06_CALLS)
        judge_error(c->judge, "the check has too many calls");
    call->kind = kind;
    return call;
}

static void calls_run(struct calls *c)
{
    const struct run_spec spec = {
        .entry = LAB06_EXITS,
        .input = &c->in,
        .input_size =
            offsetof(struct lab06_calls, calls) + c->in.count * sizeof c->in.calls[0],
    };

    c->out = (const void *)judge_run(c->judge, &spec,
                                     c->in.count * sizeof(struct lab06_returned))
                 ->answer;
}

/* Compares two structs of uint64_t and names the first field that differs. */
static void numbers_expect(struct judge *judge, const char *asked, const char *about,
                           const char *const *names, size_t count, const void *got,
                           const void *due)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t g, d;

        memcpy(&g, (const uint8_t *)got + 8 * i, 8);
        memcpy(&d, (const uint8_t *)due + 8 * i, 8);
        CHECK(judge, g == d, asked, "%s: %s is %#" PRIx64 "; due: %#" PRIx64, about,
              names[i], g, d);
    }
}

static const char *const io_names[] = {"port",   "size",  "address_size", "in",
                                       "string", "rep",   "immediate",    "length",
                                       "count",  "linear"};
static const char *const register_names[] = {"RIP", "RFLAGS", "RAX", "RCX", "RSI", "RDI"};

#define IO_EXPECT(judge, asked, about, got, due)                                           \
    numbers_expect(judge, asked, about, io_names, COUNT(io_names), got, due)
#define REGISTERS_EXPECT(judge, asked, about, got, due)                                    \
    numbers_expect(judge, asked, about, register_names, COUNT(register_names), got, due)

static uint64_t mask_due(unsigned bytes)
{
    return bytes == 8 ? UINT64_MAX : (1ull << (8 * bytes)) - 1;
}

/* An access that an instruction can make; fields that the caller of io_exit_decode() gives. */
static struct lab06_io io_make(struct judge *judge)
{
    struct lab06_io io = {
        .port = judge_random_below(judge, IO_PORTS),
        .size = 1ull << judge_random_below(judge, 3),
        .in = judge_random(judge) & 1,
        .string = judge_random(judge) & 1,
        .length = 1 + judge_random_below(judge, 15),
        .count = 1,
    };

    if (io.string) {
        io.rep = judge_random(judge) & 1;
        io.address_size = 2ull << judge_random_below(judge, 3);
        io.linear = judge_random(judge);
    } else if (judge_random(judge) & 1) {
        io.immediate = 1;
        io.port &= 0xff;
    }
    return io;
}

static uint64_t qualification_due(const struct lab06_io *io)
{
    return (io->size - 1) + 8 * io->in + 16 * io->string + 32 * io->rep +
           64 * io->immediate + 65536 * io->port;
}

/* The fields of the VMCS for io, and rubbish where nothing is defined. */
static void decode_put(struct calls *c, const struct lab06_io *io)
{
    struct lab06_call *call = call_put(c, LAB06_DECODE);
    const uint64_t rubbish = judge_random(c->judge);

    call->io = io_make(c->judge); /* what *io holds before */
    call->qualification = qualification_due(io) | (rubbish & 0xffffffff0000ff80);
    call->linear = io->string ? io->linear : judge_random(c->judge);
    call->rcx = judge_random(c->judge);
    call->length = io->length;
    /* The address size is defined for string instructions only. */
    call->info =
        ((uint32_t)rubbish & ~0x380u) |
        (uint32_t)(io->string ? io->address_size / 4 << 7 : (rubbish >> 32 & 0x380));
}

static struct lab06_io decoded_due(const struct lab06_call *call)
{
    static const unsigned bytes[] = {2, 4, 8};
    const uint64_t q = call->qualification;
    struct lab06_io io = {.port = q / 65536 % 65536,
                          .size = q % 8 + 1,
                          .in = q / 8 % 2,
                          .string = q / 16 % 2,
                          .immediate = q / 64 % 2,
                          .length = call->length,
                          .count = 1};

    if (io.string) {
        io.rep = q / 32 % 2;
        io.address_size = bytes[call->info / 128 % 8 % 3];
        io.linear = call->linear;
    }
    if (io.rep)
        io.count = call->rcx & mask_due((unsigned)io.address_size);
    return io;
}

static void decoded_expect(const struct calls *c, uint32_t i, const char *asked)
{
    const struct lab06_call *call = &c->in.calls[i];
    const struct lab06_returned *got = &c->out->returns[i];
    const struct lab06_io due = decoded_due(call);
    char about[200], words[100];

    vmx_qualification_describe(VMX_EXIT_IO_INSTRUCTION, call->qualification, words,
                               sizeof words);
    snprintf(about, sizeof about,
             "qualification %#" PRIx64 " (%s), info %#x, RCX %#" PRIx64,
             call->qualification, words, call->info, call->rcx);
    CHECK(c->judge, got->result == 0, asked,
          "%s: io_exit_decode() returned %" PRId64 "; due: 0", about, got->result);
    IO_EXPECT(c->judge, asked, about, &got->io, &due);
}

static void qualification_is_decoded(struct judge *judge)
{
    static const char asked[] = "every field of struct io_exit says what the CPU reported";
    struct calls *c = calls_new(judge);

    for (unsigned i = 0; i < 600; i++) {
        const struct lab06_io io = io_make(judge);

        decode_put(c, &io);
        if (!io.string && i % 4 == 0) /* a REP prefix that means nothing */
            c->in.calls[c->in.count - 1].qualification |= 1u << 5;
    }
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++)
        decoded_expect(c, i, asked);
}

/* --- what no instruction can do ---------------------------------------------------------------------- */

static void impossible_put(struct calls *c, const struct lab06_io *io)
{
    struct lab06_call *encode;

    decode_put(c, io);
    encode = call_put(c, LAB06_ENCODE);
    encode->io = *io;
    encode->qualification = judge_random(c->judge);
}

static void sizes_not_used_put(struct calls *c)
{
    static const unsigned sizes[] = {3, 5, 6, 7, 8};

    for (unsigned i = 0; i < 20; i++) {
        struct lab06_io io = io_make(c->judge);

        io.size = sizes[i % COUNT(sizes)];
        impossible_put(c, &io);
    }
}

static void immediates_put(struct calls *c)
{
    for (unsigned i = 0; i < 20; i++) {
        struct lab06_io io = io_make(c->judge);

        io.immediate = 1;
        io.string = i % 2;
        io.rep = io.string && i % 4 == 1;
        io.address_size = io.string ? 4 : 0;
        io.port = io.string ? i : 0x100ull << (i / 2 % 8);
        impossible_put(c, &io);
    }
}

static void refused_expect(const struct calls *c, uint32_t i)
{
    static const char asked[] =
        "what no instruction can have caused is refused (-EINVAL), and nothing is written";
    const struct lab06_call *call = &c->in.calls[i];
    const struct lab06_returned *got = &c->out->returns[i];
    char about[160], result[30];

    if (call->kind == LAB06_DECODE)
        snprintf(about, sizeof about,
                 "io_exit_decode(qualification %#" PRIx64 ", info %#x)",
                 call->qualification, call->info);
    else
        snprintf(about, sizeof about,
                 "io_exit_encode(port %#" PRIx64 ", size %" PRIu64 ", string %" PRIu64
                 ", rep %" PRIu64 ", immediate %" PRIu64 ")",
                 call->io.port, call->io.size, call->io.string, call->io.rep,
                 call->io.immediate);
    result_describe(got->result, result, sizeof result);
    CHECK(c->judge, got->result == -EINVAL, asked, "%s returned %s; due: -EINVAL", about,
          result);
    if (call->kind == LAB06_DECODE)
        IO_EXPECT(c->judge, asked, about, &got->io, &call->io);
    else
        CHECK(c->judge, got->qualification == call->qualification, asked,
              "%s changed *qualification", about);
}

static void impossible_accesses_are_refused(struct judge *judge)
{
    struct calls *c = calls_new(judge);

    sizes_not_used_put(c);
    immediates_put(c);
    for (unsigned i = 0; i < 12; i++) { /* address sizes 3 to 7 */
        struct lab06_io io = io_make(judge);

        io.string = 1, io.immediate = 0, io.address_size = 4 * (3 + i % 5);
        decode_put(c, &io);
    }
    for (unsigned i = 0; i < 6; i++) {
        struct lab06_call *call = call_put(c, LAB06_ENCODE);

        call->io = io_make(judge);
        call->io.string = 0, call->io.immediate = 0, call->io.rep = 1;
        call->qualification = judge_random(judge);
    }
    for (unsigned i = 0; i < 2; i++) { /* size 0 and 256: not visible in the lowest bits */
        struct lab06_call *call = call_put(c, LAB06_ENCODE);

        call->io = io_make(judge);
        call->io.size = i ? 255 : 0;
        call->qualification = judge_random(judge);
    }
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++)
        refused_expect(c, i);
}

static void encoding_is_the_way_back(struct judge *judge)
{
    static const char asked[] = "the qualification is the one that the CPU would report";
    struct calls *c = calls_new(judge);

    for (unsigned i = 0; i < 600; i++) {
        struct lab06_call *call = call_put(c, LAB06_ENCODE);

        call->io = io_make(judge);
        call->qualification = judge_random(judge);
    }
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++) {
        const struct lab06_returned *got = &c->out->returns[i];
        const uint64_t due = qualification_due(&c->in.calls[i].io);
        char words[100];

        vmx_qualification_describe(VMX_EXIT_IO_INSTRUCTION, due, words, sizeof words);
        CHECK(judge, got->result == 0 && got->qualification == due, asked,
              "%s: result %" PRId64 ", qualification %#" PRIx64 "; due: 0 and %#" PRIx64,
              words, got->result, got->qualification, due);
    }
}

/* --- what an instruction does to the registers -------------------------------------------------------- */

static void part_write(uint64_t *reg, uint64_t value, uint64_t bytes)
{
    const uint64_t kept = bytes == 2 ? *reg >> 16 << 16 : 0; /* SDM 1, 3.4.1.1 */

    *reg = kept | (value & mask_due((unsigned)bytes));
}

#define MANY 5000u /* elements: more are not counted one by one */

/* Element by element, as the CPU goes (SDM 2, INS, OUTS, REP). */
static struct lab06_registers advanced_due(const struct lab06_call *call)
{
    struct lab06_registers r = call->registers;
    const struct lab06_io *io = &call->io;
    uint64_t *index = io->in ? &r.rdi : &r.rsi;

    if (io->string && call->done > MANY) { /* the same, all at once */
        const uint64_t way = call->done * io->size;

        part_write(index, r.rflags & RFLAGS_DF ? *index - way : *index + way,
                   io->address_size);
        part_write(&r.rcx, r.rcx - call->done, io->address_size);
    }
    for (uint64_t i = 0; io->string && call->done <= MANY && i < call->done; i++) {
        part_write(index, r.rflags & RFLAGS_DF ? *index - io->size : *index + io->size,
                   io->address_size);
        if (io->rep)
            part_write(&r.rcx, r.rcx - 1, io->address_size);
    }
    if (call->done == io->count)
        r.rip += io->length;
    return r;
}

static struct lab06_registers registers_make(struct judge *judge)
{
    return (struct lab06_registers){
        .rip = judge_random(judge) >> 17,
        .rflags = judge_random(judge) & 0xcd7,
        .rax = judge_random(judge),
        .rcx = judge_random(judge),
        .rsi = judge_random(judge),
        .rdi = judge_random(judge),
    };
}

static void advance_put(struct calls *c)
{
    struct lab06_call *call = call_put(c, LAB06_ADVANCE);
    const uint64_t how = judge_random_below(c->judge, 6);

    call->io = io_make(c->judge);
    call->registers = registers_make(c->judge);
    if (call->io.rep) {
        call->io.count = judge_random_below(c->judge, how == 0 ? 2 : 3000);
        part_write(&call->registers.rcx, call->io.count, call->io.address_size);
        if (call->io.address_size == 4) /* bits 63:32 are somebody else's until it writes */
            call->registers.rcx |= judge_random(c->judge) << 32;
    }
    if (call->io.rep && call->io.address_size == 8 && how % 2) { /* more than 32 bits */
        call->io.count = (judge_random(c->judge) >> 28) + MANY;
        call->registers.rcx = call->io.count;
    }
    call->done =
        how < 3 ? call->io.count : judge_random_below(c->judge, call->io.count + 1);
    if (how == 5)
        call->done = call->io.count + 1 +
                     (judge_random_below(c->judge, 3) << judge_random_below(c->judge, 34));
}

static void registers_move_with_the_elements(struct judge *judge)
{
    static const char asked[] =
        "RSI or RDI, RCX and RIP are as the instruction would leave them";
    struct calls *c = calls_new(judge);

    for (unsigned i = 0; i < 700; i++)
        advance_put(c);
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++) {
        const struct lab06_call *call = &c->in.calls[i];
        const bool refused = call->done > call->io.count;
        const struct lab06_registers due = refused ? call->registers : advanced_due(call);
        char about[200], result[30];

        snprintf(about, sizeof about,
                 "%s%s%s, size %" PRIu64 ", address size %" PRIu64 ", DF %d, %" PRIu64
                 " of %" PRIu64 " elements done",
                 call->io.rep ? "REP " : "", call->io.in ? "IN" : "OUT",
                 call->io.string ? "S" : "", call->io.size, call->io.address_size,
                 (call->registers.rflags & RFLAGS_DF) != 0, call->done, call->io.count);
        result_describe(c->out->returns[i].result, result, sizeof result);
        CHECK(judge, c->out->returns[i].result == (refused ? -EINVAL : 0), asked,
              "%s: io_exit_advance() returned %s; due: %s", about, result,
              refused ? "-EINVAL" : "0");
        REGISTERS_EXPECT(judge, asked, about, &c->out->returns[i].registers, &due);
    }
}

static uint64_t input_due(const struct lab06_io *io, uint64_t rax, uint64_t value)
{
    if (io->string || !io->in)
        return rax;
    if (io->size == 4)
        return value;
    return rax - (rax & mask_due((unsigned)io->size)) +
           (value & mask_due((unsigned)io->size));
}

static void input_changes_its_part_of_rax(struct judge *judge)
{
    struct calls *c = calls_new(judge);

    for (unsigned i = 0; i < 200; i++) {
        struct lab06_call *call = call_put(c, LAB06_INPUT);

        call->io = io_make(judge);
        call->io.in |= i % 2;
        call->registers.rax = judge_random(judge);
        call->done = judge_random(judge) >> 32;
    }
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++) {
        const struct lab06_call *call = &c->in.calls[i];
        const uint64_t got = c->out->returns[i].registers.rax;
        const uint64_t due = input_due(&call->io, call->registers.rax, call->done);

        CHECK(judge, got == due,
              "IN changes AL, AX or all of RAX, and nothing else changes it",
              "%s%s of %" PRIu64 " bytes, RAX %#" PRIx64 ", value %#" PRIx64
              ": RAX becomes %#" PRIx64 "; due: %#" PRIx64,
              call->io.in ? "IN" : "OUT", call->io.string ? "S" : "", call->io.size,
              call->registers.rax, call->done, got, due);
    }
}

/* --- silicon: programs for the emulated CPU ------------------------------------------------------------- */

#define LIST_GPA   0x20000u
#define BUFFER_GPA 0x100000u /* 1 MiB, for the data of string instructions */
#define STEPS_MAX  700u

/* As the guest has it (labs/06-io-bitmap/guests/drive.long64.c). */
struct step {
    uint8_t code[8];
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint64_t down;
    uint64_t rax_after, rcx_after, rsi_after, rdi_after;
};

/* What a step is about, for the judge. */
struct program {
    struct script *script; /* the devices, and one LAB06_ACCESS a step, in order */
    struct silicon *silicon;
    uint32_t io_controls;         /* PRIMARY_..., of the CPU and in each LAB06_ACCESS */
    uint32_t count, first_access; /* access of step 0, in the script's operations */
    struct lab06_io ios[STEPS_MAX];
    struct step steps[STEPS_MAX];
    const struct silicon_record *exits[STEPS_MAX]; /* or NULL */
    const struct step *after;
};

/* Ports behind which Bochs has nothing, or a register that only stores a byte. What the judge
 * lets pass really gets there: 8900h, e9h, 92h, 64h would end or disturb the machine. */
static bool port_harmless(uint32_t port)
{
    return (port >= 0x80 && port <= 0x8f) || port == 0x70 || port == 0x71 || port <= 3 ||
           (port >= 0x2000 && port < 0x8100) || port >= 0xfff0;
}

static struct program *program_new(struct judge *judge, uint32_t io_controls,
                                   const char *asked)
{
    struct program *p = calloc(1, sizeof *p);

    if (!p)
        judge_error(judge, "out of memory");
    p->io_controls = io_controls;
    p->silicon = silicon_new(judge);
    p->silicon->job.controls.primary |= io_controls;
    p->script = script_new(judge, asked);
    return p;
}

static void passed_put(struct program *p, uint32_t first, uint32_t count)
{
    for (uint32_t port = first; port < first + count; port++)
        if (!port_harmless(port))
            judge_error(p->script->judge, "port %#x is not to be passed", port);
    device_put(p->script, IO_DEVICE_PASSED, first, count);
}

/* All devices are there: from now on, steps. */
static void program_assign(struct program *p)
{
    assign_put(p->script, 0, true);
    save_put(p->script, 0);
    p->first_access = p->script->in.op_count;
}

/* Returns the instruction's length. */
static unsigned code_make(const struct lab06_io *io, bool rep, uint8_t *code)
{
    const uint8_t wide = io->size > 1;
    unsigned n = 0;

    if (io->string && io->address_size == 4)
        code[n++] = 0x67;
    if (rep)
        code[n++] = 0xf3;
    if (io->size == 2)
        code[n++] = 0x66;
    if (io->string)
        code[n++] = (uint8_t)((io->in ? 0x6c : 0x6e) | wide);
    else
        code[n++] = (uint8_t)((io->in ? 0xe4 : 0xe6) | (io->immediate ? 0 : 8) | wide);
    if (io->immediate)
        code[n++] = (uint8_t)io->port;
    code[n] = 0xc3; /* RET */
    return n;
}

/* io says which access; linear, count and length are filled in. rep_prefix: a REP before a
 * form that does not know it. */
static struct step *step_put(struct program *p, struct lab06_io io, bool rep_prefix)
{
    struct judge *judge = p->script->judge;
    struct step *step = &p->steps[p->count];
    const uint64_t upper = io.address_size == 4 ? judge_random(judge) << 32 : 0;

    if (p->count == STEPS_MAX)
        judge_error(judge, "the guest's program is too long");
    step->rax = judge_random(judge);
    step->rcx = io.rep ? io.count | upper : judge_random(judge);
    step->rdx =
        io.immediate ? judge_random(judge) : (judge_random(judge) & ~0xffffull) | io.port;
    step->rsi = upper | (BUFFER_GPA + 0x10000 + judge_random_below(judge, 0x1000));
    step->rdi = upper | (BUFFER_GPA + 0x40000 + judge_random_below(judge, 0x1000));
    step->down = judge_random(judge) & 1;
    io.length = code_make(&io, io.rep || rep_prefix, step->code);
    io.linear = !io.string ? 0 : (io.in ? step->rdi : step->rsi) & UINT32_MAX;
    p->ios[p->count++] = io;
    OP(p->script, .kind = LAB06_ACCESS, .primary = p->io_controls,
       .first = (uint32_t)io.port, .count = (uint32_t)io.size);
    return step;
}

static void step_describe(const struct program *p, uint32_t i, char *buffer, size_t size)
{
    vmx_qualification_describe(VMX_EXIT_IO_INSTRUCTION, qualification_due(&p->ios[i]),
                               buffer, size);
}

/* A bitmap that passes more than was asked for never gets to the CPU. */
static void bitmap_confined(const struct program *p)
{
    const struct script *s = p->script;

    for (uint32_t port = 0; port < IO_PORTS; port++) {
        bool wanted = page_bit(s->out->snapshots[0], port);

        for (uint32_t i = 0; !wanted && i < s->devices; i++)
            wanted = s->in.devices[i].kind == IO_DEVICE_PASSED &&
                     device_has(&s->in.devices[i], port);
        CHECK(s->judge, wanted, "your bitmap passes no port that was not asked for",
              "port %#x passes, which belongs to no passed device: the CPU was not given "
              "this "
              "bitmap",
              port);
    }
}

/* Which steps exited, from the CPU's records, in order. */
static void exits_find(struct program *p)
{
    const struct silicon *cpu = p->silicon;
    uint32_t step = 0;

    for (uint32_t i = 0; i + 1 < cpu->log.record_count; i++) {
        const struct silicon_record *r = &cpu->records[i];
        char words[200];

        while (step < p->count && r->rip != LIST_GPA + step * sizeof(struct step))
            step++;
        silicon_record_describe(r, words, sizeof words);
        if (step == p->count || r->exit_reason != VMX_EXIT_IO_INSTRUCTION)
            check_fail(p->script->judge, p->script->asked, "an exit that is no step's: %s",
                       words);
        p->exits[step++] = r;
    }
}

static void program_run(struct program *p)
{
    struct silicon *cpu = p->silicon;
    const uint64_t mailbox[2] = {LIST_GPA, p->count};
    const uint32_t size = p->count * (uint32_t)sizeof(struct step);
    unsigned window;

    script_run(p->script);
    result_expect(p->script, p->first_access - 2, 0);
    bitmap_confined(p);
    silicon_guest(cpu, drive_guest, GUEST_IMAGE_SIZE(drive_guest), GUEST_LONG64);
    silicon_put(cpu, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, mailbox, sizeof mailbox);
    silicon_put(cpu, SILICON_RAM_HPA + LIST_GPA, p->steps, size);
    silicon_put(cpu, SILICON_IO_BITMAP_HPA, p->script->out->snapshots[0], LAB06_PAGES);
    cpu->job.actions[VMX_EXIT_IO_INSTRUCTION] = SILICON_SKIP;
    window = silicon_window(cpu, SILICON_RAM_HPA + LIST_GPA, size);
    silicon_run_to_end(cpu, p->script->asked);
    p->after = (const void *)cpu->windows[window].bytes;
    exits_find(p);
}

/* CPU, student and manual agree about each step. */
static void exits_expect(const struct program *p)
{
    const struct script *s = p->script;
    static struct space due;
    char words[100];

    memset(&due, 1, sizeof due);
    for (uint32_t i = 0; i < s->devices; i++)
        if (s->in.devices[i].kind == IO_DEVICE_PASSED)
            memset(&due.exits[s->in.devices[i].first], 0, s->in.devices[i].count);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct lab06_op *op = &s->in.ops[p->first_access + i];
        const bool exited = p->exits[i], decided = s->out->results[p->first_access + i];
        const bool wanted = access_due(&due, op->primary, op->first, op->count);

        step_describe(p, i, words, sizeof words);
        CHECK(s->judge, exited == wanted, s->asked,
              "with your bitmap the CPU %s at %s; that access %s",
              exited ? "exited" : "did not exit", words,
              wanted ? "has to be an exit" : "belongs to a passed device");
        CHECK(s->judge, exited == decided, s->asked,
              "io_access_exits() says %s for %s; the CPU %s", decided ? "exit" : "no exit",
              words, exited ? "exited" : "did not exit");
    }
}

/* --- the checks: silicon ----------------------------------------------------------------------------------- */

static struct lab06_io byte_io(uint32_t port, bool in)
{
    return (struct lab06_io){
        .port = port, .size = 1, .in = in, .immediate = port < 0x100, .count = 1};
}

/* Writes value to the register (behind an index port, for the RTC's memory), and has it read
 * back later. */
static void byte_write_put(struct program *p, uint32_t port, uint32_t index, uint8_t value)
{
    if (port == 0x71)
        step_put(p, byte_io(0x70, false), false)->rax = index;
    step_put(p, byte_io(port, false), false)->rax = value;
}

static uint32_t byte_read_put(struct program *p, uint32_t port, uint32_t index)
{
    if (port == 0x71)
        step_put(p, byte_io(0x70, false), false)->rax = index;
    step_put(p, byte_io(port, true), false);
    return p->count - 1;
}

static void neighbours_put(struct program *p)
{
    static const struct {
        uint32_t port, size;
    } neighbours[] = {{0x6f, 1},   {0x72, 1},   {0x6f, 2},   {0x71, 2},   {0x7f, 1},
                      {0x90, 1},   {0x7e, 4},   {0x8f, 2},   {0x8d, 4},   {0x92, 1},
                      {0x7ff7, 1}, {0x8000, 1}, {0x7fff, 2}, {0x7ffd, 4}, {0x7ffe, 4}};

    for (unsigned i = 0; i < COUNT(neighbours); i++) {
        struct lab06_io io =
            byte_io(neighbours[i].port, judge_random(p->script->judge) & 1);

        io.size = neighbours[i].size;
        step_put(p, io, false);
    }
}

static void passed_device_is_driven_without_an_exit(struct judge *judge)
{
    enum { BYTES = 12 };
    struct program *p = program_new(
        judge, PRIMARY_USE_IO_BITMAPS,
        "the guest drives the passed devices with no exit; their neighbours exit");
    uint8_t values[BYTES];
    uint32_t reads[BYTES];

    device_put(p->script, IO_DEVICE_EMULATED, 0x60, 8);
    passed_put(p, 0x70, 2);   /* the RTC's memory: index, data */
    passed_put(p, 0x80, 16);  /* page registers of the DMA controllers: a byte each */
    passed_put(p, 0x7ff8, 8); /* ends with bitmap A */
    device_put(p->script, IO_DEVICE_EMULATED, 0x90, 8);
    program_assign(p);
    for (uint32_t i = 0; i < BYTES; i++) {
        values[i] = (uint8_t)judge_random(judge);
        byte_write_put(p, i % 2 ? 0x71 : 0x80 + i, 0x40 + i, values[i]);
    }
    neighbours_put(p);
    for (uint32_t i = 0; i < BYTES; i++)
        reads[i] = byte_read_put(p, i % 2 ? 0x71 : 0x80 + i, 0x40 + i);
    program_run(p);
    exits_expect(p);
    for (uint32_t i = 0; i < BYTES; i++)
        CHECK(judge, (uint8_t)p->after[reads[i]].rax_after == values[i], p->script->asked,
              "the guest wrote %#x into a register of the device and read %#x back",
              values[i], (uint8_t)p->after[reads[i]].rax_after);
    judge_figure(judge, "accesses of the guest to passed devices",
                 p->count - silicon_count(p->silicon, VMX_EXIT_IO_INSTRUCTION), "");
    judge_figure(judge, "their VM exits", 0, "exits");
    judge_figure(judge, "VM exits of accesses to neighbours",
                 silicon_count(p->silicon, VMX_EXIT_IO_INSTRUCTION), "exits");
}

static struct lab06_io walk_io_make(struct judge *judge, const struct script *s)
{
    struct lab06_io io = io_make(judge);
    const struct lab06_device *near = &s->in.devices[judge_random_below(judge, s->devices)];

    if (io.string)
        io.address_size = judge_random(judge) & 1 ? 4 : 8; /* no 16 bits in long mode */
    if (io.rep)
        io.count = 1 + judge_random_below(judge, 5);
    if (judge_random_below(judge, 4)) /* near the ends of what passes */
        io.port = near->first - 4 + judge_random_below(judge, near->count + 7);
    io.port &= io.immediate ? 0xff : 0xffff;
    return io;
}

/* Some hundred ports pass, in pieces, at all places that matter. */
static void walk_devices_put(struct program *p)
{
    struct judge *judge = p->script->judge;

    passed_put(p, 0x80 + (uint32_t)judge_random_below(judge, 4), 3);
    passed_put(p, 0x88 + (uint32_t)judge_random_below(judge, 3), 5);
    for (uint32_t i = 0; i < 14; i++)
        passed_put(p, 0x2000 + 0x500 * i + (uint32_t)judge_random_below(judge, 0x400),
                   1 + (uint32_t)judge_random_below(judge, 24));
    passed_put(p, 0x7ffb + (uint32_t)judge_random_below(judge, 4), 8); /* across A and B */
    passed_put(p, 0x8040, 1 + (uint32_t)judge_random_below(judge, 9));
    passed_put(p, 0x7100, 8); /* the bits of one byte */
    passed_put(p, 0xfff8, 8);
    passed_put(p, 0, 4); /* so that only the wrap itself can make an access exit */
}

/* The student's decode of each of the CPU's qualifications, against what the guest did. */
static void decodes_expect(const struct program *p)
{
    static const char asked[] =
        "io_exit_decode() of the CPU's own fields says what the guest has executed";
    struct calls *c = calls_new(p->script->judge);
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct silicon_record *r = p->exits[i];
        struct lab06_call *call = r ? call_put(c, LAB06_DECODE) : NULL;

        if (call)
            *call = (struct lab06_call){.kind = LAB06_DECODE,
                                        .info = r->instruction_info,
                                        .qualification = r->qualification,
                                        .linear = r->guest_linear_address,
                                        .rcx = r->rcx,
                                        .length = r->instruction_length};
    }
    calls_run(c);
    for (uint32_t i = 0; i < p->count; i++) {
        char words[100], about[160];

        if (!p->exits[i])
            continue;
        step_describe(p, i, words, sizeof words);
        snprintf(about, sizeof about, "%s, qualification %#" PRIx64, words,
                 p->exits[i]->qualification);
        CHECK(c->judge, c->out->returns[n].result == 0, asked,
              "%s: io_exit_decode() returned %" PRId64 "; due: 0", about,
              c->out->returns[n].result);
        IO_EXPECT(c->judge, asked, about, &c->out->returns[n++].io, &p->ios[i]);
    }
}

/* Every run has these: across the end of a byte of the bitmap, and around the port space. */
static void walk_borders_put(struct program *p)
{
    static const uint32_t ports[] = {0x70ff, 0x7104, 0x7105, 0x7106, 0x7107,
                                     0xfffc, 0xfffd, 0xfffe, 0xffff};

    for (uint32_t i = 0; i < COUNT(ports); i++)
        for (uint32_t size = 1; size <= 4; size *= 2)
            step_put(p,
                     (struct lab06_io){.port = ports[i], .size = size, .in = 1, .count = 1},
                     false);
}

/* With both controls set: the second has no effect (SDM 3C 25.6.2), and the CPU shows it. */
static void random_walk_exits_where_you_decided(struct judge *judge)
{
    struct program *p =
        program_new(judge, IO_CONTROLS,
                    "exactly the accesses exit that your bitmap and io_access_exits() say");

    walk_devices_put(p);
    program_assign(p);
    walk_borders_put(p);
    while (p->count < 500) {
        const struct lab06_io io = walk_io_make(judge, p->script);

        step_put(p, io, !io.string && judge_random_below(judge, 8) == 0);
    }
    program_run(p);
    exits_expect(p);
    decodes_expect(p);
}

/* Passed accesses: what did the CPU leave in the registers? */
static void moves_put(struct program *p)
{
    struct judge *judge = p->script->judge;

    while (p->count < 300) {
        struct lab06_io io = io_make(judge);

        io.immediate = 0;
        io.port = 0x3000 + judge_random_below(judge, 0x100);
        if (io.string)
            io.address_size = judge_random(judge) & 1 ? 4 : 8;
        if (io.rep)
            io.count = 1 + judge_random_below(judge, 300);
        step_put(p, io, false);
    }
}

static void move_call_put(struct calls *c, const struct program *p, uint32_t i,
                          uint64_t value)
{
    const struct step *step = &p->steps[i];
    const bool input = p->ios[i].in && !p->ios[i].string;
    struct lab06_call *call = call_put(c, input ? LAB06_INPUT : LAB06_ADVANCE);

    call->io = p->ios[i];
    call->done = input ? value : call->io.count;
    call->registers = (struct lab06_registers){.rip = LIST_GPA + i * sizeof *step,
                                               .rflags = 2 | step->down << 10,
                                               .rax = step->rax,
                                               .rcx = step->rcx,
                                               .rsi = step->rsi,
                                               .rdi = step->rdi};
}

static void move_expect(const struct program *p, uint32_t i, const struct lab06_call *call,
                        const struct lab06_returned *got)
{
    const struct step *after = &p->after[i];
    struct lab06_registers due = call->registers;
    char words[100], about[160];

    step_describe(p, i, words, sizeof words);
    snprintf(about, sizeof about,
             "%s, address size %" PRIu64 ", DF %" PRIu64 ", RCX %#" PRIx64, words,
             call->io.address_size, p->steps[i].down, p->steps[i].rcx);
    due.rax = after->rax_after, due.rcx = after->rcx_after;
    due.rsi = after->rsi_after, due.rdi = after->rdi_after;
    if (call->kind == LAB06_INPUT) {
        CHECK(p->script->judge, got->registers.rax == due.rax, p->script->asked,
              "%s: io_exit_input() makes RAX %#" PRIx64 "; the CPU: %#" PRIx64, about,
              got->registers.rax, due.rax);
        return;
    }
    due.rip += call->io.length;
    REGISTERS_EXPECT(p->script->judge, p->script->asked, about, &got->registers, &due);
}

static void registers_move_as_the_cpu_moves_them(struct judge *judge)
{
    struct program *p =
        program_new(judge, PRIMARY_USE_IO_BITMAPS,
                    "your registers after an access are those that the CPU itself leaves");
    struct calls *c = calls_new(judge);

    passed_put(p, 0x3000, 0x110);
    program_assign(p);
    moves_put(p);
    program_run(p);
    exits_expect(p);
    for (uint32_t i = 0; i < p->count; i++)
        move_call_put(c, p, i, UINT32_MAX); /* a port without a device reads as ones */
    calls_run(c);
    for (uint32_t i = 0; i < p->count; i++)
        move_expect(p, i, &c->in.calls[i], &c->out->returns[i]);
}

/* --- the table ----------------------------------------------------------------------------------------------- */

#define SDM(section) "Intel SDM 3C, " section

static const struct check checks[] = {
    {
        .id = "ranges_change_exactly_their_ports",
        .title = "ranges change the bits of their ports, no others",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = ranges_change_exactly_their_ports,
        .why = "A wrong bit is a device that the guest should not have, or cannot reach.",
        .handout = "Steps, 1 to 3",
        .slide = "I/O Mapping",
        .manual = SDM("25.6.4"),
        .hints =
            {"Which byte and which bit belong to port 8001h? In which of the two bitmaps?",
             "Bitmap A has ports 0 to 7fffh, B the others; bit n % 8 of byte n / 8. Pass "
             "clears, intercept sets, init makes all ones.",
             "port < 0x8000 ? &a[port / 8] : &b[(port - 0x8000) / 8], bit port % 8; loop "
             "over the ports of the range."},
        .explanation =
            "A guest that is given nothing has two pages of ones. KVM does without them: "
            "it sets \"unconditional I/O exiting\", which comes to the same.",
    },
    {
        .id = "bad_ranges_change_nothing",
        .title = "refuses ranges that are none, without a trace",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = bad_ranges_change_nothing,
        .why = "A range that wraps opens ports at the other end of the port space.",
        .handout = "Steps, 3",
        .slide = "I/O Mapping",
        .manual = "common/include/io_bitmap.h",
        .hints = {"first and count are 32-bit numbers: what is first + count for the "
                  "largest ones?",
                  "count 0 is -EINVAL and is looked at first. Everything else that does "
                  "not fit is -ERANGE. Check before the first bit is changed.",
                  "if (count == 0) -EINVAL; if (first >= IO_PORTS || count > IO_PORTS - "
                  "first) -ERANGE."},
        .explanation = "Subtracting from a limit cannot wrap, adding to a start can. You "
                       "met the same in lab 02 with guest-physical addresses.",
    },
    {
        .id = "every_port_and_size_is_decided",
        .title = "decides every port and size as the CPU does",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = every_port_and_size_is_decided,
        .why = "An access of 4 bytes touches 4 ports; one of them may be somebody else's.",
        .handout = "Steps, 4",
        .slide = "I/O Mapping",
        .manual = SDM("26.1.3"),
        .hints = {"How many ports does OUT DX, EAX touch?",
                  "One bit that is 1 among the ports touched is enough, also where some "
                  "lie in A and others in B.",
                  "for i in 0 to size - 1: if the bit of port + i is 1, it exits. Never "
                  "look at whole bytes of the page."},
        .explanation = "The bits are looked at in the CPU for each I/O instruction, from "
                       "memory: a VMM may change them while the guest runs elsewhere.",
    },
    {
        .id = "accesses_that_wrap_always_exit",
        .title = "lets accesses that wrap around exit",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = accesses_that_wrap_always_exit,
        .why = "What lies behind port ffffh is not a port: nobody can have allowed it.",
        .handout = "Steps, 4",
        .slide = "I/O Mapping",
        .manual = SDM("26.1.3"),
        .hints = {"Which ports does an access of 4 bytes at fffeh touch?",
                  "Port ffffh is followed by port 0. Such an access exits whatever the "
                  "bits say. One that ends at ffffh does not wrap.",
                  "With the bitmaps in use: if (port + size > 0x10000) return true."},
        .explanation = "The manual says it in a single sentence, and only for the bitmaps: "
                       "with both controls off, the access is simply executed.",
    },
    {
        .id = "controls_decide_before_the_bitmap",
        .title = "asks the two controls first",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = controls_decide_before_the_bitmap,
        .why = "A bitmap that no control switches on protects nothing.",
        .handout = "Steps, 4",
        .slide = "VMCS – VM execution control section",
        .manual = SDM("25.6.2, 26.1.3"),
        .hints = {"Two controls make four cases. Which of them need the bitmap?",
                  "\"Use I/O bitmaps\" decides first; the other control has an effect only "
                  "without it. The bitmap may be NULL when it is not used.",
                  "if (!(primary & PRIMARY_USE_IO_BITMAPS)) return primary & "
                  "PRIMARY_UNCONDITIONAL_IO_EXITING;"},
        .explanation = "Both controls off is passthrough of the whole machine: the guest "
                       "could even power it off.",
    },
    {
        .id = "merge_passes_what_all_parties_allow",
        .title = "merges what several parties allow",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = merge_passes_what_all_parties_allow,
        .why = "With nested guests two hypervisors have a say: either may want the exit.",
        .handout = "Steps, 5",
        .slide = "Hardware passthrough",
        .manual = SDM("25.6.4, 26.1.3"),
        .hints = {"If one party says exit and the other pass, what has to happen?",
                  "Ask io_access_exits() for each party, with its controls. Nobody asked "
                  "means nobody allowed. merged may be one of the inputs.",
                  "For each port: exits = count == 0, or any party's "
                  "io_access_exits(party, port, 1); then write that one bit."},
        .explanation =
            "Ones mean exit, so allowing together is an OR of the bits. In lab 10 a guest "
            "hypervisor has bitmaps, too: what it passes is not what you pass.",
    },
    {
        .id = "passed_devices_pass_and_nothing_else",
        .title = "passes the ports of passed devices only",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = passed_devices_pass_and_nothing_else,
        .why =
            "This is the slide: the bits of the device's ports are changed, and no others.",
        .handout = "Steps, 6 and 7",
        .slide = "I/O Mapping",
        .manual = SDM("25.6.4"),
        .hints =
            {"What is in the bitmap before the first device is looked at?",
             "Begin with all ports exiting, then let the ports of passed devices pass. "
             "Emulated ones need no bit of their own; they may overlap each other.",
             "Check all; io_bitmap_init(); for each device with IO_DEVICE_PASSED: clear "
             "its range."},
        .explanation = "A list of devices is what a VMM's command line says; the bitmap is "
                       "what the CPU understands.",
    },
    {
        .id = "device_conflicts_are_named",
        .title = "names the device that cannot be passed, and why",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = device_conflicts_are_named,
        .why = "A device that is passed is dedicated to one guest; half of it is not.",
        .handout = "Steps, 6 and 7",
        .slide = "Hardware passthrough",
        .manual = "common/include/io_bitmap.h",
        .hints = {"Two ranges have ports in common: which is the lowest of these?",
                  "Look at the devices in order; each first for its own range, then "
                  "against those before it, lowest index first. Two emulated ones never "
                  "conflict. Only then touch the bitmap.",
                  "low = max(first, other first); common if low is below both ends. -EBUSY "
                  "if one of the two is passed. Fill *conflict only on failure, and only "
                  "if it is not NULL."},
        .explanation = "KVM knows nothing of this: whether an assignment makes sense is "
                       "the VMM's decision, as it is with VFIO groups in lab 08.",
    },
    {
        .id = "qualification_is_decoded",
        .title = "decodes the exit qualification",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = qualification_is_decoded,
        .why = "It is all that a VMM learns of the access; decoding the instruction is not "
               "needed.",
        .handout = "Steps, 8 and 9",
        .slide = "I/O Mapping",
        .manual = SDM("28.2.1, table 28-5; 28.2.5, table 28-8"),
        .hints =
            {"Draw the 64 bits, and write below each field what it is for REP OUTSB.",
             "Undefined bits may be anything. REP counts only with string; the count is as "
             "wide as the address size says; linear and address size are 0 without string.",
             "size = (q & 7) + 1, port = q >> 16 & 0xffff, address size = 2 << (info >> 7 "
             "& 7); count = rep ? RCX masked to it : 1."},
        .explanation = "A processor may define those bits one day. A VMM that ignores them "
                       "then still works.",
    },
    {
        .id = "impossible_accesses_are_refused",
        .title = "refuses what no instruction can have caused",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = impossible_accesses_are_refused,
        .why =
            "A value that cannot be is a bug somewhere: it has to be found, not emulated.",
        .handout = "Steps, 8 to 10",
        .slide = "I/O Mapping",
        .manual = SDM("table 28-5"),
        .hints =
            {"Which sizes can an access have? Which instructions have an immediate port?",
             "Sizes 1, 2, 4. INS and OUTS always take the port from DX; an immediate has 8 "
             "bits. REP without string is refused only when encoding. Nothing is written "
             "on failure.",
             "Decode into a variable of your own and copy it to *io at the end; use one "
             "function for both directions to say what is possible."},
        .explanation = "A qualification can also come from a guest hypervisor, or from a "
                       "file: then it is input, and hostile.",
    },
    {
        .id = "encoding_is_the_way_back",
        .title = "encodes a qualification",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = encoding_is_the_way_back,
        .why = "A VMM that runs a guest hypervisor has to report exits to it.",
        .handout = "Steps, 10",
        .slide = "I/O Mapping",
        .manual = SDM("table 28-5"),
        .hints = {"Which fields of struct io_exit are in the qualification?",
                  "The size is stored minus one; the port begins at bit 16; undefined bits "
                  "are 0.",
                  "port << 16 | immediate << 6 | rep << 5 | string << 4 | in << 3 | (size "
                  "- 1)."},
        .explanation = "Lab 10 needs it: the exit was taken by L0, and L1 wants to hear of "
                       "it in its own VMCS.",
    },
    {
        .id = "registers_move_with_the_elements",
        .title = "moves RSI, RDI, RCX and RIP",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = registers_move_with_the_elements,
        .why =
            "If the VMM gets it wrong, the guest copies its disk sectors to wrong places.",
        .handout = "Steps, 11 and 12",
        .slide = "I/O Mapping",
        .manual = "Intel SDM 2, INS, OUTS, REP; SDM 1, 3.4.1.1",
        .hints = {"Which register does INS use, and which OUTS? What does DF do?",
                  "An address size of 2 leaves bits 63:16 alone, 4 makes bits 63:32 zero, "
                  "but only where something was written. RIP moves only when all is done.",
                  "index = in ? rdi : rsi; index +- done * size; with rep: rcx - done; "
                  "both written with the address size; if done == count: rip += length."},
        .explanation =
            "A VMM may stop in the middle of a REP, e.g. to let an interrupt in: RIP still "
            "points to the instruction, and the registers say how much is left.",
    },
    {
        .id = "input_changes_its_part_of_rax",
        .title = "puts what was read into AL, AX or EAX",
        .tenths = 2,
        .target = TARGET_MODEL,
        .run = input_changes_its_part_of_rax,
        .why = "A driver that keeps something in AH would lose it.",
        .handout = "Steps, 13",
        .slide = "I/O Mapping",
        .manual = "Intel SDM 1, 3.4.1.1",
        .hints =
            {"What happens to the upper half of RAX when EAX is written? And when AL is?",
             "AL and AX leave the rest alone, EAX clears bits 63:32. INS and OUT do not "
             "change RAX.",
             "size 4: value. Otherwise (rax & ~mask) | (value & mask), mask the low size "
             "bytes."},
        .explanation = "This asymmetry came with 64-bit mode: a 32-bit result clears the "
                       "rest, so that the CPU need not wait for the old value.",
    },
    {
        .id = "passed_device_is_driven_without_an_exit",
        .title = "a passed device is driven with no exit at all",
        .tenths = 7,
        .target = TARGET_SILICON,
        .run = passed_device_is_driven_without_an_exit,
        .why = "This is what passthrough is for: the VMM is not involved any more.",
        .handout = "Run it",
        .slide = "Passed-through device",
        .manual = SDM("25.6.4, 26.1.3"),
        .hints = {"If the checks of io_bitmap_assign() pass, this one does.",
                  "Your two pages are given to a VMX CPU as they are. 1 means exit, in "
                  "both of them.",
                  "Look at the bits of ports 6fh to 72h and 7fh to 90h: only 70h, 71h and "
                  "80h to 8fh are 0."},
        .explanation =
            "The guest wrote bytes into the clock's memory and the DMA page registers and "
            "read them back; the CPU looked at a bit each time, and the VMM slept.",
    },
    {
        .id = "random_walk_exits_where_you_decided",
        .title = "the CPU exits where you said, and you can read why",
        .tenths = 9,
        .target = TARGET_SILICON,
        .run = random_walk_exits_where_you_decided,
        .why =
            "The CPU is the judge of your bitmap, of your decisions and of your decoding.",
        .handout = "Run it",
        .slide = "I/O Mapping",
        .manual = SDM("26.1.3, table 28-5"),
        .hints = {"Does the check speak of the bitmap, of io_access_exits() or of "
                  "io_exit_decode()?",
                  "The accesses are near the ends of passed ranges, across 7fffh/8000h and "
                  "across ffffh/0, in all forms; make the checks on the model pass first.",
                  "Compare the qualification in the report with table 28-5, bit by bit; "
                  "the guest-linear address is the CPU's and is handed on as it is."},
        .explanation = "500 instructions, and the CPU agreed with you about each of them.",
    },
    {
        .id = "registers_move_as_the_cpu_moves_them",
        .title = "your registers are those that the CPU leaves",
        .tenths = 5,
        .target = TARGET_SILICON,
        .run = registers_move_as_the_cpu_moves_them,
        .why =
            "An emulated string instruction must not differ from a real one in anything.",
        .handout = "Run it",
        .slide = "Hardware passthrough",
        .manual = "Intel SDM 2, INS, OUTS, REP; SDM 1, 3.4.1.1",
        .hints = {"Here the accesses pass: the CPU itself moves the registers, and yours "
                  "are compared.",
                  "Both directions, both address sizes of 64-bit mode, counts up to 300, "
                  "and upper halves of registers that are not zero.",
                  "A prefix 67h makes the CPU count in ECX and address with ESI or EDI; it "
                  "then writes these, so bits 63:32 become zero."},
        .explanation = "What you wrote is the microcode of INS and OUTS, but for the data.",
    },
};

const struct lab_checks lab_checks = {
    .name = "06-io-bitmap",
    .title = "I/O bitmap",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
