/* checks.h - what the checks of lab 11 share, and the checks. */
#ifndef CHECKS_11_H
#define CHECKS_11_H

#include "judge/check.h"
#include "judge/random.h"
#include "judge/words.h"
#include "subjects/11-boot-linux.h"

/* --- script.c: a run on the pretended KVM ------------------------------------------------- */

struct kvm_plan plan_make(void);
/* Where in the log of calls operation op begins (it ends where the next one does); CHECKs that
 * it is there. */
size_t operation_at(struct judge *judge, const struct evidence *e, uint32_t op);
/* The n-th ioctl of that request within an operation, or NULL. */
const struct call *operation_call(struct judge *judge, const struct evidence *e,
                                  uint32_t op, unsigned long request, unsigned n);

/* --- uart.c ---------------------------------------------------------------------------------- */

void uart_registers_answer(struct judge *judge);
void uart_fifo_keeps_order(struct judge *judge);
void uart_line_follows_reasons(struct judge *judge);

/* --- files.c --------------------------------------------------------------------------------- */

void kernel_lies_where_it_says(struct judge *judge);
void bad_kernels_are_refused(struct judge *judge);
void parameters_lie_in_memory(struct judge *judge);
void parameters_that_do_not_fit(struct judge *judge);

/* --- board.c --------------------------------------------------------------------------------- */

void board_is_made_in_order(struct judge *judge);
void cpuid_is_the_vcpus_own(struct judge *judge);
void vcpu_starts_as_pvh_wants(struct judge *judge);

/* --- pci.c ----------------------------------------------------------------------------------- */

void config_cycles_find_functions(struct judge *judge);
void bar_is_sized_and_placed(struct judge *judge);
void passed_function_keeps_its_secrets(struct judge *judge);
void interrupt_line_is_wired(struct judge *judge);

/* --- linux.c: true boots --------------------------------------------------------------------- */

void linux_answers(struct judge *judge);
void kernel_is_the_true_one(struct judge *judge);
void linux_sees_the_board(struct judge *judge);
void linux_drives_the_device(struct judge *judge);
void device_reaches_guest_memory(struct judge *judge);

#endif
