/* random.c - values that the subject cannot foresee: splitmix64, from the run's seed. */
#define _GNU_SOURCE
#include "judge/random.h"

#include <string.h>

#include "judge/judge.h"

uint64_t random_seed(uint64_t seed, const char *id)
{
    for (; *id; id++)
        seed = (seed ^ (uint8_t)*id) * 0x100000001b3ull;
    return seed;
}

uint64_t judge_random(struct judge *j)
{
    uint64_t z = j->random += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t judge_shared_random(const struct judge *j, uint64_t n)
{
    struct judge shared = {.random = j->targets->options->seed ^ n << 32};

    return judge_random(&shared);
}

uint64_t judge_random_below(struct judge *j, uint64_t limit)
{
    return judge_random(j) % limit;
}

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

void random_order(struct judge *judge, void *array, size_t count, size_t size)
{
    uint8_t *at = array, held[RANDOM_ELEMENT];

    if (size > sizeof held)
        judge_error(judge, "elements of %zu bytes", size);
    for (size_t i = count; i > 1; i--) {
        uint8_t *last = at + (i - 1) * size,
                *chosen = at + judge_random_below(judge, i) * size;

        memcpy(held, last, size);
        memmove(last, chosen, size);
        memcpy(chosen, held, size);
    }
}
