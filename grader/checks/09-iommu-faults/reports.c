/* reports.c - the kernel's text about DMA faults. */
#define _GNU_SOURCE
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The next line of the script: its number. NULL: no report that counts. */
uint32_t line_put(struct dma_script *d, const char *text, const struct lab09_fault *f)
{
    uint32_t n = d->line_count++;

    if (n == LAB09_LINES)
        judge_error(d->judge, "the check has too many lines");
    snprintf(d->in.lines[n], LAB09_LINE_MAX, "%s", text);
    d->is_report[n] = f != NULL;
    if (f) {
        d->faults[n] = *f;
        d->faults[n].page = field(f->page, 63, 12) << 12;
    }
    return n;
}

uint32_t report_put(struct dma_script *d, const struct lab09_fault *f, bool upper)
{
    static const char *const texts[] = {"PTE Write access is not set", "Unknown", ""};
    char line[LAB09_LINE_MAX];
    const char *text = texts[judge_random_below(d->judge, 3)];

    snprintf(
        line, sizeof line,
        upper
            ? "3,%u,%u,-;DMAR: [DMA %s NO_PASID] Request device [%02X:%02X.%X] fault addr "
              "0x%" PRIX64 " [fault reason 0x%02X] %s"
            : "%u,%u,-;DMAR: [DMA %s NO_PASID] Request device [%02x:%02x.%x] fault addr "
              "0x%" PRIx64 " [fault reason 0x%02x] %s",
        (unsigned)judge_random_below(d->judge, 9000),
        (unsigned)judge_random_below(d->judge, 1u << 31), f->write ? "Write" : "Read",
        f->source >> 8, f->source >> 3 & 0x1f, f->source & 7, f->page, f->reason, text);
    if (f->page & 0x1000) /* as dmesg prints it */
        return line_put(d, strchr(line, ';') + 1, f);
    return line_put(d, line, f);
}

/* A report between other text of the same driver, as where two messages ran together. */
static void late_report_put(struct dma_script *d, const char *before, const char *behind)
{
    struct lab09_fault f = random_fault(d->judge);
    char line[LAB09_LINE_MAX];

    f.page = random_bits(d->judge, 38, 12);
    snprintf(line, sizeof line,
             "4,5,6,-;%sDMAR: [DMA %s NO_PASID] Request device [%02x:%02x.%x] fault addr "
             "0x%" PRIx64 " [fault reason 0x%02x]%s",
             before, f.write ? "Write" : "Read", f.source >> 8, f.source >> 3 & 0x1f,
             f.source & 7, f.page, f.reason, behind);
    line_put(d, line, &f);
}

const char *const other_lines[] = {
    "",
    "4,5,6,-;DMAR: DRHD: handling fault status reg 2",
    "6,1,0,-;pci 0000:00:05.0: [1234:11e8] type 00 class 0x00ff00",
    "4,5,6,-;DMAR: [DMA Read PASID 0x4] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x06] PTE Read access is not set",
    "4,5,6,-;DMAR: [INTR-REMAP] Request device [00:05.0] fault index 0x10 "
    "[fault reason 0x22] Present field in the IRTE entry is clear",
    "4,5,6,-;DMAR: [DMA Read NO_PASID] Request device [00:05.0] fault addr 0x200000",
    "4,5,6,-;DMAR: [DMA Read NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x06",
    "4,5,6,-;DMAR: [DMA Fetch NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x06] ?",
    "4,5,6,-;DMAR: [DMA Reads NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x06] ?",
    "4,5,6,-;DMAR: [DMA Wrote NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.8] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:20.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr none "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [100:05.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:005.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.00] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr "
    "0x10000000000200000 [fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x105] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [:05.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x] ?",
    "4,5,6,-;IOMMU: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x1000 "
    "[fault reason 0x05] ?",
};

void kernel_reports_are_decoded(struct judge *judge)
{
    struct dma_script *d = dma_new(judge);
    char a[120], b[120];

    for (int i = 0; i < 60; i++) {
        struct lab09_fault f = random_fault(judge);

        f.page = random_bits(judge, i % 3 ? 38 : 63, i % 2 ? 12 : 0);
        report_put(d, &f, i % 4 == 3);
    }
    late_report_put(d, "DMAR: DRHD: handling fault status reg 2; ", "");
    late_report_put(d, "DMAR: [DMA Read PASID 0x4] Request ", "");
    late_report_put(d, "DMAR: [DMA Read NO_PASID] Request device [00:0", "");
    late_report_put(d, "",
                    "; DMAR: [DMA Read NO_PASID] Request device [00:05.0] fault "
                    "addr 0x1000 [fault reason 0x06]");
    for (size_t i = 0; i < sizeof other_lines / sizeof other_lines[0]; i++)
        line_put(d, other_lines[i], NULL);
    for (uint32_t i = 0; i < d->line_count; i++)
        DMA_OP(d, .kind = LAB09_PARSE, .line = i);
    dma_run(d, &(struct run_spec){0});
    for (uint32_t i = 0; i < d->line_count; i++) {
        const struct lab09_dma_result *r = &d->out->results[i];
        const struct lab09_fault *want = &d->faults[i];

        CHECK(judge, (r->value != 0) == d->is_report[i],
              "dmar_report_parse() takes reports of DMA faults, and nothing else",
              "it returned %s for: %s", r->value ? "true" : "false", d->in.lines[i]);
        CHECK(judge, !d->is_report[i] || fault_same(&r->fault, want),
              "dmar_report_parse() finds who, what, where and why", "%s, not %s, in: %s",
              fault_text(&r->fault, a, sizeof a), fault_text(want, b, sizeof b),
              d->in.lines[i]);
        CHECK(judge, d->is_report[i] || (r->fault.page == ~0ull && r->fault.reason == 0xee),
              "*fault is untouched where the line is no report", "it was changed for: %s",
              d->in.lines[i]);
    }
}
