/* checks.h - what the checks of lab 08 share, and the checks. */
#ifndef CHECKS_08_H
#define CHECKS_08_H

#include "subjects/08-vfio-passthrough.h"

#include "judge/check.h"
#include "judge/script.h"
#include "judge/words.h"

#define PAGE       4096u
#define READ_WRITE (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define EVENTFD    "anon_inode:[eventfd]"

/* The interrupt that the checks assign. */
#define GSI     1030u
#define VECTOR  0xe1u
#define APIC_ID 0xc3u

/* --- script.c: operations, and the log of calls that each has made ----------------- */

struct script {
    struct judge *judge;
    struct kvm_plan plan;
    struct lab08_input in;
    const struct evidence *e;
    const struct lab08_output *out;
    size_t marks[LAB08_OPS + 1]; /* where in the log an operation begins */
};

/* What identifies a call in the log. */
struct call_id {
    uint32_t kind, object;
    uint32_t request;
};

#define IOCTL(object, request)                                                             \
    {                                                                                      \
        CALL_IOCTL, object, (uint32_t)(request)                                            \
    }

/* A call that fails with an errno, and the error that has to come of it. */
struct failure {
    uint32_t kind, request, nth;
    enum vfio_step step;
    int errnum;
    enum vfio_error_kind due;
};

#define FAIL_IOCTL(request, nth, step, errnum, due)                                        \
    {                                                                                      \
        CALL_IOCTL, (uint32_t)(request), nth, VFIO_STEP_##step, errnum, VFIO_ERR_##due     \
    }

#define NONE SIZE_MAX /* no such call */

extern const struct call_id map_id, unmap_id, slot_id, routing_id, irqfd_id, irqs_id;

uint64_t random_pages(struct judge *judge, uint64_t from, uint64_t count);
struct script *script_new(struct judge *judge);
struct script *failure_script(struct judge *judge, const struct failure *failure);
uint32_t op_add(struct script *s, struct lab08_op op);
#define OP(s, ...) op_add(s, (struct lab08_op){__VA_ARGS__})
void fault_set(struct script *s, unsigned n, uint32_t kind, uint32_t request, uint32_t nth,
               int error);
void script_run(struct script *s, const struct window *windows, uint32_t count);

const char *op_name(const struct script *s, uint32_t op);
size_t call_at(const struct script *s, uint32_t op, struct call_id id, unsigned n);
unsigned calls_of(const struct script *s, uint32_t op, struct call_id id);
const void *payload_at(const struct script *s, size_t at, size_t size);
uint16_t command_after(const struct script *s, uint32_t op, uint16_t before, size_t *at);

void op_returns(const struct script *s, uint32_t op, int wanted, const char *asked);
void order_check(const struct script *s, uint32_t op, const struct call_id *ids,
                 size_t count, const char *asked);
void error_check(const struct script *s, uint32_t op, const struct vfio_error *due,
                 const char *asked);
void untouched_check(const struct script *s, uint32_t op);
void writes_check(const struct script *s, uint32_t op);

/* --- open.c: taking the device and giving it back ---------------------------------- */

void open_follows_the_protocol(struct judge *judge);
void refuses_what_cannot_be_used(struct judge *judge);
void failures_have_names(struct judge *judge);
void failed_open_leaves_nothing(struct judge *judge);
void closing_is_orderly(struct judge *judge);

/* --- dma.c: the command register, ranges for DMA ----------------------------------- */

void command_register_is_set(struct judge *judge);
void dma_map_keeps_within_reach(struct judge *judge);
void unmap_reports_what_was_missing(struct judge *judge);

/* --- memory.c: BAR and guest memory ------------------------------------------------ */

#define SLOTS 5

/* Slots as memory_slot_add() will number them: one is the BAR, the others are memory,
 * read-only, with a dirty log, both, and neither in turn. size 0: removed again. */
struct layout {
    uint64_t gpa[VM_SLOTS_MAX], size[VM_SLOTS_MAX], offset[VM_SLOTS_MAX];
    uint32_t flags[VM_SLOTS_MAX];
    uint32_t count;
    uint32_t bar;                                         /* which of them */
    uint32_t assign_bar, assign_memory, assign_interrupt; /* operations */
};

struct layout layout_add(struct script *s, uint32_t count, uint64_t last_gpa);

void guest_memory_is_reachable(struct judge *judge);
void memory_is_mapped_all_or_nothing(struct judge *judge);

/* --- interrupt.c: from MSI to vCPU ------------------------------------------------- */

void routes_fill(struct script *s, unsigned count);
uint32_t interrupt_add(struct script *s, unsigned routes);
uint32_t zero_interrupt_add(struct script *s, unsigned routes);
void routes_check(const struct script *s, const struct kvm_irq_routing_entry *entries,
                  unsigned count, bool ours, const char *whose, const char *asked);
void kvm_routes_check(const struct script *s, uint32_t op, bool ours, const char *asked);

void eventfd_outlives_check(const struct script *s, uint32_t op, bool undone,
                            const char *asked);

void messages_have_their_format(struct judge *judge);
void interrupt_is_one_wire(struct judge *judge);
void failed_wiring_is_undone(struct judge *judge);

/* --- unassign.c: taking it away ---------------------------------------------------- */

void unassigning_is_orderly(struct judge *judge);

/* --- machine.c: a guest drives the device ------------------------------------------ */

void registers_need_no_exit(struct judge *judge);
void dma_moves_both_ways(struct judge *judge);
void device_stays_in_the_guest(struct judge *judge);
void interrupts_reach_the_guest(struct judge *judge);
void device_is_free_again(struct judge *judge);

#endif
