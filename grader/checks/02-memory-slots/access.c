/* access.c - access to guest memory: gpa_to_hva(), guest_read() and guest_write(), in a
 * world that is known page by page.
 */
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "memory_slots.h"

#define WORLD_PAGES 64
#define WORLD_SLOTS (VM_SLOTS_MAX - 2) /* beside those that are removed again */

/* The oracle's view of the guest-physical addresses from base on. */
struct world {
    uint64_t base;
    uint32_t pages;
    uint64_t below; /* so many bytes before base belong to the first page's slot */
    struct lab02_op adds[WORLD_SLOTS];
    uint32_t slots;
    struct world_page {
        int slot;        /* pages of one slot have the same number; 0: no slot */
        uint64_t offset; /* in the RAM */
        bool readonly;
    } page[WORLD_PAGES];
};

/* `pages` pages from page `first` on become a slot, or a hole if slot is 0. */
static void world_slot_plan(struct world *w, const struct world_page *of, uint32_t first,
                            uint32_t pages)
{
    const uint64_t below = first == 0 ? w->below : 0;

    for (uint32_t i = 0; i < pages; i++) {
        w->page[first + i] = *of;
        w->page[first + i].offset += i * PAGE;
    }
    if (of->slot)
        w->adds[w->slots++] =
            (struct lab02_op){.kind = LAB02_ADD,
                              .gpa = w->base + first * PAGE - below,
                              .length = pages * PAGE + below,
                              .offset = of->offset - below,
                              .flags = of->readonly ? MEMORY_SLOT_READONLY : 0};
}

/* A slot far from all worlds, whose entry is to be free again later; the operation. */
static uint32_t stopgap_put(struct script *s, uint32_t vm, uint64_t n)
{
    OP(s, WANT_SLOT, "slots that do not overlap can be added", .kind = LAB02_ADD, .vm = vm,
       .gpa = (1ull << 45) + 0x7fff0000 + n * PAGE, .length = PAGE);
    return s->in.op_count - 1;
}

/* Adds what was planned in an order that is not that of the addresses, with entries between
 * that are free in the end: nothing says that the table is sorted or dense. */
static void world_slots_put(struct script *s, struct world *w, uint32_t vm)
{
    const uint64_t middle = judge_random_below(s->judge, w->slots + 1);
    const uint32_t first = stopgap_put(s, vm, 0);
    uint32_t second = 0;

    for (uint32_t i = 0; i <= w->slots; i++) {
        const uint32_t left = w->slots - i;
        const uint64_t pick = i + (left ? judge_random_below(s->judge, left) : 0);

        if (i == middle)
            second = stopgap_put(s, vm, 1);
        if (left == 0)
            break;
        struct lab02_op add = w->adds[pick];
        w->adds[pick] = w->adds[i];
        add.vm = vm;
        op_put(s, WANT_SLOT, "slots that touch, but do not overlap, can be added", add);
    }
    given_remove_put(s, vm, second);
    given_remove_put(s, vm, first);
}

/* Slots and holes of up to `longest` pages. Addresses in the RAM go down where GPAs go up,
 * with a page between two slots: whoever runs past the end of a slot lands elsewhere. */
static void world_random_put(struct script *s, struct world *w, uint32_t vm,
                             uint32_t longest, uint32_t hole_percent)
{
    uint64_t offset = 2 * (vm + 1) * w->pages * PAGE;
    int slots = 0;

    for (uint32_t first = 0; first < w->pages;) {
        uint32_t pages = 1 + (uint32_t)judge_random_below(s->judge, longest);
        bool hole = judge_random_below(s->judge, 100) < hole_percent;
        struct world_page of = {0};

        if (pages > w->pages - first)
            pages = w->pages - first;
        if (!hole && slots < WORLD_SLOTS) {
            offset -= (pages + 1) * PAGE;
            of.slot = ++slots;
            of.offset = offset;
        }
        world_slot_plan(w, &of, first, pages);
        first += pages;
    }
    world_slots_put(s, w, vm);
}

/* NULL: nothing is there. */
static const struct world_page *world_at(const struct world *w, uint64_t gpa)
{
    uint64_t n = (gpa - w->base) / PAGE;

    return gpa >= w->base && n < w->pages && w->page[n].slot ? &w->page[n] : NULL;
}

/* Is [gpa, gpa + length) longer than the world, or does it wrap? Then no need to walk. */
static bool range_is_wild(const struct world *w, uint64_t gpa, uint64_t length)
{
    return length > w->pages * PAGE || (length > 0 && gpa > UINT64_MAX - (length - 1));
}

/* --- gpa_to_hva --------------------------------------------------------------------- */

static int64_t hva_wanted(const struct world *w, uint64_t gpa, uint64_t length)
{
    const struct world_page *first = world_at(w, gpa);

    if (!first || length == 0 || range_is_wild(w, gpa, length))
        return LAB02_NO_HVA;
    for (uint64_t done = 0; done < length; done += PAGE - (gpa + done) % PAGE) {
        const struct world_page *page = world_at(w, gpa + done);

        if (!page || page->slot != first->slot)
            return LAB02_NO_HVA;
    }
    return (int64_t)(first->offset + gpa % PAGE);
}

/* Bytes from gpa to the end of its slot. */
static uint64_t slot_rest(const struct world *w, uint64_t gpa)
{
    uint64_t rest = PAGE - gpa % PAGE;

    while (hva_wanted(w, gpa, rest + PAGE) != LAB02_NO_HVA)
        rest += PAGE;
    return rest;
}

static uint64_t length_interesting(struct judge *judge, const struct world *w, uint64_t gpa)
{
    const uint64_t lengths[] = {
        0,
        1,
        1 + judge_random_below(judge, 16),
        PAGE,
        judge_random_below(judge, 4 * PAGE),
        slot_rest(w, gpa),
        slot_rest(w, gpa) + 1,
        slot_rest(w, gpa) - 1,
        UINT64_MAX - judge_random_below(judge, 16),
        (1 + judge_random_below(judge, 1000)) << 32, /* its lower half is 0, */
        ((1 + judge_random_below(judge, 1000)) << 32) + judge_random_below(judge, 64),
        1ull << 63 | judge_random_below(judge, PAGE),
        -gpa,                                        /* the sum is 0 */
        -gpa + judge_random_below(judge, 32 * PAGE), /* the sum is small */
    };

    return lengths[judge_random_below(judge, sizeof lengths / sizeof lengths[0])];
}

static void to_hva_put(struct script *s, const struct world *w, uint32_t vm, uint64_t gpa,
                       uint64_t length)
{
    OP(s, hva_wanted(w, gpa, length),
       "gpa_to_hva() answers for ranges inside one slot, and for no others",
       .kind = LAB02_TO_HVA, .vm = vm, .gpa = gpa, .length = length);
    if (!world_at(w, gpa))
        op_because(s, "gpa is in no slot");
    else
        op_because(s, "the slot of gpa ends at %#" PRIx64, gpa + slot_rest(w, gpa));
}

static void to_hva_anywhere_put(struct script *s, const struct world *w, uint32_t vm)
{
    uint64_t gpa = w->base + random_pages(s->judge, w->pages + 1);

    switch (judge_random_below(s->judge, 3)) {
    case 0:
        gpa += judge_random_below(s->judge, 9);
        break;
    case 1:
        gpa -= judge_random_below(s->judge, 9);
        break;
    default:
        gpa += judge_random_below(s->judge, PAGE);
        break;
    }
    to_hva_put(s, w, vm, gpa, length_interesting(s->judge, w, gpa));
}

/* A slot of more than 4 GiB: nobody touches what lies behind it. */
static void large_slot_put(struct script *s, uint32_t vm)
{
    static const char asked[] = "slots, and ranges in them, may be larger than 4 GiB";
    const uint64_t gpa = (1ull << 41) + random_pages(s->judge, 1u << 21),
                   size = (3ull << 32) + PAGE + random_pages(s->judge, 1u << 20),
                   at = (2ull << 32) + judge_random_below(s->judge, 1ull << 32);

    OP(s, WANT_SLOT, asked, .kind = LAB02_ADD, .vm = vm, .gpa = gpa, .length = size);
    OP(s, (int64_t)at, asked, .kind = LAB02_TO_HVA, .vm = vm, .gpa = gpa + at, .length = 8);
    OP(s, (int64_t)at, asked, .kind = LAB02_TO_HVA, .vm = vm, .gpa = gpa + at,
       .length = size - at);
    OP(s, LAB02_NO_HVA, asked, .kind = LAB02_TO_HVA, .vm = vm, .gpa = gpa + at,
       .length = size - at + 1);
    OP(s, 0, asked, .kind = LAB02_TO_HVA, .vm = vm, .gpa = gpa, .length = size);
    OP(s, LAB02_NO_HVA, asked, .kind = LAB02_TO_HVA, .vm = vm, .gpa = gpa,
       .length = size + 1);
}

void gpa_to_hva_stays_inside_one_slot(struct judge *judge)
{
    struct script *s = script_new(judge, 4);
    const struct kvm_plan plan = plan_make();
    struct world worlds[3] = {
        {.base = 0, .pages = WORLD_PAGES}, /* a sum that wraps around lands in it */
        {.base = random_pages(judge, 1ull << 30), .pages = WORLD_PAGES},
        {.base = GPA_LIMIT - 2 * WORLD_PAGES * PAGE, .pages = WORLD_PAGES},
    };

    for (uint32_t vm = 0; vm < 3; vm++) {
        const uint64_t end = worlds[vm].base + WORLD_PAGES * PAGE;

        world_random_put(s, &worlds[vm], vm, 8, 25);
        behind_put(s, vm, end, PAGE);
        to_hva_put(s, &worlds[vm], vm, end, 8);
    }
    large_slot_put(s, 3);
    for (int i = 0; i < 300; i++)
        to_hva_anywhere_put(s, &worlds[i % 3], (uint32_t)i % 3);
    script_run(s, &(struct run_spec){.plan = &plan});
    results_expect(s);
}

/* --- guest_read, guest_write -------------------------------------------------------- */

#define COPY_VMS   2
#define COPY_PAGES 16
#define COPY_RAM   (2 * COPY_VMS * COPY_PAGES * PAGE)
#define COPY_MAX   (2 * PAGE)
#define READS_AT   (2 * COPY_MAX) /* in the pool; before it lies what is written */

/* What RAM and buffers have to look like in the end. */
struct copies {
    struct script *s;
    struct world worlds[COPY_VMS];
    uint8_t ram[COPY_RAM];
    uint8_t pool[LAB02_POOL];
    uint32_t reads_at;
};

/* below: struct world's. The VMs have the same addresses, not the same slots. */
static struct copies *copies_new(struct judge *judge, uint64_t base, uint64_t below)
{
    struct copies *c = memory_get(judge, sizeof *c);

    c->s = script_new(judge, COPY_VMS);
    c->s->in.rams[0].size = COPY_RAM;
    for (int vm = 0; vm < COPY_VMS; vm++)
        c->worlds[vm] = (struct world){.base = base, .pages = COPY_PAGES, .below = below};
    c->reads_at = READS_AT;
    random_fill(judge, c->s->in.pool, LAB02_POOL);
    memcpy(c->pool, c->s->in.pool, LAB02_POOL);
    for (uint32_t at = 0; at < COPY_RAM; at += COPY_MAX) {
        OP(c->s, 0, "", .kind = LAB02_FILL, .offset = at, .at = at / 16,
           .length = COPY_MAX);
        memcpy(c->ram + at, c->pool + at / 16, COPY_MAX);
    }
    return c;
}

static int copy_wanted(const struct world *w, uint64_t gpa, uint64_t length, bool write)
{
    bool readonly = false;

    if (range_is_wild(w, gpa, length))
        return -EFAULT;
    for (uint64_t i = 0; i < length; i++) {
        const struct world_page *page = world_at(w, gpa + i);

        if (!page)
            return -EFAULT;
        readonly |= page->readonly;
    }
    return write && readonly ? -EROFS : 0;
}

/* The sentence of the contract, and where in this range the hole and the read-only part begin. */
static const char *copy_asked(const struct copies *c, const struct world *w, uint64_t gpa,
                              uint64_t length, int want)
{
    const size_t size = 240;
    char *text = memory_get(c->s->judge, size), hole[60] = "", rom[70] = "";

    for (uint64_t i = 0; want && !range_is_wild(w, gpa, length) && i < length; i++) {
        const struct world_page *page = world_at(w, gpa + i);

        if (!page && !*hole)
            snprintf(hole, sizeof hole, "; no slot at GPA %#" PRIx64, gpa + i);
        if (page && page->readonly && !*rom)
            snprintf(rom, sizeof rom, "; a read-only slot at GPA %#" PRIx64, gpa + i);
    }
    snprintf(text, size, "%s%s%s",
             want == 0        ? "a range that slots cover without a gap can be copied"
             : want == -EROFS ? "a range with a read-only part cannot be written"
                              : "a range with a hole cannot be copied",
             hole, rom);
    return text;
}

/* Puts one copy into the script and does it, byte by byte, in our own RAM and pool. */
static void copy_put(struct copies *c, uint32_t vm, bool write, uint64_t gpa,
                     uint64_t length)
{
    const struct world *w = &c->worlds[vm];
    int want = copy_wanted(w, gpa, length, write);
    uint32_t at = write ? (uint32_t)judge_random_below(c->s->judge, COPY_MAX) : c->reads_at;

    if (want == 0 && at + length > LAB02_POOL)
        return; /* no room left to read to */
    OP(c->s, want, copy_asked(c, w, gpa, length, want),
       .kind = write ? LAB02_WRITE : LAB02_READ, .vm = vm, .gpa = gpa, .length = length,
       .at = at);
    for (uint64_t i = 0; want == 0 && i < length; i++) {
        uint8_t *in_ram = &c->ram[world_at(w, gpa + i)->offset + (gpa + i) % PAGE];

        if (write)
            *in_ram = c->pool[at + i];
        else
            c->pool[at + i] = *in_ram;
    }
    if (!write && want == 0)
        c->reads_at += (uint32_t)length + 16; /* a gap that has to stay as it was */
}

/* The operation whose buffer lies at or before this place in the pool. */
static const struct lab02_op *buffer_owner(const struct script *s, size_t place, bool to)
{
    const struct lab02_op *owner = NULL;

    for (uint32_t i = 0; i < s->in.op_count; i++) {
        const struct lab02_op *op = &s->in.ops[i];
        size_t at = to ? op->to : op->at;

        if ((op->kind == LAB02_READ || op->kind == LAB02_FETCH || lists_pages(op)) &&
            at <= place && (!owner || at >= (to ? owner->to : owner->at)))
            owner = op;
    }
    return owner;
}

void pool_expect(struct script *s, const uint8_t *want, bool to, const char *asked)
{
    for (size_t i = 0; i < s->in.pool_size; i++) {
        if (want[i] == s->out->pool[i])
            continue;

        const struct lab02_op *op = buffer_owner(s, i, to);
        char call[160] = "a buffer that is only read";

        if (op)
            op_describe(op, call, sizeof call);
        CHECK(s->judge, false, asked, "%s: byte %zu from its start is %02x, not %02x", call,
              i - (op ? (to ? op->to : op->at) : 0), s->out->pool[i], want[i]);
    }
}

/* Says which guest-physical address this place of the RAM has, if it has one. */
static void ram_owner_find(const struct world *w, uint32_t place, char *gpa, size_t size)
{
    for (uint32_t n = 0; n < w->pages; n++)
        if (w->page[n].slot && w->page[n].offset == place - place % PAGE)
            snprintf(gpa, size, "GPA %#" PRIx64, w->base + n * PAGE + place % PAGE);
}

static void ram_expect(struct copies *c)
{
    const struct evidence *e = c->s->e;

    for (uint32_t i = 0; i < COPY_RAM; i++) {
        if (i < e->windows[0][0].length && e->windows[0][0].bytes[i] == c->ram[i])
            continue;

        char gpa[32] = "in no slot";

        for (int vm = 0; vm < COPY_VMS; vm++)
            ram_owner_find(&c->worlds[vm], i, gpa, sizeof gpa);
        CHECK(c->s->judge, false, "guest_write() changes the bytes it was given, no others",
              "the byte at ram + %#x (%s) is %02x, not %02x", i, gpa,
              i < e->windows[0][0].length ? e->windows[0][0].bytes[i] : 0, c->ram[i]);
    }
}

static void copies_judge(struct copies *c)
{
    const struct window ram = {.name = "guest-ram", .length = COPY_RAM};
    const struct kvm_plan plan = plan_make();

    script_run(c->s, &(struct run_spec){.plan = &plan, .windows = &ram, .window_count = 1});
    results_expect(c->s);
    pool_expect(c->s, c->pool, false, "guest_read() fills its buffer, and nothing else");
    ram_expect(c);
}

void copies_cross_touching_slots(struct judge *judge)
{
    /* The first slot begins 8 GiB before what is copied. */
    struct copies *c =
        copies_new(judge, (1ull << 33) + random_pages(judge, 1ull << 30), 1ull << 33);

    for (uint32_t vm = 0; vm < COPY_VMS; vm++)
        world_random_put(c->s, &c->worlds[vm], vm, 3, 0);
    for (int i = 0; i < 80; i++) {
        uint32_t vm = (uint32_t)judge_random_below(judge, COPY_VMS);
        const struct world *w = &c->worlds[vm];
        bool write = judge_random(judge) & 1;
        uint64_t length = judge_random_below(judge, i % 6 ? 64 : COPY_MAX);
        uint64_t boundary = w->base + random_pages(judge, COPY_PAGES + 1);
        uint64_t gpa = boundary - judge_random_below(judge, length + 1);

        if (i == 7)
            length = 0;
        if (copy_wanted(w, gpa, length, write) == 0)
            copy_put(c, vm, write, gpa, length);
    }
    copies_judge(c);
}

/* RAM (2 slots), ROM, a hole, ROM, RAM, nothing. */
static void checkered_world_put(struct copies *c, uint32_t vm)
{
    static const struct {
        uint32_t pages;
        bool hole, readonly;
    } parts[] = {{2, false, false}, {2, false, false}, {2, false, true}, {1, true, false},
                 {1, false, true},  {2, false, false}, {2, true, false}};
    struct world *w = &c->worlds[vm];
    uint64_t offset = (vm + 1) * (COPY_RAM / COPY_VMS);
    uint32_t first = 0;

    for (int i = 0; i < (int)(sizeof parts / sizeof parts[0]); i++) {
        struct world_page of = {.slot = parts[i].hole ? 0 : i + 1,
                                .readonly = parts[i].readonly};

        offset -= (parts[i].pages + 1) * PAGE;
        of.offset = offset;
        world_slot_plan(w, &of, first, parts[i].pages);
        first += parts[i].pages;
    }
    w->pages = first;
    world_slots_put(c->s, w, vm);
}

/* The same addresses in another VM: all of it RAM, without a hole. */
static void plain_world_put(struct copies *c, uint32_t vm)
{
    const struct world_page all = {
        .slot = 1, .offset = (vm + 1) * (COPY_RAM / COPY_VMS) - (COPY_PAGES + 1) * PAGE};

    world_slot_plan(&c->worlds[vm], &all, 0, COPY_PAGES);
    world_slots_put(c->s, &c->worlds[vm], vm);
}

void copies_are_all_or_nothing(struct judge *judge)
{
    struct copies *c = copies_new(judge, judge_random(judge) & 1 ? 0 : PAGE << 20, 0);
    const uint64_t base = c->worlds[0].base, some = 1 + judge_random_below(judge, 1000);

    checkered_world_put(c, 0);
    plain_world_put(c, 1);
    behind_put(c->s, 0, base + 10 * PAGE, PAGE); /* in the last hole */
    for (int write = 0; write < 2; write++) {
        copy_put(c, 0, write, base + 2 * PAGE - some, some + 8);        /* RAM, RAM */
        copy_put(c, 0, write, base + 4 * PAGE - some, some + 8);        /* RAM, ROM */
        copy_put(c, 0, write, base + 6 * PAGE - some, some + 8);        /* ROM, hole */
        copy_put(c, 0, write, base + 7 * PAGE - some, some + 8);        /* hole, ROM */
        copy_put(c, 0, write, base + 8 * PAGE - some, some + 8);        /* ROM, RAM */
        copy_put(c, 0, write, base + 10 * PAGE - some, some + 8);       /* RAM, hole */
        copy_put(c, 0, write, base + 6 * PAGE - some, PAGE + some + 8); /* ROM, hole, ROM */
        copy_put(c, 0, write, base + some, UINT64_MAX);
        copy_put(c, 0, write, base + some, (some << 32) + 8); /* its lower half fits */
        copy_put(c, 0, write, base + some, 1ull << 63);
        copy_put(c, 0, write, base + some, -base);
        copy_put(c, 0, write, -some, some + 8); /* wraps around to 8 */
        copy_put(c, 0, write, base + 6 * PAGE + some, 0);
    }
    for (int i = 0; i < 60; i++) {
        uint64_t gpa = base + judge_random_below(judge, 12 * PAGE);
        uint64_t length = judge_random_below(judge, i % 3 ? 400 : COPY_MAX);
        uint32_t vm = i % 5 == 0;
        bool write = i % 4 != 0;

        if (write || copy_wanted(&c->worlds[vm], gpa, length, write) != 0)
            copy_put(c, vm, write, gpa, length);
    }
    copies_judge(c);
}
