/* checks.h - what the topics of lab 05's checks share.
 *
 *   script.c    operations for the subject, and what each has to give
 *   pages.c     what has to be mapped, as a list of pages; the student's tables, read
 *   building.c  checks of ept_tables.c
 *   model.c     a model of the CPU: what each walk has to give
 *   image.c     tables that the judge makes: EPTs, and guests behind them
 *   walking.c   checks of ept_walk.c, and of the walk in two dimensions
 *   caches.c    checks of the caches
 *   picture.c   some walks for `make trace`; wrong_walk.c: one that is wrong
 *   silicon.c   checks by the emulated CPU
 */
#ifndef LAB05_CHECKS_H
#define LAB05_CHECKS_H

#include "judge/check.h"
#include "judge/script.h"
#include "judge/words.h"
#include "nested_walk.h"
#include "subjects/05-ept-walk.h"

#define KIB4 (1ull << 12)
#define MIB2 (1ull << 21)
#define GIB1 (1ull << 30)
#define RWX  7ull
#define RW   3ull
#define RX   5ull

#define HPA_BASE 0xc00000000ull /* of the memory in the model: beyond 4 GiB, below 2^36 */

/* --- script.c ------------------------------------------------------------------------------- */

/* What an operation has to give. */
struct want {
    bool any;     /* nothing is expected */
    bool counted; /* free pages of the pool, too */
    struct lab05_result r;
    uint32_t ref_at, ref_count; /* what a walk has to read: in the script's refs */
};

struct ref {
    uint64_t hpa;
    const char *label;
};

/* What came back. */
struct answer {
    const uint64_t *roots;
    const lab05_page *memory;
    const struct lab05_result *results;
    const uint64_t *log;
    uint64_t log_count;
};

struct script {
    struct judge *judge;
    struct lab05_input in;
    struct lab05_op ops[LAB05_OPS];
    struct want wants[LAB05_OPS];
    const char *asked[LAB05_OPS];
    lab05_page memory[LAB05_PAGES]; /* in.memory_given: as it is at the start */
    struct ref refs[LAB05_LOG];
    uint32_t ref_count;
    bool pictured; /* its walks are in a picture already */
    struct answer out;
};

struct script *script_new(struct judge *judge, uint32_t memory_pages, uint32_t pool);

/* Appends an operation. Returns what is expected of it, to be filled in. */
struct want *op_put(struct script *s, const char *asked, struct lab05_op op);
#define OP(s, asked, ...) op_put(s, asked, (struct lab05_op){__VA_ARGS__})

/* The same for an operation of which only the value counts. */
void value_put(struct script *s, int64_t value, const char *asked, struct lab05_op op);
#define VALUE(s, want, asked, ...) value_put(s, want, asked, (struct lab05_op){__VA_ARGS__})

/* In words. */
void rights_describe(uint64_t rights, char text[4]);
void op_describe(const struct lab05_op *op, char *buffer, size_t size);
void result_describe(uint32_t kind, const struct lab05_result *r, char *buffer,
                     size_t size);

void script_run(struct script *s);
void results_expect(const struct script *s);

uint64_t judge_random_below(struct judge *judge, uint64_t limit); /* 0 to limit - 1 */
uint64_t random_rights(struct judge *judge);
uint32_t random_type(struct judge *judge);
uint64_t random_gpa(struct judge *judge);
uint64_t random_gva(struct judge *judge);
uint64_t canonical(uint64_t address);

/* --- pages.c -------------------------------------------------------------------------------- */

#define LEAVES_MAX 24000

struct leaf {
    uint64_t gpa, hpa;
    uint64_t bits; /* rights, memory type, A, D */
    int level;
};

struct world {
    struct judge *judge;
    const struct lab05_cpu *cpu;
    unsigned room; /* pages that tables may take */
    unsigned count;
    uint64_t touched; /* GPA of a page that the CPU has used */
    uint64_t kept;    /* GPA of a page whose tables stay, and have A */
    int kept_level;   /* of its leaf, before it was split; 0: there is no such page */
    struct leaf leaves[LEAVES_MAX];
};

struct world *world_new(const struct script *s);
unsigned world_tables(const struct world *w);
uint64_t leaf_size(const struct leaf *leaf);

void create_put(struct script *s);
/* From now on, so many pages of the pool are free. */
void leave_put(struct script *s, struct world *w, unsigned left);
/* An operation on the tables, and what it has to return; how many free pages it needs. */
unsigned build_needs(const struct world *w, const struct lab05_op *op);
int build_put(struct script *s, struct world *w, const char *asked, struct lab05_op op);
#define BUILD(s, w, asked, ...) build_put(s, w, asked, (struct lab05_op){__VA_ARGS__})

/* The tree's tables say what the list says, and no page is taken beside them. */
void tree_expect(const struct script *s, const struct world *w, const char *asked);
/* Builds, asks for results, compares. */
void build_expect(struct script *s, const struct world *w, const char *asked);

/* --- wrong_walk.c --------------------------------------------------------------------------- */

/* Keeps operation i, a walk that is wrong, for `make trace`, and points at its first reference that
 * is not the one due. */
void wrong_walk_keep(const struct script *s, uint32_t i);

/* --- model.c -------------------------------------------------------------------------------- */

/* One line of one of the CPU's caches. Which cache: by the array it is in. */
struct line {
    bool valid, user;
    uint64_t root, number, target, flags;
};

struct model {
    struct script *s;
    uint64_t roots[LAB05_EPTS], cr3[LAB05_EPTS];
    struct line regions[16], pages[16], guest_tables[16];
    struct want *want; /* of the walk that is being modelled */
    bool dry;          /* only asked what would be: nothing is written */
    lab05_page memory[LAB05_PAGES];
};

/* How an EPT walk ends; the result is added to m->want->r, the final access' fields too. */
struct step {
    int outcome, level;
    uint64_t hpa, rights, entry, qualification;
};

struct model *model_new(struct script *s);
uint64_t *model_word(struct model *m, uint64_t hpa); /* NULL: there is no memory */
bool entry_is_bad(const struct lab05_cpu *cpu, uint64_t entry, int level, bool leaf);
struct step model_ept(struct model *m, uint32_t n, uint64_t gpa, uint64_t access,
                      bool cached);

/* Operations of which the model says what they have to give. */
struct want *walk_put(struct model *m, uint32_t n, uint64_t gpa, uint64_t access,
                      bool cached, const char *asked);
struct want *nested_put(struct model *m, uint32_t n, uint64_t gva, uint64_t access,
                        bool cached, const char *asked);
void invlpg_put(struct model *m, uint32_t n, uint64_t gva);
void load_cr3_put(struct model *m, uint32_t n, uint64_t cr3);
void invept_put(struct model *m, uint32_t type, uint32_t n);
void poke_put(struct model *m, uint64_t hpa, uint64_t value);

/* Runs it, compares each walk, and in the end the memory with its A and D flags. */
void model_expect(struct model *m, const char *asked_memory);
/* The same for a script that has run. */
void model_compare(const struct model *m, const char *asked_memory);

/* --- image.c -------------------------------------------------------------------------------- */

struct image {
    struct script *s;
    unsigned used;
    uint8_t order[LAB05_PAGES]; /* pages are used in this order */
};

/* A guest whose tables the judge makes in memory that the EPT maps. */
struct guest {
    struct image *image;
    uint64_t root, cr3; /* HPA of the EPT's root; GPA of the guest's PML4 */
    uint64_t tables;    /* GPA where the memory is mapped */
    int level;          /* by EPT pages of that level */
    uint64_t bits;      /* rights and type of them */
};

struct image *image_new(struct script *s);
uint64_t image_page(struct image *image);
uint64_t *image_word(struct image *image, uint64_t hpa);
uint64_t ept_entry(struct image *image, uint64_t root, uint64_t gpa, int level);
uint64_t ept_leaf(struct image *image, uint64_t root, uint64_t gpa, uint64_t hpa, int level,
                  uint64_t bits);
struct guest guest_new(struct image *image, uint64_t root, int level);
uint64_t guest_entry(struct guest *g, uint64_t gva, int level);
void guest_leaf(struct guest *g, uint64_t gva, uint64_t gpa, int level, uint64_t bits);
struct model *model_start(struct image *image, const struct guest *guests, unsigned count);

/* --- picture.c ------------------------------------------------------------------------------ */

void walks_view(struct judge *judge);

/* --- the checks ----------------------------------------------------------------------------- */

/* building.c */
void bad_ranges_are_refused(struct judge *judge);
void execute_only_needs_the_cpu(struct judge *judge);
void pages_are_as_large_as_possible(struct judge *judge);
void mapped_pages_are_not_mapped_again(struct judge *judge);
void large_pages_split_where_they_must(struct judge *judge);
void protect_needs_every_page(struct judge *judge);
void empty_tables_go_back(struct judge *judge);
void a_full_pool_changes_nothing(struct judge *judge);

/* walking.c */
void walks_translate_or_say_why_not(struct judge *judge);
void misconfigured_entries_are_found(struct judge *judge);
void accessed_and_dirty_are_set(struct judge *judge);
void a_cold_walk_makes_24_references(struct judge *judge);
void faults_and_violations_differ(struct judge *judge);

/* caches.c */
void caches_save_references(struct judge *judge);
void stale_translations_are_forgotten(struct judge *judge);

/* silicon.c */
void cpu_agrees_on_accesses(struct judge *judge);
void cpu_agrees_on_misconfigurations(struct judge *judge);
void cpu_sets_the_same_flags(struct judge *judge);

#endif
