/* model.c - a model of the CPU: what a walk has to give, and which references it makes, in
 * their order. It has caches of its own, and a memory of its own, in which A and D are set. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "checks.h"

/* The memory of the script is what the model starts with. */
struct model *model_new(struct script *s)
{
    struct model *m = memory_get(s->judge, sizeof *m);

    m->s = s;
    memcpy(m->memory, s->memory, s->in.memory_pages * KIB4);
    return m;
}

uint64_t *model_word(struct model *m, uint64_t hpa)
{
    const uint64_t at = (hpa - m->s->in.memory_hpa) / 8;

    return hpa >= m->s->in.memory_hpa && at < m->s->in.memory_pages * 512ull
               ? &m->memory[at / 512][at % 512]
               : NULL;
}

static uint64_t model_read(struct model *m, uint64_t hpa, const char *label)
{
    const uint64_t *word = model_word(m, hpa);
    struct want *want = m->want;

    if (!m->dry && m->s->ref_count < LAB05_LOG)
        m->s->refs[m->s->ref_count++] = (struct ref){hpa, label};
    want->ref_count++;
    want->r.references++;
    return word ? *word : UINT64_MAX;
}

static struct line *line_find(struct line *lines, uint64_t root, uint64_t number)
{
    struct line *line = &lines[number % 16];

    return line->valid && line->root == root && line->number == number ? line : NULL;
}

/* Bits that have to be 0, from tables 29-1 to 29-7 of the SDM: [leads to a table, leaf]. */
static const uint64_t must_be_zero[5][2] = {
    [4] = {0xf8, 0}, [3] = {0x78, 0x3ffff000}, [2] = {0x78, 0x1ff000}, [1] = {0, 0}};

bool entry_is_bad(const struct lab05_cpu *cpu, uint64_t entry, int level, bool leaf)
{
    static const char rights_bad[8] = {[2] = 1, [6] = 1};
    static const char type_bad[8] = {[2] = 1, [3] = 1, [7] = 1};

    if (rights_bad[entry & 7] || ((entry & 7) == 4 && !cpu->execute_only))
        return true;
    if ((entry & 0xfffffffffffff) >> cpu->physical_bits)
        return true;
    if (level == 3 && entry & EPT_LARGE && !cpu->page_1g)
        return true;
    return (entry & must_be_zero[level][leaf]) || (leaf && type_bad[entry >> 3 & 7]);
}

static const char *const ept_labels[] = {"", "the EPT's PT entry", "the EPT's PD entry",
                                         "the EPT's PDPT entry", "the EPT's PML4 entry"};

static struct step model_end(struct model *m, struct step step, uint64_t root, uint64_t gpa,
                             bool cached)
{
    if (cached && line_find(m->regions, root, gpa >> 21))
        m->regions[(gpa >> 21) % 16].valid = false;
    step.hpa = 0;
    return step;
}

static int entry_outcome(const struct lab05_cpu *cpu, const struct step *step,
                         uint64_t access, bool leaf)
{
    if ((step->entry & 7) == 0)
        return EPT_VIOLATION;
    if (entry_is_bad(cpu, step->entry, step->level, leaf))
        return EPT_MISCONFIGURATION;
    return leaf && (access & ~step->rights & 7) ? EPT_VIOLATION : EPT_TRANSLATED;
}

/* Accessed in each entry of a walk that ended at this level, dirty in the last; at[]: where they
 * are, 0 for those that a cache has saved. */
static void flags_set(struct model *m, const uint64_t at[5], int leaf_level, bool write)
{
    for (int level = leaf_level; level <= 4; level++) {
        uint64_t *word = at[level] ? model_word(m, at[level]) : NULL;
        const uint64_t bits = level == leaf_level && write ? 0x300 : 0x100;

        if (word && (*word & bits) != bits) {
            *word |= bits;
            m->want->r.writes++;
        }
    }
}

struct step model_ept(struct model *m, uint32_t n, uint64_t gpa, uint64_t access,
                      bool cached)
{
    const struct lab05_cpu *cpu = &m->s->in.cpu[n];
    const struct line *hit = cached ? line_find(m->regions, m->roots[n], gpa >> 21) : NULL;
    uint64_t table = hit ? hit->target : m->roots[n], at[5] = {0}, upper = 7;
    struct step step = {.level = hit ? 1 : 4, .rights = hit ? hit->flags : 7};

    if (cpu->access_dirty && (access & 0x180) == 0x80)
        access |= 3;
    for (;; step.level--) {
        const int shift = 3 + 9 * step.level;
        bool leaf;

        at[step.level] = table + (gpa >> shift & 511) * 8;
        step.entry = model_read(m, at[step.level], ept_labels[step.level]);
        leaf = step.level == 1 || (step.level < 4 && step.entry & EPT_LARGE);
        upper = step.rights;
        step.rights &= step.entry;
        step.outcome = entry_outcome(cpu, &step, access, leaf);
        if (step.outcome == EPT_VIOLATION)
            step.qualification = access | step.rights << 3;
        if (step.outcome != EPT_TRANSLATED)
            return model_end(m, step, m->roots[n], gpa, cached);
        if (leaf)
            break;
        table = step.entry & EPT_ADDRESS;
    }
    step.hpa = (step.entry & EPT_ADDRESS) + gpa % (KIB4 << 9 * (step.level - 1));
    if (cpu->access_dirty && !m->dry)
        flags_set(m, at, step.level, access & 2);
    if (cached && !hit && step.level == 1)
        m->regions[(gpa >> 21) % 16] = (struct line){.valid = true,
                                                     .root = m->roots[n],
                                                     .number = gpa >> 21,
                                                     .target = table,
                                                     .flags = upper};
    return step;
}

/* ept_walk() as an operation. */
struct want *walk_put(struct model *m, uint32_t n, uint64_t gpa, uint64_t access,
                      bool cached, const char *asked)
{
    struct want *want = OP(m->s, asked, .kind = LAB05_WALK, .ept = n, .gpa = gpa,
                           .access = access, .cached = cached);
    struct step step;

    m->want = want;
    step = model_ept(m, n, gpa, access, cached);
    want->r.value = step.outcome;
    want->r.qualification = step.qualification;
    if (step.outcome == EPT_TRANSLATED) {
        want->r.hpa = step.hpa;
        want->r.gpa = KIB4 << 9 * (step.level - 1);
        want->r.rights = (uint32_t)step.rights;
        want->r.memory_type = (uint32_t)(step.entry >> 3) & 7;
    }
    return want;
}

/* The rest of a walk whose guest part is done. flags: W, U and NX as they are in an entry. */
static void model_page(struct model *m, const struct lab05_op *op, uint64_t gpa,
                       uint64_t flags)
{
    const bool user = op->access & NESTED_USER;
    const uint64_t kinds =
        (user && !(flags & 4) ? 0 : 1) | (flags & 2) | (flags >> 63 ? 0 : 4);
    struct lab05_result *r = &m->want->r;
    struct step step;

    if (!(kinds & 1) || !(kinds & op->access)) {
        r->value = NESTED_PAGE_FAULT;
        r->error_code = 1;
        return;
    }
    step = model_ept(m, op->ept, gpa, (op->access & 7) | 0x180, op->cached);
    r->value = step.outcome == EPT_TRANSLATED  ? NESTED_TRANSLATED
               : step.outcome == EPT_VIOLATION ? NESTED_VIOLATION
                                               : NESTED_MISCONFIGURATION;
    r->hpa = step.hpa;
    r->gpa = step.outcome == EPT_TRANSLATED ? 0 : gpa;
    r->qualification = step.qualification;
    if (step.outcome == EPT_TRANSLATED && op->cached)
        m->pages[(op->gpa >> 12) % 16] =
            (struct line){.valid = true,
                          .user = user,
                          .root = m->roots[op->ept],
                          .number = op->gpa >> 12,
                          .target = step.hpa & ~(KIB4 - 1),
                          .flags = kinds & step.rights & (op->access & 2 ? 7 : 5)};
}

/* Where an entry of the guest's tables is in the memory. False: the EPT does not say, and the
 * walk has ended. */
static bool guest_entry_find(struct model *m, const struct lab05_op *op, uint64_t gpa,
                             uint64_t *hpa)
{
    const struct step step = model_ept(m, op->ept, gpa, 0x81, op->cached);
    struct lab05_result *r = &m->want->r;

    *hpa = step.hpa;
    if (step.outcome == EPT_TRANSLATED)
        return true;
    r->value = step.outcome == EPT_VIOLATION ? NESTED_VIOLATION : NESTED_MISCONFIGURATION;
    r->gpa = gpa;
    r->qualification = step.qualification;
    return false;
}

static void model_guest(struct model *m, const struct lab05_op *op)
{
    static const char *const labels[] = {"", "the guest's PT entry", "the guest's PD entry",
                                         "the guest's PDPT entry",
                                         "the guest's PML4 entry"};
    const uint64_t root = m->roots[op->ept], fixed = 1ull << 63;
    struct line *hit = op->cached ? line_find(m->guest_tables, root, op->gpa >> 21) : NULL;
    struct lab05_result *r = &m->want->r;
    uint64_t next = m->cr3[op->ept] & EPT_ADDRESS, flags = 6, upper, entry, at = 0;
    int level = hit ? 1 : 4;

    if (hit)
        flags = hit->flags;
    for (;; level--) {
        const uint64_t index = op->gpa >> (3 + 9 * level) & 511;

        if (hit)
            at = hit->target + 8 * index;
        else if (!guest_entry_find(m, op, next + 8 * index, &at))
            return;
        entry = model_read(m, at, labels[level]);
        if (!(entry & 1)) {
            r->value = NESTED_PAGE_FAULT;
            return;
        }
        upper = flags;
        flags = (flags & entry & 6) | ((flags | entry) & fixed);
        if (level == 1 || (level < 4 && entry & 0x80))
            break;
        next = entry & EPT_ADDRESS;
    }
    const uint64_t size = KIB4 << 9 * (level - 1);

    model_page(m, op, (entry & EPT_ADDRESS) / size * size + op->gpa % size, flags);
    if (op->cached && !hit && level == 1 && r->value == NESTED_TRANSLATED)
        m->guest_tables[(op->gpa >> 21) % 16] = (struct line){.valid = true,
                                                              .root = root,
                                                              .number = op->gpa >> 21,
                                                              .target = at & ~(KIB4 - 1),
                                                              .flags = upper};
}

/* nested_walk() as an operation. */
struct want *nested_put(struct model *m, uint32_t n, uint64_t gva, uint64_t access,
                        bool cached, const char *asked)
{
    const struct lab05_op op = {
        .kind = LAB05_NESTED, .ept = n, .gpa = gva, .access = access, .cached = cached};
    struct want *want = op_put(m->s, asked, op);
    struct line *page = cached ? line_find(m->pages, m->roots[n], gva >> 12) : NULL;
    struct line *table = cached ? line_find(m->guest_tables, m->roots[n], gva >> 21) : NULL;

    m->want = want;
    if (page && page->user == !!(access & NESTED_USER) && page->flags & access & 7) {
        want->r.value = NESTED_TRANSLATED;
        want->r.hpa = page->target + gva % KIB4;
        return want;
    }
    model_guest(m, &op);
    if (want->r.value == NESTED_PAGE_FAULT)
        want->r.error_code |= (uint32_t)((access & 2) | (access & NESTED_USER ? 4 : 0) |
                                         (access & 4 ? 16 : 0));
    if (want->r.value != NESTED_TRANSLATED && page)
        page->valid = false;
    if (want->r.value != NESTED_TRANSLATED && table)
        table->valid = false;
    return want;
}

static void lines_drop(struct line *lines, bool all, uint64_t root)
{
    for (int i = 0; i < 16; i++)
        if (all || lines[i].root == root)
            lines[i].valid = false;
}

void invlpg_put(struct model *m, uint32_t n, uint64_t gva)
{
    struct line *page = line_find(m->pages, m->roots[n], gva >> 12);

    OP(m->s, "", .kind = LAB05_INVLPG, .ept = n, .gpa = gva, .cached = 1);
    if (page)
        page->valid = false;
    lines_drop(m->guest_tables, false, m->roots[n]);
}

void load_cr3_put(struct model *m, uint32_t n, uint64_t cr3)
{
    OP(m->s, "", .kind = LAB05_LOAD_CR3, .ept = n, .gpa = cr3, .cached = 1);
    m->cr3[n] = cr3;
    lines_drop(m->guest_tables, false, m->roots[n]);
    lines_drop(m->pages, false, m->roots[n]);
}

void invept_put(struct model *m, uint32_t type, uint32_t n)
{
    const bool known = type == 1 || type == 2;

    VALUE(m->s, known ? 0 : -EINVAL, "nested_invept() knows two types",
          .kind = LAB05_INVEPT, .type = type, .ept = n, .hpa = UINT64_MAX);
    for (int i = 0; known && i < 3; i++)
        lines_drop(i == 0   ? m->regions
                   : i == 1 ? m->pages
                            : m->guest_tables,
                   type == 2, m->roots[n]);
}

void poke_put(struct model *m, uint64_t hpa, uint64_t value)
{
    VALUE(m->s, 0, "", .kind = LAB05_POKE, .hpa = hpa, .size = value);
    *model_word(m, hpa) = value;
}

/* Runs it, compares each walk, and in the end the memory with its A and D flags. */
void model_compare(const struct model *m, const char *asked_memory)
{
    const struct script *s = m->s;

    results_expect(s);
    for (uint32_t page = 0; page < s->in.memory_pages; page++) {
        const uint64_t *due = m->memory[page], *got = s->out.memory[page];

        for (uint32_t i = 0; memcmp(due, got, KIB4) != 0 && i < 512; i++)
            CHECK(s->judge, got[i] == due[i], asked_memory,
                  "the entry at hpa %#" PRIx64 " is %#" PRIx64 ", due is %#" PRIx64
                  " (it was %#" PRIx64 ")",
                  (uint64_t)(HPA_BASE + page * KIB4 + i * 8), got[i], due[i],
                  s->memory[page][i]);
    }
}

void model_expect(struct model *m, const char *asked_memory)
{
    script_run(m->s);
    model_compare(m, asked_memory);
}
