/* atomic_step.h - one atomic operation on 8 bytes that several processors share.
 *
 * Code that runs on several processors at once is only as good as the order of its accesses
 * to shared memory. Here each access is a function call and one *step*: exactly one C11
 * atomic (sequentially consistent). Nothing can come in between inside a step; anything can
 * come in between two steps.
 *
 *        processor A                       processor B
 *     step_fetch_or64()   step 1
 *                         step 2        step_exchange64()
 *     step_load64()       step 3
 *
 * So the checks can do what no stress test can: stop before each step, choose who goes next,
 * and try every order there is. In an ordinary run there is no watcher, and a step costs
 * what the atomic costs.
 */
#ifndef ATOMIC_STEP_H
#define ATOMIC_STEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic uint64_t step_word;

/* Each returns what the word held before. */
uint64_t step_load64(step_word *word);
uint64_t step_exchange64(step_word *word, uint64_t value);
uint64_t step_fetch_or64(step_word *word, uint64_t bits);
uint64_t step_fetch_and64(step_word *word, uint64_t bits); /* keeps these bits */

/* Stores value; what was there is lost. */
void step_store64(step_word *word, uint64_t value);

/* If the word holds *expected: stores desired, returns true. Else returns false, and
 * *expected is what the word holds. (One step either way.) */
bool step_compare_exchange64(step_word *word, uint64_t *expected, uint64_t desired);

/* --- for whoever watches ------------------------------------------------------------------ */

enum step_kind {
    STEP_LOAD = 1,
    STEP_STORE,
    STEP_EXCHANGE,
    STEP_OR,
    STEP_AND,
    STEP_COMPARE_EXCHANGE,
};

/* before(): the step is about to be done; returns where the word really is (the watcher may
 * hide it from plain accesses). after(): it has been done. operand: the value, the bits, or
 * desired; expected: of a compare-exchange; seen: what the word held. */
struct step_watcher {
    step_word *(*before)(step_word *word);
    void (*after)(step_word *word, enum step_kind kind, uint64_t operand, uint64_t expected,
                  uint64_t seen);
};

/* NULL: nobody watches. Set before any thread is started. */
extern const struct step_watcher *step_watcher;

#endif
