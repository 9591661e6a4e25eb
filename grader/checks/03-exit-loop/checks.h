/* checks.h - what the files of lab 03's checks share; the table is in ../03-exit-loop.c. */
#ifndef CHECKS_03_H
#define CHECKS_03_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/check.h"
#include "judge/random.h"
#include "judge/script.h"
#include "judge/words.h"
#include "subjects/03-exit-loop.h"

/* --- scenario.c: a run of the loop on the pretended KVM --- */

#define EXITS_MAX   80
#define PIO_DATA_AT 4096u /* of struct kvm_run: where the pretended KVM has its PIO data */

/* A vCPU's life: devices, steps, and the exits that KVM will report. Large: kept static. */
struct scenario {
    struct lab03_input in;
    struct kvm_plan plan;
    struct plan_exit exits[EXITS_MAX];
};

#define PORT_DEVICE 0u
#define MMIO_DEVICE 1u

extern struct scenario scene; /* one a process: each check has its own */
uint64_t number_of(const uint8_t *data, uint32_t size);
void scenario_begin(struct judge *judge, struct scenario *s);
struct kvm_run *exit_add(struct judge *judge, struct scenario *s, uint32_t reason);
void exit_add_error(struct scenario *s, int error);
struct kvm_run *exit_add_io(struct judge *judge, struct scenario *s, bool out,
                            uint16_t port, uint8_t size, uint32_t count);
struct kvm_run *exit_add_mmio(struct judge *judge, struct scenario *s, bool write,
                              uint64_t gpa, uint32_t length);
void exit_add_random_io(struct judge *judge, struct scenario *s, uint32_t count);
void exit_add_random_mmio(struct judge *judge, struct scenario *s);
const struct lab03_output *output_of(const struct evidence *e);
void handler_expect(struct judge *judge, uint32_t no_handler);
const struct evidence *scenario_run(struct judge *judge, const struct scenario *s);
const char *status_name(uint32_t status);
void status_expect(struct judge *judge, const struct evidence *e, uint32_t n,
                   uint32_t status, const char *situation);
void run_expect(struct judge *judge, const struct evidence *e, uint32_t n, uint32_t status,
                uint64_t detail, const char *situation);

/* --- accesses.c: what devices were told --- */

/* A script's accesses, followed one by one. */
struct follow {
    struct judge *judge;
    const struct scenario *scenario;
    const struct evidence *evidence;
    uint32_t calls; /* of devices, so far */
    uint64_t digest;
    uint64_t unclaimed[2];
    uint8_t
        area[4096]; /* the PIO data, of which the pretended KVM shows PLAN_RUN_DATA bytes */
    char what[120]; /* the exit in hand */
};

const struct kvm_run *head_of(const struct call_run_state *state);
void exits_follow(struct follow *f, uint32_t from, uint32_t to);

/* --- the checks --- */

/* bus.c */
void bus_refuses_ambiguous_devices(struct judge *judge);
void bus_finds_whole_accesses_only(struct judge *judge);
void bus_answers_for_absent_devices(struct judge *judge);

/* accesses.c */
void port_access_reaches_its_device(struct judge *judge);
void string_access_goes_element_by_element(struct judge *judge);
void mmio_access_reaches_its_device(struct judge *judge);

/* endings.c */
void every_end_is_told_apart(struct judge *judge);
void exits_are_counted_and_noted(struct judge *judge);
void interruption_without_a_kick_goes_on(struct judge *judge);

/* kicks.c */
void kick_before_a_run_ends_it(struct judge *judge);
void kick_in_a_device_completes_the_access(struct judge *judge);
void kick_is_seen_at_every_instruction(struct judge *judge);
void kick_signal_restarts_other_calls(struct judge *judge);

/* machine.c */
void counters_agree_with_the_kernel(struct judge *judge);
void kicked_instruction_is_complete(struct judge *judge);
void triple_fault_is_a_shutdown(struct judge *judge);
void spinning_guest_is_stopped(struct judge *judge);
void no_kick_is_lost(struct judge *judge);

#endif
