/* memory.h - the guest that INT and IRET are emulated on, and what should come out. */
#ifndef CHECKS_04_MEMORY_H
#define CHECKS_04_MEMORY_H

#include "checks.h"

/* All of them count from LAB04_AT. */
#define GDT_AT   0x5000u
#define TSS_AT   0x5fd0u /* IST2 is in two pages */
#define IDT_AT   0x6108u /* so is the gate of vector 239 */
#define STACK_AT 0x9000u /* three of 4 KiB */

/* Descriptors to choose from: byte 5 (type, S, DPL, P) and the upper half of byte 6 (G, D/B, L).
 * The rest is random: bases and limits mean nothing to 64-bit code. */
enum {
    D_NULL,
    D_KERNEL_CODE,
    D_KERNEL_DATA,
    D_USER_DATA,
    D_USER_CODE,
    D_SYSTEM,
    D_KERNEL_CODE_ABSENT,
    D_USER_CODE_ABSENT,
    D_CODE_1,
    D_CODE_2,
    D_CODE32_0,
    D_CODE_LD,
    D_USER_READONLY,
    D_USER_DATA_ABSENT,
    D_DATA_1,
    D_DATA_2,
    D_CODE_EXECUTE_ONLY,
    D_KERNEL_DATA_ABSENT,
    D_CODE32_3,
    D_USER_DOWN,
    D_KERNEL_READONLY,
    D_CONFORMING_0,
    D_CONFORMING_3,
    D_CONFORMING_0_ABSENT,
    D_CONFORMING_3_ABSENT,
    D_CODE32_3_ABSENT,
    D_USER_READONLY_ABSENT,
    DESCRIPTORS,
};

extern const uint8_t code_of_ring[4], data_of_ring[4];

/* Descriptors, a TSS, and random bytes everywhere else. */
void emulate_memory_make(struct judge *judge, uint8_t *ram);
uint16_t selector_make(unsigned index, unsigned rpl);
/* Random registers, but those that say where the tables are, and CPL. */
void case_begin(struct judge *judge, struct lab04_case *c, unsigned cpl);

/* --- oracle.c --------------------------------------------------------------------------- */

/* What should come out of a case. */
struct outcome_wanted {
    int result;
    int step; /* that decided it, for messages; 0: none */
    struct guest_fault fault;
    struct cpu_state cpu;
    uint64_t frame_at;
    uint64_t frame[6];
    unsigned frame_words;
};

/* Is all of it memory of the guest? */
bool oracle_memory(uint64_t at, uint64_t size);
/* ram: as the part finds it. */
void oracle_deliver(const struct lab04_case *c, const uint8_t *ram,
                    struct outcome_wanted *w);
void oracle_return(const struct lab04_case *c, const uint8_t *ram,
                   struct outcome_wanted *w);

#endif
