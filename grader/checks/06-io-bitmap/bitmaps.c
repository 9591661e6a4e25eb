/* bitmaps.c - the bitmaps: ranges, decisions, merging, devices that are passed through. */
#include "checks.h"

#include "judge/random.h"
#include "silicon/silicon.h"

static void random_ranges_put(struct script *s, uint32_t bitmap, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t first, length;

        range_make(s->judge, &first, &length);
        OP(s, .kind = judge_random(s->judge) & 1 ? LAB06_PASS : LAB06_INTERCEPT,
           .bitmap = bitmap, .first = first, .count = length);
    }
}

void ranges_change_exactly_their_ports(struct judge *judge)
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

void bad_ranges_change_nothing(struct judge *judge)
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

void every_port_and_size_is_decided(struct judge *judge)
{
    struct script *s = script_new(
        judge, "an access exits exactly if one of the ports that it touches does");

    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t byte = 8 * (uint32_t)judge_random_below(judge, 0x800);

        sparse_put(s, i);
        OP(s, .kind = LAB06_INTERCEPT, .bitmap = i, .first = byte + 2, .count = 1);
        OP(s, .kind = LAB06_PASS, .bitmap = i, .first = byte + 3, .count = 1);
        OP(s, .kind = i % 2 ? LAB06_INTERCEPT : LAB06_PASS, .bitmap = i,
           .first = BORDER_PORT - 1 - i / 2, .count = 1 + i / 2);
        OP(s, .kind = i % 2 ? LAB06_PASS : LAB06_INTERCEPT, .bitmap = i,
           .first = BORDER_PORT + i / 2, .count = 2);
        OP(s, .kind = LAB06_DECIDE, .bitmap = i, .primary = PRIMARY_USE_IO_BITMAPS,
           .at = s->decisions++);
    }
    script_judge(s);
}

void accesses_that_wrap_always_exit(struct judge *judge)
{
    /* The first four wrap. */
    static const uint32_t accesses[][2] = {
        {0xffff, 2}, {0xfffd, 4}, {0xfffe, 4}, {0xffff, 4}, {0xffff, 1}, {0xfffe, 2},
        {0xfffc, 4}, {0, 4},      {0x7fff, 2}, {0x7ffd, 4}, {0x7fff, 4}};
    uint32_t order[6 * COUNT(accesses)]; /* so many that none of the orders comes twice */
    struct script *s = script_new(
        judge,
        "an access that wraps around exits even where every bit is 0; others do not");

    OP(s, .kind = LAB06_INIT);
    OP(s, .kind = LAB06_PASS, .count = IO_PORTS);
    for (uint32_t i = 0; i < COUNT(order); i++)
        order[i] = i % COUNT(accesses);
    random_order(judge, order, COUNT(order), sizeof *order);
    for (uint32_t i = 0; i < COUNT(order); i++)
        OP(s, .kind = LAB06_ACCESS, .primary = PRIMARY_USE_IO_BITMAPS,
           .first = accesses[order[i]][0], .count = accesses[order[i]][1]);
    OP(s, .kind = LAB06_DECIDE, .primary = PRIMARY_USE_IO_BITMAPS, .at = s->decisions++);
    script_judge(s);
}

/* Other controls are none of this function's business. */
static uint32_t primary_make(struct judge *judge, uint32_t io_controls)
{
    return ((uint32_t)judge_random(judge) & ~IO_CONTROLS) | io_controls;
}

void controls_decide_before_the_bitmap(struct judge *judge)
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

#define MANY_PARTIES 70

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
    /* Many parties, and only the last one has something to say. */
    for (uint32_t i = 0; i < MANY_PARTIES - 1; i++)
        party_put(s, PRIMARY_USE_IO_BITMAPS, 0);
    party_put(s, IO_CONTROLS, 1);
    merge_put(s, 3, MANY_PARTIES);
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t n = 0; n <= i; n++)
            random_party_put(s);
        merge_put(s, i, 1 + i);
    }
}

void merge_passes_what_all_parties_allow(struct judge *judge)
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

#define MANY_DEVICES 300 /* 7 does not divide it */

/* More devices than a byte counts, in no order; the index of the first. */
static uint32_t many_devices_put(struct script *s, uint32_t turn)
{
    const uint32_t at = s->devices;

    for (uint32_t i = 0; i < MANY_DEVICES; i++)
        device_put(s, IO_DEVICE_PASSED, (i * 7 + turn) % MANY_DEVICES * 200, 100);
    return at;
}

void passed_devices_pass_and_nothing_else(struct judge *judge)
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
    assign_put(s, many_devices_put(s, 5), true);
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

void device_conflicts_are_named(struct judge *judge)
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
    const uint32_t turn = (uint32_t)judge_random_below(judge, MANY_DEVICES),
                   many = many_devices_put(s, turn); /* the last meets one of the first */
    device_put(s, IO_DEVICE_EMULATED, s->in.devices[many + turn % 20].first + 50, 60);
    assign_put(s, many, true);
    save_put(s, 0);
    /* One that overlaps two, the later one at a lower port. */
    device_put(s, IO_DEVICE_PASSED, 0x300, 8);
    device_put(s, IO_DEVICE_EMULATED, 0x2f8, 8);
    device_put(s, IO_DEVICE_PASSED, 0x2fc, 8);
    assign_put(s, s->devices - 3, true);
    save_put(s, 0);
    script_judge(s);
}
