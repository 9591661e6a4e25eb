/* 02-memory-slots.h - what checks and dispatcher of lab 02 say to each other.
 *
 * A run is a script: a list of operations on a few VMs, each with one result. So a check
 * can try hundreds of cases in one process, and compare them with its own idea of memory
 * afterwards. All buffers lie in one pool of bytes that the check fills before and reads
 * after the run: what a function wrote where it should not is seen there.
 *
 * If `marks` is set, before operation n comes a munmap(n, 0), which does nothing: in the log
 * of calls (target model) it says which operation the calls behind it belong to.
 */
#ifndef SUBJECT_02_H
#define SUBJECT_02_H

#include <stdint.h>

#define LAB02_VMS     16
#define LAB02_RAMS    3
#define LAB02_OPS     400
#define LAB02_MIRRORS 16
#define LAB02_SLOTS   16 /* VM_SLOTS_MAX */
#define LAB02_POOL    0x10000u

#define LAB02_NO_RAM UINT32_MAX /* ADD: the hva is NULL */
#define LAB02_NO_HVA INT64_MIN  /* TO_HVA answered NULL */
#define LAB02_NO_RUN INT64_MIN  /* RUN: there is no guest to run, LOAD failed */

/* Which step the making of objects had come to. */
enum lab02_step {
    LAB02_STEP_RAM = 1,
    LAB02_STEP_KVM_OPEN,
    LAB02_STEP_VM_CREATE,
    LAB02_STEP_VCPU_CREATE,
    LAB02_STEP_READY, /* all of them are there */
};

enum lab02_entry {
    LAB02_SCRIPT,
};

/* Which fields of struct lab02_op count; `vm` always does. */
enum lab02_kind {
    LAB02_ADD,       /* gpa, length, ram + offset, flags: the slot or -errno */
    LAB02_REMOVE,    /* slot; with flags: the one that operation `slot` returned */
    LAB02_LOG_DIRTY, /* slot, length = enable */
    LAB02_TO_HVA,    /* gpa, length, ram: the answer, counted from that RAM's hva */
    LAB02_READ,      /* gpa, length; at */
    LAB02_WRITE,     /* gpa, length; at */
    LAB02_LOG_BYTES, /* length = the slot's size */
    LAB02_FETCH,     /* slot, length = bytes of room; at */
    LAB02_PAGES,     /* slot, length = max; at = bitmap, to = addresses */
    LAB02_FAR_PAGES, /* the same; the bitmap lies in the RAM, at its offset */

    LAB02_FILL,   /* pool bytes [at, at + length) into the RAM, past the part under test */
    LAB02_MIRROR, /* copy of vm->slots into mirrors[slot] */
    LAB02_LOAD,   /* guest_load(): at, length, flags = enum guest_mode */
    LAB02_RUN,    /* vcpu_run(): enum run_status | detail << 8, or -errno */
};

struct lab02_op {
    uint32_t kind;
    uint32_t vm;
    int32_t slot;
    uint32_t flags;
    uint64_t gpa;
    uint64_t length;
    uint64_t offset; /* in the RAM; any number for ADD */
    uint32_t ram;
    uint32_t at; /* in the pool, as `to` */
    uint32_t to;
    uint32_t reserved;
};

struct lab02_slot {
    uint64_t gpa, size, hva;
    uint32_t flags, reserved;
};

struct lab02_input {
    uint32_t vm_count;
    uint32_t with_vcpus; /* each VM has a vCPU 0 */
    uint32_t marks;
    uint32_t stdin_closed; /* the first VM gets descriptor 0 */
    struct {
        char name[16];
        uint64_t size; /* 0: none */
    } rams[LAB02_RAMS];
    /* What an entry 16 of vm->slots would hold (the fields there belong to others): for
     * those who go one too far. hva is an offset in RAM 0; size 0: zeros. */
    struct lab02_slot behind[LAB02_VMS];
    uint32_t op_count;
    uint32_t pool_size; /* bytes of the pool that are sent and come back */
    struct lab02_op ops[LAB02_OPS];
    uint8_t pool[LAB02_POOL];
};

struct lab02_output {
    uint32_t step;  /* enum lab02_step: the one that failed, or READY */
    int32_t result; /* of the one that failed */
    uint64_t ram_hva[LAB02_RAMS];
    int64_t results[LAB02_OPS];
    struct lab02_slot mirrors[LAB02_MIRRORS][LAB02_SLOTS];
    uint8_t pool[LAB02_POOL];
};

#endif
