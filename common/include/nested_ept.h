/* nested_ept.h - contract of part 10: EPT02 = EPT12 o EPT01.
 *
 * Three address spaces, two mappings, and a processor that walks one EPT:
 *
 *   L2-physical --EPT12 (L1's)--> L1-physical --EPT01 (L0's)--> host-physical
 *        |                                                          ^
 *        +---------------- EPT02 (L0's, for the processor) ---------+
 *
 * EPT01 and EPT02 lie at host-physical addresses (HPA). EPT12 was built by L1:
 * its root, and the addresses in its entries, are L1-physical. To read it is to
 * walk EPT01 first.
 *
 * EPT02 starts empty. L2 touches a page, an EPT violation comes to L0 (vmcs02),
 * and one of three things is true:
 *
 *   EPT12 does not allow it      L1's violation: reflect it, L1 sees its own
 *                                EPT at work
 *   EPT12 does, EPT01 does not   L0's: L1 has no such memory (yet); L1 must
 *                                not notice
 *   both do                      nobody's: EPT02 was not filled in. Fill, go on
 *
 * The format of an entry is that of part 05, ept.h (SDM 3C 29.3.2):
 *
 *    51                12 11  8 7 6 5  3 2 1 0
 *   | address             |  .  L . MT   X W R |
 *
 *   L     the entry maps a page: of 2 MiB (level 2) or 1 GiB (level 3). In
 *         level 1 each entry maps a page of 4 KiB, in level 4 none does: the
 *         bit does not count there
 *   MT .  and bits 63:52: do not count in EPT01 and EPT12
 *   R = W = X = 0: not present, whatever else it holds. W without R, or X
 * without R: a misconfiguration (a CPU without execute-only pages). Nothing
 * else is one in this lab: the address of a large page is a multiple of its
 * size.
 *   What a page allows is the AND of R, W, X over all entries that lead to it.
 *   L2-physical and L1-physical addresses are below EPT_GPA_LIMIT. HPAs have up
 * to 52 bits.
 *
 * Source: Intel SDM 3C, 29.3.2, 29.3.3, table 28-7 (qualification); 29.4.3
 * (INVEPT).
 */
#ifndef NESTED_EPT_H
#define NESTED_EPT_H

#include <stdbool.h>
#include <stdint.h>

#include "ept.h"

/* The host's memory: HPA hpa + n is at hva[n], for n < size. EPT01, the memory
 * of L1 with EPT12, and EPT02 are in it; pages of L2 need not be. */
struct nested_ept {
    uint8_t *hva;
    uint64_t hpa, size;
    uint64_t root01; /* HPA of EPT01's PML4 table */
    uint64_t root12; /* L1-physical address of EPT12's */
    uint64_t root02; /* HPA of EPT02's: zeros at first */
    uint64_t pool;   /* HPA of pages for tables of EPT02, one after the other */
    uint32_t pool_pages, pool_used;
};

enum nested_ept_result {
    NESTED_FILLED = 1,
    NESTED_REFLECT_VIOLATION,        /* to L1: exit 48, with `qualification` */
    NESTED_REFLECT_MISCONFIGURATION, /* to L1: exit 49 */
    NESTED_L0_MISS,                  /* EPT01 forbids `l1_access` at `l1_gpa` */
    NESTED_NO_TABLES,                /* the pool is used up */
};

struct nested_ept_answer {
    enum nested_ept_result result;
    uint64_t qualification; /* REFLECT_VIOLATION, else 0 */
    uint64_t l1_gpa;        /* L0_MISS: an L1-physical address; else 0 */
    uint64_t l1_access;     /* L0_MISS: one of READ, WRITE, FETCH; else 0 */
};

/* Answers an EPT violation of L2 at gpa. qualification is what the processor
 * said, with EPT02: bits 2:0 the access (exactly one is set; a read and a write
 * at once do not occur here), 8:7 about linear addresses. From the root of
 * EPT12 down, in this order:
 *   - an entry of EPT12 that EPT01 does not let L0 read: L0_MISS; l1_gpa is the
 *     entry's address (8-byte aligned), l1_access is READ
 *   - an entry of EPT12 that is not present: REFLECT_VIOLATION, bits 5:3 are 0
 *   - one that is misconfigured: REFLECT_MISCONFIGURATION
 *   - EPT12 translates, but its rights do not include the access:
 *     REFLECT_VIOLATION, bits 5:3 are the rights by EPT12
 *   - EPT01 does not translate the L1-physical address (an entry is not
 *     present, or misconfigured), or does not include the access: L0_MISS, with
 *     that address (every bit of it) and the access
 *   - else the page is filled into EPT02: FILLED
 * In a reflected qualification bits 2:0 and 8:7 are those of the processor's,
 * all but them and 5:3 is 0.
 * Where the answer is not FILLED, EPT02 translates what it did before (tables
 * that were taken may stay): also where a large page would have given way to small
 * ones, and the pool has fewer tables than that takes. The processor may walk EPT02
 * at any time: a table is cleared before an entry leads to it.
 *
 * A page that is filled in is as large as the smaller one of the two, and
 * allows what both allow. Its memory type is MT_WB. The entries above it have
 * R, W and X. All other bits are 0. Tables that are missing are taken from the
 * pool and cleared first. What EPT02 has in this place already gives way as a
 * whole: an entry is written anew, a table with all that is in it makes room
 * for a large page, a large page for a table in which the new page is the only
 * one. */
void nested_ept_violation(struct nested_ept *ept, uint64_t gpa, uint64_t qualification,
                          struct nested_ept_answer *answer);

/* The same eagerly, for every page of [from, to): what EPT12 and EPT01 both
 * translate is filled in, whatever it allows; all else is left out, it will be
 * dealt with when L2 touches it. from and to are multiples of 4 KiB. Returns
 * how many pages it has filled in, large ones counted once and those that were
 * there already too (each is written anew), or -ENOMEM if the pool is used up.
 * A page that begins before `from`, or ends behind `to`, is filled in as a
 * whole and counted. */
long nested_ept_fill(struct nested_ept *ept, uint64_t from, uint64_t to);

/* L1 has executed INVEPT: EPT12 is not what it was. EPT02 maps nothing after
 * this, and the pool is unused again. (SDM 3C 31.3, INVEPT; root02 stays where
 * it is.) */
void nested_ept_forget(struct nested_ept *ept);

#endif
