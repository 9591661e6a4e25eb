/* values.c - random values, bytes of memory, and a run of the part. */
#define _GNU_SOURCE
#include <string.h>

#include "checks.h"

const char *errno_name(int result)
{
    return result == 0              ? "0"
           : result == GUEST_FAULTS ? "GUEST_FAULTS"
           : result > 0             ? "a number"
                                    : strerrorname_np(-result);
}

bool coin(struct judge *judge)
{
    return judge_random(judge) & 1;
}

uint64_t below(struct judge *judge, uint64_t limit)
{
    return judge_random_below(judge, limit);
}

void random_fill(struct judge *judge, void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)judge_random(judge);
}

const void *part_run(struct judge *judge, uint32_t entry, const void *in, size_t size,
                     size_t answer)
{
    const struct run_spec spec = {.entry = entry, .input = in, .input_size = size};

    return judge_run(judge, &spec, answer)->answer;
}

uint64_t bytes_value(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | at[size];
    return value;
}

void bytes_set(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

uint64_t random_canonical(struct judge *judge)
{
    uint64_t low = judge_random(judge) >> 17;

    return coin(judge) ? low : low | 0xffff800000000000ull;
}
