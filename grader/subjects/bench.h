/* bench.h - what the bench subject measures. */
#ifndef SUBJECT_BENCH_H
#define SUBJECT_BENCH_H

#include <stdint.h>

#define BENCH_SLICES 15

struct bench_input {
    uint32_t exits; /* a slice */
};

/* Nanoseconds a slice: the same guest, run bare and through the VMM, in turn. */
struct bench_output {
    uint64_t bare[BENCH_SLICES];
    uint64_t core[BENCH_SLICES];
};

/* The second entry: walks through guest tables and EPT, the part of lab 05 with its caches in
 * turn with a textbook's walk, which reads every entry. */
struct bench_walks_output {
    uint64_t part[BENCH_SLICES]; /* nanoseconds a slice */
    uint64_t textbook[BENCH_SLICES];
    uint64_t part_references, textbook_references; /* in all slices */
    uint64_t wrong; /* walks that did not come to the same HPA */
};

#define BENCH_WALKS 20000 /* a slice */

#endif
