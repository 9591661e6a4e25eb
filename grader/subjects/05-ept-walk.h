/* 05-ept-walk.h - what checks and dispatcher of lab 05 say to each other.
 *
 * A run is a script again. There is one physical memory, of memory_pages pages from HPA
 * memory_hpa on: it is filled from the input, and comes back as the part left it. Its first
 * pool_pages are the pool for tables. Outside of it nothing answers: reads give ones.
 *
 * Each read of the part through struct host_memory is counted, and logged while there is
 * room: in which order a walk reads is what the checks look at, not only how often.
 *
 * Input and output are as long as they have to be: what a run does not use is not sent.
 *
 *   input   struct lab05_input, op_count operations, then the memory, if it is given
 *   output  struct lab05_output, the memory, op_count results, log_count HPAs
 */
#ifndef SUBJECT_05_H
#define SUBJECT_05_H

#include <stdint.h>

#define LAB05_OPS   4096
#define LAB05_LOG   8192
#define LAB05_PAGES 168
#define LAB05_EPTS  2

enum lab05_entry {
    LAB05_SCRIPT,
};

/* Which fields of struct lab05_op count; `ept` nearly always does. */
enum lab05_kind {
    LAB05_CREATE,
    LAB05_DESTROY,
    LAB05_ADOPT, /* hpa = root of tables that are in memory already */
    LAB05_POINTER,
    LAB05_MAP, /* gpa, hpa, size, access = rights, type */
    LAB05_UNMAP,
    LAB05_PROTECT,
    LAB05_WALK,     /* gpa, access, cached */
    LAB05_NESTED,   /* gpa = gva, access, cached */
    LAB05_LOAD_CR3, /* gpa, cached */
    LAB05_INVLPG,   /* gpa = gva, cached */
    LAB05_INVEPT,   /* type, hpa = root; UINT64_MAX: that of `ept` */
    LAB05_LEAVE,    /* size = how many pages of the pool are free from now on */
    LAB05_TOUCH,    /* gpa, access: sets A, and for a write D, past the part under test */
    LAB05_POKE,     /* hpa, size = 8 bytes to put there */
    LAB05_REPEAT,   /* size times: the two operations that follow */
};

struct lab05_op {
    uint32_t kind, ept;
    uint64_t gpa, hpa, size, access;
    uint32_t type, cached;
};

struct lab05_cpu {
    uint8_t physical_bits, execute_only, page_1g, access_dirty;
};

struct lab05_input {
    uint64_t memory_hpa;
    uint32_t memory_pages, pool_pages;
    struct lab05_cpu cpu[LAB05_EPTS];
    uint32_t op_count;
    uint32_t memory_given; /* 0: zeros */
};

typedef uint64_t lab05_page[512];

static inline const struct lab05_op *lab05_ops(const struct lab05_input *in)
{
    return (const struct lab05_op *)(in + 1);
}

static inline const lab05_page *lab05_memory_given(const struct lab05_input *in)
{
    return (const lab05_page *)(lab05_ops(in) + in->op_count);
}

/* WALK and NESTED: value = outcome, and the fields of the same name; else value = what the
 * function returned. */
struct lab05_result {
    int64_t value;
    uint64_t hpa, qualification;
    uint64_t gpa; /* WALK: the page's size */
    uint32_t error_code;
    uint32_t rights, memory_type;
    uint32_t references;    /* what the part says */
    uint32_t reads, writes; /* calls of host_memory */
    uint32_t log_at;        /* the first of its reads in the log */
    uint32_t free_count;    /* of the pool, afterwards */
};

struct lab05_output {
    uint64_t roots[LAB05_EPTS];
    uint64_t log_count;
};

static inline lab05_page *lab05_memory(const struct lab05_output *out)
{
    return (lab05_page *)(out + 1);
}

static inline struct lab05_result *lab05_results(const struct lab05_input *in,
                                                 const struct lab05_output *out)
{
    return (struct lab05_result *)(lab05_memory(out) + in->memory_pages);
}

static inline uint64_t *lab05_log(const struct lab05_input *in,
                                  const struct lab05_output *out)
{
    return (uint64_t *)(lab05_results(in, out) + in->op_count);
}

#endif
