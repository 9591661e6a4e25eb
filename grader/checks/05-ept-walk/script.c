/* script.c - a script of operations, and what is expected of each.
 *
 * The subject carries a script out in one run; then each result is compared, of a walk also
 * the address of each reference. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

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
    const uint32_t i = script_place(s->judge, &s->in.op_count, LAB05_OPS);

    s->ops[i] = op;
    s->asked[i] = asked;
    s->wants[i].ref_at = s->ref_count;
    return &s->wants[i];
}

/* The same for an operation of which only the value counts. */
void value_put(struct script *s, int64_t value, const char *asked, struct lab05_op op)
{
    op_put(s, asked, op)->r.value = value;
}

/* --- in words ----------------------------------------------------------------------------- */

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

static void build_describe(const struct lab05_result *r, char *buffer, size_t size)
{
    char value[40];

    errno_text(r->value, value, sizeof value);
    snprintf(buffer, size, "%s, %u pages of the pool are free then", value, r->free_count);
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
    else if (kind == LAB05_MAP || kind == LAB05_UNMAP || kind == LAB05_PROTECT)
        build_describe(r, buffer, size);
    else
        errno_text(r->value, buffer, size);
}

/* --- running it and comparing --------------------------------------------------------------- */

/* The subject's input, in one piece: freed by the caller. */
static void *input_pack(const struct script *s, size_t *size)
{
    const size_t ops = s->in.op_count * sizeof s->ops[0];
    const size_t memory = s->in.memory_given ? s->in.memory_pages * KIB4 : 0;
    uint8_t *input = memory_get(s->judge, sizeof s->in + ops + memory);

    *size = sizeof s->in + ops + memory;
    memcpy(input, &s->in, sizeof s->in);
    memcpy(input + sizeof s->in, s->ops, ops);
    memcpy(input + sizeof s->in + ops, s->memory, memory);
    return input;
}

void script_run(struct script *s)
{
    const size_t due = sizeof(struct lab05_output) + s->in.memory_pages * KIB4 +
                       s->in.op_count * sizeof(struct lab05_result);
    struct run_spec spec = {.entry = LAB05_SCRIPT};
    void *input = input_pack(s, &spec.input_size);
    const struct lab05_output *out;
    const struct evidence *e;

    spec.input = input;
    e = judge_run(s->judge, &spec, due);
    free(input);
    out = (const void *)e->answer;
    s->out = (struct answer){.roots = out->roots,
                             .memory = lab05_memory(out),
                             .results = lab05_results(&s->in, out),
                             .log = lab05_log(&s->in, out),
                             .log_count = (e->header.output_size - due) / 8};
}

static bool walk_fits(const struct lab05_result *want, const struct lab05_result *got)
{
    return want->hpa == got->hpa && want->gpa == got->gpa &&
           want->qualification == got->qualification &&
           want->error_code == got->error_code && want->rights == got->rights &&
           want->memory_type == got->memory_type && want->references == got->references;
}

static bool result_fits(uint32_t kind, const struct want *want,
                        const struct lab05_result *got)
{
    if (want->r.value != got->value)
        return false;
    if (want->counted && want->r.free_count != got->free_count)
        return false;
    return (kind != LAB05_WALK && kind != LAB05_NESTED) || walk_fits(&want->r, got);
}

/* What the n-th read of the whole run was; all ones where it was not logged. */
static uint64_t read_logged(const struct script *s, uint64_t n)
{
    return n < s->out.log_count ? s->out.log[n] : UINT64_MAX;
}

/* Are the reads of a walk those that are due, address by address, as far as the log goes? *n: how
 * many are. */
static bool refs_fit(const struct script *s, uint32_t i, uint32_t *n)
{
    const struct want *want = &s->wants[i];
    const struct lab05_result *got = &s->out.results[i];

    *n = 0;
    while (*n < want->ref_count && want->ref_at + *n < LAB05_LOG &&
           read_logged(s, got->log_at + (uint64_t)*n) == s->refs[want->ref_at + *n].hpa)
        ++*n;
    return got->reads == want->ref_count && got->writes == want->r.writes &&
           (*n == want->ref_count || want->ref_at + *n == LAB05_LOG);
}

static void refs_expect(const struct script *s, uint32_t i)
{
    const struct want *want = &s->wants[i];
    const struct lab05_result *got = &s->out.results[i];
    const struct ref *refs = &s->refs[want->ref_at];
    uint32_t n;
    char op[160];

    if (refs_fit(s, i, &n))
        return;
    op_describe(&s->ops[i], op, sizeof op);
    CHECK(s->judge, got->reads == want->ref_count, s->asked[i],
          "%s: %u calls of memory->read(), %u are due", op, got->reads, want->ref_count);
    CHECK(s->judge, got->writes == want->r.writes, s->asked[i],
          "%s: %u calls of memory->write(), %u are due", op, got->writes, want->r.writes);
    CHECK(s->judge, false, s->asked[i],
          "%s: reference %u of %u reads hpa %#" PRIx64 ", due is %#" PRIx64 ": %s", op,
          n + 1, want->ref_count, read_logged(s, got->log_at + (uint64_t)n), refs[n].hpa,
          refs[n].label);
}

/* In words only what is wrong: most results are right, and words are slow. */
static void result_expect(const struct script *s, uint32_t i)
{
    const struct lab05_op *op = &s->ops[i];
    const struct want *want = &s->wants[i];
    const bool walk = op->kind == LAB05_WALK || op->kind == LAB05_NESTED;
    char called[160], due[200], got[200];
    uint32_t n;

    if (want->any)
        return;
    if (walk && !s->pictured &&
        (!result_fits(op->kind, want, &s->out.results[i]) || !refs_fit(s, i, &n)))
        wrong_walk_keep(s, i);
    if (!result_fits(op->kind, want, &s->out.results[i])) {
        op_describe(op, called, sizeof called);
        result_describe(op->kind, &want->r, due, sizeof due);
        result_describe(op->kind, &s->out.results[i], got, sizeof got);
        CHECK(s->judge, false, s->asked[i], "%s: %s; due: %s", called, got, due);
    }
    if (walk)
        refs_expect(s, i);
}

void results_expect(const struct script *s)
{
    for (uint32_t i = 0; i < s->in.op_count; i++)
        result_expect(s, i);
}

/* --- values that nobody foresees ---------------------------------------------------------- */

uint64_t random_rights(struct judge *judge)
{
    static const uint64_t rights[] = {1, 3, 5, 7};

    return rights[judge_random_below(judge, 4)];
}

uint32_t random_type(struct judge *judge)
{
    static const uint32_t types[] = {0, 1, 4, 5, 6};

    return types[judge_random_below(judge, 5)];
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
