/* ept_world.h - the memory of a run in which EPT01, EPT12 and EPT02 lie. */
#ifndef EPT_WORLD_H
#define EPT_WORLD_H

#include "checks.h"
#include "silicon/silicon.h"

#define R       EPT_READ
#define W       EPT_WRITE
#define X       EPT_FETCH
#define RWX     EPT_RIGHTS
#define LARGE   EPT_LARGE
#define ADDRESS EPT_ADDRESS

/* The host's memory of a run, in pages: EPT01's tables, memory of L1 in which EPT12 lies, EPT02's
 * root, its pool. */
#define HPA         (SILICON_RAM_HPA + SILICON_GUEST_SIZE)
#define PAGES_01    16u
#define PAGES_L1    64u
#define PAGE_ROOT02 (PAGES_01 + PAGES_L1)
#define PAGE_POOL   (PAGE_ROOT02 + 1)
#define PAGES_POOL  (LAB10_MEMORY / 4096 - PAGE_POOL)

#define L1_TABLES 0x10000000ull /* L1-physical: EPT12 is here, its pages in random order */

extern struct lab10_ept_input world;

uint64_t *word_at(uint8_t *memory, uint64_t hpa);

/* No mapping but that of L1's tables; EPT02 is empty, and no operation is asked for. */
void world_begin(struct judge *judge);
/* Sets the entry that translates gpa at a level (4 to 1), and makes the tables above it. */
uint64_t *entry_make(struct judge *judge, bool is_12, uint64_t gpa, unsigned level);
/* Random bits that do not count, for an entry of EPT01 or EPT12. */
uint64_t noise(struct judge *judge, unsigned level, bool is_page);
/* Maps one page, as large as the level has them. */
void map01(struct judge *judge, uint64_t l1, unsigned level, uint64_t entry);
void map12(struct judge *judge, uint64_t gpa, unsigned level, uint64_t entry);
/* Rights that are no misconfiguration; sometimes none. */
uint64_t random_rights(struct judge *judge);

struct lab10_op *op_add(struct judge *judge, uint32_t kind, uint64_t a, uint64_t b);
const struct lab10_ept_output *world_run(struct judge *judge);

/* --- what the two say -------------------------------------------------------------------------- */

struct seen {
    enum { SEEN, ABSENT, BAD, GONE } what;
    uint64_t address, rights, size;
};

/* The answer that the contract gives; *page: what is filled in. */
struct nested_ept_answer answer_expected(uint64_t gpa, uint64_t qualification,
                                         struct seen *page);

#endif
