/* mapping.c - walks the nested page tables of a small hypervisor as they were at the end. */
#include "mapping.h"

#include <inttypes.h>
#include <string.h>

#include "l2.h"

#define ENTRY_RIGHTS   7ull /* EPT: read, write, execute. Else: present, writable, user */
#define ENTRY_EXISTS   1ull /* of page tables; in an EPT any of the three rights */
#define ENTRY_LARGE    (1ull << 7)
#define ENTRY_NO_EXEC  (1ull << 63) /* not in an EPT */
#define MEMORY_TYPE(e) (((e)&EPT_TYPE) >> EPT_TYPE_SHIFT)
#define ENTRY_ADDRESS  0x000ffffffffff000ull

static uint64_t entry_at(struct judge *judge, const struct mapping *m, uint64_t table,
                         uint64_t index)
{
    const uint64_t at = (table & ENTRY_ADDRESS) + index * 8;
    uint64_t entry;

    CHECK(judge, at >= m->base && at + 8 <= m->base + m->size,
          "nested page tables are memory of the program",
          "a table is at %#" PRIx64 ", outside of [%#" PRIx64 ", %#" PRIx64 ")", at,
          m->base, m->base + m->size);
    memcpy(&entry, m->memory + (at - m->base), sizeof entry);
    return entry;
}

static bool entry_exists(const struct mapping *m, uint64_t entry)
{
    return entry & (m->ept ? ENTRY_RIGHTS : ENTRY_EXISTS);
}

/* Where a page of L2's should lead; 0: it is a hole. */
static uint64_t page_wanted(uint64_t gpa)
{
    if (gpa < life->job.l2_size)
        return life->job.l2_base + gpa;
    return gpa == life->job.late_gpa ? life->job.late_to : 0;
}

static void entry_expect(struct judge *judge, const struct mapping *m, uint64_t gpa,
                         uint64_t entry)
{
    CHECK(judge,
          (entry & ENTRY_RIGHTS) == ENTRY_RIGHTS && (m->ept || !(entry & ENTRY_NO_EXEC)),
          "what is mapped allows everything, on every level",
          "on the way to L2-physical %#" PRIx64 " there is the entry %#" PRIx64, gpa,
          entry);
}

static void page_expect(struct judge *judge, const struct mapping *m, uint64_t gpa,
                        uint64_t entry)
{
    const uint64_t to = entry & ENTRY_ADDRESS, want = page_wanted(gpa);

    CHECK(judge, want, "no page is mapped but L2's memory and the late page",
          "L2-physical %#" PRIx64 " is mapped, to %#" PRIx64, gpa, to);
    CHECK(judge, to == want, "each page of L2's is mapped to L1's page for it",
          "L2-physical %#" PRIx64 " leads to %#" PRIx64 ", not %#" PRIx64, gpa, to, want);
    entry_expect(judge, m, gpa, entry);
    CHECK(judge, !m->ept || MEMORY_TYPE(entry) == MT_WB,
          "L2's memory is write-back memory (6)",
          "L2-physical %#" PRIx64 " has memory type %d", gpa, (int)MEMORY_TYPE(entry));
}

/* All pages below one table; returns how many there are. */
static uint64_t table_expect(struct judge *judge, const struct mapping *m, uint64_t table,
                             unsigned level, uint64_t gpa)
{
    const unsigned shift = 12 + 9 * (level - 1);
    uint64_t pages = 0;

    for (uint64_t i = 0; i < 512; i++) {
        const uint64_t at = gpa + (i << shift), entry = entry_at(judge, m, table, i);

        if (!entry_exists(m, entry))
            continue;
        CHECK(judge, level == 1 || !(entry & ENTRY_LARGE),
              "L2's memory is mapped by pages of 4 KiB",
              "at L2-physical %#" PRIx64 " there is a large page, entry %#" PRIx64, at,
              entry);
        if (level == 1) {
            page_expect(judge, m, at, entry);
            pages++;
        } else {
            entry_expect(judge, m, at, entry);
            pages += table_expect(judge, m, entry, level - 1, at);
        }
    }
    return pages;
}

void mapping_expect(struct judge *judge, const struct mapping *m)
{
    const uint64_t want = life->job.l2_size / PAGE + 1,
                   pages = table_expect(judge, m, m->root, 4, 0);

    CHECK(judge, pages == want, "all of L2's memory is mapped, and the late page",
          "%" PRIu64 " pages are, not %" PRIu64, pages, want);
}
