/* event_trace.c - a ring of the last exits. */
#include "event_trace.h"

#include <linux/kvm.h>

static struct event event_of_run(const struct kvm_run *run)
{
    struct event event = {.reason = run->exit_reason, .count = 1};

    if (run->exit_reason == KVM_EXIT_IO) {
        event.address = run->io.port;
        event.size = run->io.size;
        event.count = run->io.count;
        event.is_write = run->io.direction == KVM_EXIT_IO_OUT;
    } else if (run->exit_reason == KVM_EXIT_MMIO) {
        event.address = run->mmio.phys_addr;
        event.size = run->mmio.len;
        event.is_write = run->mmio.is_write;
    }
    return event;
}

void event_trace_add(struct event_trace *trace, const struct kvm_run *run)
{
    if (trace->capacity == 0)
        return;
    trace->ring[trace->total % trace->capacity] = event_of_run(run);
    trace->total++;
}

const struct event *event_trace_recent(const struct event_trace *trace, size_t n)
{
    if (n >= trace->total || n >= trace->capacity)
        return NULL;
    return &trace->ring[(trace->total - 1 - n) % trace->capacity];
}
