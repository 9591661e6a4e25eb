/* machine.c - the real device (target machine). Evidence: QEMU's trace of the emulated IOMMU,
 * the machine's tables read from outside, and guest RAM. */
#define _GNU_SOURCE
#include "checks.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dma_device.h"

/* --- refusals ----------------------------------------------------------------------- */

#define OUTSIDE_MAX 16

/* What the IOMMU refused, seen from outside: each page of each transfer once. */
struct refusals {
    struct lab09_fault list[OUTSIDE_MAX];
    unsigned count, records;
};

static void refusals_gather(const struct evidence *e, struct refusals *r)
{
    for (size_t i = 0; i < e->device.count; i++) {
        const struct device_event *event = &e->device.list[i];
        const struct lab09_fault f = {.page = field(event->iova, 63, 12) << 12,
                                      .source = event->source,
                                      .reason = (uint8_t)event->reason,
                                      .write = event->write};

        if (event->kind == DEVICE_FAULT_RECORD)
            r->records++;
        if (event->kind == DEVICE_FAULT && r->count < OUTSIDE_MAX &&
            (r->count == 0 || !fault_same(&r->list[r->count - 1], &f)))
            r->list[r->count++] = f;
    }
}

/* A buffer anywhere within the device's reach. */
static void buffer_make(struct dma_script *d, unsigned n, uint32_t ram_page, uint32_t pages,
                        uint64_t rights)
{
    d->in.buffers[n].source = DMA_DEVICE_SOURCE;
    d->in.buffers[n].pages = pages;
    d->in.buffers[n].ram_page = ram_page;
    d->in.buffers[n].rights = rights;
    d->in.buffers[n].iova =
        (uint64_t)(n + 1) << 25 | (1 + judge_random_below(d->judge, 4000)) * VTD_PAGE;
}

static void move_put(struct dma_script *d, unsigned buffer, uint64_t at, uint32_t offset,
                     uint32_t length, bool to_memory)
{
    DMA_OP(d, .kind = LAB09_MOVE, .iova = d->in.buffers[buffer].iova + at, .offset = offset,
           .length = length, .to_memory = to_memory);
}

static void ram_expect(const struct dma_script *d, unsigned checkpoint, const uint8_t *want)
{
    uint32_t size = d->in.ram_pages * (uint32_t)VTD_PAGE;
    const uint8_t *got = d->e->windows[checkpoint][0].bytes;

    CHECK(d->judge, got && d->e->windows[checkpoint][0].length == size,
          "the memory can be looked at", "it is not there");
    for (uint32_t i = 0; i < size; i++)
        CHECK(d->judge, got[i] == want[i],
              "the transfers change what they have to, and no other byte of the RAM",
              "RAM + 0x%x is 0x%02x, not 0x%02x", i, got[i], want[i]);
}

#define RAM_WINDOW                                                                         \
    .windows = &(const struct window){.name = "guest-ram", .length = 8 * 4096},            \
    .window_count = 1

static void reports_expect(const struct dma_script *d, const struct refusals *r)
{
    static const char asked[] = "your reports are what the IOMMU did, seen from outside";
    char a[120], b[120];

    for (unsigned i = 0; i < r->count; i++) {
        CHECK(d->judge, i < d->out->report_count, asked,
              "report %u is missing: %s; your dmar_report_parse() took %u lines", i,
              fault_text(&r->list[i], a, sizeof a), d->out->report_count);
        CHECK(d->judge, fault_same(&d->out->reports[i], &r->list[i]), asked,
              "report %u: %s, not %s", i, fault_text(&d->out->reports[i], a, sizeof a),
              fault_text(&r->list[i], b, sizeof b));
    }
    CHECK(d->judge, d->out->report_count == r->count, asked, "%u reports, not %u",
          d->out->report_count, r->count);
}

/* Buffer 0 the device may only read; buffer 1 all. Three accesses are refused. */
void refused_accesses_are_reported(struct judge *judge)
{
    struct dma_script *d = dma_new(judge);
    struct refusals r = {0};
    uint8_t want[LAB09_RAM_PAGES * 4096];
    uint32_t from = (uint32_t)judge_random_below(judge, 1000),
             to = (uint32_t)judge_random_below(judge, 1000);

    d->in.real = 1;
    buffer_make(d, 0, 1, 2, VTD_SL_READ);
    buffer_make(d, 1, 4, 3, VTD_SL_RIGHTS);
    move_put(d, 1, from, 64, 256, false); /* not mapped: refused */
    DMA_OP(d, .kind = LAB09_PREMAP, .buffer = 0, .first = 0, .count = 1);
    move_put(d, 0, to, 64, 128, true); /* read-only: refused */
    DMA_OP(d, .kind = LAB09_PREMAP, .buffer = 1, .first = 0, .count = 2);
    move_put(d, 1, from, 64, 2000, false);          /* repaired */
    move_put(d, 1, VTD_PAGE + to, 164, 1500, true); /* and back, to the next page */
    DMA_OP(d, .kind = LAB09_RELEASE, .buffer = 1, .first = 1, .count = 1);
    move_put(d, 1, VTD_PAGE + to, 100, 1500, true); /* unmapped again: refused */
    DMA_OP(d, .kind = LAB09_CHECKPOINT);
    dma_run(d, &(struct run_spec){.flags = RUN_DEVICE, RAM_WINDOW});

    refusals_gather(d->e, &r);
    CHECK(judge, r.count == 3, "the IOMMU refuses three transfers",
          "QEMU's trace has %u refusals", r.count);
    reports_expect(d, &r);
    memcpy(want, d->in.ram, sizeof want);
    memmove(want + 5 * VTD_PAGE + to, want + 4 * VTD_PAGE + from + 100, 1500);
    ram_expect(d, 0, want);
}

/* --- the machine's own tables -------------------------------------------------------- */

#define VTD_REGISTERS 0xfed90000ull
#define REG_CAP       0x08
#define REG_RTADDR    0x20

/* What the judge read while the subject stood still. */
static struct script *dump;

static uint64_t dump_iovas[4];

static uint64_t physical_word(struct judge *judge, uint64_t address)
{
    uint64_t word;

    judge_physical_read(judge, address, &word, sizeof word);
    return word;
}

/* Copies a page of the machine's memory, if it is not there yet. */
static void page_dump(struct judge *judge, uint64_t address)
{
    uint32_t n = dump->in.page_count;

    address &= ones(51, 12);
    if (address_is_used(dump, address) || n == LAB09_PAGES)
        return;
    dump->in.address[n] = address;
    judge_physical_read(judge, address, dump->in.pages[n], VTD_PAGE);
    dump->in.page_count++;
}

static void tables_dump(struct judge *judge, unsigned checkpoint)
{
    uint64_t cap = physical_word(judge, VTD_REGISTERS + REG_CAP), context[2];
    bool known;

    if (checkpoint != 0)
        return;
    dump->in.mgaw = (uint8_t)(field(cap, 21, 16) + 1);
    dump->in.sagaw = (uint8_t)field(cap, 12, 8);
    dump->in.haw = dump->in.mgaw; /* QEMU has one width for both */
    dump->in.root_table = physical_word(judge, VTD_REGISTERS + REG_RTADDR) & ones(51, 12);
    page_dump(judge, dump->in.root_table);
    page_dump(judge, word_get(dump, root_of(dump, DMA_DEVICE_SOURCE)));
    if (context_judge(dump, DMA_DEVICE_SOURCE, context, &known) != VTD_OK)
        judge_error(judge, "the machine's context entry of the device makes no sense");
    for (int i = 0; i < 4; i++) {
        struct path path = {.broken = true};
        uint64_t table = context[0];

        for (int depth = 0; depth < 5 && path.broken; depth++) {
            page_dump(judge, table);
            path = path_collect(dump, context[0] & ones(63, 12),
                                (unsigned)field(context[1], 2, 0) + 2, dump_iovas[i]);
            table = path.count ? path.entries[path.count - 1] : 0;
        }
    }
}

/* A page of the transfers as the IOMMU itself translated it, or refused it. */
static void agree_with_hardware(const struct script *s, const struct evidence *e)
{
    static const char asked[] =
        "on the machine's own tables you come to what its IOMMU came to";

    for (uint32_t n = 0; n < s->in.op_count; n++)
        for (size_t i = 0; i < e->device.count; i++) {
            const struct device_event *event = &e->device.list[i];
            const struct lab09_op *op = &s->in.ops[n];
            uint64_t page = field(op->iova, 63, 12) << 12;

            if (field(event->iova, 63, 12) << 12 != page)
                continue;
            CHECK(s->judge,
                  event->kind != DEVICE_TRANSLATED || op->write ||
                      s->out->results[n].physical == (event->physical | (op->iova & 0xfff)),
                  asked, "iova 0x%" PRIx64 ": physical 0x%" PRIx64 ", not 0x%" PRIx64,
                  op->iova, s->out->results[n].physical,
                  event->physical | (op->iova & 0xfff));
            CHECK(s->judge,
                  event->kind != DEVICE_FAULT || op->write != event->write ||
                      s->out->results[n].value == event->reason,
                  asked, "iova 0x%" PRIx64 ": reason 0x%" PRIx64 ", not 0x%x", op->iova,
                  (uint64_t)s->out->results[n].value, event->reason);
        }
}

void your_walk_agrees_with_the_machine(struct judge *judge)
{
    struct dma_script *d = dma_new(judge);

    dump = script_new(judge);
    d->in.real = 1;
    buffer_make(d, 0, 0, 4, VTD_SL_RIGHTS);
    buffer_make(d, 1, 4, 4, VTD_SL_READ);
    DMA_OP(d, .kind = LAB09_PREMAP, .buffer = 0, .first = 1, .count = 2);
    DMA_OP(d, .kind = LAB09_PREMAP, .buffer = 1, .first = 2, .count = 1);
    move_put(d, 0, 2 * VTD_PAGE - 100, 0, 300, false); /* pages 1 and 2 */
    move_put(d, 1, 2 * VTD_PAGE + 8, 0, 64, true);     /* refused */
    DMA_OP(d, .kind = LAB09_CHECKPOINT);
    for (unsigned i = 0; i < 4; i++)
        dump_iovas[i] = d->in.buffers[i / 3].iova + (i < 3 ? i : 2) * VTD_PAGE;
    dma_run(d, &(struct run_spec){.flags = RUN_DEVICE | RUN_HOLD,
                                  RAM_WINDOW,
                                  .at_checkpoint = tables_dump});
    CHECK(judge, device_events_count(&d->e->device, DEVICE_TRANSLATED) > 0,
          "the device's transfer is translated", "QEMU's trace has no translation");
    for (unsigned i = 0; i < 16; i++) /* each page is read, written, written and read */
        translate_put(dump, DMA_DEVICE_SOURCE,
                      dump_iovas[i / 4] | random_bits(judge, 11, 0),
                      i % 4 == 1 || i % 4 == 2);
    script_compare(dump, "iommu_translate() walks the tables that Linux has made");
    agree_with_hardware(dump, d->e);
}

/* --- demand mapping ------------------------------------------------------------------ */

/* What the emulated IOMMU did, for `make trace` (grader/pages/fault.html): QEMU's trace, with
 * the accesses to one page that follow each other as one. */
static void faults_view(struct judge *judge, const struct evidence *e, uint64_t iova,
                        uint32_t pages)
{
    cJSON *view = cJSON_CreateObject(), *events, *last = NULL;
    const struct device_event *before = NULL;
    char *text, words[160];

    snprintf(words, sizeof words, "%#" PRIx64, iova);
    cJSON_AddStringToObject(view, "iova", words);
    cJSON_AddNumberToObject(view, "pages", pages);
    events = cJSON_AddArrayToObject(view, "events");
    for (size_t i = 0; i < e->device.count; i++) {
        const struct device_event *event = &e->device.list[i];
        const uint64_t page = event->iova / VTD_PAGE - iova / VTD_PAGE;

        if (before && event->kind == before->kind && event->kind == DEVICE_FAULT &&
            event->iova / VTD_PAGE == before->iova / VTD_PAGE) {
            cJSON *times = cJSON_GetObjectItem(last, "times");

            cJSON_SetNumberValue(times, cJSON_GetNumberValue(times) + 1);
            continue;
        }
        before = event;
        last = cJSON_CreateObject();
        cJSON_AddStringToObject(last, "kind",
                                event->kind == DEVICE_FAULT        ? "refused"
                                : event->kind == DEVICE_TRANSLATED ? "translated"
                                                                   : "recorded");
        cJSON_AddNumberToObject(
            last, "page",
            event->kind == DEVICE_FAULT_RECORD || page >= pages ? -1 : (double)page);
        cJSON_AddNumberToObject(last, "times", 1);
        device_event_describe(event, words, sizeof words);
        cJSON_AddStringToObject(last, "text", words);
        cJSON_AddItemToArray(events, last);
    }
    text = cJSON_PrintUnformatted(view);
    if (text)
        judge_view(judge, "fault", text);
    cJSON_free(text);
    cJSON_Delete(view);
}

void demand_works_on_the_device(struct judge *judge)
{
    struct dma_script *d = dma_new(judge);
    struct refusals r = {0};
    uint8_t want[LAB09_RAM_PAGES * 4096];
    const struct lab09_dma_result *results;
    uint64_t pages = 0;
    uint32_t from = (uint32_t)(VTD_PAGE - 100 - judge_random_below(judge, 900)),
             to = (uint32_t)(2 * VTD_PAGE - 100 - judge_random_below(judge, 900));

    d->in.real = 1;
    buffer_make(d, 0, 2, 4, VTD_SL_RIGHTS);
    DMA_OP(d, .kind = LAB09_DEMAND, .iova = d->in.buffers[0].iova + from, .length = 1800);
    DMA_OP(d, .kind = LAB09_DEMAND, .iova = d->in.buffers[0].iova + to, .length = 1300,
           .to_memory = 1, .offset = 400);
    DMA_OP(d, .kind = LAB09_CHECKPOINT);
    dma_run(d, &(struct run_spec){.flags = RUN_DEVICE, RAM_WINDOW});
    results = d->out->results;
    refusals_gather(d->e, &r);
    faults_view(judge, d->e, d->in.buffers[0].iova, 4);
    for (int i = 0; i < 2; i++) {
        char text[40];

        CHECK(judge, results[i].value == 0, "both transfers come to an end",
              "dma_demand_transfer() %d returned %s", i,
              errno_text_or_minus_1(results[i].value, text, sizeof text));
    }
    for (unsigned i = 0; i < r.count; i++)
        pages |= 1ull << field(r.list[i].page - d->in.buffers[0].iova, 17, 12);
    CHECK(judge, pages == 7 && r.records == 3,
          "pages 0, 1 and 2 are refused at first, one record each",
          "pages with bits 0x%" PRIx64 " were refused; %u fault records", pages, r.records);
    CHECK(judge, results[1].faults == 3 && results[1].mapped == 7,
          "as many faults are counted as pages were touched for the first time",
          "faults is %" PRIu64 ", mapped 0x%" PRIx64 ", not 3 and 0x7", results[1].faults,
          results[1].mapped);
    memcpy(want, d->in.ram, sizeof want);
    memcpy(want + 2 * VTD_PAGE + to, d->in.ram[2] + from + 400, 1300);
    ram_expect(d, 0, want);
    judge_figure(judge, "accesses of 4 bytes that were refused",
                 (double)device_events_count(&d->e->device, DEVICE_FAULT), "");
    judge_figure(judge, "faults that were recorded", r.records, "");
}
