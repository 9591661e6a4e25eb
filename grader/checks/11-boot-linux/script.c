/* script.c - runs on the pretended KVM: the plan, and the log of calls by operation. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "checks.h"

struct kvm_plan plan_make(void)
{
    return (struct kvm_plan){.api_version = KVM_API_VERSION, .run_size = 3 * 4096};
}

static bool is_mark(const struct call_record *r, uint32_t op)
{
    return r->kind == CALL_MUNMAP && r->args[1] == 0 && r->args[0] == op;
}

size_t operation_at(struct judge *judge, const struct evidence *e, uint32_t op)
{
    for (size_t i = 0; i < e->call_count; i++)
        if (is_mark(e->calls[i].record, op))
            return i;
    check_fail(judge, "each function returns to its caller",
               "the log of calls ends before operation %u", op);
}

const struct call *operation_call(struct judge *judge, const struct evidence *e,
                                  uint32_t op, unsigned long request, unsigned n)
{
    const size_t end = operation_at(judge, e, op + 1);

    for (size_t i = operation_at(judge, e, op); i < end; i++) {
        const struct call_record *r = e->calls[i].record;

        if (r->kind == CALL_IOCTL && (uint32_t)r->args[0] == (uint32_t)request && n-- == 0)
            return &e->calls[i];
    }
    return NULL;
}
