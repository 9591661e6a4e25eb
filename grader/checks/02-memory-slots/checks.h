/* checks.h - what the files of lab 02's checks share; the table is in
 * ../02-memory-slots.c.
 */
#ifndef CHECKS_02_H
#define CHECKS_02_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/check.h"
#include "judge/random.h"
#include "judge/script.h"
#include "judge/words.h"
#include "subjects/02-memory-slots.h"
#include "vmm.h"

#define PAGE ((uint64_t)GUEST_PAGE_SIZE)

/* --- script.c: calls one after the other, and what is expected of each --- */

#define WANT_ANY  (INT64_MIN + 1) /* judged otherwise, or not at all */
#define WANT_SLOT (INT64_MIN + 2) /* any valid slot number */

/* A call that KVM is to hear; userspace_addr counts from the RAM's start. */
struct told {
    struct kvm_userspace_memory_region region;
    uint32_t op;      /* which operation it comes from */
    bool made_is_all; /* what it says is not looked at */
};

struct script {
    struct judge *judge;
    struct lab02_input in;
    int64_t wants[LAB02_OPS];
    const char *asked[LAB02_OPS];
    const char *because[LAB02_OPS]; /* why this result, in a few words, or NULL */
    const uint8_t *lists;           /* the pool with the lists of PAGES as due, or NULL */

    /* of VM 0, with the pretended KVM */
    struct told told[LAB02_OPS];
    uint32_t told_count;
    struct kvm_userspace_memory_region slots[VM_SLOTS_MAX]; /* after the last operation */
    struct kvm_userspace_memory_region mirrors[LAB02_MIRRORS][VM_SLOTS_MAX];
    uint32_t mirror_count;

    const struct evidence *e;
    const struct lab02_output *out;
};

#define OP(s, want, asked, ...) op_put(s, want, asked, (struct lab02_op){__VA_ARGS__})

extern const char handed_on[];
struct script *script_new(struct judge *judge, uint32_t vms);
void op_put(struct script *s, int64_t want, const char *asked, struct lab02_op op);
__attribute__((format(printf, 2, 3))) void op_because(struct script *s, const char *format,
                                                      ...);
void op_tells(struct script *s, struct kvm_userspace_memory_region region);
void op_calls(struct script *s);
void add_put(struct script *s, uint32_t slot, const char *asked, struct lab02_op op);
void given_remove_put(struct script *s, uint32_t vm, uint32_t op);
void mirror_put(struct script *s);
uint64_t random_pages(struct judge *judge, uint64_t limit);
void objects_expect(const struct script *s);
struct run_spec script_spec(const struct script *s, const struct run_spec *how);
size_t answer_size(const struct script *s);
void script_run(struct script *s, const struct run_spec *how);
struct kvm_plan plan_make(void);
bool lists_pages(const struct lab02_op *op);
bool list_explain(const uint64_t *want, uint64_t due, const uint64_t *got, uint64_t count,
                  const char *kind, char *buffer, size_t size);
void pages_explain(const struct script *s, uint32_t i, char *buffer, size_t size);
const struct call *op_call(const struct script *s, uint32_t op, unsigned n);
void results_expect(struct script *s);
void script_judge(struct script *s, const struct kvm_plan *plan);

/* --- words.c --- */

void op_describe(const struct lab02_op *op, char *buffer, size_t size);
void value_describe(uint32_t kind, int64_t value, char *buffer, size_t size);
void region_describe(const struct kvm_userspace_memory_region *region, uint64_t ram_hva,
                     char *buffer, size_t size);

/* --- slots.c --- */

/* Numbers that are no slot's. Behind the last entry lies what looks like a slot. */
#define NOWHERE 3

extern const int32_t nowhere[NOWHERE];
void behind_put(struct script *s, uint32_t vm, uint64_t gpa, uint64_t size);
void slot_because(struct script *s, int32_t slot);
void far_slots_try(struct judge *judge, uint32_t kind);
void faults_draw(struct judge *judge, struct kvm_plan *plan, unsigned long request,
                 const uint32_t failing[3], uint32_t turn);

/* --- access.c --- */

void pool_expect(struct script *s, const uint8_t *want, bool to, const char *asked);

/* --- the checks --- */

/* slots.c */
void bad_arguments_are_refused(struct judge *judge);
void slots_end_at_the_gpa_limit(struct judge *judge);
void slots_may_touch_but_not_overlap(struct judge *judge);
void slots_fill_the_entries_in_order(struct judge *judge);
void removed_slots_are_free_again(struct judge *judge);
void log_dirty_changes_one_flag(struct judge *judge);
void failing_ioctl_changes_nothing(struct judge *judge);

/* access.c */
void gpa_to_hva_stays_inside_one_slot(struct judge *judge);
void copies_cross_touching_slots(struct judge *judge);
void copies_are_all_or_nothing(struct judge *judge);

/* dirty_log.c */
void dirty_log_fetch_never_overruns(struct judge *judge);
void dirty_log_pages_are_addresses(struct judge *judge);

/* machine.c */
void guest_writes_land_in_your_ram(struct judge *judge);
void two_vms_stay_isolated(struct judge *judge);
void what_no_slot_answers_is_mmio(struct judge *judge);
void dirty_log_names_the_written_pages(struct judge *judge);

#endif
