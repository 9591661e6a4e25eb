/* rings.h - the guest `rings`, as machine.c and silicon.c run it. */
#ifndef CHECKS_04_RINGS_H
#define CHECKS_04_RINGS_H

#include "checks.h"

/* In rings.long64.S. */
#define SCRIPT_AT  0x28000u
#define LOG_AT     0x30000u
#define USER_STACK 0x20000u
#define FINAL_PORT 0x3f0u

enum {
    R_80,
    R_81,
    R_82,
    R_83,
    R_84,
    R_85,
    R_86,
    R_87,
    R_8B,
    R_8C,
    R_CF,
    R_0B,
    R_0D,
    HANDLERS
};

/* Numbers of sites, in the order of the text. */
enum {
    S_PAIR,
    S_END,
    S_OPS, /* operations 0 to 7, 9, 10, 11 */
    S_PAIR_IRET = S_OPS + 11,
    S_83_INT = S_PAIR_IRET + 3,
    S_85_INT = S_83_INT + 3,
    S_8C_INT = S_85_INT + 5,
    S_8B_IRET = S_8C_INT + 2,
    SITES = S_8B_IRET + 4,
};

struct rings {
    const uint8_t *image;
    size_t image_size;
    uint64_t program, handlers[HANDLERS], sites[SITES];
    struct lab04_tables tables;
    uint64_t nonce, pairs;
    struct {
        uint64_t operation, below, flags, reserved;
    } script[96];
    uint64_t script_count;
};

/* The table that a guest has behind its magic number. */
const uint64_t *guest_table(struct judge *judge, const uint8_t *image, size_t size);

/* A guest that does `pairs` INT/IRET pairs, then `steps` operations of those given. */
void rings_begin(struct judge *judge, struct rings *g, uint64_t pairs, uint64_t steps,
                 const uint8_t *operations, unsigned operation_count);
/* The number that the guest has at its end. */
uint32_t rings_number(const struct rings *g);

/* Puts right what the machine's CPU does otherwise than an Intel CPU. */
void log_correct(const struct rings *g, uint8_t *log);
void log_expect(struct judge *judge, const struct rings *g, const uint8_t *log,
                const char *way);

#endif
