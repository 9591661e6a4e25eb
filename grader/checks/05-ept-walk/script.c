/* script.c - a script of operations, and what is expected of each.
 *
 * The subject carries a script out in one run; then each result is compared, of a walk also
 * the address of each reference. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

void *memory_get(struct judge *judge, size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        judge_error(judge, "out of memory");
    return memory;
}

struct script *script_new(struct judge *judge, uint32_t memory_pages, uint32_t pool)
{
    struct script *s = memory_get(judge, sizeof *s);

    s->judge = judge;
    s->in.memory_hpa = HPA_BASE;
    s->in.memory_pages = memory_pages;
    s->in.pool_pages = pool;
    for (int i = 0; i < LAB05_EPTS; i++)
        s->in.cpu[i] = (struct lab05_cpu){.physical_bits = 46, .page_1g = 1};
    return s;
}

/* Returns what is expected of it, to be filled in. */
struct want *op_put(struct script *s, const char *asked, struct lab05_op op)
{
    const uint32_t i = s->in.op_count++;

    if (i >= LAB05_OPS)
        judge_error(s->judge, "the check's script is too long");
    s->in.ops[i] = op;
    s->asked[i] = asked;
    return &s->wants[i];
}
/* The same for an operation of which only the value counts. */
void value_put(struct script *s, int64_t value, const char *asked, struct lab05_op op)
{
    op_put(s, asked, op)->r.value = value;
}

/* --- in words ----------------------------------------------------------------------------- */

static void errno_describe(int64_t value, char *buffer, size_t size)
{
    const char *name = value < 0 && value > -200 ? strerrorname_np((int)-value) : NULL;

    if (name)
        snprintf(buffer, size, "-%s", name);
    else
        snprintf(buffer, size, "%" PRId64, value);
}

void rights_describe(uint64_t rights, char text[4])
{
    text[0] = rights & EPT_READ ? 'r' : '-';
    text[1] = rights & EPT_WRITE ? 'w' : '-';
    text[2] = rights & EPT_FETCH ? 'x' : '-';
    text[3] = 0;
}

static const char *access_name(uint64_t access)
{
    return access & EPT_FETCH ? "fetch" : access & EPT_WRITE ? "write" : "read";
}

void op_describe(const struct lab05_op *op, char *buffer, size_t size)
{
    char rights[4];

    rights_describe(op->access, rights);
    switch (op->kind) {
    case LAB05_MAP:
        snprintf(buffer, size,
                 "ept_map(gpa %#" PRIx64 ", hpa %#" PRIx64 ", size %#" PRIx64
                 ", rights %#" PRIx64 " (%s), type %u)",
                 op->gpa, op->hpa, op->size, op->access, rights, op->type);
        break;
    case LAB05_UNMAP:
        snprintf(buffer, size, "ept_unmap(gpa %#" PRIx64 ", size %#" PRIx64 ")", op->gpa,
                 op->size);
        break;
    case LAB05_PROTECT:
        snprintf(buffer, size,
                 "ept_protect(gpa %#" PRIx64 ", size %#" PRIx64 ", rights %#" PRIx64
                 " (%s))",
                 op->gpa, op->size, op->access, rights);
        break;
    case LAB05_WALK:
        snprintf(buffer, size, "ept_walk(%sgpa %#" PRIx64 ", %s%s%s)",
                 op->cached ? "with a cache, " : "", op->gpa, access_name(op->access),
                 op->access & EPT_ACCESS_LINEAR ? ", L" : "",
                 op->access & EPT_ACCESS_FINAL ? ", F" : "");
        break;
    case LAB05_NESTED:
        snprintf(buffer, size, "nested_walk(%sVM %u, gva %#" PRIx64 ", %s%s)",
                 op->cached ? "with caches, " : "", op->ept, op->gpa,
                 access_name(op->access), op->access & NESTED_USER ? ", user" : "");
        break;
    case LAB05_INVEPT:
        snprintf(buffer, size, "nested_invept(type %u, root of tree %u)", op->type,
                 op->ept);
        break;
    default:
        snprintf(buffer, size, "%s",
                 op->kind == LAB05_CREATE    ? "ept_create()"
                 : op->kind == LAB05_DESTROY ? "ept_destroy()"
                 : op->kind == LAB05_POINTER ? "ept_pointer()"
                                             : "the operation");
    }
}

static void walk_describe(const struct lab05_result *r, char *buffer, size_t size)
{
    char rights[4];

    rights_describe(r->rights, rights);
    if (r->value == EPT_TRANSLATED)
        snprintf(buffer, size,
                 "TRANSLATED, hpa %#" PRIx64 ", rights %s, page_size %#" PRIx64
                 ", memory_type %u, qualification %#" PRIx64 ", references %u",
                 r->hpa, rights, r->gpa, r->memory_type, r->qualification, r->references);
    else
        snprintf(buffer, size,
                 "%s, qualification %#" PRIx64 ", hpa %#" PRIx64 ", rights %s, page_size "
                 "%#" PRIx64 ", memory_type %u, references %u",
                 r->value == EPT_VIOLATION          ? "VIOLATION"
                 : r->value == EPT_MISCONFIGURATION ? "MISCONFIGURATION"
                                                    : "no outcome",
                 r->qualification, r->hpa, rights, r->gpa, r->memory_type, r->references);
}

static void nested_describe(const struct lab05_result *r, char *buffer, size_t size)
{
    static const char *const outcomes[] = {"no outcome", "TRANSLATED", "PAGE_FAULT",
                                           "VIOLATION", "MISCONFIGURATION"};

    snprintf(buffer, size,
             "%s, hpa %#" PRIx64 ", gpa %#" PRIx64 ", qualification %#" PRIx64
             ", error_code %#x, references %u",
             r->value >= 0 && r->value <= 4 ? outcomes[r->value] : "no outcome", r->hpa,
             r->gpa, r->qualification, r->error_code, r->references);
}

void result_describe(uint32_t kind, const struct lab05_result *r, char *buffer, size_t size)
{
    if (kind == LAB05_WALK)
        walk_describe(r, buffer, size);
    else if (kind == LAB05_NESTED)
        nested_describe(r, buffer, size);
    else if (kind == LAB05_POINTER)
        snprintf(buffer, size, "%#" PRIx64, (uint64_t)r->value);
    else
        errno_describe(r->value, buffer, size);
}

/* --- running it and comparing --------------------------------------------------------------- */

void script_run(struct script *s)
{
    const size_t memory = s->in.memory_pages * sizeof s->in.memory[0];
    const size_t ops =
        offsetof(struct lab05_input, ops) + s->in.op_count * sizeof s->in.ops[0];
    const struct run_spec spec = {
        .entry = LAB05_SCRIPT,
        .input = &s->in,
        .input_size =
            s->in.memory_given ? offsetof(struct lab05_input, memory) + memory : ops};

    s->e = judge_run(s->judge, &spec, offsetof(struct lab05_output, memory) + memory);
    s->out = (const void *)s->e->answer;
}

static bool result_fits(uint32_t kind, const struct lab05_result *want,
                        const struct lab05_result *got)
{
    if (want->value != got->value)
        return false;
    if (kind != LAB05_WALK && kind != LAB05_NESTED)
        return true;
    return want->hpa == got->hpa && want->gpa == got->gpa &&
           want->qualification == got->qualification &&
           want->error_code == got->error_code && want->rights == got->rights &&
           want->memory_type == got->memory_type && want->references == got->references;
}

/* The reads of a walk: address by address. */
static void refs_expect(const struct script *s, uint32_t i)
{
    const struct want *want = &s->wants[i];
    const struct lab05_result *got = &s->out->results[i];
    char op[160];

    op_describe(&s->in.ops[i], op, sizeof op);
    CHECK(s->judge, got->reads == want->ref_count, s->asked[i],
          "%s: %u calls of memory->read(), %u are due", op, got->reads, want->ref_count);
    for (uint32_t n = 0; n < want->ref_count && got->log_at + n < LAB05_LOG; n++)
        CHECK(s->judge, s->out->log[got->log_at + n] == want->refs[n], s->asked[i],
              "%s: reference %u of %u reads hpa %#" PRIx64 ", due is %#" PRIx64 ": %s", op,
              n + 1, want->ref_count, s->out->log[got->log_at + n], want->refs[n],
              want->labels[n]);
    CHECK(s->judge, got->writes == want->r.writes, s->asked[i],
          "%s: %u calls of memory->write(), %u are due", op, got->writes, want->r.writes);
}

static void result_expect(const struct script *s, uint32_t i)
{
    const struct lab05_op *op = &s->in.ops[i];
    const struct want *want = &s->wants[i];
    char called[160], due[200], got[200];

    if (want->any)
        return;
    op_describe(op, called, sizeof called);
    result_describe(op->kind, &want->r, due, sizeof due);
    result_describe(op->kind, &s->out->results[i], got, sizeof got);
    CHECK(s->judge, result_fits(op->kind, &want->r, &s->out->results[i]), s->asked[i],
          "%s: %s; due: %s", called, got, due);
    if (op->kind == LAB05_WALK || op->kind == LAB05_NESTED)
        refs_expect(s, i);
}

void results_expect(const struct script *s)
{
    for (uint32_t i = 0; i < s->in.op_count; i++)
        result_expect(s, i);
}

/* --- values that nobody foresees ---------------------------------------------------------- */

uint64_t below(struct judge *judge, uint64_t limit)
{
    return judge_random_below(judge, limit);
}

uint64_t random_rights(struct judge *judge)
{
    static const uint64_t rights[] = {1, 3, 5, 7};

    return rights[below(judge, 4)];
}

uint32_t random_type(struct judge *judge)
{
    static const uint32_t types[] = {0, 1, 4, 5, 6};

    return types[below(judge, 5)];
}

uint64_t random_gpa(struct judge *judge)
{
    return judge_random(judge) % (1ull << 48);
}

uint64_t canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16);
}

uint64_t random_gva(struct judge *judge)
{
    return canonical(judge_random(judge));
}
