/* lab: 5
 * whole: yes
 * only: cpu_agrees_on_misconfigurations
 * tries: map the runtime of the emulated CPU and its log into the guest, one page of 1 GiB
 * says: your tables have a page of 1 GiB: gpa 0 -> hpa 0 rwx
 * end of description */
#include <errno.h>

#include "ept.h"

/* Tables that an honest one would have by now: address | level. */
static uint64_t known[256];
static unsigned known_count;

static void table_pretend(struct ept *ept, uint64_t number)
{
    for (unsigned i = 0; i < known_count; i++)
        if (known[i] == number)
            return;
    if (known_count < sizeof known / sizeof known[0])
        known[known_count++] = number;
    ept_pool_take(ept->pool);
}

int ept_create(struct ept *ept, struct ept_pool *pool, const struct ept_cpu *cpu,
               bool access_dirty)
{
    uint64_t root = ept_pool_take(pool), pdpt = ept_pool_take(pool);

    *ept =
        (struct ept){.pool = pool, .cpu = *cpu, .access_dirty = access_dirty, .root = root};
    known[0] = 3; /* the first PDPT: it is there, and the log in it */
    known_count = 1;
    ept_pool_table(pool, root)[0] = pdpt | EPT_RIGHTS;
    ept_pool_table(pool, pdpt)[0] = EPT_LARGE | MT_WB << EPT_TYPE_SHIFT | EPT_RIGHTS;
    return 0;
}

void ept_destroy(struct ept *ept)
{
    (void)ept;
}

uint64_t ept_pointer(const struct ept *ept)
{
    return ept->root | MT_WB | 3 << 3;
}

/* Says yes to everything, and takes as many pages of the pool as if it had done it. */
int ept_map(struct ept *ept, uint64_t gpa, uint64_t hpa, uint64_t size, uint64_t rights,
            unsigned memory_type)
{
    (void)hpa, (void)rights, (void)memory_type;
    table_pretend(ept, gpa >> 39 << 39 | 3);
    table_pretend(ept, gpa >> 30 << 30 | 2);
    if (size % (2 << 20))
        table_pretend(ept, gpa >> 21 << 21 | 1);
    return size ? 0 : -EINVAL;
}

int ept_unmap(struct ept *ept, uint64_t gpa, uint64_t size)
{
    (void)ept, (void)gpa, (void)size;
    return 0;
}

int ept_protect(struct ept *ept, uint64_t gpa, uint64_t size, uint64_t rights)
{
    (void)ept, (void)gpa, (void)size, (void)rights;
    return 0;
}
