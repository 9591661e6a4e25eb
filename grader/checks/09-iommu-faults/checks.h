/* checks.h - what the checks of lab 09 share, and the checks. */
#ifndef CHECKS_09_H
#define CHECKS_09_H

#include "subjects/09-iommu-faults.h"

#include "iommu_domain.h"
#include "judge/check.h"
#include "judge/random.h"
#include "judge/script.h"
#include "judge/words.h"

#define TEXT_MAX  300
#define READS_ANY UINT32_MAX

static inline uint64_t random_bits(struct judge *judge, unsigned high, unsigned low)
{
    return (judge_random(judge) << (63 - (high - low)) >> (63 - (high - low))) << low;
}

/* Bits high to low of a value, moved down. */
static inline uint64_t field(uint64_t value, unsigned high, unsigned low)
{
    return value << (63 - high) >> (63 - high) >> low;
}

/* The same bits set, in place. */
static inline uint64_t ones(unsigned high, unsigned low)
{
    return high < low ? 0 : (~0ull >> (63 - high) >> low) << low;
}

/* --- script.c: operations on the model of an IOMMU, and for DMA ---------------------- */

struct cached {
    bool valid;
    uint16_t domain;
    uint64_t page, physical, rights;
};

struct script {
    struct judge *judge;
    struct lab09_model_input in;
    const struct lab09_model_output *out;
    const char *because[LAB09_OPS];
    bool count_reads; /* how many words a translation reads has to be right, too */

    /* the judge's own view, brought along operation by operation after the run */
    struct cached cache[IOTLB_ENTRIES];
    uint32_t reads;
    uint64_t hole;      /* the word that cannot be read; 0: none */
    uint64_t low, high; /* of the fault record */
    uint32_t status;
};

struct dma_script {
    struct judge *judge;
    struct lab09_dma_input in;
    const struct lab09_dma_output *out;
    const struct evidence *e;
    uint32_t line_count;
    bool is_report[LAB09_LINES];
    struct lab09_fault faults[LAB09_LINES];
};

struct lab09_fault random_fault(struct judge *judge);

struct script *script_new(struct judge *judge);
struct lab09_op *op_put(struct script *s, struct lab09_op op);
#define OP(s, ...) op_put(s, (struct lab09_op){__VA_ARGS__})
void op_because(struct script *s, const char *why);
void translate_put(struct script *s, uint16_t source, uint64_t iova, bool write);
void script_run(struct script *s);
void op_expect(const struct script *s, uint32_t i, const struct lab09_result *want,
               const char *asked);

struct dma_script *dma_new(struct judge *judge);
void dma_op_put(struct dma_script *d, struct lab09_dma_op op);
#define DMA_OP(d, ...) dma_op_put(d, (struct lab09_dma_op){__VA_ARGS__})
void dma_run(struct dma_script *d, const struct run_spec *how);

bool fault_same(const struct lab09_fault *a, const struct lab09_fault *b);
const char *reason_name(uint64_t reason);
const char *source_text(uint16_t source);
const char *fault_text(const struct lab09_fault *f, char *buffer, size_t size);
void op_text(const struct script *s, const struct lab09_op *op, char *b, size_t size);

/* --- iommu.c: the judge's own IOMMU, and tables that it makes ------------------------ */

/* All entries on the way to a page, as far as they lead; then the reason is looked for. */
struct path {
    unsigned levels,
        count; /* count: entries that could be read; the first is the top level's */
    uint64_t entries[4];
    bool broken; /* the next one could not be read */
};

extern const unsigned level_low[]; /* lowest bit that a level translates */

struct path path_collect(struct script *s, uint64_t table, unsigned levels, uint64_t iova);
bool pair_read(struct script *s, uint64_t address, uint64_t pair[2]);
int context_judge(struct script *s, uint16_t source, uint64_t context[2], bool *known);
void script_compare(struct script *s, const char *asked);

bool address_is_used(const struct script *s, uint64_t address);
uint64_t nowhere(struct script *s);
uint64_t word_get(struct script *s, uint64_t address);
void word_set(struct script *s, uint64_t address, uint64_t word);
uint64_t root_of(const struct script *s, uint16_t source);
uint64_t context_of(struct script *s, uint16_t source);
uint64_t device_make(struct script *s, uint16_t source, uint16_t id, unsigned levels,
                     uint64_t table);
uint64_t entry_address(struct script *s, uint64_t table, unsigned levels, uint64_t iova,
                       unsigned level);
uint64_t leaf_make(struct script *s, uint64_t table, unsigned levels, uint64_t iova,
                   unsigned level, uint64_t rights);
uint16_t random_source(struct judge *judge, unsigned bus);

/* --- translate.c: one access --------------------------------------------------------- */

void walk_finds_the_page(struct judge *judge);
void walk_names_the_reason(struct judge *judge);
void cached_translations_spare_the_walk(struct judge *judge);

/* --- faults.c: what is known of a refused access ------------------------------------- */

void fault_records_are_bit_exact(struct judge *judge);
void one_record_collapses_or_overflows(struct judge *judge);
void faults_of_translations_are_recorded(struct judge *judge);

/* --- domain.c: tables that the part makes -------------------------------------------- */

#define MAPPED_MAX 900

struct mapping {
    uint32_t domain;
    uint64_t page, entry;
};

struct space {
    struct script *s;
    struct mapping mapped[MAPPED_MAX];
    uint32_t count;
    int attached[65536]; /* domain + 1 by source */
    int64_t wants[LAB09_OPS];
};

struct space *space_new(struct judge *judge);
void want_put(struct space *v, int64_t want, const char *because, struct lab09_op op);
#define WANT(v, want, because, ...)                                                        \
    want_put(v, want, because, (struct lab09_op){__VA_ARGS__})
void map_put(struct space *v, uint32_t domain, uint64_t iova, uint64_t physical,
             uint64_t size, uint64_t rights);
void unmap_put(struct space *v, uint32_t domain, uint64_t iova, uint64_t size);
void attach_put(struct space *v, uint32_t domain, uint16_t source);
void detach_put(struct space *v, uint32_t domain, uint16_t source);
void space_run(struct space *v, const char *asked);
struct mapping *mapping_find(struct space *v, uint32_t domain, uint64_t page);

void attach_writes_root_and_context(struct judge *judge);
void map_writes_level_1_entries(struct judge *judge);
void unmap_clears_the_range(struct judge *judge);
void map_does_all_or_nothing(struct judge *judge);

/* --- stale.c: what has to leave the IOTLB -------------------------------------------- */

void unmap_leaves_nothing_stale(struct judge *judge);

/* --- reports.c: the kernel's text ---------------------------------------------------- */

extern const char *const other_lines[];

uint32_t line_put(struct dma_script *d, const char *text, const struct lab09_fault *f);
uint32_t report_put(struct dma_script *d, const struct lab09_fault *f, bool upper);

void kernel_reports_are_decoded(struct judge *judge);

/* --- demand.c: mapping for a pretended device ---------------------------------------- */

void demand_maps_each_page_once(struct judge *judge);
void demand_gives_up_with_a_reason(struct judge *judge);

/* --- machine.c: the real device ------------------------------------------------------ */

void refused_accesses_are_reported(struct judge *judge);
void your_walk_agrees_with_the_machine(struct judge *judge);
void demand_works_on_the_device(struct judge *judge);

#endif
