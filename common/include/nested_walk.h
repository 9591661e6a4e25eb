/* nested_walk.h - contract of part 05, second half: the two-dimensional walk.
 *
 * The guest's own tables lie in guest-physical memory. So each of their addresses, CR3's too,
 * is translated by the EPT before it can be read; and the page's address at the end.
 * Four levels below four levels, one column after the other:
 *
 *            guest:  PML4E     PDPTE      PDE       PTE      page
 *                     GPA       GPA       GPA       GPA       GPA
 *      EPT  PML4E      1         6        11        16        21
 *           PDPTE      2         7        12        17        22
 *           PDE        3         8        13        18        23
 *           PTE        4         9        14        19        24
 *                      |         |         |         |         |
 *      guest's entry   5        10        15        20        HPA
 *
 * 24 memory references, in this order. A large page ends its column or the row sooner.
 *
 * A guest entry (SDM 3A 4.5.4), as far as it counts here:
 *
 *    63 62   52 51            12 11 8 7 6 5 4 3 2 1 0
 *   | NX | .   | GPA of the next | .  L D A . . U W P |   P present, W writable, U user,
 *                                                         L (levels 3, 2) maps a page
 * Of a large page, the address has only the bits above the page's size: bit 12 is PAT there, and
 * does not count. All GPAs in it stay below EPT_GPA_LIMIT.
 * The guest has NXE and WP on, SMEP and SMAP off, no PCIDs and no global pages. Its entries
 * have A and D set and no reserved bit: a walk writes nothing to them.
 *
 * Source: Intel SDM volume 3A, 4.5 to 4.7 and 4.10; volume 3C, 29.3 and 29.4.
 */
#ifndef NESTED_WALK_H
#define NESTED_WALK_H

#include "ept.h"

#define GUEST_PRESENT    (1ull << 0)
#define GUEST_WRITABLE   (1ull << 1)
#define GUEST_USER       (1ull << 2)
#define GUEST_LARGE      (1ull << 7)
#define GUEST_NO_EXECUTE (1ull << 63)
#define GUEST_ADDRESS    0x000ffffffffff000ull

/* Page-fault error code (SDM 3A 4.7). */
#define FAULT_PRESENT (1u << 0) /* the rights forbid it; 0: an entry is not present */
#define FAULT_WRITE   (1u << 1)
#define FAULT_USER    (1u << 2)
#define FAULT_FETCH   (1u << 4)

/* --- caches of translations of linear addresses (SDM 3C 29.4.1: combined mappings) ------------
 *
 * Both are looked up and filled by nested_walk() only. As in ept.h, there is a single entry
 * where a number may lie: number % NESTED_CACHE_SIZE.
 *
 *   translations  by gva >> 12: the HPA of the page's 4 KiB, for one root and one mode (user or
 *                 supervisor). `allowed`: the kinds of access (EPT_RIGHTS) that both
 *                 guest and EPT allow in that mode; W only if the access that filled it
 *                 was a write: the first write has to set D.
 *   guest_tables  by gva >> 21: the HPA of the guest's page table (where level 1 is read), and
 *                 which of W, U and NX the three entries above give together.
 */
#define NESTED_CACHE_SIZE 16

struct translation_entry {
    bool valid, user;
    uint64_t root, number; /* gva >> 12 */
    uint64_t frame;        /* HPA of the 4 KiB */
    uint64_t allowed;
};

struct guest_table_entry {
    bool valid;
    uint64_t root, number; /* gva >> 21 */
    uint64_t table;        /* HPA */
    uint64_t flags; /* GUEST_WRITABLE, GUEST_USER: set in all three; NO_EXECUTE: in any */
};

/* Of one CPU; used by all VMs that run on it. */
struct nested_caches {
    struct ept_cache guest_physical;
    struct translation_entry translations[NESTED_CACHE_SIZE];
    struct guest_table_entry guest_tables[NESTED_CACHE_SIZE];
};

/* --- the walk (nested_walk.c) ----------------------------------------------------------------- */

/* What the CPU's memory management knows about the guest that runs. */
struct guest_mmu {
    const struct host_memory *memory;
    const struct ept *ept;
    uint64_t cr3;                 /* bits 51:12: GPA of the guest's PML4 table */
    struct nested_caches *caches; /* NULL: none */
};

#define NESTED_USER (1ull << 3) /* with an access: from ring 3 */

enum nested_outcome {
    NESTED_TRANSLATED = 1,
    NESTED_PAGE_FAULT,       /* the guest's own business: exception 14, no exit */
    NESTED_VIOLATION,        /* exit 48 */
    NESTED_MISCONFIGURATION, /* exit 49 */
};

struct nested_walk {
    enum nested_outcome outcome;
    uint64_t hpa;           /* TRANSLATED; else 0 */
    uint64_t gpa;           /* VIOLATION, MISCONFIGURATION: which one; else 0 */
    uint64_t qualification; /* VIOLATION; else 0 */
    uint32_t error_code;    /* PAGE_FAULT; else 0 */
    unsigned references;    /* memory references: guest entries and EPT entries */
};

/* Translates gva (canonical) for an access: one of EPT_READ, EPT_WRITE, EPT_FETCH, maybe with
 * NESTED_USER.
 *   A guest entry is read where ept_walk() says, with the access "read, L". A violation there
 * ends the walk: its GPA is that of the entry (8-byte aligned). An entry without P: page fault.
 * When the guest's leaf is found, the rights of all its entries are compared with the
 * access: a user's access needs U, a write W, a fetch no NX. Only then the page's GPA is
 * translated, with "the access, L, F".
 *   With caches: a translation (valid, same root, number and mode, the kind allowed) ends it:
 * no reference at all. Else a hit in guest_tables (valid, same root, number) lets the guest's
 * walk begin at level 1, with those flags: its entry is read at the HPA, without EPT.
 * guest_physical serves each ept_walk(). If TRANSLATED: translations is filled; guest_tables
 * too, if the leaf is of level 1 and there was no hit there (after a hit the entry would be filled
 * with what it holds: that does no harm). A walk that ends otherwise
 * makes the translation and the guest_tables entry of that gva (this root, for both modes)
 * invalid: the next try looks at the tables. */
void nested_walk(const struct guest_mmu *mmu, uint64_t gva, uint64_t access,
                 struct nested_walk *walk);

/* INVLPG and CR3 loads: if mmu->caches is NULL, there is nothing to forget. */

/* The guest executes INVLPG: of its root, the translation of the 4 KiB that gva lies in (both
 * modes), and all of guest_tables (SDM 3A 4.10.4.1: regardless of the address).
 * Here we are simpler than a CPU, which forgets all of a large page: a line of translations
 * does not know how large the guest's page is, and its other pieces of 4 KiB stay. A guest of
 * ours executes INVLPG for each of them, or loads CR3. */
void nested_invlpg(const struct guest_mmu *mmu, uint64_t gva);

/* The guest loads CR3: mmu->cr3 becomes cr3, all 64 bits as given. Forgotten: all translations and
 * guest_tables of its root. */
void nested_load_cr3(struct guest_mmu *mmu, uint64_t cr3);

/* The VMM executes INVEPT (SDM 3C 29.4.3.1, 31.3): everything in all three caches that is about
 * this root (INVEPT_SINGLE) or about any (INVEPT_ALL; root is ignored).
 * 0, or -EINVAL for another type. */
enum invept_type { INVEPT_SINGLE = 1, INVEPT_ALL = 2 };
int nested_invept(struct nested_caches *caches, unsigned type, uint64_t root);

#endif
