/* rounds.c - finds the rounds in the kernel's records. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "report/rounds.h"

/* Moves to the next exit; an entry on the way begins the time that is the guest's. */
static void exit_find(struct rounds *r)
{
    for (; r->at < r->events->count && r->events->list[r->at].kind != EVENT_EXIT; r->at++)
        if (r->events->list[r->at].kind == EVENT_ENTRY)
            r->entered_ns = r->events->list[r->at].time_ns;
}

struct rounds rounds_begin(const struct kvm_events *events)
{
    struct rounds rounds = {.events = events};

    exit_find(&rounds);
    return rounds;
}

/* What an event between exit and entry says of the round. */
static void event_take(struct rounds *rounds, struct round *round,
                       const struct kvm_event *e)
{
    switch (e->kind) {
    case EVENT_USERSPACE_EXIT:
        if (!round->user_ns)
            round->user_ns = e->time_ns;
        if (is_interrupted(e))
            round->interrupted++;
        else if (!round->user)
            round->user = e;
        break;
    case EVENT_PIO:
    case EVENT_MMIO:
        round->io = e; /* of a read, the last one has the value that was answered */
        break;
    case EVENT_MSI:
    case EVENT_LINE:
        round->arrived = e;
        break;
    case EVENT_INJECT:
    case EVENT_INJECT_EXCEPTION:
        round->injected = e;
        break;
    case EVENT_NESTED_ENTRY:
        rounds->in_l2 = true;
        break;
    case EVENT_NESTED_INTERCEPTS:
        rounds->asks = e;
        break;
    case EVENT_NESTED_REFLECT:
        round->reflected = round->from_l2;
        rounds->in_l2 = false;
        break;
    default:
        break;
    }
}

bool rounds_next(struct rounds *rounds, struct round *round)
{
    const struct kvm_event *e;

    if (rounds->at == rounds->events->count)
        return false;
    *round = (struct round){.exit = &rounds->events->list[rounds->at++],
                            .begin_ns = rounds->entered_ns,
                            .from_l2 = rounds->in_l2,
                            .asks = rounds->in_l2 ? rounds->asks : NULL};
    rounds->entered_ns = 0;
    for (; rounds->at < rounds->events->count && !round->end_ns; rounds->at++) {
        e = &rounds->events->list[rounds->at];
        if (e->kind == EVENT_EXIT)
            break;
        event_take(rounds, round, e);
        if (e->kind == EVENT_ENTRY)
            round->end_ns = rounds->entered_ns = e->time_ns;
    }
    exit_find(rounds);
    return true;
}

uint64_t rounds_start_ns(const struct kvm_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        if (events->list[i].kind == EVENT_ENTRY)
            return events->list[i].time_ns;
    return events->count ? events->list[0].time_ns : 0;
}

bool rounds_nested(const struct kvm_events *events)
{
    return kvm_events_count(events, EVENT_NESTED_ENTRY, KVM_EVENT_ANY) > 0;
}

void rounds_times(const struct kvm_events *events, uint64_t ns[LANES])
{
    struct rounds rounds = rounds_begin(events);
    struct round r;

    memset(ns, 0, LANES * sizeof *ns);
    while (rounds_next(&rounds, &r)) {
        const uint64_t out = r.exit->time_ns;

        if (r.begin_ns)
            ns[r.from_l2 ? LANE_L2 : LANE_GUEST] += out - r.begin_ns;
        if (r.end_ns && r.user_ns)
            ns[LANE_VMM] += r.end_ns - r.user_ns;
        if (r.end_ns)
            ns[LANE_KERNEL] += (r.user_ns ? r.user_ns : r.end_ns) - out;
    }
}

/* Did L1's VMCB ask for exits with this code? Each has a bit (APM volume 2, appendix B: offsets
 * 008h to 010h); nested page faults follow from L1's tables instead. */
static bool asked_by_l1(const struct kvm_event *asks, uint32_t code)
{
    if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_EXCEPTION + 32)
        return asks->value >> (code - SVM_EXIT_EXCEPTION) & 1;
    if (code >= SVM_EXIT_INTR && code < SVM_EXIT_INTR + 32)
        return asks->info1 >> (code - SVM_EXIT_INTR) & 1;
    if (code >= SVM_EXIT_VMRUN && code < SVM_EXIT_VMRUN + 32)
        return asks->info2 >> (code - SVM_EXIT_VMRUN) & 1;
    return false;
}

const char *round_wish(const struct round *r)
{
    const uint32_t code = r->exit->reason;

    if (!r->asks)
        return "";
    if (code == SVM_EXIT_NPF)
        return r->reflected ? "L1's tables have no such page"
                            : "L1's tables have the page, L0's copy did not";
    if (!asked_by_l1(r->asks, code))
        return "L1 does not ask for it";
    if ((code == SVM_EXIT_IOIO || code == SVM_EXIT_MSR) && !r->reflected)
        return "L1's bitmap does not ask for it";
    return "L1 asks for it";
}

/* Adds to what is there, behind a semicolon. */
static void word_add(char *what, size_t size, const char *word)
{
    const size_t length = strlen(what);

    snprintf(what + length, size - length, "%s%s", length ? "; " : "", word);
}

static void event_add(char *what, size_t size, const struct kvm_event *e)
{
    char word[80];

    if (!e)
        return;
    kvm_event_describe(e, word, sizeof word);
    word_add(what, size, word);
}

void round_describe(const struct round *r, char *what, size_t size)
{
    what[0] = 0;
    if (r->io)
        kvm_event_describe(r->io, what, size);
    else if (r->exit->reason == SVM_EXIT_IOIO) /* info1: APM volume 2, 15.10.2 */
        snprintf(what, size, "port %#x %s", (unsigned)(r->exit->info1 >> 16 & 0xffff),
                 r->exit->info1 & 1 ? "->" : "<-");
    else if (r->exit->reason == SVM_EXIT_NPF)
        snprintf(what, size, "gpa %#" PRIx64, r->exit->info2);
    if (r->interrupted)
        word_add(what, size, "KVM_RUN: EINTR");
    event_add(what, size, r->arrived);
    event_add(what, size, r->injected);
}

const char *round_answer(const struct round *r)
{
    return r->reflected ? "L1" : round_is_users(r) ? "VMM" : "kernel";
}
