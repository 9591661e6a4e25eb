/* random.c - see random.h. */
#include "judge/random.h"

bool random_bool(struct judge *judge)
{
    return judge_random(judge) & 1;
}

void random_fill(struct judge *judge, void *bytes, size_t size)
{
    uint8_t *at = bytes;

    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)judge_random(judge);
}
