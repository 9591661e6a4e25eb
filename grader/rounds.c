/* rounds.c - finds the rounds in the kernel's records. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "rounds.h"

size_t rounds_begin(const struct kvm_events *events)
{
    size_t at = 0;

    while (at < events->count && events->list[at].kind != EVENT_EXIT)
        at++;
    return at;
}

struct round round_take(const struct kvm_events *events, size_t *at)
{
    struct round round = {.exit = &events->list[(*at)++]};

    for (; *at < events->count && events->list[*at].kind != EVENT_EXIT; (*at)++) {
        const struct kvm_event *e = &events->list[*at];

        if (e->kind == EVENT_USERSPACE_EXIT && !round.user_ns)
            round.user_ns = e->time_ns;
        if (e->kind == EVENT_USERSPACE_EXIT && is_interrupted(e))
            round.interrupted++;
        else if (e->kind == EVENT_USERSPACE_EXIT && !round.user)
            round.user = e;
        if (e->kind == EVENT_PIO || e->kind == EVENT_MMIO)
            round.io = e; /* of a read, the last one has the value that was answered */
        if (e->kind == EVENT_ENTRY) {
            round.end_ns = e->time_ns;
            while (*at < events->count && events->list[*at].kind != EVENT_EXIT)
                (*at)++;
            break;
        }
    }
    return round;
}

void round_describe(const struct round *r, char *what, size_t size)
{
    size_t length;

    what[0] = 0;
    if (r->io)
        kvm_event_describe(r->io, what, size);
    else if (r->exit->reason == SVM_EXIT_NPF)
        snprintf(what, size, "gpa %#" PRIx64, r->exit->info2);
    length = strlen(what);
    if (r->interrupted)
        snprintf(what + length, size - length, "%sKVM_RUN: EINTR", length ? "; " : "");
}
