/* 08-vfio-passthrough.h - what checks and dispatcher of lab 08 say to each other. */
#ifndef SUBJECT_08_H
#define SUBJECT_08_H

#include <stdint.h>

#include "device_assign.h"

enum lab08_entry {
    LAB08_SCRIPT,   /* struct lab08_input: operations on one device and one VM */
    LAB08_MESSAGES, /* struct lab08_messages: msi_message() many times */
    LAB08_GUEST,    /* struct lab08_guest: a guest drives the device */
};

/* --- LAB08_SCRIPT ----------------------------------------------------------------------- */

#define LAB08_OPS      64
#define LAB08_NO_HVA   UINT64_MAX
#define LAB08_RAM_SIZE 0x80000u
#define LAB08_JUNK     0x5a

enum lab08_op_kind {
    LAB08_OPEN = 1,         /* vfio_open() */
    LAB08_CLOSE,            /* vfio_close() */
    LAB08_MASTER,           /* vfio_bus_master(flags) */
    LAB08_MAP,              /* vfio_dma_map(at, ram + offset, size, flags) */
    LAB08_UNMAP,            /* vfio_dma_unmap(at, size) */
    LAB08_SLOT,             /* memory_slot_add(at, size, ram + offset, flags) */
    LAB08_ASSIGN_BAR,       /* device_assign_bar(at) */
    LAB08_ASSIGN_MEMORY,    /* device_assign_memory() */
    LAB08_ASSIGN_INTERRUPT, /* device_assign_interrupt(gsi at, apic offset, vector size) */
    LAB08_UNASSIGN,         /* device_unassign() */
    LAB08_SLOT_REMOVE,      /* memory_slot_remove(at) */
    LAB08_COMMAND,          /* somebody else writes `at` to the command register */
    LAB08_ROUTE,            /* another part adds a route to the table: gsi at, data size */
    LAB08_SIGNALLED,        /* result: 1 if the assignment's eventfd can be read, or 0 */
    LAB08_CLOSE_STDIN,      /* the next descriptor will be 0 */
    LAB08_CHECKPOINT,       /* the agent looks at descriptors, mappings and windows */
};

struct lab08_op {
    uint32_t kind;
    uint32_t flags;
    uint64_t at, offset, size;
    uint32_t no_error; /* NULL for struct vfio_error */
    uint32_t second;   /* OPEN, CLOSE, MASTER, MAP: of the second device */
};

struct lab08_input {
    char group_path[64]; /* "": the true one of the device, found in sysfs */
    char address[32];
    char second_group_path[64], second_address[32];
    uint32_t dma_bits, second_dma_bits;
    uint32_t op_count;
    uint32_t reserved;
    struct irq_routes routes; /* what the VM has before */
    struct lab08_op ops[LAB08_OPS];
};

/* Objects right after an operation. Descriptors as -1, or 1 where there is one. */
struct lab08_state {
    int32_t container, group, device, bar, eventfd;
    int32_t bar_slot;
    uint64_t bar_size, config_offset;
    uint32_t can_reset, range_count, has_routes, gsi;
    uint32_t route_count;
    uint32_t dma_bits;
};

struct lab08_result {
    int32_t result;
    int32_t reserved;
    struct vfio_error error; /* filled with LAB08_JUNK before */
    struct lab08_state state;
};

struct lab08_output {
    int32_t ready;    /* all objects of the earlier parts are there */
    uint64_t ram_hva; /* where the RAM lies in the subject */
    uint64_t bar_hva;
    struct irq_routes routes; /* after the last operation */
    struct lab08_result results[LAB08_OPS];
};

/* --- LAB08_MESSAGES --------------------------------------------------------------------- */

#define LAB08_MESSAGES_MAX 4096

struct lab08_messages {
    uint32_t count;
    uint32_t reserved;
    struct {
        uint32_t apic_id, vector;
    } list[LAB08_MESSAGES_MAX];
};

struct lab08_message {
    int32_t result;
    uint32_t low, high, data; /* filled with LAB08_JUNK before */
};

/* --- LAB08_GUEST ------------------------------------------------------------------------ */

#define LAB08_GUEST_RAM 0x40000u /* at GPA 0 */
#define LAB08_ROM_GPA   0x80000u /* a read-only slot, the second half of the memory */
#define LAB08_ROM_SIZE  0x10000u
#define LAB08_TRAPPED_GPA                                                                  \
    0xc0000u /* no memory: accesses are forwarded to BAR 0 by the VMM */
#define LAB08_MAILBOX   64
#define LAB08_MARK_PORT 0x80
#define LAB08_MARK_END  255

struct lab08_guest {
    uint64_t bar_gpa;
    uint32_t gsi, vector;
    uint32_t interrupt; /* assign it */
    uint32_t image_size;
    uint32_t rounds; /* open, assign, unassign, close so often before; no guest */
    uint32_t reserved;
    uint64_t mailbox[LAB08_MAILBOX];
    uint64_t pattern_gpa; /* where the pattern goes: in RAM or in the read-only slot */
    uint32_t pattern_size;
    uint32_t reserved2;
    uint8_t pattern[4096];
    uint8_t image[16384];
};

enum lab08_guest_step {
    LAB08_STEP_PARTS = 1, /* the earlier parts: KVM, VM, vCPU, memory, guest */
    LAB08_STEP_OPEN,
    LAB08_STEP_BAR,
    LAB08_STEP_MEMORY,
    LAB08_STEP_INTERRUPT,
    LAB08_STEP_RUN,
    LAB08_STEP_DONE,
};

struct lab08_guest_output {
    uint32_t step; /* the last one that was tried; DONE: all went well */
    int32_t result;
    struct vfio_error error;
    uint32_t status; /* of vcpu_run() */
    uint32_t rounds; /* made */
    uint64_t mmio_exits, pio_exits;
};

#endif
