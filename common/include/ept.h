/* ept.h - contract of part 05, first half: extended page tables, built and walked.
 *
 * The guest's page tables map linear addresses (GVA) to guest-physical ones (GPA): the
 * mapping G. The EPT maps GPA to the machine's memory (HPA): the mapping H. The VMM builds it,
 * the CPU walks it, the guest never sees it.
 *
 *    47       39 38       30 29       21 20       12 11            0
 *   |   PML4    |   PDPT    |    PD     |    PT     |    offset     |   a GPA
 *     level 4      level 3     level 2     level 1
 *
 *   EPTP --> PML4 table --> PDPT ------> PD --------> PT --------> 4 KiB page
 *                             |           +--------> 2 MiB page      (bit 7 set)
 *                             +--------------------> 1 GiB page      (bit 7 set)
 *
 * Each table is 4 KiB: 512 entries of 8 bytes (SDM 3C 29.3.2, tables 29-1 to 29-7).
 *
 *    51            12 11 10 9 8 7 6   3 2 1 0
 *   | next table's HPA |  .  . A 0   0  X W R |   an entry that leads to a table
 *
 *    51            12 11 10 9 8 7 6  5 3 2 1 0
 *   | the page's HPA   |  . D A L I  MT  X W R |   an entry that maps a page: a leaf
 *
 *   R W X  read, write, fetch allowed. All three 0: not present, and no other bit counts
 *   MT     memory type of the page              I  ignore PAT (we leave it 0)
 *   L      1 in a leaf of level 3 or 2; in a leaf of level 1 the CPU ignores the bit (we leave
 *          it 0). In level 4 there are no leaves: bits 7:3 are reserved there
 *   A D    accessed, dirty: used only if bit 6 of the EPTP says so, else ignored
 *   .      bits 63:52, 11:10 and bit 9 where there is no D: ignored by the CPU
 *   Reserved, and so 0: bits 51:N for a CPU with N physical-address bits; bits 6:3 of an entry
 *   that leads to a table; of a leaf's address, bits 29:12 at level 3 and 20:12 at level 2;
 *   bit 7 at level 3, if the CPU has no 1 GiB pages.
 *
 * Source: Intel SDM volume 3C, 29.3, table 28-7 (28.3 and 27-7 before 2023).
 */
#ifndef EPT_H
#define EPT_H

#include <stdbool.h>
#include <stdint.h>

#define EPT_READ   (1ull << 0)
#define EPT_WRITE  (1ull << 1)
#define EPT_FETCH  (1ull << 2)
#define EPT_RIGHTS (7ull << 0) /* an access kind and the right to it are the same bit */

#define EPT_TYPE_SHIFT 3
#define EPT_TYPE       (7ull << EPT_TYPE_SHIFT)
#define EPT_IGNORE_PAT (1ull << 6)
#define EPT_LARGE      (1ull << 7)
#define EPT_ACCESSED   (1ull << 8)
#define EPT_DIRTY      (1ull << 9)
#define EPT_ADDRESS    0x000ffffffffff000ull /* bits 51:12 */

/* Memory types (SDM 3A 12.3); 2, 3 and 7 are reserved. */
enum memory_type { MT_UC = 0, MT_WC = 1, MT_WT = 4, MT_WP = 5, MT_WB = 6 };

#define EPT_LEVELS    4
#define EPT_ENTRIES   512
#define EPT_PAGE      4096ull
#define EPT_GPA_LIMIT (1ull << 48)

/* Bytes that one entry of a level covers: 4 KiB, 2 MiB, 1 GiB, 512 GiB. */
static inline uint64_t ept_level_size(int level)
{
    return EPT_PAGE << 9 * (level - 1);
}

/* Which entry of its table translates gpa at that level. */
static inline unsigned ept_index(uint64_t gpa, int level)
{
    return (unsigned)(gpa / ept_level_size(level)) % EPT_ENTRIES;
}

/* --- memory for tables ------------------------------------------------------------------------ */

#define EPT_POOL_MAX 512
#define EPT_NO_PAGE  UINT64_MAX

/* Pages that the VMM has put aside for tables: it sees them from hva on, the CPU from hpa on. */
struct ept_pool {
    uint8_t *hva;
    uint64_t hpa;
    unsigned page_count, free_count;
    bool taken[EPT_POOL_MAX];
};

/* The lowest free page, filled with zeros: its HPA, or EPT_NO_PAGE. */
static inline uint64_t ept_pool_take(struct ept_pool *pool)
{
    for (unsigned i = 0; i < pool->page_count; i++) {
        uint64_t *words = (uint64_t *)(pool->hva + i * EPT_PAGE);

        if (pool->taken[i])
            continue;
        for (unsigned n = 0; n < EPT_ENTRIES; n++)
            words[n] = 0;
        pool->taken[i] = true;
        pool->free_count--;
        return pool->hpa + i * EPT_PAGE;
    }
    return EPT_NO_PAGE;
}

/* Gives a page back. Its content stays as it is until it is taken again. */
static inline void ept_pool_give(struct ept_pool *pool, uint64_t hpa)
{
    pool->taken[(hpa - pool->hpa) / EPT_PAGE] = false;
    pool->free_count++;
}

/* Where the VMM sees the table at that HPA: 512 entries. */
static inline uint64_t *ept_pool_table(const struct ept_pool *pool, uint64_t hpa)
{
    return (uint64_t *)(pool->hva + (hpa - pool->hpa));
}

/* --- building (ept_tables.c) ------------------------------------------------------------------ */

/* What the CPU can do (IA32_VMX_EPT_VPID_CAP, SDM 3D A.10; CPUID 80000008h). */
struct ept_cpu {
    uint8_t physical_bits; /* N: HPAs are below 1 << N; 36 to 52 */
    bool execute_only;     /* capability bit 0: X without R is no misconfiguration */
    bool page_1g;          /* capability bit 17 */
};

/* A tree of tables. Each page of the pool that is taken for it is a table that can be reached
 * from the root; no table but the root is empty. */
struct ept {
    struct ept_pool *pool;
    struct ept_cpu cpu;
    bool access_dirty; /* EPTP bit 6: the CPU sets A and D */
    uint64_t root;     /* HPA of the PML4 table */
};

/* Makes a tree that maps nothing. 0, or -ENOMEM. */
int ept_create(struct ept *ept, struct ept_pool *pool, const struct ept_cpu *cpu,
               bool access_dirty);

/* Gives all its tables back, the root too. */
void ept_destroy(struct ept *ept);

/* The EPTP of the tree, for the VMCS (SDM 3C 25.6.11):
 *
 *    51            12 11  7 6  5      3 2    0
 *   | PML4 table's HPA |  0 |A/D| levels-1 | type |    type: write-back (6), how the CPU
 *                                                      itself reads the tables */
uint64_t ept_pointer(const struct ept *ept);

/* The three functions below take ranges in bytes. A range is checked in this order:
 *   -EINVAL  size is 0; gpa or size is no multiple of 4 KiB; and what is said below
 *   -ERANGE  the range does not end at or below EPT_GPA_LIMIT (sums may wrap around)
 * then for what each function names. One that fails changes no entry and takes no page.
 * Entries that lead to a table have R, W and X set and nothing else but the address: what a
 * page allows is said by its leaf alone. The CPU may have set A and D; they stay as they are
 * in every entry that stays. */

/* Maps [gpa, gpa + size) to [hpa, hpa + size). From gpa upwards, each page is as large as
 * possible: its gpa and hpa are multiples of its size, it ends within the range, and for
 * 1 GiB the CPU has such pages. A and D of a new page are 0.
 *   -EINVAL  also: hpa is no multiple of 4 KiB; the HPAs pass 1 << physical_bits; rights that
 *            the CPU would call a misconfiguration (W without R; X alone, if the CPU has no
 *            execute_only), that are none at all, or other bits than EPT_RIGHTS;
 *            a memory type that is reserved
 *   -EEXIST  a page of the range is mapped already
 *   -ENOMEM  the pool has too few pages */
int ept_map(struct ept *ept, uint64_t gpa, uint64_t hpa, uint64_t size, uint64_t rights,
            unsigned memory_type);

/* Unmaps what is mapped in the range; holes are fine. A large page that lies in the range in
 * part is split: its entry leads to a table with 512 pages of the next smaller size that
 * together are the same (HPAs, rights, memory type, A and D), and so on until each
 * page lies in the range as a whole or not at all. No more is split than that. A of the entry
 * that leads to the new table is 0: the CPU has not used it yet. Tables that become empty are
 * given back.
 *   -ENOMEM  splitting takes more pages than are free when the function is called: pages
 *            that it will give back itself do not count */
int ept_unmap(struct ept *ept, uint64_t gpa, uint64_t size);

/* Changes the rights of each page in the range, splitting as above, also where a page has these
 * rights already. Memory type, A and D stay. Pages are never merged.
 *   -EINVAL  also: rights as for ept_map()
 *   -ENOENT  a page of the range is not mapped
 *   -ENOMEM  as for ept_unmap() */
int ept_protect(struct ept *ept, uint64_t gpa, uint64_t size, uint64_t rights);

/* --- walking (ept_walk.c) --------------------------------------------------------------------- */

/* Physical memory as the CPU sees it. Each read() is one memory reference: the figures of this
 * lab count them. hpa is a multiple of 8; where there is no memory, read() gives all ones. */
struct host_memory {
    void *owner;
    uint64_t (*read)(void *owner, uint64_t hpa);
    void (*write)(void *owner, uint64_t hpa, uint64_t value);
};

/* An access to a GPA, in the form that an EPT violation's qualification has (SDM 3C table 28-7):
 *
 *    8   7   6  5 4 3  2 1 0
 *   | F | L | 0 | X W R | X W R |
 *           |      |        +--- the access: read, write or fetch (bits of EPT_RIGHTS)
 *           |      +------------ what the GPA allows: the AND of R, W, X over the entries that
 *           |                    translate it; all 0 if one of them is not present
 *           +-- L: there is a linear address (always, but when CR3 is loaded in PAE mode)
 *           +-- F, if L: it is the access to the page itself; 0: to a guest's page table
 *               (F without L does not occur)
 */
#define EPT_ACCESS_LINEAR (1ull << 7)
#define EPT_ACCESS_FINAL  (1ull << 8)

enum ept_outcome {
    EPT_TRANSLATED = 1,
    EPT_VIOLATION,        /* exit 48: the tables forbid the access */
    EPT_MISCONFIGURATION, /* exit 49: an entry is present, and one that must not be */
};

struct ept_walk {
    enum ept_outcome outcome;
    uint64_t hpa;           /* TRANSLATED; else 0 */
    uint64_t rights;        /* TRANSLATED: the AND over the entries; else 0 */
    uint64_t page_size;     /* TRANSLATED: bytes; else 0 */
    unsigned memory_type;   /* TRANSLATED: the leaf's; else 0 */
    uint64_t qualification; /* VIOLATION; else 0: a misconfiguration has none */
    unsigned references;    /* entries read */
};

/* The guest-physical paging-structure cache: where the page table of a 2 MiB region is, so
 * that a walk need not read the three entries above it (SDM 3C 29.4.1). Regions are
 * gpa >> 21; a region may lie only in entry region % EPT_CACHE_SIZE.
 *   Looked up at the start of a walk. A hit (valid, same root, same region) means that
 * the walk begins at level 1, in that table, with those rights: one reference.
 *   Filled at the end of a walk without a hit that is TRANSLATED by a leaf of level 1. What the
 * entry held before is lost.
 *   Forgotten: a walk that ends in a violation or misconfiguration makes the entry of its region
 * invalid, if it is about this root and region (SDM 3C 29.4.3.1); and see nested_walk.h. */
#define EPT_CACHE_SIZE 16

struct ept_cache {
    struct ept_cache_entry {
        bool valid;
        uint64_t root;   /* which EPT: several VMs share the CPU's caches */
        uint64_t region; /* gpa >> 21 */
        uint64_t table;  /* HPA of the page table (level 1) */
        uint64_t rights; /* AND of R, W, X in the three entries above */
    } entries[EPT_CACHE_SIZE];
};

/* Translates gpa (below EPT_GPA_LIMIT) for one access, as the CPU does: from the root down,
 * entry by entry, each read once. `access` has one of R, W, X, and L and F as it may be.
 * With access_dirty, an access with L and without F counts as read and write (SDM 29.3.3.2):
 * R and W are added to it, also in the qualification; X, if it is there, stays.
 *   An entry that is not present ends the walk: violation. An entry that is present and has a
 * reserved bit set or rights as in ept_map()'s -EINVAL, or a leaf with a reserved memory
 * type, ends it too: misconfiguration. Not until the leaf is found is the access compared with
 * the rights: violation.
 *   Only if TRANSLATED and access_dirty: A is set in each entry that was read, and D in the
 * leaf if the access counts as a write. An entry that changes is written, once; one that would
 * not is not written. They are written after the last read, in any order.
 *   cache may be NULL. *walk is filled in as a whole. */
void ept_walk(const struct ept *ept, const struct host_memory *memory,
              struct ept_cache *cache, uint64_t gpa, uint64_t access,
              struct ept_walk *walk);

#endif
