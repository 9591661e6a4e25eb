/* checks.h - what the files of lab 04's checks share. */
#ifndef CHECKS_04_H
#define CHECKS_04_H

#include "judge/check.h"
#include "judge/random.h"
#include "judge/script.h"
#include "judge/words.h"
#include "subjects/04-int-iret.h"

/* --- values.c --------------------------------------------------------------------------- */

/* "0", "GUEST_FAULTS", or the name of the errno. */
const char *result_name(int result);
uint64_t random_canonical(struct judge *judge);
/* A number of `size` bytes in memory, lowest byte first. */
uint64_t bytes_value(const uint8_t *at, unsigned size);
void bytes_set(uint8_t *at, uint64_t value, unsigned size);

/* --- what more than one topic needs ----------------------------------------------------- */

/* A gate as it lies in memory (tables.c). */
void gate_draw(const struct guest_gate *gate, uint8_t at[16]);

/* An event that can be, for a guest that can take it (events.c). */
extern const uint32_t good_types[7];
struct lab04_event event_good(struct judge *judge, uint32_t type);
bool oracle_has_code(const struct lab04_event *e);
void event_describe(const struct lab04_event *e, char text[200]);

/* Is a page fault with this error code wished to exit (exits.c)? */
extern const char *const page_fault_names[4];
bool wish_page_fault(const struct exception_wish *w, uint32_t code);

/* The part's device, one port access at a time (accesses.c): what goes to the bus behind, and
 * where the emulation ends. */
void behind_make(struct judge *judge, struct lab04_access_input *in);
void behind_expect(struct judge *judge, const struct lab04_access_input *in,
                   const struct lab04_access_output *out);
void ends_make(struct judge *judge, struct lab04_access_input *in);
void ends_expect(struct judge *judge, const struct lab04_access_output *out);

/* --- the checks ------------------------------------------------------------------------- */

void gates_are_encoded(struct judge *judge);
void tables_are_written(struct judge *judge);
void int_pushes_the_frame(struct judge *judge);
void int_faults_in_order(struct judge *judge);
void iret_goes_back(struct judge *judge);
void iret_trusts_no_frame(struct judge *judge);
void only_named_sites_are_patched(struct judge *judge);
void good_events_are_encoded(struct judge *judge);
void bad_events_are_refused(struct judge *judge);
void bitmap_says_what_exits(struct judge *judge);
void program_starts_in_ring_3(struct judge *judge);
void hardware_way_needs_no_exit(struct judge *judge);
void patched_way_exits_twice(struct judge *judge);
void frames_are_the_processors(struct judge *judge);
void violations_reach_the_guest(struct judge *judge);
void emulation_gives_up(struct judge *judge);
void tables_work_on_silicon(struct judge *judge);
void events_arrive_on_silicon(struct judge *judge);
void exceptions_exit_on_silicon(struct judge *judge);

#endif
