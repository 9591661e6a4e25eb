/* 09-iommu-faults.h - what checks and dispatcher of lab 09 say to each other.
 *
 * LAB09_MODEL: a script of operations on one IOMMU. Its physical memory is a set of pages
 * that the check fills before and reads after the run; the first ones are the pool for
 * tables, the others lie anywhere. All that is not in a page cannot be read by the IOMMU.
 *
 * LAB09_DMA: a script of operations on buffers for DMA. The engine is either the real
 * device or pretended: then the check has written what each transfer makes the kernel's log
 * say, and each call of the engine is noted.
 */
#ifndef SUBJECT_09_H
#define SUBJECT_09_H

#include <stdint.h>

enum lab09_entry {
    LAB09_MODEL,
    LAB09_DMA,
};

/* A fault as the part sees it (struct vtd_fault). */
struct lab09_fault {
    uint64_t page;
    uint16_t source;
    uint8_t reason;
    uint8_t write;
    uint32_t reserved;
};

/* --- LAB09_MODEL --------------------------------------------------------------------- */

#define LAB09_OPS     600
#define LAB09_DOMAINS 6
#define LAB09_PAGES   128 /* TABLE_POOL_MAX */

/* Which fields of struct lab09_op count. */
enum lab09_kind {
    LAB09_ATTACH,     /* domain, source */
    LAB09_DETACH,     /* domain, source */
    LAB09_MAP,        /* domain, iova, physical, size, rights */
    LAB09_UNMAP,      /* domain, iova, size */
    LAB09_TRANSLATE,  /* source, iova, write: value = reason, physical, reads */
    LAB09_INVALIDATE, /* id, iova, size */
    LAB09_ENCODE,     /* fault: low, high */
    LAB09_DECODE,     /* low, high: value, fault */
    LAB09_LOG_ADD,    /* fault */
    LAB09_LOG_TAKE,   /* value, fault, lost */
    LAB09_LOG_SET,    /* low, high, status: what the registers are to hold */
    LAB09_LOG_GET,    /* low, high, status */
    LAB09_POKE,       /* physical = address, size = value, past the part under test */
    LAB09_POOL,       /* size = pages that are free from now on */
    LAB09_WITNESS, /* source, iova: before each write to a table, by any operation to come,
                         this device reads there; id 0: no more */
    LAB09_HOLE,    /* physical = the word that cannot be read from now on; 0: none */
};

struct lab09_op {
    uint32_t kind;
    uint32_t domain;
    uint16_t source, id;
    uint32_t write;
    uint64_t iova, physical, size, rights;
    uint64_t low, high;
    struct lab09_fault fault;
    uint32_t status, reserved;
};

struct lab09_result {
    int64_t value;
    uint64_t physical;
    uint64_t low, high;
    struct lab09_fault fault;
    uint32_t status;
    uint32_t reads; /* words that the IOMMU read from memory */
    uint32_t lost;
    uint32_t witnessed; /* bit n: a read of the witness ended with reason n */
};

struct lab09_model_input {
    uint64_t pool_base;  /* physical address of page 0 */
    uint64_t root_table; /* physical */
    uint32_t pool_pages; /* pages 0 to pool_pages - 1 */
    uint32_t page_count;
    uint8_t haw, mgaw, sagaw, reserved;
    uint32_t op_count;
    struct {
        uint64_t table; /* physical */
        uint32_t levels;
        uint16_t id, reserved;
    } domains[LAB09_DOMAINS];
    uint8_t taken[LAB09_PAGES];    /* of the pool, at the start */
    uint64_t address[LAB09_PAGES]; /* physical, of each page */
    struct lab09_op ops[LAB09_OPS];
    uint8_t pages[LAB09_PAGES][4096]; /* page_count of them are sent */
};

struct lab09_model_output {
    struct lab09_result results[LAB09_OPS];
    uint8_t taken[LAB09_PAGES];
    uint8_t pages[LAB09_PAGES][4096];
};

/* --- LAB09_DMA ----------------------------------------------------------------------- */

#define LAB09_LINES     160
#define LAB09_LINE_MAX  200
#define LAB09_BUFFERS   4
#define LAB09_TURNS     80
#define LAB09_CALLS     512
#define LAB09_DMA_OPS   160
#define LAB09_REPORTS   64
#define LAB09_RAM_PAGES 16

enum lab09_dma_kind {
    LAB09_PARSE,      /* line: value, fault */
    LAB09_PREMAP,     /* buffer, first, count: dma_buffer_map() of the core */
    LAB09_RELEASE,    /* buffer, first, count: dma_buffer_unmap() of the core */
    LAB09_MOVE,       /* transfer, by the engine alone; then all lines are parsed */
    LAB09_DEMAND,     /* buffer, transfer: dma_demand_transfer() */
    LAB09_CHECKPOINT, /* outside looks around */
};

struct lab09_dma_op {
    uint32_t kind;
    uint32_t buffer;
    uint32_t first, count;
    uint32_t line;
    uint32_t to_memory, offset, length;
    uint64_t iova;
};

struct lab09_dma_result {
    int32_t value;
    uint32_t reports; /* parsed by MOVE, up to and with this operation */
    struct lab09_fault fault;
    uint64_t mapped, faults; /* of the buffer, afterwards */
};

/* What the pretended engine does at its n-th transfer. */
struct lab09_turn {
    int32_t result;
    uint32_t first_line, line_count;
    int32_t report_result; /* what report() returns once the lines are read: 0 or -errno */
};

struct lab09_dma_input {
    uint32_t real; /* the device, not the pretended engine */
    uint32_t op_count, turn_count, ram_pages;
    uint32_t map_fails_at; /* which map() of the pretended engine fails, from 1; 0: none */
    int32_t map_error;
    struct {
        uint64_t iova, rights;
        uint32_t pages;
        uint32_t ram_page; /* where it begins in the RAM */
        uint32_t source;
        uint32_t reserved;
    } buffers[LAB09_BUFFERS];
    struct lab09_turn turns[LAB09_TURNS];
    struct lab09_dma_op ops[LAB09_DMA_OPS];
    char lines[LAB09_LINES][LAB09_LINE_MAX];
    uint8_t ram[LAB09_RAM_PAGES][4096];
};

enum lab09_call_kind { LAB09_CALL_TRANSFER = 1, LAB09_CALL_MAP, LAB09_CALL_UNMAP };

struct lab09_call {
    uint32_t kind;
    uint32_t op;           /* which operation it comes from */
    uint64_t iova, size;   /* size: a transfer's length */
    uint64_t rights;       /* MAP; of a transfer: to_memory */
    int64_t hva;           /* MAP: in the RAM; of a transfer: offset */
    uint32_t lines_unread; /* TRANSFER: of the turn before */
    int32_t result;
};

struct lab09_dma_output {
    int32_t opened; /* dma_device_open(): 0 or -errno */
    uint32_t call_count;
    uint32_t report_count;
    uint32_t lines_unread; /* in the end */
    struct lab09_dma_result results[LAB09_DMA_OPS];
    struct lab09_fault reports[LAB09_REPORTS]; /* of MOVE, as parsed */
    struct lab09_call calls[LAB09_CALLS];
};

#endif
