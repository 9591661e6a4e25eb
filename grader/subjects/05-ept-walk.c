/* 05-ept-walk.c - dispatcher of lab 05: carries out a script on the student's part. */
#define _GNU_SOURCE
#include "05-ept-walk.h"

#include <errno.h>
#include <string.h>

#include "nested_walk.h"
#include "subject.h"

struct lab {
    const struct lab05_input *in;
    struct lab05_output *out;
    lab05_page *pages;           /* the physical memory */
    struct lab05_result *result; /* of the operation that runs */
    uint64_t *log;
    struct host_memory memory;
    struct ept_pool pool;
    bool held[EPT_POOL_MAX]; /* pages that LAB05_LEAVE has taken */
    struct ept epts[LAB05_EPTS];
    struct guest_mmu mmus[LAB05_EPTS];
    struct nested_caches caches;
};

/* --- physical memory --------------------------------------------------------------------- */

/* The 8 bytes at hpa, or NULL. */
static uint64_t *memory_word(const struct lab *lab, uint64_t hpa)
{
    const uint64_t at = hpa - lab->in->memory_hpa;

    if (hpa < lab->in->memory_hpa || at / EPT_PAGE >= lab->in->memory_pages)
        return NULL;
    return &lab->pages[at / EPT_PAGE][at % EPT_PAGE / 8];
}

static uint64_t memory_read(void *owner, uint64_t hpa)
{
    struct lab *lab = owner;
    const uint64_t *word = memory_word(lab, hpa);

    lab->result->reads++;
    if (lab->out->log_count < LAB05_LOG)
        lab->log[lab->out->log_count++] = hpa;
    return word ? *word : UINT64_MAX;
}

static void memory_write(void *owner, uint64_t hpa, uint64_t value)
{
    struct lab *lab = owner;
    uint64_t *word = memory_word(lab, hpa);

    lab->result->writes++;
    if (word)
        *word = value;
}

/* --- operations -------------------------------------------------------------------------- */

static struct ept_cpu cpu_of(const struct lab *lab, uint32_t ept)
{
    const struct lab05_cpu *cpu = &lab->in->cpu[ept];

    return (struct ept_cpu){.physical_bits = cpu->physical_bits,
                            .execute_only = cpu->execute_only,
                            .page_1g = cpu->page_1g};
}

static int64_t tree_create(struct lab *lab, uint32_t n)
{
    const struct ept_cpu cpu = cpu_of(lab, n);

    return ept_create(&lab->epts[n], &lab->pool, &cpu, lab->in->cpu[n].access_dirty);
}

static int64_t tree_adopt(struct lab *lab, uint32_t n, uint64_t root)
{
    lab->epts[n] = (struct ept){.pool = &lab->pool,
                                .cpu = cpu_of(lab, n),
                                .access_dirty = lab->in->cpu[n].access_dirty,
                                .root = root};
    return 0;
}

static int64_t walk(struct lab *lab, const struct lab05_op *op)
{
    struct lab05_result *r = lab->result;
    struct ept_walk w;

    memset(&w, 0xaa, sizeof w);
    ept_walk(&lab->epts[op->ept], &lab->memory,
             op->cached ? &lab->caches.guest_physical : NULL, op->gpa, op->access, &w);
    r->hpa = w.hpa;
    r->gpa = w.page_size;
    r->qualification = w.qualification;
    r->rights = (uint32_t)w.rights;
    r->memory_type = w.memory_type;
    r->references = w.references;
    return (int64_t)w.outcome;
}

static int64_t nested(struct lab *lab, const struct lab05_op *op)
{
    struct lab05_result *r = lab->result;
    struct nested_walk w;

    memset(&w, 0xaa, sizeof w);
    nested_walk(&lab->mmus[op->ept], op->gpa, op->access, &w);
    r->hpa = w.hpa;
    r->gpa = w.gpa;
    r->qualification = w.qualification;
    r->error_code = w.error_code;
    r->references = w.references;
    return (int64_t)w.outcome;
}

/* Takes pages that are free, or gives some of these back. */
static int64_t pool_leave(struct lab *lab, uint64_t count)
{
    struct ept_pool *pool = &lab->pool;

    for (unsigned i = pool->page_count; i-- > 0;)
        if (pool->free_count > count && !pool->taken[i]) {
            pool->taken[i] = lab->held[i] = true;
            pool->free_count--;
        } else if (pool->free_count < count && lab->held[i]) {
            pool->taken[i] = lab->held[i] = false;
            pool->free_count++;
        }
    return 0;
}

/* As the CPU would, if the page is there. */
static int64_t pages_touch(struct lab *lab, const struct lab05_op *op)
{
    uint64_t table = lab->epts[op->ept].root;

    for (int level = EPT_LEVELS; level >= 1; level--) {
        uint64_t *entry = memory_word(lab, table + 8 * ept_index(op->gpa, level));
        const bool leaf = level == 1 || (entry && *entry & EPT_LARGE);

        if (!entry || !(*entry & EPT_RIGHTS))
            return -EFAULT;
        *entry |= EPT_ACCESSED | (leaf && op->access & EPT_WRITE ? EPT_DIRTY : 0);
        if (leaf)
            break;
        table = *entry & EPT_ADDRESS;
    }
    return 0;
}

static int64_t memory_poke(struct lab *lab, const struct lab05_op *op)
{
    uint64_t *word = memory_word(lab, op->hpa);

    if (!word)
        return -EFAULT;
    *word = op->size;
    return 0;
}

/* Operations of the guest and the CPU, on the mmu. */
static int64_t mmu_run(struct lab *lab, const struct lab05_op *op)
{
    struct guest_mmu *mmu = &lab->mmus[op->ept];

    mmu->caches = op->cached ? &lab->caches : NULL;
    if (op->kind == LAB05_NESTED)
        return nested(lab, op);
    if (op->kind == LAB05_LOAD_CR3)
        nested_load_cr3(mmu, op->gpa);
    else
        nested_invlpg(mmu, op->gpa);
    return 0;
}

static int64_t op_run(struct lab *lab, const struct lab05_op *op)
{
    struct ept *ept = &lab->epts[op->ept];

    switch (op->kind) {
    case LAB05_CREATE:
        return tree_create(lab, op->ept);
    case LAB05_DESTROY:
        ept_destroy(ept);
        return 0;
    case LAB05_ADOPT:
        return tree_adopt(lab, op->ept, op->hpa);
    case LAB05_POINTER:
        return (int64_t)ept_pointer(ept);
    case LAB05_MAP:
        return ept_map(ept, op->gpa, op->hpa, op->size, op->access, op->type);
    case LAB05_UNMAP:
        return ept_unmap(ept, op->gpa, op->size);
    case LAB05_PROTECT:
        return ept_protect(ept, op->gpa, op->size, op->access);
    case LAB05_WALK:
        return walk(lab, op);
    case LAB05_INVEPT:
        return nested_invept(&lab->caches, op->type,
                             op->hpa == UINT64_MAX ? ept->root : op->hpa);
    case LAB05_LEAVE:
        return pool_leave(lab, op->size);
    case LAB05_TOUCH:
        return pages_touch(lab, op);
    case LAB05_POKE:
        return memory_poke(lab, op);
    default:
        return mmu_run(lab, op);
    }
}

/* --- the script -------------------------------------------------------------------------- */

static void lab_init(struct lab *lab, struct subject *subject)
{
    lab->in = subject->input;
    lab->out = subject->output;
    lab->pages = lab05_memory(lab->out);
    lab->log = lab05_log(lab->in, lab->out);
    if (lab->in->memory_given)
        memcpy(lab->pages, lab05_memory_given(lab->in),
               lab->in->memory_pages * sizeof lab->pages[0]);
    lab->memory =
        (struct host_memory){.owner = lab, .read = memory_read, .write = memory_write};
    lab->pool = (struct ept_pool){.hva = (uint8_t *)lab->pages,
                                  .hpa = lab->in->memory_hpa,
                                  .page_count = lab->in->pool_pages,
                                  .free_count = lab->in->pool_pages};
    for (int i = 0; i < LAB05_EPTS; i++)
        lab->mmus[i] = (struct guest_mmu){.memory = &lab->memory, .ept = &lab->epts[i]};
}

static void op_do(struct lab *lab, uint32_t i)
{
    lab->result = &lab05_results(lab->in, lab->out)[i];
    lab->result->reads = lab->result->writes = 0;
    lab->result->log_at = (uint32_t)lab->out->log_count;
    lab->result->value = op_run(lab, &lab05_ops(lab->in)[i]);
    lab->result->free_count = lab->pool.free_count;
}

static void script_run(struct subject *subject)
{
    static struct lab lab;
    const struct lab05_op *ops;

    lab_init(&lab, subject);
    ops = lab05_ops(lab.in);
    for (uint32_t i = 0; i < lab.in->op_count; i++) {
        if (ops[i].kind != LAB05_REPEAT) {
            op_do(&lab, i);
            continue;
        }
        for (uint64_t n = 1; n < ops[i].size; n++) { /* and once in passing */
            op_do(&lab, i + 1);
            op_do(&lab, i + 2);
        }
    }
    for (int i = 0; i < LAB05_EPTS; i++)
        lab.out->roots[i] = lab.epts[i].root;
    subject->output_size = (size_t)((const uint8_t *)(lab.log + lab.out->log_count) -
                                    (const uint8_t *)lab.out);
}

const subject_entry subject_entries[] = {
    [LAB05_SCRIPT] = script_run,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
