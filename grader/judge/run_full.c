/* run_full.c - a run whose guest made more VM exits than the kernel's record has room for. */
#include "judge/judge.h"

#define LAST_EXITS 1000

static bool is_same(const struct kvm_event *a, const struct kvm_event *b)
{
    return a->rip == b->rip && a->reason == b->reason;
}

/* The newest exit of the record; NULL: there is none. */
static const struct kvm_event *exit_last(const struct kvm_events *events)
{
    for (size_t i = events->count; i-- > 0;)
        if (events->list[i].kind == EVENT_EXIT)
            return &events->list[i];
    return NULL;
}

/* How many of the last exits up to this one are just like it; *looked: of how many. */
static unsigned exits_alike(const struct kvm_events *events, const struct kvm_event *last,
                            unsigned *looked)
{
    unsigned alike = 0;

    *looked = 0;
    for (const struct kvm_event *e = last; e >= events->list && *looked < LAST_EXITS; e--) {
        *looked += e->kind == EVENT_EXIT;
        alike += e->kind == EVENT_EXIT && is_same(e, last);
    }
    return alike;
}

/* What an exit before the last one was about, in words: of the last one it may be cut off. */
static void access_describe(const struct kvm_events *events, const struct kvm_event *last,
                            char *text, size_t size)
{
    bool same = false;

    snprintf(text, size, "no access to a device");
    for (const struct kvm_event *e = events->list; e < last; e++) {
        if (e->kind == EVENT_EXIT)
            same = is_same(e, last);
        else if (same && (e->kind == EVENT_PIO || e->kind == EVENT_MMIO))
            kvm_event_describe(e, text, size);
    }
}

_Noreturn void run_trace_full_explain(struct judge *j, const struct evidence *e,
                                      const struct run_spec *spec)
{
    static const char asked[] = "the run has no more VM exits than it needs";
    const struct kvm_event *last = exit_last(&e->events);
    unsigned looked, alike;
    char access[160];

    judge_trace_keep(j, e, spec);
    if (!last)
        check_fail(j, asked,
                   "the kernel's record of the run was full (6 MiB) before the "
                   "first VM exit");
    alike = exits_alike(&e->events, last, &looked);
    access_describe(&e->events, last, access, sizeof access);
    check_fail(j, asked,
               "the kernel's record of the run was full (6 MiB), and the run was stopped. "
               "%u of the last %u exits that it has are this one, again and again: %s at "
               "RIP %#llx (%s)",
               alike, looked, svm_exit_name(last->reason), (unsigned long long)last->rip,
               access);
}
