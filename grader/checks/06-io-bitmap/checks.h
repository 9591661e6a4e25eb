/* checks.h - what the files of lab 06's checks share; the table is in ../06-io-bitmap.c. */
#ifndef CHECKS_06_H
#define CHECKS_06_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io_bitmap.h"
#include "judge/check.h"
#include "judge/script.h"
#include "judge/words.h"
#include "subjects/06-io-bitmap.h"

#define BORDER_PORT 0x8000u /* the first of bitmap B */

/* --- script.c: calls on the bitmaps, and the port space that they are replayed on --- */

struct script {
    struct judge *judge;
    struct lab06_script in;
    const char *asked; /* of the check */
    uint32_t parties, devices, snapshots, decisions, conflicts;
    const struct lab06_answer *out;
};

/* One byte for each port: 1 exits. */
struct space {
    uint8_t exits[IO_PORTS];
};

#define OP(s, ...) op_put(s, (struct lab06_op){__VA_ARGS__})

struct script *script_new(struct judge *judge, const char *asked);
void op_put(struct script *s, struct lab06_op op);
void save_put(struct script *s, uint32_t bitmap);
void device_put(struct script *s, uint32_t kind, uint32_t first, uint32_t count);
void assign_put(struct script *s, uint32_t at, bool conflict_wanted);
void range_make(struct judge *judge, uint32_t *first, uint32_t *count);
bool access_due(const struct space *space, uint32_t primary, uint32_t port, uint32_t size);
bool device_has(const struct lab06_device *device, uint32_t port);
bool page_bit(const uint8_t *pages, uint32_t port);
void result_expect(const struct script *s, uint32_t i, int64_t due);
void script_run(struct script *s);
void script_judge(struct script *s);

/* --- picture.c: for make trace --- */

struct picture_access {
    uint64_t port, size;
    char text[100];
    bool due;         /* it has to be an exit */
    bool decided;     /* io_access_exits() says so */
    bool ran, exited; /* the CPU was asked, and did */
};

/* The script's first snapshot, its devices, and these accesses. */
void picture_keep(const struct script *s, const struct picture_access *accesses,
                  uint32_t count);

/* --- bitmaps.c --- */

#define IO_CONTROLS (PRIMARY_USE_IO_BITMAPS | PRIMARY_UNCONDITIONAL_IO_EXITING)

/* --- exits.c: single calls of io_exit.h --- */

struct calls {
    struct judge *judge;
    struct lab06_calls in;
    const struct lab06_returns *out;
};

struct calls *calls_new(struct judge *judge);
struct lab06_call *call_put(struct calls *c, enum lab06_call_kind kind);
void calls_run(struct calls *c);
void io_expect(struct judge *judge, const char *asked, const char *about,
               const struct lab06_io *got, const struct lab06_io *due);
void registers_expect(struct judge *judge, const char *asked, const char *about,
                      const struct lab06_registers *got, const struct lab06_registers *due);
struct lab06_io io_make(struct judge *judge);
uint64_t qualification_due(const struct lab06_io *io);

/* --- the checks --- */

/* bitmaps.c */
void ranges_change_exactly_their_ports(struct judge *judge);
void bad_ranges_change_nothing(struct judge *judge);
void every_port_and_size_is_decided(struct judge *judge);
void accesses_that_wrap_always_exit(struct judge *judge);
void controls_decide_before_the_bitmap(struct judge *judge);
void merge_passes_what_all_parties_allow(struct judge *judge);
void passed_devices_pass_and_nothing_else(struct judge *judge);
void device_conflicts_are_named(struct judge *judge);

/* exits.c */
void qualification_is_decoded(struct judge *judge);
void impossible_accesses_are_refused(struct judge *judge);
void encoding_is_the_way_back(struct judge *judge);
void registers_move_with_the_elements(struct judge *judge);
void input_changes_its_part_of_rax(struct judge *judge);

/* silicon.c */
void passed_device_is_driven_without_an_exit(struct judge *judge);
void random_walk_exits_where_you_decided(struct judge *judge);
void registers_move_as_the_cpu_moves_them(struct judge *judge);

#endif
