/* values.c - results in words, bytes of memory, random addresses. */
#include "checks.h"

const char *result_name(int result)
{
    return result == 0              ? "0"
           : result == GUEST_FAULTS ? "GUEST_FAULTS"
           : result > 0             ? "a number"
                                    : errno_name(result);
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

    return random_bool(judge) ? low : low | 0xffff800000000000ull;
}
