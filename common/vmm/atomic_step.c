/* atomic_step.c - a step is one atomic, and a call to the watcher before and after it. */
#include "atomic_step.h"

const struct step_watcher *step_watcher;

static step_word *step_begin(step_word *word)
{
    return step_watcher ? step_watcher->before(word) : word;
}

static uint64_t step_end(step_word *word, enum step_kind kind, uint64_t operand,
                         uint64_t expected, uint64_t seen)
{
    if (step_watcher)
        step_watcher->after(word, kind, operand, expected, seen);
    return seen;
}

uint64_t step_load64(step_word *word)
{
    return step_end(word, STEP_LOAD, 0, 0, atomic_load(step_begin(word)));
}

/* (A plain store would not say what it overwrites; whoever watches wants to know.) */
void step_store64(step_word *word, uint64_t value)
{
    step_word *at = step_begin(word);

    if (step_watcher)
        step_end(word, STEP_STORE, value, 0, atomic_exchange(at, value));
    else
        atomic_store(at, value);
}

uint64_t step_exchange64(step_word *word, uint64_t value)
{
    return step_end(word, STEP_EXCHANGE, value, 0,
                    atomic_exchange(step_begin(word), value));
}

uint64_t step_fetch_or64(step_word *word, uint64_t bits)
{
    return step_end(word, STEP_OR, bits, 0, atomic_fetch_or(step_begin(word), bits));
}

uint64_t step_fetch_and64(step_word *word, uint64_t bits)
{
    return step_end(word, STEP_AND, bits, 0, atomic_fetch_and(step_begin(word), bits));
}

bool step_compare_exchange64(step_word *word, uint64_t *expected, uint64_t desired)
{
    const uint64_t wanted = *expected;
    bool done = atomic_compare_exchange_strong(step_begin(word), expected, desired);

    step_end(word, STEP_COMPARE_EXCHANGE, desired, wanted, *expected);
    return done;
}
