/* mapping.h - what a program's nested page tables say, page by page. */
#ifndef MAPPING_H
#define MAPPING_H

#include "checks.h"

/* Four levels of tables, and the memory that they are in. */
struct mapping {
    uint64_t root;
    const uint8_t *memory; /* of the addresses [base, base + size) */
    uint64_t base, size;
    bool ept; /* else the format of ordinary page tables */
};

/* L2's memory is mapped to l2_base, the late page to late_to, each with all rights (and, in an
 * EPT, as write-back); nothing else is. For the life that is spoken of, after a touch of the late
 * page. */
void mapping_expect(struct judge *judge, const struct mapping *mapping);

#endif
