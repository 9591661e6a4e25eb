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

#endif
