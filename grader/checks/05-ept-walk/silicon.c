/* silicon.c - checks by the emulated CPU: it follows the student's tables; what it did, the
 * student's walker has to say, and the model too.
 *
 * Where the emulated CPU and the SDM leave room (A flags of a walk that fails; bits of the
 * qualification that depend on features that are off), nothing is compared. */
#include "silicon/silicon.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"
#include "judge/guest_image.h"

GUEST_IMAGE(probe_guest, "probe.bin");

/* Guest-physical: the first 4 MiB hold the program and what it needs; ALIAS + hpa leads to the
 * same memory as the pages under test, for the guest to prepare and to look. */
#define ORDERS_GPA  0x100000ull
#define RESULTS_GPA 0x200000ull
#define TABLES_GPA  0x300000ull /* the guest's PML4, PDPTs: its first TiB one to one */
#define ALIAS       0xc000000000ull
#define HUGE_GPA    0x8000000000ull /* a page of 1 GiB */

#define POOL_HPA    (SILICON_RAM_HPA + SILICON_GUEST_SIZE)
#define CPU_POOL    80u
#define TARGET_FROM 0x2000000ull /* the memory under test */
#define TARGET_TO   0x2800000ull
#define TARGET_SIZE (TARGET_TO - TARGET_FROM)
#define TARGET_2M   (TARGET_SIZE / MIB2) /* pages of that size */

#define ORDERS_MAX 2800
#define NOTHING    0x6e6f7468696e67ull /* probe.long64.c */
#define READ_AT    0ull                /* in a page: the pattern */
#define CALL_AT    8ull                /* code that says where it is */
#define WRITE_AT   16ull
#define PLACES_MAX 80
#define BAD_TABLES 5

/* Bits of the qualification that this CPU defines (SDM 3C table 28-7): not 6, which belongs to
 * mode-based execute control, nor those from 9 on. */
#define QUALIFICATION_BITS 0x1bfull

/* IA32_VMX_EPT_VPID_CAP (SDM 3D A.10): execute-only, 1 GiB pages, A and D. */
#define EPT_CAPABILITIES (1ull << 0 | 1ull << 17 | 1ull << 21)

struct order {
    uint64_t kind, address, value;
};

struct lab_cpu {
    struct judge *judge;
    struct silicon *silicon;
    struct script *build, *walk;
    struct world *world;
    struct model *model;
    struct {
        uint64_t gpa, size;
    } places[PLACES_MAX];
    unsigned place_count;
    uint64_t bad_tables[BAD_TABLES]; /* GPAs of PDPTs, for addresses from 2 << 39 on */
    struct order orders[ORDERS_MAX];
    uint32_t ops[ORDERS_MAX][2]; /* its walks in the script, + 1: the PDPT's; the page's */
    unsigned count;
};

static void place_add(struct lab_cpu *c, uint64_t gpa, uint64_t hpa, uint64_t size,
                      uint64_t rights)
{
    static const char asked[] = "the tables map what they were asked to";

    if (BUILD(c->build, c->world, asked, .kind = LAB05_MAP, .gpa = gpa, .hpa = hpa,
              .size = size, .access = rights, .type = MT_WB) < 0)
        return;
    if (c->place_count == PLACES_MAX)
        judge_error(c->judge, "too many places");
    c->places[c->place_count].gpa = gpa;
    c->places[c->place_count++].size = size;
}

/* What every guest needs; and PDPTs in pages that allow little, or nothing. */
static struct lab_cpu *cpu_new(struct judge *judge, bool access_dirty)
{
    static const uint64_t rights[BAD_TABLES] = {0, EPT_READ, RX, RW, RWX};
    static const char asked[] = "the tables map what they were asked to";
    struct lab_cpu *c = memory_get(judge, sizeof *c);

    c->judge = judge;
    c->silicon = silicon_new(judge);
    c->build = script_new(judge, CPU_POOL, CPU_POOL);
    c->build->in.memory_hpa = POOL_HPA;
    c->build->in.cpu[0] = (struct lab05_cpu){
        .physical_bits = 40, .execute_only = 1, .page_1g = 1, .access_dirty = access_dirty};
    c->world = world_new(c->build);
    create_put(c->build);
    BUILD(c->build, c->world, asked, .kind = LAB05_MAP, .hpa = SILICON_RAM_HPA,
          .size = SILICON_GUEST_SIZE, .access = RWX, .type = MT_WB);
    BUILD(c->build, c->world, asked, .kind = LAB05_MAP, .gpa = ALIAS + TARGET_FROM,
          .hpa = TARGET_FROM, .size = TARGET_SIZE, .access = RW, .type = MT_WB);
    for (unsigned i = 0; i < BAD_TABLES; i++) {
        c->bad_tables[i] =
            0xb000000000ull + i * MIB2 + judge_random_below(judge, 512) * KIB4;
        if (rights[i])
            BUILD(c->build, c->world, asked, .kind = LAB05_MAP, .gpa = c->bad_tables[i],
                  .hpa = SILICON_RAM_HPA + TABLES_GPA + KIB4, .size = KIB4,
                  .access = rights[i], .type = MT_WB);
    }
    return c;
}

/* The guest's own tables, in pages of 1 GiB, with A and D set. */
static void guest_tables_put(struct lab_cpu *c)
{
    uint64_t tables[3][512] = {{0}};

    for (uint64_t i = 0; i < 2; i++)
        tables[0][i] = (TABLES_GPA + (1 + i) * KIB4) | 0x63;
    for (uint64_t i = 0; i < BAD_TABLES; i++)
        tables[0][2 + i] = c->bad_tables[i] | 0x63;
    for (uint64_t i = 0; i < 1024; i++)
        tables[1 + i / 512][i % 512] = i * GIB1 | 0xe3;
    silicon_put(c->silicon, SILICON_RAM_HPA + TABLES_GPA, tables, sizeof tables);
}

/* The student's tables are there: now they are walked, by the student and the model. */
static void walks_begin(struct lab_cpu *c)
{
    const uint64_t root = c->build->out.roots[0];

    c->walk = script_new(c->judge, CPU_POOL, 0);
    c->walk->in.memory_hpa = POOL_HPA;
    c->walk->in.cpu[0] = c->build->in.cpu[0];
    c->walk->in.memory_given = 1;
    memcpy(c->walk->memory, c->build->out.memory, CPU_POOL * KIB4);
    VALUE(c->walk, 0, "", .kind = LAB05_ADOPT, .hpa = root);
}

static void model_begin(struct lab_cpu *c)
{
    static const uint64_t own[][2] = {
        {GUEST_LOAD_GPA, 0x184}, {GUEST_STACK_GPA - 8, 0x182}, {ORDERS_GPA, 0x181},
        {RESULTS_GPA, 0x182},    {GUEST_MAILBOX_GPA, 0x181},   {TABLES_GPA, 0x81}};

    c->model = model_new(c->walk);
    c->model->roots[0] = c->build->out.roots[0];
    for (unsigned i = 0; i < sizeof own / sizeof own[0]; i++)
        walk_put(c->model, 0, own[i][0], own[i][1], false, "the guest's program runs");
}

/* Where an access would lead; nothing comes of it. */
static struct step model_ask(struct model *m, uint64_t gpa, uint64_t access)
{
    struct want none = {.any = true};
    struct step step;

    m->want = &none;
    m->dry = true;
    step = model_ept(m, 0, gpa, access, false);
    m->dry = false;
    return step;
}

/* An order to the guest, with the walks that it makes. Not given if it would touch other memory
 * than that under test: the guest does nothing that we do not know. True if it will succeed. */
static bool order_put(struct lab_cpu *c, uint64_t kind, uint64_t gva, uint64_t value)
{
    static const char asked[] = "your walker says what the CPU does";
    const uint64_t table = gva >> 39;
    const uint64_t gpa = table < 2 ? gva : gva % (1ull << 39);
    const struct want *want = NULL;
    const unsigned n = c->count;
    const struct step last = model_ask(c->model, gpa, kind | 0x180);

    if (n == ORDERS_MAX || (last.outcome == EPT_TRANSLATED &&
                            (last.hpa < TARGET_FROM || last.hpa >= TARGET_TO)))
        return false;
    c->orders[n] = (struct order){kind, gva, value};
    if (table >= 2) {
        c->ops[n][0] = c->walk->in.op_count + 1;
        want = walk_put(c->model, 0, c->bad_tables[table - 2] + 8 * (gpa >> 30), 0x81,
                        false, asked);
    }
    if (!want || want->r.value == EPT_TRANSLATED) {
        c->ops[n][1] = c->walk->in.op_count + 1;
        want = walk_put(c->model, 0, gpa, kind | 0x180, false, asked);
    }
    c->count++;
    return want->r.value == EPT_TRANSLATED;
}

/* An access to a place, prepared so that what comes of it shows which memory was reached. */
static void probe_put(struct lab_cpu *c, uint64_t gpa, uint64_t kind, uint64_t table)
{
    const uint64_t page = gpa & ~(KIB4 - 1);
    const uint64_t at = kind == EPT_READ ? READ_AT : kind == EPT_FETCH ? CALL_AT : WRITE_AT;
    const uint64_t gva = (page + at) | table << 39;
    struct step step;

    if (c->count + 3 > ORDERS_MAX || c->walk->in.op_count + 6 > LAB05_OPS)
        return;
    step = model_ask(c->model, page, kind | 0x180);
    if (kind == EPT_FETCH && step.hpa >= TARGET_FROM && step.hpa < TARGET_TO)
        order_put(c, EPT_WRITE, ALIAS + step.hpa + CALL_AT,
                  0xb8 | (step.hpa >> 12) << 8 | 0xc3ull << 40); /* mov eax, n; ret */
    if (order_put(c, kind, gva, judge_random(c->judge)) && kind == EPT_WRITE)
        order_put(c, EPT_READ, ALIAS + step.hpa + WRITE_AT, 0);
}

static void random_probe(struct lab_cpu *c)
{
    struct judge *judge = c->judge;
    const unsigned i = (unsigned)judge_random_below(judge, c->place_count);
    const uint64_t size = c->places[i].size, kind = 1ull << judge_random_below(judge, 3);
    uint64_t gpa = c->places[i].gpa + judge_random_below(judge, size), table = 0;

    if (size >= GIB1)
        gpa = c->places[i].gpa + TARGET_FROM + judge_random_below(judge, TARGET_SIZE);
    else if (judge_random_below(judge, 10) == 0) /* next to it */
        gpa = c->places[i].gpa + (judge_random_below(judge, 2) ? size : -KIB4);
    if (judge_random_below(judge, 8) == 0 && gpa < 1ull << 39)
        table = 2 + judge_random_below(judge, BAD_TABLES);
    probe_put(c, gpa, kind, table);
}

/* How many pages of the pool, from the first on, have something in them. */
static uint32_t pool_used(const struct lab_cpu *c)
{
    static const lab05_page zeros;
    uint32_t used = CPU_POOL;

    while (used > 0 && memcmp(c->walk->memory[used - 1], zeros, KIB4) == 0)
        used--;
    return used;
}

/* The student's walks, then the CPU. */
static void cpu_run(struct lab_cpu *c)
{
    struct silicon *si = c->silicon;
    const uint64_t mailbox[1] = {c->count};
    const uint32_t pool = pool_used(c) * (uint32_t)KIB4;

    script_run(c->walk);
    silicon_guest(si, probe_guest, GUEST_IMAGE_SIZE(probe_guest), GUEST_LONG64);
    guest_tables_put(c);
    si->job.guest.cr3 = TABLES_GPA;
    silicon_put(si, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, mailbox, sizeof mailbox);
    silicon_put(si, SILICON_RAM_HPA + ORDERS_GPA, c->orders,
                c->count * sizeof c->orders[0]);
    silicon_put(si, POOL_HPA, c->walk->memory, pool);
    si->job.fill = (struct silicon_fill){TARGET_FROM, TARGET_TO, KIB4};
    si->job.controls.ept_pointer =
        c->build->out.roots[0] | EPTP_WALK_4 | EPTP_WRITE_BACK |
        (c->build->in.cpu[0].access_dirty ? EPTP_ACCESS_DIRTY : 0);
    si->job.actions[VMX_EXIT_EPT_VIOLATION] = SILICON_RECOVER;
    si->job.actions[VMX_EXIT_EPT_MISCONFIGURATION] = SILICON_RECOVER;
    silicon_window(si, SILICON_RAM_HPA + RESULTS_GPA, c->count * 8);
    if (c->build->in.cpu[0].access_dirty)
        silicon_window(si, POOL_HPA, pool);
    silicon_run(si);
    if (si->log.end != SILICON_ENDED) /* tables and guest are as we want them: not theirs */
        judge_error(c->judge, "the probing guest did not get to its end (%u)", si->log.end);
    if ((si->log.ept_vpid_capabilities & EPT_CAPABILITIES) != EPT_CAPABILITIES)
        check_skip(c->judge,
                   "this emulated CPU lacks execute-only pages, 1 GiB pages or A/D "
                   "flags; Bochs 2.7 with cpu model corei7_skylake_x has them");
}

/* What the CPU has shown of an order; what somebody's walks say of it has to be the same. */
struct shown {
    uint64_t result;
    const struct silicon_record *exit; /* NULL: none */
};

static bool exit_fits(const struct shown *cpu, const struct lab05_op *op,
                      const struct lab05_result *walk, uint64_t gva)
{
    const uint32_t reason = walk->value == EPT_VIOLATION ? VMX_EXIT_EPT_VIOLATION
                                                         : VMX_EXIT_EPT_MISCONFIGURATION;
    uint64_t bits = QUALIFICATION_BITS;

    /* Where a guest's page table counts as written to (A and D in use), the SDM sets bits 0
     * and 1 (3C table 28-7, note 1; 29.3.3.2). Bochs 2.7 sets bit 1 only. The SDM is right:
     * that is what ept.h asks for and target model judges; here bit 0 is left out. */
    if ((walk->qualification & 0x183) == 0x83)
        bits &= ~EPT_READ;

    if (!cpu->exit || cpu->exit->exit_reason != reason ||
        cpu->exit->guest_physical_address != op->gpa)
        return false;
    return reason != VMX_EXIT_EPT_VIOLATION ||
           (cpu->exit->guest_linear_address == gva &&
            !((cpu->exit->qualification ^ walk->qualification) & bits));
}

static bool order_fits(const struct lab_cpu *c, unsigned n, const struct shown *cpu,
                       const struct lab05_op *op, const struct lab05_result *walk)
{
    const struct order *order = &c->orders[n];
    const uint64_t page = walk->hpa & ~(KIB4 - 1);

    if (walk->value != EPT_TRANSLATED)
        return cpu->result == NOTHING && exit_fits(cpu, op, walk, order->address);
    if (cpu->exit)
        return false;
    if (order->kind == EPT_FETCH)
        return cpu->result == page >> 12;
    if (order->kind == EPT_WRITE)
        return cpu->result == 1;
    if ((order->address & (KIB4 - 1)) == WRITE_AT) /* behind a write: here it has to be */
        return cpu->result == c->orders[n - 1].value;
    return cpu->result == silicon_pattern(c->silicon->job.nonce, page);
}

static void shown_describe(const struct lab_cpu *c, const struct shown *cpu, char *buffer,
                           size_t size)
{
    if (cpu->exit) {
        silicon_record_describe(cpu->exit, buffer, size);
        return;
    }
    for (uint64_t hpa = TARGET_FROM; hpa < TARGET_TO; hpa += KIB4)
        if (silicon_pattern(c->silicon->job.nonce, hpa) == cpu->result) {
            snprintf(buffer, size, "no exit; it read what lies at hpa %#" PRIx64, hpa);
            return;
        }
    snprintf(buffer, size, "no exit; result %#" PRIx64, cpu->result);
}

/* One order's walks against what the CPU did. results: the student's, or NULL: the model's. */
static void order_expect(const struct lab_cpu *c, unsigned n, const struct shown *cpu,
                         const struct lab05_result *results)
{
    char walked[240], op_text[160], did[300];

    for (unsigned k = 0; k < 2; k++) {
        const uint32_t i = c->ops[n][k] - 1;
        const struct lab05_result *r;

        if (c->ops[n][k] == 0)
            continue;
        r = results ? &results[i] : &c->walk->wants[i].r;
        if (k == 0 && r->value == EPT_TRANSLATED && c->ops[n][1])
            continue; /* the guest's table was read: on to the page */
        if (order_fits(c, n, cpu, &c->walk->ops[i], r))
            return;
        result_describe(LAB05_WALK, r, walked, sizeof walked);
        op_describe(&c->walk->ops[i], op_text, sizeof op_text);
        shown_describe(c, cpu, did, sizeof did);
        if (!results)
            judge_error(c->judge, "CPU and model disagree: %s: %s; the CPU: %s", op_text,
                        walked, did);
        CHECK(c->judge, false, "your walker says what the CPU does", "%s: %s; the CPU: %s",
              op_text, walked, did);
    }
}

/* All orders; records of exits come in the order in which they happened. */
static void orders_expect(const struct lab_cpu *c, const struct lab05_result *results)
{
    const struct silicon *si = c->silicon;
    uint32_t next = 0;

    for (unsigned n = 0; n < c->count; n++) {
        struct shown cpu = {0};
        const struct silicon_record *r = &si->records[next];

        memcpy(&cpu.result, si->windows[0].bytes + 8 * n, 8);
        if (next < si->log.record_count && r->rbx == n &&
            (r->exit_reason == VMX_EXIT_EPT_VIOLATION ||
             r->exit_reason == VMX_EXIT_EPT_MISCONFIGURATION)) {
            cpu.exit = r;
            next++;
        }
        order_expect(c, n, &cpu, results);
    }
    if (next + 1 != si->log.record_count)
        judge_error(c->judge, "%u exits, of which %u belong to accesses",
                    si->log.record_count, next);
}

static void places_map(struct lab_cpu *c, bool huge)
{
    struct judge *judge = c->judge;

    if (huge) {
        place_add(c, HUGE_GPA, 0, GIB1, RWX);
        place_add(c, HUGE_GPA + 3 * GIB1, 0, GIB1, random_rights(judge));
    }
    for (unsigned i = 0; i < 30; i++) {
        const uint64_t area = GIB1 * (8 + i / 4) + MIB2 * 8 * (i % 4);
        const uint64_t large = 1 + judge_random_below(judge, 3);
        const uint64_t hpa =
            TARGET_FROM + MIB2 * judge_random_below(judge, TARGET_2M + 1 - large);

        if (i % 3)
            place_add(c, area + KIB4 * judge_random_below(judge, 512),
                      hpa + KIB4 * judge_random_below(judge, 512),
                      KIB4 * (1 + judge_random_below(judge, 4)), random_rights(judge));
        else
            place_add(c, area, hpa, MIB2 * large, random_rights(judge));
    }
}

/* Some of the places get other rights in a part of them, or a hole. */
static void places_change(struct lab_cpu *c, const char *asked)
{
    struct judge *judge = c->judge;

    for (unsigned i = 0; i < 12; i++) {
        const unsigned p =
            i * 2 + (unsigned)judge_random_below(judge, 2); /* each once at most */
        uint64_t from = c->places[p].gpa;
        const uint64_t size = c->places[p].size;

        if (size >= GIB1)
            from += TARGET_FROM + judge_random_below(judge, TARGET_2M) * MIB2 +
                    judge_random_below(judge, 400) * KIB4;
        else if (size >= MIB2)
            from += judge_random_below(judge, 400) * KIB4;
        build_put(
            c->build, c->world, asked,
            (struct lab05_op){
                .kind = i % 3 || size < MIB2 ? LAB05_PROTECT : LAB05_UNMAP,
                .gpa = from,
                .size = size >= MIB2 ? (1 + judge_random_below(judge, 60)) * KIB4 : KIB4,
                .access = random_rights(judge)});
    }
}

/* All page sizes, split pages, holes; HPAs in the memory under test. */
static void places_build(struct lab_cpu *c, bool huge)
{
    static const char asked[] = "the tables map what they were asked to";

    places_map(c, huge);
    places_change(c, asked);
    place_add(c, GIB1 * 40, TARGET_FROM, MIB2, RWX); /* split for the rights that it has */
    BUILD(c->build, c->world, asked, .kind = LAB05_PROTECT, .gpa = GIB1 * 40 + 7 * KIB4,
          .size = KIB4, .access = RWX);
    /* Only tables that say exactly what we expect are given to the CPU: whoever maps the
     * runtime or its log into the guest does not get as far as that. */
    build_expect(c->build, c->world, asked);
}

static void tables_confined(const struct lab_cpu *c)
{
    const struct silicon_range ranges[] = {{SILICON_RAM_HPA, POOL_HPA + CPU_POOL * KIB4},
                                           {TARGET_FROM, TARGET_TO + MIB2}};
    uint64_t bad = 0;

    CHECK(c->judge,
          silicon_ept_confined((const uint8_t *)c->build->out.memory, POOL_HPA,
                               CPU_POOL * KIB4, c->build->out.roots[0], ranges, 2, &bad),
          "the tables lead only to the guest's memory", "the entry %#" PRIx64 " does not",
          bad);
}

void cpu_agrees_on_accesses(struct judge *judge)
{
    struct lab_cpu *c = cpu_new(judge, false);

    places_build(c, true);
    walks_begin(c);
    model_begin(c);
    for (unsigned i = 0; i < 1600; i++)
        random_probe(c);
    cpu_run(c);
    orders_expect(c, c->walk->out.results);
    orders_expect(c, NULL);
}

/* One entry is made wrong, or unusual, in a way that depends on i. */
static uint64_t entry_damage(uint64_t entry, unsigned i)
{
    static const unsigned bits[] = {3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
                                    20, 21, 29, 40, 51, 52, 57, 58, 60, 61, 63};
    const unsigned kinds = sizeof bits / sizeof bits[0];

    if (i % 3 == 0)
        return (entry & ~RWX) | i / 3 % 8;
    /* Bit 12 of a large page: reserved, says the SDM (3C tables 29-3 and 29-5), and target model
     * judges it so. Bochs 2.7 ignores it (in ordinary paging the bit is PAT): not here. */
    entry ^= 1ull << bits[i % kinds];
    return entry & EPT_LARGE ? entry & ~KIB4 : entry;
}

/* A reserved bit that leads elsewhere where it is not reserved is left alone: the guest shall
 * not get anywhere that we do not know. */
static bool damage_is_safe(uint64_t before, uint64_t after, int level,
                           const struct model *m)
{
    const bool leaf = level == 1 || (level < 4 && after & EPT_LARGE);

    return (before & EPT_LARGE) == (after & EPT_LARGE) && ((before ^ after) & EPT_ADDRESS)
               ? entry_is_bad(&m->s->in.cpu[0], after, level, leaf)
               : (before & EPT_LARGE) == (after & EPT_LARGE) || level == 1 ||
                     entry_is_bad(&m->s->in.cpu[0], after, level, leaf);
}

void cpu_agrees_on_misconfigurations(struct judge *judge)
{
    static const char asked[] = "the tables map what they were asked to";
    struct lab_cpu *c = cpu_new(judge, false);
    struct image image;

    for (unsigned i = 0; i < 56; i++) { /* each in a table of its own */
        const uint64_t gpa = i < 36 ? 8 * GIB1 + i * MIB2 : (16 + i) * GIB1;

        place_add(c, gpa + (i % 4 ? judge_random_below(judge, 512) * KIB4 : 0),
                  TARGET_FROM + MIB2 * judge_random_below(judge, TARGET_2M),
                  i % 4 ? KIB4 : MIB2, RWX);
    }
    build_expect(c->build, c->world, asked);
    tables_confined(c);
    walks_begin(c);
    image = (struct image){.s = c->walk};
    model_begin(c); /* no order is given by this one */
    for (unsigned i = 0; i < 56; i++) {
        const int leaf = c->places[i].size == KIB4 ? 1 : 2;
        const int level = leaf + (int)(i / 2 % ((i < 36 ? 3u : 4u) - (unsigned)leaf));
        uint64_t *word = image_word(
            &image, ept_entry(&image, c->build->out.roots[0], c->places[i].gpa, level));
        const uint64_t bad = entry_damage(*word, i);

        if (damage_is_safe(*word, bad, level, c->model))
            *word = bad;
    }
    c->walk->in.op_count = 1;
    c->walk->ref_count = 0;
    memset(c->walk->wants, 0, sizeof c->walk->wants);
    model_begin(c);
    for (unsigned i = 0; i < 500; i++)
        random_probe(c);
    cpu_run(c);
    orders_expect(c, c->walk->out.results);
    orders_expect(c, NULL);
}

/* (The pages of the pool behind the dumped ones were empty, and are.) */
static void flags_expect(const struct lab_cpu *c, const lab05_page *memory, bool student)
{
    const uint32_t dumped = c->silicon->windows[1].length / 8;

    for (uint32_t i = 0; i < CPU_POOL * 512; i++) {
        const uint64_t hpa = POOL_HPA + 8 * i, walked = memory[i / 512][i % 512];
        uint64_t cpu = 0;

        if (i < dumped)
            memcpy(&cpu, c->silicon->windows[1].bytes + 8 * i, 8);
        if (cpu == walked)
            continue;
        if (!student)
            judge_error(c->judge,
                        "CPU and model disagree: entry at hpa %#" PRIx64 ": CPU %#" PRIx64
                        ", model %#" PRIx64,
                        hpa, cpu, walked);
        CHECK(c->judge, false, "A and D are in your tables where the CPU has set them",
              "the entry at hpa %#" PRIx64 " is %#" PRIx64 " after your walks, %#" PRIx64
              " after the CPU's",
              hpa, walked, cpu);
    }
}

void cpu_sets_the_same_flags(struct judge *judge)
{
    struct lab_cpu *c = cpu_new(judge, true);

    places_build(c, false);
    tables_confined(c);
    walks_begin(c);
    model_begin(c);
    for (unsigned i = 0; i < 120; i++)
        random_probe(c);
    cpu_run(c);
    orders_expect(c, c->walk->out.results);
    flags_expect(c, c->walk->out.memory, true);
    orders_expect(c, NULL);
    flags_expect(c, c->model->memory, false);
}
