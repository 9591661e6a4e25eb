/* explorer.h - every order in which a few actors can do their steps.
 *
 * An actor is a function with a stack of its own (a coroutine). It stops, "parks", before each
 * step of atomic_step.h, and wherever it has to wait. The explorer then chooses who goes on.
 * Each schedule is run from the start; the next one differs from it in the last place where
 * another actor could have been chosen (depth-first, actors in ascending order). So all
 * schedules are tried, each once, unless there are more preemptions in them than allowed.
 *
 * It reports and does not judge: the judge follows the records with a model of its own.
 */
#ifndef EXPLORER_H
#define EXPLORER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "07-irt-pid.h"

#define EXPLORER_STACK   (64u << 10)
#define EXPLORER_RESERVE (LAB07_DEPTH * 8u) /* records that a schedule may need */

struct explorer_actor {
    void *stack_pointer; /* where it was left */
    uint8_t *stack;
    enum lab07_park park;
};

static struct {
    struct lab07_explore_output *out;
    struct explorer_actor actors[LAB07_ACTORS];
    uint32_t actor_count;
    uint32_t preemptions_max;
    void (*body)(uint32_t actor);      /* an actor's life */
    bool (*may_go_on)(uint32_t actor); /* of one that waits */
    void *main_pointer;
    uint32_t current; /* actor that runs */
    bool running;     /* an actor runs, not the explorer itself */
    bool quiet;       /* no records */

    uint32_t depth, shared; /* choices made; of them, shared with the last schedule */
    uint8_t choice[LAB07_DEPTH], enabled[LAB07_DEPTH]; /* by depth; a bit for each actor */
} explorer;

/* Puts a record down, unless the last schedule had it as well. */
static void explorer_record(struct lab07_record record)
{
    struct lab07_explore_output *out = explorer.out;

    if (explorer.quiet || explorer.depth < explorer.shared || out->overflow)
        return;
    if (out->record_count == LAB07_RECORDS) { /* no schedule is that long */
        out->overflow = 1;
        return;
    }
    record.actor = (uint8_t)explorer.current;
    out->records[out->record_count++] = record;
}

/* void coroutine_switch(void **from, void *to): leaves the registers that a function has to
 * keep on the stack, notes in *from where, and takes up those that lie at `to`. */
void coroutine_switch(void **from, void *to);
__asm__(".text\n"
        ".type coroutine_switch, @function\n"
        "coroutine_switch:\n"
        "push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "mov %rsp, (%rdi)\n"
        "mov %rsi, %rsp\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
        "ret\n"
        ".size coroutine_switch, . - coroutine_switch\n");

/* The running actor stops here until it is chosen. */
static void explorer_park(enum lab07_park park)
{
    struct explorer_actor *actor = &explorer.actors[explorer.current];

    actor->park = park;
    if (park != LAB07_BEFORE_STEP)
        explorer_record((struct lab07_record){.kind = LAB07_PARKED, .op = (uint8_t)park});
    coroutine_switch(&actor->stack_pointer, explorer.main_pointer);
}

static void explorer_actor_start(void)
{
    explorer.body(explorer.current);
    for (;;)
        explorer_park(LAB07_DONE);
}

static void explorer_go_on(uint32_t actor)
{
    explorer.current = actor;
    explorer.running = true;
    coroutine_switch(&explorer.main_pointer, explorer.actors[actor].stack_pointer);
    explorer.running = false;
}

/* A stack on which coroutine_switch() finds registers and the address of the actor's life. */
static void explorer_actor_reset(struct explorer_actor *actor)
{
    uint64_t *top = (uint64_t *)(void *)(actor->stack + EXPLORER_STACK) - 1;

    top[0] = 0; /* no caller; and the alignment that a function finds at its start */
    top[-1] = (uint64_t)(uintptr_t)explorer_actor_start;
    memset(top - 7, 0, 6 * sizeof *top);
    actor->stack_pointer = top - 7;
}

static bool explorer_enabled(uint32_t actor)
{
    switch (explorer.actors[actor].park) {
    case LAB07_BEFORE_STEP:
        return true;
    case LAB07_DONE:
        return false;
    default:
        return explorer.may_go_on(actor);
    }
}

/* Who may be chosen now, as a set. Where preemptions are used up, whoever could go on does. */
static uint8_t explorer_choices(uint32_t preemptions)
{
    uint32_t last = explorer.depth ? explorer.choice[explorer.depth - 1] : LAB07_ACTORS;
    uint8_t set = 0;

    for (uint32_t i = 0; i < explorer.actor_count; i++)
        set |= (uint8_t)(explorer_enabled(i) << i);
    if (last < LAB07_ACTORS && set >> last & 1 && preemptions >= explorer.preemptions_max)
        set = (uint8_t)(1u << last);
    return set;
}

/* Runs one schedule: the first `shared` choices and the one after them are given. */
static void explorer_schedule(uint32_t given)
{
    uint32_t preemptions = 0;

    /* What they do before the first choice is the same in all schedules. */
    explorer.depth = 0;
    explorer.quiet = given > 0;
    for (uint32_t i = 0; i < explorer.actor_count; i++) {
        explorer_actor_reset(&explorer.actors[i]);
        explorer_go_on(i);
    }
    explorer.quiet = false;
    for (;;) {
        uint32_t at = explorer.depth;
        uint8_t set = explorer_choices(preemptions);

        if (!set)
            return;
        if (at == LAB07_DEPTH) {
            explorer.out->overflow = 1;
            return;
        }
        if (at >= given)
            explorer.choice[at] = (uint8_t)__builtin_ctz(set);
        explorer.enabled[at] = set;
        if (at && explorer.choice[at] != explorer.choice[at - 1])
            preemptions += set >> explorer.choice[at - 1] & 1;
        /* From this choice on, records are new. */
        if (explorer.actors[explorer.choice[at]].park != LAB07_BEFORE_STEP) {
            explorer.current = explorer.choice[at];
            explorer_record((struct lab07_record){.kind = LAB07_CHOICE});
        }
        explorer_go_on(explorer.choice[at]);
        explorer.depth++;
    }
}

/* Makes the path lead to the next schedule; returns how many choices are given, 0: no more. */
static uint32_t explorer_next(void)
{
    for (uint32_t at = explorer.depth; at-- > 0;) {
        uint8_t later =
            (uint8_t)(explorer.enabled[at] & ~((2u << explorer.choice[at]) - 1));

        if (later) {
            explorer.choice[at] = (uint8_t)__builtin_ctz(later);
            return at + 1;
        }
    }
    return 0;
}

/* All schedules from the one that `given` choices lead to (0: the first), as long as there is
 * room. begin() sets the world back before each, end() reports it afterwards. */
static void explorer_run(uint32_t given, void (*begin)(void), void (*end)(void))
{
    struct lab07_explore_output *out = explorer.out;

    for (uint32_t i = 0; i < explorer.actor_count; i++)
        explorer.actors[i].stack = aligned_alloc(64, EXPLORER_STACK);
    do {
        explorer.depth = explorer.shared = 0;
        if (given) {
            explorer.current = 0;
            explorer_record(
                (struct lab07_record){.kind = LAB07_BRANCH, .operand = given - 1});
            explorer.shared = given - 1;
        }
        begin();
        explorer_schedule(given);
        explorer.current = 0;
        end();
        out->schedules++;
        given = explorer_next();
    } while (given && !out->overflow &&
             out->record_count < LAB07_RECORDS - EXPLORER_RESERVE);
    out->given = given;
    memcpy(out->choice, explorer.choice, sizeof out->choice);
}

#endif
