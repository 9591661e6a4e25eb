/* script.c - scripts of operations that the subject carries out: for the model of an IOMMU,
 * and for DMA; and how operations and results are called in words. */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- a script for the model --------------------------------------------------------- */

struct script *script_new(struct judge *judge)
{
    struct script *s = memory_get(judge, sizeof *s);

    s->judge = judge;
    s->in.haw = (uint8_t)(40 + judge_random_below(judge, 10));
    s->in.mgaw = 48;
    s->in.sagaw = 6; /* 39 and 48 bits */
    return s;
}

struct lab09_op *op_put(struct script *s, struct lab09_op op)
{
    const uint32_t i = script_place(s->judge, &s->in.op_count, LAB09_OPS);

    s->in.ops[i] = op;
    return &s->in.ops[i];
}

/* Why the operation that was put last has its result. */
void op_because(struct script *s, const char *why)
{
    s->because[s->in.op_count - 1] = why;
}

void translate_put(struct script *s, uint16_t source, uint64_t iova, bool write)
{
    OP(s, .kind = LAB09_TRANSLATE, .source = source, .iova = iova, .write = write);
}

void script_run(struct script *s)
{
    const size_t pages = s->in.page_count * sizeof s->in.pages[0];

    s->out = part_run(s->judge, LAB09_MODEL, &s->in,
                      offsetof(struct lab09_model_input, pages) + pages,
                      offsetof(struct lab09_model_output, pages) + pages);
}

/* --- in words ------------------------------------------------------------------------ */

const char *reason_name(uint64_t reason)
{
    static const char *const names[] = {
        "VTD_OK",
        "VTD_ROOT_NOT_PRESENT",
        "VTD_CONTEXT_NOT_PRESENT",
        "VTD_CONTEXT_INVALID",
        "VTD_BEYOND_WIDTH",
        "VTD_NO_WRITE",
        "VTD_NO_READ",
        "VTD_TABLE_UNREADABLE",
        "VTD_ROOT_UNREADABLE",
        "VTD_CONTEXT_UNREADABLE",
        "VTD_ROOT_RESERVED",
        "VTD_CONTEXT_RESERVED",
        "VTD_ENTRY_RESERVED",
    };

    return reason < sizeof names / sizeof names[0] ? names[reason]
                                                   : "no reason that we know";
}

const char *source_text(uint16_t source)
{
    static char text[4][16];
    static unsigned next;
    char *at = text[next++ % 4];

    snprintf(at, sizeof text[0], "%02x:%02x.%x", source >> 8, source >> 3 & 0x1f,
             source & 7);
    return at;
}

const char *fault_text(const struct lab09_fault *f, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s of page 0x%" PRIx64 " by %s, reason 0x%x",
             f->write ? "write" : "read", f->page, source_text(f->source), f->reason);
    return buffer;
}

void op_text(const struct script *s, const struct lab09_op *op, char *b, size_t size)
{
    char fault[120];

    switch (op->kind) {
    case LAB09_ATTACH:
    case LAB09_DETACH:
        snprintf(b, size, "iommu_%s(domain with id %u, source %s)",
                 op->kind == LAB09_ATTACH ? "attach" : "detach",
                 s->in.domains[op->domain].id, source_text(op->source));
        break;
    case LAB09_MAP:
        snprintf(b, size,
                 "iommu_map(domain %u of %u levels, iova 0x%" PRIx64 ", physical 0x%" PRIx64
                 ", size 0x%" PRIx64 ", rights 0x%" PRIx64 ")",
                 s->in.domains[op->domain].id, s->in.domains[op->domain].levels, op->iova,
                 op->physical, op->size, op->rights);
        break;
    case LAB09_UNMAP:
        snprintf(b, size, "iommu_unmap(domain %u, iova 0x%" PRIx64 ", size 0x%" PRIx64 ")",
                 s->in.domains[op->domain].id, op->iova, op->size);
        break;
    case LAB09_TRANSLATE:
        snprintf(b, size, "iommu_translate(%s by %s at iova 0x%" PRIx64 ")",
                 op->write ? "write" : "read", source_text(op->source), op->iova);
        break;
    case LAB09_ENCODE:
        snprintf(b, size, "vtd_fault_encode(%s)",
                 fault_text(&op->fault, fault, sizeof fault));
        break;
    case LAB09_DECODE:
        snprintf(b, size, "vtd_fault_decode(high 0x%016" PRIx64 ", low 0x%016" PRIx64 ")",
                 op->high, op->low);
        break;
    case LAB09_LOG_TAKE:
        snprintf(b, size, "vtd_fault_log_take()");
        break;
    default:
        snprintf(b, size, "the fault registers");
        break;
    }
}

static void result_text(const struct lab09_op *op, const struct lab09_result *r, char *b,
                        size_t size)
{
    char text[120];

    switch (op->kind) {
    case LAB09_TRANSLATE:
        if (r->value == VTD_OK && r->reads == READS_ANY)
            snprintf(b, size, "VTD_OK, physical 0x%" PRIx64, r->physical);
        else if (r->value == VTD_OK)
            snprintf(b, size, "VTD_OK, physical 0x%" PRIx64 ", %u words read from memory",
                     r->physical, r->reads);
        else
            snprintf(b, size, "reason 0x%" PRIx64 " (%s), physical 0x%" PRIx64,
                     (uint64_t)r->value, reason_name((uint64_t)r->value), r->physical);
        break;
    case LAB09_ENCODE:
        snprintf(b, size, "high 0x%016" PRIx64 ", low 0x%016" PRIx64, r->high, r->low);
        break;
    case LAB09_DECODE:
        snprintf(b, size, "F %s, %s", r->value ? "set" : "clear",
                 fault_text(&r->fault, text, sizeof text));
        break;
    case LAB09_LOG_TAKE:
        snprintf(b, size, "%s%s; lost is %s", r->value ? "true: " : "false",
                 r->value ? fault_text(&r->fault, text, sizeof text) : "",
                 r->lost ? "true" : "false");
        break;
    case LAB09_LOG_GET:
        snprintf(b, size,
                 "high 0x%016" PRIx64 ", low 0x%016" PRIx64
                 ", status 0x%x (PFO %u, PPF %u)",
                 r->high, r->low, r->status, r->status & 1, r->status >> 1 & 1);
        break;
    default:
        errno_text_or_minus_1(r->value, b, size);
        break;
    }
}

/* --- comparing ----------------------------------------------------------------------- */

bool fault_same(const struct lab09_fault *a, const struct lab09_fault *b)
{
    return a->page == b->page && a->source == b->source && a->reason == b->reason &&
           !a->write == !b->write;
}

static bool result_same(uint32_t kind, const struct lab09_result *want,
                        const struct lab09_result *got)
{
    switch (kind) {
    case LAB09_TRANSLATE:
        return want->value == got->value && want->physical == got->physical &&
               (want->value != VTD_OK || want->reads == READS_ANY ||
                want->reads == got->reads);
    case LAB09_ENCODE:
        return want->high == got->high && want->low == got->low;
    case LAB09_DECODE:
        return !want->value == !got->value && fault_same(&want->fault, &got->fault);
    case LAB09_LOG_TAKE:
        return !want->value == !got->value && !want->lost == !got->lost &&
               fault_same(&want->fault, &got->fault);
    case LAB09_LOG_GET:
        return want->high == got->high && want->low == got->low &&
               want->status == got->status;
    case LAB09_ATTACH:
    case LAB09_DETACH:
    case LAB09_MAP:
    case LAB09_UNMAP:
        return want->value == got->value;
    default:
        return true;
    }
}

void op_expect(const struct script *s, uint32_t i, const struct lab09_result *want,
               const char *asked)
{
    const struct lab09_op *op = &s->in.ops[i];
    const struct lab09_result *got = &s->out->results[i];
    char what[TEXT_MAX], wanted[TEXT_MAX], seen[TEXT_MAX];

    if (result_same(op->kind, want, got))
        return;
    op_text(s, op, what, sizeof what);
    result_text(op, want, wanted, sizeof wanted);
    result_text(op, got, seen, sizeof seen);
    CHECK(s->judge, false, asked, "operation %u, %s: %s, not %s%s%s", i, what, seen, wanted,
          s->because[i] ? ": " : "", s->because[i] ? s->because[i] : "");
}

struct lab09_fault random_fault(struct judge *judge)
{
    return (struct lab09_fault){.page = random_bits(judge, 63, 12),
                                .source = (uint16_t)judge_random(judge),
                                .reason = (uint8_t)(1 + judge_random_below(judge, 0xff)),
                                .write = random_bool(judge)};
}

/* --- DMA ---------------------------------------------------------------------------- */

struct dma_script *dma_new(struct judge *judge)
{
    struct dma_script *d = memory_get(judge, sizeof *d);

    d->judge = judge;
    d->in.ram_pages = 8;
    random_fill(judge, d->in.ram, sizeof d->in.ram);
    return d;
}

void dma_op_put(struct dma_script *d, struct lab09_dma_op op)
{
    d->in.ops[script_place(d->judge, &d->in.op_count, LAB09_DMA_OPS)] = op;
}

void dma_run(struct dma_script *d, const struct run_spec *how)
{
    struct run_spec spec = *how;

    spec.entry = LAB09_DMA;
    spec.input = &d->in;
    spec.input_size = sizeof d->in;
    d->e = judge_run(d->judge, &spec, sizeof *d->out);
    d->out = (const void *)d->e->answer;
    /* The subject says so; were it our trouble, the agent would not have lent the device. */
    CHECK(d->judge, d->out->opened >= 0, "the device that the agent lends can be opened",
          "it could not: %s", strerror(-d->out->opened));
}
