/* cleanup.c - cleaning up: whichever call fails, nothing stays open or mapped. */
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is open and mapped at a moment. */
struct held {
    unsigned kvm, vm, vcpu, mapped;
};

static struct held held_at(const struct evidence *e, unsigned checkpoint)
{
    unsigned all = evidence_fds(e, checkpoint, "memfd:kvm", NULL);
    unsigned children = evidence_fds(e, checkpoint, "memfd:kvm-", NULL);

    return (struct held){
        .kvm = all - children,
        .vm = evidence_fds(e, checkpoint, "memfd:kvm-vm", NULL),
        .vcpu = evidence_fds(e, checkpoint, "memfd:kvm-vcpu", NULL),
        .mapped = evidence_maps(e, checkpoint, "memfd:kvm-vcpu", NULL),
    };
}

static struct text held_text(const struct held *held)
{
    struct text text;

    snprintf(text.is, sizeof text.is, "%u kvm, %u VM, %u vCPU, %u kvm_run mapped",
             held->kvm, held->vm, held->vcpu, held->mapped);
    return text;
}

/* What the functions that reported success have made. */
static struct held held_claimed(const struct lab01_output *out)
{
    struct held held = {.kvm = out->open.called && out->open.result >= 0,
                        .vm = out->vms[0].called && out->vms[0].result >= 0};

    for (int i = 0; i < 2; i++)
        held.vcpu += out->vcpus[0][i].called && out->vcpus[0][i].result >= 0;
    held.mapped = held.vcpu;
    return held;
}

static void held_expect(struct judge *judge, const struct evidence *e, unsigned checkpoint,
                        const struct held *want, const char *asked, const char *situation)
{
    const struct held is = held_at(e, checkpoint);

    CHECK(judge, memcmp(&is, want, sizeof is) == 0, asked,
          "%s: the process holds %s; it should hold %s", situation, held_text(&is).is,
          held_text(want).is);
}

static const struct call *close_again(const struct evidence *e)
{
    for (size_t i = 0; i < e->call_count; i++)
        if (e->calls[i].record->kind == CALL_CLOSE &&
            e->calls[i].record->object == OBJECT_STALE)
            return &e->calls[i];
    return NULL;
}

static void gone_expect(struct judge *judge, const struct evidence *e,
                        const char *situation)
{
    const struct lab01_output *out = output_of(e);
    const struct call *again = close_again(e);

    held_expect(judge, e, 1, &(struct held){0},
                "nothing of KVM is left once everything is destroyed", situation);
    CHECK(judge, !again, "a descriptor is closed exactly once",
          "%s: close(%d) was called again after it had been closed", situation,
          again ? again->record->fd : 0);
    CHECK(judge,
          out->kvm_fd == -1 && out->vm_fds[0] == -1 && out->vcpu_fds[0][0] == -1 &&
              out->vcpu_fds[0][1] == -1 && out->run_pointers == 0,
          "destroyed objects read as not there: fd == -1, run == NULL",
          "%s: kvm.fd is %d, vm.fd %d, vcpu.fd %d and %d; run is not NULL in %d vCPUs",
          situation, out->kvm_fd, out->vm_fds[0], out->vcpu_fds[0][0], out->vcpu_fds[0][1],
          out->run_pointers);
}

/* The function that failed, or NULL. */
static const struct lab01_step *failed_step(const struct lab01_output *out)
{
    const struct lab01_step *const steps[] = {&out->open, &out->vms[0], &out->vcpus[0][0],
                                              &out->vcpus[0][1]};

    for (size_t i = 0; i < COUNT(steps); i++)
        if (steps[i]->called && steps[i]->result < 0)
            return steps[i];
    return NULL;
}

/* The call that the plan made fail, or NULL. */
static const struct call *injected_call(const struct evidence *e)
{
    for (size_t i = 0; i < e->call_count; i++)
        if (e->calls[i].record->injected)
            return &e->calls[i];
    return NULL;
}

/* Asking for an extension that the VMM can do without may fail without consequence. */
static bool call_needed(const struct call *call)
{
    if (call->record->kind != CALL_IOCTL || call->record->args[0] != KVM_CHECK_EXTENSION)
        return true;
    for (const int *capability = kvm_required_extensions; *capability >= 0; capability++)
        if (call->record->args[1] == (uint64_t)*capability)
            return true;
    return false;
}

/* The nth call that can fail does: who reports it, and what is left? */
static void failing_call_try(struct judge *judge, const struct lab01_input *in,
                             struct kvm_plan *plan, uint32_t nth)
{
    char what[160], situation[200];

    plan->faults[0] = (struct plan_fault){.nth = nth, .error = EIO, .repeat = 1};
    const struct evidence *e = life_run(judge, in, plan);
    const struct lab01_step *failed = failed_step(output_of(e));
    const struct held want = held_claimed(output_of(e));
    const struct call *call = injected_call(e);
    CHECK(judge, call, "the same input leads to the same calls",
          "in an earlier run there were more than %u of them", nth);
    call_describe(call, what, sizeof what);
    snprintf(situation, sizeof situation, "call %u, %s", nth + 1, what);
    CHECK(judge, failed || !call_needed(call), "a call that fails makes the function fail",
          "%s: every function reported success", situation);
    held_expect(judge, e, 0, &want,
                "a failing function undoes what it did itself, and nothing else",
                situation);
    CHECK(judge, !failed || (failed->fd == -1 && !failed->run_mapped),
          "the object of a failing function reads as not there: fd == -1, run == NULL",
          "%s: the object that was to be made has fd %s; a vCPU's run %s", situation,
          number_text(failed->fd).is, failed->run_mapped ? "is not NULL" : "is NULL");
    gone_expect(judge, e, situation);
}

/* 0 is a descriptor like any other: whoever has closed stdin gets it next. */
static void zero_try(struct judge *judge, enum lab01_zero zero, const char *situation)
{
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);

    in.zero = zero;
    const struct evidence *e = life_run(judge, &in, &plan);
    CHECK(judge, life_complete(&in, output_of(e)), "0 is a valid descriptor", "%s: %s",
          situation, progress_text(output_of(e)).is);
    held_expect(judge, e, 0, &(struct held){1, 1, 1, 1},
                "kvm, VM and vCPU stay until they are destroyed", situation);
    gone_expect(judge, e, situation);
    /* and with a call that fails while it is open */
    plan.faults[0] =
        fault_make(zero == LAB01_ZERO_KVM ? VMM_STEP_RUN_SIZE : VMM_STEP_MAP_RUN, EIO);
    e = life_run(judge, &in, &plan);
    const struct held want = held_claimed(output_of(e));
    held_expect(judge, e, 0, &want,
                "a failing function undoes what it did itself, and nothing else",
                situation);
    gone_expect(judge, e, situation);
}

void no_leak_whichever_call_fails(struct judge *judge)
{
    struct lab01_input in = input_make(1, 2);
    struct kvm_plan plan = plan_make(judge);
    zero_try(judge, LAB01_ZERO_KVM, "kvm_open() got descriptor 0");
    zero_try(judge, LAB01_ZERO_VM, "KVM_CREATE_VM answered with descriptor 0");
    zero_try(judge, LAB01_ZERO_VCPU, "KVM_CREATE_VCPU answered with descriptor 0");
    const struct evidence *clean = life_run(judge, &in, &plan);
    uint32_t calls = 0;

    life_expect(judge, &in, clean);
    held_expect(judge, clean, 0, &(struct held){1, 1, 2, 2},
                "kvm, VM and vCPUs stay until they are destroyed", "no call failed");
    for (size_t i = 0; i < clean->call_count; i++)
        calls += clean->calls[i].record->kind != CALL_CLOSE &&
                 clean->calls[i].record->kind != CALL_MUNMAP;
    for (uint32_t nth = 0; nth < calls; nth++)
        failing_call_try(judge, &in, &plan, nth);
}

/* close() fails, and the number is free all the same (man 2 close): trying again would close
 * somebody else's file. */
static void failing_close_try(struct judge *judge, int error)
{
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);

    plan.faults[0] = (struct plan_fault){.kind = CALL_CLOSE, .error = error, .repeat = 100};
    const struct evidence *e = life_run(judge, &in, &plan);
    const struct lab01_output *out = output_of(e);
    unsigned closed[3] = {0};
    for (size_t i = 0; i < e->call_count; i++)
        if (e->calls[i].record->kind == CALL_CLOSE &&
            e->calls[i].record->object >= OBJECT_KVM &&
            e->calls[i].record->object <= OBJECT_VCPU)
            closed[e->calls[i].record->object - OBJECT_KVM]++;
    CHECK(judge, closed[0] == 1 && closed[1] == 1 && closed[2] == 1,
          "a descriptor is closed exactly once, even if close() says that it failed",
          "close() failed with %s: kvm was closed %u times, the VM %u, the vCPU %u",
          errno_name(-error), closed[0], closed[1], closed[2]);
    CHECK(judge,
          out->kvm_fd == -1 && out->vm_fds[0] == -1 && out->vcpu_fds[0][0] == -1 &&
              out->run_pointers == 0,
          "destroyed objects read as not there: fd == -1, run == NULL",
          "close() failed with %s: kvm.fd is %d, vm.fd %d, vcpu.fd %d, run %s",
          errno_name(-error), out->kvm_fd, out->vm_fds[0], out->vcpu_fds[0][0],
          out->run_pointers ? "is not NULL" : "is NULL");
}

void destroying_twice_is_harmless(struct judge *judge)
{
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);
    const struct evidence *e = life_run(judge, &in, &plan);
    size_t unmap = e->call_count, close_vcpu = e->call_count;

    life_expect(judge, &in, e);
    held_expect(judge, e, 0, &(struct held){1, 1, 1, 1},
                "kvm, VM and vCPU stay until they are destroyed", "before destroying");
    gone_expect(judge, e, "everything destroyed twice");
    for (size_t i = 0; i < e->call_count; i++) {
        const struct call_record *r = e->calls[i].record;

        if (r->kind == CALL_MUNMAP && r->args[1] == (uint64_t)plan.run_size && r->args[0])
            unmap = i;
        CHECK(judge, r->kind != CALL_MUNMAP || r->args[0],
              "destroying again does nothing: there is nothing mapped any more",
              "the second vcpu_destroy() called munmap(NULL, %" PRIu64 ")", r->args[1]);
        if (r->kind == CALL_CLOSE && r->object == OBJECT_VCPU)
            close_vcpu = i;
    }
    CHECK(judge, unmap < close_vcpu && close_vcpu < e->call_count,
          "vcpu_destroy() unmaps all of kvm_run, then closes the vCPU", "%s",
          unmap == e->call_count ? "there is no munmap of run_size bytes"
                                 : "the descriptor was closed first");
    failing_close_try(judge, EINTR);
    failing_close_try(judge, EIO);
}
