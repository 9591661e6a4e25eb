/* demand.c - demand mapping with a pretended device: which calls the reports demand. */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "dma_device.h"

/* What has to be called, and returned, in order. */
struct demand_truth {
    struct lab09_call calls[LAB09_CALLS];
    uint32_t call_count, turn, maps;
    uint64_t mapped, faults;
    uint32_t unread; /* lines of the last turn */
    int result;
};

static void truth_call(struct demand_truth *t, struct lab09_call call)
{
    t->calls[t->call_count++] = call;
}

static int report_truth(const struct dma_script *d, struct demand_truth *t, uint32_t buffer,
                        const struct lab09_fault *f, uint64_t before)
{
    uint64_t iova = d->in.buffers[buffer].iova, n = (f->page - iova) / VTD_PAGE;

    if (f->page < iova || f->page >= iova + d->in.buffers[buffer].pages * VTD_PAGE)
        return -EFAULT;
    if ((f->reason != 5 && f->reason != 6) || field(before, (unsigned)n, (unsigned)n))
        return -EIO;
    if (!field(d->in.buffers[buffer].rights, f->write, f->write))
        return -EACCES;
    if (field(t->mapped, (unsigned)n, (unsigned)n))
        return 1;
    t->maps++;
    truth_call(t, (struct lab09_call){
                      .kind = LAB09_CALL_MAP,
                      .iova = f->page,
                      .size = VTD_PAGE,
                      .rights = d->in.buffers[buffer].rights,
                      .hva = (int64_t)((d->in.buffers[buffer].ram_page + n) * VTD_PAGE),
                      .result = t->maps == d->in.map_fails_at ? d->in.map_error : 0});
    if (t->maps == d->in.map_fails_at)
        return d->in.map_error;
    t->mapped |= 1ull << n;
    t->faults++;
    return 1;
}

/* One transfer and its reports: 1 if some page was refused, 0, or -errno. */
static int round_truth(const struct dma_script *d, struct demand_truth *t,
                       const struct lab09_dma_op *op)
{
    const struct lab09_turn *turn = &d->in.turns[t->turn++];
    uint64_t before = t->mapped;
    int refused = 0;

    t->unread = turn->line_count;
    truth_call(t, (struct lab09_call){.kind = LAB09_CALL_TRANSFER,
                                      .iova = op->iova,
                                      .size = op->length,
                                      .rights = op->to_memory,
                                      .hva = op->offset,
                                      .result = turn->result});
    if (turn->result < 0)
        return turn->result;
    for (uint32_t i = turn->first_line; i < turn->first_line + turn->line_count; i++) {
        int r = 1;

        t->unread--;
        if (!d->is_report[i] || d->faults[i].source != d->in.buffers[op->buffer].source)
            continue;
        r = report_truth(d, t, op->buffer, &d->faults[i], before);
        if (r < 0)
            return r;
        refused = 1;
    }
    return turn->report_result < 0 ? turn->report_result : refused;
}

/* Pages that are mapped beforehand, by the core: no fault brought them. */
static void premap_truth(const struct dma_script *d, struct demand_truth *t,
                         const struct lab09_dma_op *op)
{
    for (uint64_t n = op->first; n < op->first + op->count; n++) {
        t->mapped |= 1ull << n;
        truth_call(
            t, (struct lab09_call){
                   .kind = LAB09_CALL_MAP,
                   .iova = d->in.buffers[op->buffer].iova + n * VTD_PAGE,
                   .size = VTD_PAGE,
                   .rights = d->in.buffers[op->buffer].rights,
                   .hva = (int64_t)((d->in.buffers[op->buffer].ram_page + n) * VTD_PAGE)});
    }
    t->result = 0;
}

static void demand_truth(const struct dma_script *d, struct demand_truth *t,
                         const struct lab09_dma_op *op)
{
    const uint64_t start = d->in.buffers[op->buffer].iova,
                   end = start + d->in.buffers[op->buffer].pages * VTD_PAGE;

    if (op->kind == LAB09_PREMAP) {
        premap_truth(d, t, op);
        return;
    }
    t->result = -EINVAL;
    if (op->length == 0 || op->iova < start || op->iova >= end ||
        op->length > end - op->iova)
        return;
    do
        t->result = round_truth(d, t, op);
    while (t->result > 0);
}

static void call_text(const struct lab09_call *c, char *b, size_t size)
{
    static const char *const names[] = {"nothing more", "transfer", "map", "unmap"};

    if (c->kind == LAB09_CALL_MAP)
        snprintf(b, size,
                 "map(iova 0x%" PRIx64 ", hva RAM + 0x%" PRIx64 ", size 0x%" PRIx64
                 ", rights %" PRIu64 ")",
                 c->iova, c->hva, c->size, c->rights);
    else
        snprintf(b, size, "%s(iova 0x%" PRIx64 ", size 0x%" PRIx64 ")", names[c->kind & 3],
                 c->iova, c->size);
}

static bool call_same(const struct lab09_call *a, const struct lab09_call *b)
{
    return a->kind == b->kind && a->iova == b->iova && a->size == b->size &&
           a->rights == b->rights && a->hva == b->hva;
}

/* Runs the last scenario: one buffer, some DEMANDs. */
static void demand_compare(struct dma_script *d, const char *scenario)
{
    struct demand_truth *t = memory_get(d->judge, sizeof *t);
    char got[200], want[200];

    dma_run(d, &(struct run_spec){0});
    for (uint32_t i = 0; i < d->in.op_count; i++) {
        const struct lab09_dma_result *r = &d->out->results[i];
        uint32_t first = t->call_count;

        demand_truth(d, t, &d->in.ops[i]);
        for (uint32_t c = first; c < t->call_count; c++) {
            struct lab09_call none = {0};
            const struct lab09_call *seen =
                c < d->out->call_count ? &d->out->calls[c] : &none;

            call_text(seen, got, sizeof got);
            call_text(&t->calls[c], want, sizeof want);
            CHECK(d->judge, call_same(seen, &t->calls[c]),
                  "the engine is called as the reports demand", "%s: call %u is %s, not %s",
                  scenario, c, got, want);
        }
        CHECK(d->judge, r->value == t->result,
              "dma_demand_transfer() returns what happened",
              "%s: transfer %u returned %s, not %s", scenario, i,
              errno_text_or_minus_1(r->value, got, sizeof got),
              errno_text_or_minus_1(t->result, want, sizeof want));
        CHECK(d->judge, r->faults == t->faults && r->mapped == t->mapped,
              "each page is mapped once, at its first touch, and counted",
              "%s: after transfer %u, faults is %" PRIu64 " and mapped 0x%" PRIx64
              ", not %" PRIu64 " and 0x%" PRIx64,
              scenario, i, r->faults, r->mapped, t->faults, t->mapped);
    }
    CHECK(d->judge, d->out->call_count == t->call_count,
          "the engine is called as the reports demand", "%s: %u calls, not %u", scenario,
          d->out->call_count, t->call_count);
    CHECK(d->judge, d->out->lines_unread == t->unread,
          "lines are read up to the end, or to the first that cannot be repaired",
          "%s: %u lines of the log are unread at the end, not %u", scenario,
          d->out->lines_unread, t->unread);
}

/* --- scenarios ---------------------------------------------------------------------- */

/* A buffer of `pages` pages in a script of its own. */
static struct dma_script *demand_new(struct judge *judge, uint32_t pages, uint64_t rights)
{
    struct dma_script *d = dma_new(judge);

    d->in.buffers[0].iova = random_bits(judge, 37, 12);
    d->in.buffers[0].pages = pages;
    d->in.buffers[0].rights = rights;
    d->in.buffers[0].ram_page = (uint32_t)judge_random_below(judge, 8 - pages % 8);
    d->in.buffers[0].source = (uint16_t)judge_random(judge);
    return d;
}

static void demand_put(struct dma_script *d, uint64_t offset, uint32_t length,
                       bool to_memory)
{
    DMA_OP(d, .kind = LAB09_DEMAND, .iova = d->in.buffers[0].iova + offset,
           .length = length, .to_memory = to_memory,
           .offset = (uint32_t)judge_random_below(d->judge, 100));
}

/* The transfer that comes next has no lines yet. */
static struct lab09_turn *turn_put(struct dma_script *d)
{
    struct lab09_turn *turn = &d->in.turns[d->in.turn_count++];

    if (d->in.turn_count > LAB09_TURNS)
        judge_error(d->judge, "the check has too many transfers");
    turn->first_line = d->line_count;
    return turn;
}

/* The current transfer is refused page n, says the kernel (with other lines around it). */
static struct lab09_fault *refusal_put(struct dma_script *d, uint64_t n, bool write)
{
    struct lab09_turn *turn = &d->in.turns[d->in.turn_count - 1];
    struct lab09_fault f = {.page = d->in.buffers[0].iova + n * VTD_PAGE,
                            .source = (uint16_t)d->in.buffers[0].source,
                            .reason = write ? 5 : 6,
                            .write = write};
    uint32_t line;

    line_put(d, other_lines[judge_random_below(d->judge, 3)], NULL);
    line = report_put(d, &f, false);
    turn->line_count = d->line_count - turn->first_line;
    return &d->faults[line];
}

/* The line that was put last is about another device, or another page, or another reason.
 */
static void refusal_change(struct dma_script *d, const struct lab09_fault *f)
{
    d->line_count--;
    report_put(d, f, false);
}

/* What the report says that the device wanted decides, not its reason, nor the transfer. */
static void directions_try(struct judge *judge)
{
    for (uint64_t rights = 1; rights < 3; rights++)
        for (int n = 0; n < 2; n++) {
            struct dma_script *d = demand_new(judge, 4, rights);
            bool writes = rights == 2;
            struct lab09_fault f;

            demand_put(d, 0x1000, 100, writes != (n == 0));
            turn_put(d);
            f = *refusal_put(d, 1, writes);
            f.reason = n == 1 ? (writes ? 6 : 5) : f.reason;
            refusal_change(d, &f);
            turn_put(d);
            demand_compare(d, n ? "reason and kind of access disagree: the kind counts"
                                : "report and transfer disagree: the report counts");
        }
}

/* The last transfer: reports come in one go, and another device's are between them. */
static void foreign_reports_put(struct dma_script *d)
{
    struct lab09_fault other;

    demand_put(d, 0x3000, 0x3000, true);
    turn_put(d);
    refusal_put(d, 4, true);
    other = *refusal_put(d, 5, true);
    other.source ^= 1;
    refusal_change(d, &other);
    other.source ^= 0x101; /* the same device and function, on another bus */
    other.page += 0x100000;
    refusal_put(d, 3, true);
    refusal_put(d, 0, true);
    refusal_change(d, &other);
    turn_put(d);
    refusal_put(d, 5, true);
    turn_put(d);
    refusal_put(d, 0, true);
    refusal_change(d, &other); /* foreign reports alone: nothing was refused to us */
}

static void four_transfers_try(struct judge *judge)
{
    struct dma_script *d = demand_new(judge, 6, 3);

    demand_put(d, judge_random_below(judge, 4096), 64, true); /* one page */
    turn_put(d);
    refusal_put(d, 0, true);
    turn_put(d);
    demand_put(d, 0x800, 0x27ff, false); /* pages 0 to 2, one report at a time, one twice */
    turn_put(d);
    refusal_put(d, 1, false);
    refusal_put(d, 1, false);
    turn_put(d);
    refusal_put(d, 2, false);
    turn_put(d);
    demand_put(d, 0x800, 0x1000, true); /* all mapped */
    turn_put(d);
    foreign_reports_put(d);
    demand_compare(d, "demand mapping");
}

static void big_buffers_try(struct judge *judge)
{
    struct dma_script *d = demand_new(judge, DMA_BUFFER_PAGES_MAX, 1);

    demand_put(d, 63 * VTD_PAGE - 5, 4101, false); /* to its last byte */
    turn_put(d);
    refusal_put(d, 62, false);
    turn_put(d);
    refusal_put(d, 63, false);
    turn_put(d);
    demand_compare(d, "the last page of 64");

    d = demand_new(judge, DMA_BUFFER_PAGES_MAX, 1);
    DMA_OP(d, .kind = LAB09_PREMAP, .first = 7, .count = 2);
    demand_put(d, 0, 64 * VTD_PAGE, false);
    for (uint64_t n = 0; n < DMA_BUFFER_PAGES_MAX; n++)
        if (n != 7 && n != 8) {
            turn_put(d);
            refusal_put(d, n, false);
        }
    turn_put(d);
    demand_compare(d, "62 pages one by one, two were mapped before");
}

void demand_maps_each_page_once(struct judge *judge)
{
    four_transfers_try(judge);
    big_buffers_try(judge);
    directions_try(judge);
}

/* A transfer of page 1 of four whose first report is as given. */
static void refusal_try(struct judge *judge, const char *scenario, uint64_t rights,
                        int64_t page, uint8_t reason, bool write)
{
    struct dma_script *d = demand_new(judge, 4, rights);
    struct lab09_fault f;

    demand_put(d, 0x1000, 100, write);
    turn_put(d);
    f = *refusal_put(d, 1, write);
    f.page += (uint64_t)(page - 1) * VTD_PAGE;
    f.reason = reason;
    refusal_change(d, &f);
    turn_put(d);
    demand_compare(d, scenario);
}

static void bad_transfers_try(struct judge *judge)
{
    struct dma_script *d = demand_new(judge, 4, 3);

    demand_put(d, 0, 0, true);
    demand_put(d, 4 * VTD_PAGE, 1, true);
    demand_put(d, 3 * VTD_PAGE, 4097, true);
    demand_put(d, 0ull - 1, 64, true);
    demand_put(d, 0ull - d->in.buffers[0].iova - 64, 0x200, true); /* wraps around */
    demand_put(d, VTD_PAGE, UINT32_MAX, true);
    demand_put(d, 3 * VTD_PAGE, 4096, true);
    turn_put(d);
    demand_compare(d, "transfers that leave the buffer, or are empty");
}

static void engine_errors_try(struct judge *judge)
{
    struct dma_script *d = demand_new(judge, 4, 3);

    demand_put(d, 0, 8, true);
    turn_put(d)->result = -EIO - (int)judge_random_below(judge, 20);
    refusal_put(d, 0, true);
    demand_compare(d, "transfer() fails");
    d = demand_new(judge, 4, 3);
    demand_put(d, 0, 8, true);
    turn_put(d)->report_result = -EPIPE;
    refusal_put(d, 0, true);
    demand_compare(d, "report() fails after a line");
    d = demand_new(judge, 4, 3);
    d->in.map_fails_at = 2;
    d->in.map_error = -ENOMEM;
    demand_put(d, 0, 8192, true);
    turn_put(d);
    refusal_put(d, 1, true);
    refusal_put(d, 0, true);
    refusal_put(d, 2, true);
    demand_compare(d, "map() fails for the second page");
}

/* Mapped, and refused all the same. */
static void mapped_pages_try(struct judge *judge)
{
    struct dma_script *d = demand_new(judge, 4, 3);

    demand_put(d, 0x1000, 64, true);
    turn_put(d);
    refusal_put(d, 1, true);
    turn_put(d);
    refusal_put(d, 1, true);
    demand_compare(d, "a page that is mapped is refused again");
    d = demand_new(judge, 4, 1);
    DMA_OP(d, .kind = LAB09_PREMAP, .first = 1, .count = 1);
    demand_put(d, 0x1000, 0x2000, true);
    turn_put(d);
    refusal_put(d, 2, false);
    refusal_put(d, 1, true);
    demand_compare(d, "mapped before, and rights would not allow it either");
}

void demand_gives_up_with_a_reason(struct judge *judge)
{
    struct dma_script *d;

    bad_transfers_try(judge);
    refusal_try(judge, "the page behind the buffer", 3, 4, 6, false);
    refusal_try(judge, "the page before the buffer", 3, -1, 6, false);
    for (unsigned bits = 8; bits <= 32;
         bits += 8) /* page numbers that end as page 1's does */
        refusal_try(judge, "a page far behind the buffer", 3, 1 + (1ll << bits), 6, false);
    refusal_try(judge, "another reason, outside the buffer", 3, 5, 12, true);
    refusal_try(judge, "the device may only read, and writes", 1, 1, 5, true);
    refusal_try(judge, "the device may only write, and reads", 2, 1, 6, false);
    refusal_try(judge, "reserved bits in an entry", 3, 1, 12, true);
    refusal_try(judge, "the context entry is not present", 1, 1, 2, true);
    engine_errors_try(judge);
    d = demand_new(judge, 4, 1); /* allowed, then not: the same page in the same round */
    demand_put(d, 0x1000, 64, true);
    turn_put(d);
    refusal_put(d, 1, false);
    refusal_put(d, 1, true);
    refusal_put(d, 2, false);
    turn_put(d);
    demand_compare(d, "a second report of a page, which rights do not allow");
    mapped_pages_try(judge);
}
