/* checks.h - what the files of lab 01's checks share; the table is in ../01-kvm-open.c. */
#ifndef CHECKS_01_H
#define CHECKS_01_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/check.h"
#include "judge/words.h"
#include "kvm_open.h"
#include "subjects/01-kvm-open.h"

/* --- life.c: one life of the three objects, and its numbers in words --- */

struct text {
    char is[200];
};

struct lab01_input input_make(uint32_t vms, uint32_t vcpus);
struct kvm_plan plan_make(struct judge *judge);
uint32_t id_any(struct judge *judge);
struct run_spec life_spec(const struct lab01_input *in, const struct kvm_plan *plan);
const struct evidence *life_run(struct judge *judge, const struct lab01_input *in,
                                const struct kvm_plan *plan);
const struct lab01_output *output_of(const struct evidence *e);
struct text result_text(int result);
struct text number_text(int64_t value);
struct text step_text(int32_t step);
struct text kind_text(int32_t kind);
struct text capability_text(int64_t capability);
struct text progress_text(const struct lab01_output *out);
bool life_complete(const struct lab01_input *in, const struct lab01_output *out);
const struct lab01_output *life_expect(struct judge *judge, const struct lab01_input *in,
                                       const struct evidence *e);

/* --- errors.c --- */

void error_expect(struct judge *judge, const struct evidence *e,
                  const struct lab01_step *step, int result, const struct vmm_error *want,
                  const char *situation);
void error_untouched_expect(struct judge *judge, const struct lab01_step *step,
                            const char *function);
struct plan_fault fault_make(enum vmm_step step, int error);
struct vmm_error error_expected(enum vmm_step step, int error, uint32_t vcpu_id);

/* --- the checks --- */

/* errors.c */
void open_failures_are_typed(struct judge *judge);
void later_failures_are_typed(struct judge *judge);
void wrong_version_is_refused(struct judge *judge);
void missing_extension_is_named(struct judge *judge);
void small_run_area_is_refused(struct judge *judge);

/* calls.c */
void open_asks_version_and_extensions(struct judge *judge);
void extension_value_is_handed_on(struct judge *judge);
void interrupted_create_vm_is_tried_again(struct judge *judge);
void new_objects_start_empty(struct judge *judge);
void vcpu_maps_its_run_area(struct judge *judge);

/* cleanup.c */
void no_leak_whichever_call_fails(struct judge *judge);
void destroying_twice_is_harmless(struct judge *judge);

/* machine.c */
void kernel_sees_the_three_objects(struct judge *judge);
void forbidden_device_says_so(struct judge *judge);
void second_vcpu_with_the_same_id_is_refused(struct judge *judge);
void first_guest_runs_until_it_halts(struct judge *judge);

#endif
