/* errors.c - typed errors: each call fails in turn; the error has to name step and cause. */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "judge/random.h"

static const struct lab01_step *step_of(const struct lab01_output *out, enum vmm_step step)
{
    switch (step) {
    case VMM_STEP_CREATE_VM:
        return &out->vms[0];
    case VMM_STEP_CREATE_VCPU:
    case VMM_STEP_MAP_RUN:
        return &out->vcpus[0][0];
    default:
        return &out->open;
    }
}

void error_expect(struct judge *judge, const struct evidence *e,
                  const struct lab01_step *step, int result, const struct vmm_error *want,
                  const char *situation)
{
    CHECK(judge, step->called, "the calls before the failing one work", "%s: %s", situation,
          progress_text(output_of(e)).is);
    CHECK(judge, step->result == result, "a failing function returns the negative errno",
          "%s: it returned %s, not %s", situation, result_text(step->result).is,
          result_text(result).is);
    CHECK(judge, step->error.step == (int32_t)want->step,
          "error->step names the call that failed", "%s: error->step is %s, not %s",
          situation, step_text(step->error.step).is, step_text((int32_t)want->step).is);
    CHECK(judge, step->error.kind == (int32_t)want->kind, "error->kind says why it failed",
          "%s: error->kind is %s, not %s", situation, kind_text(step->error.kind).is,
          kind_text((int32_t)want->kind).is);
    CHECK(judge, step->error.errnum == want->errnum,
          "error->errnum is the errno of the failed call, 0 if no call failed",
          "%s: error->errnum is %s, not %d", situation, number_text(step->error.errnum).is,
          want->errnum);
    CHECK(judge, step->error.detail == want->detail,
          "error->detail is what the kind names, else 0", "%s: error->detail is %s, not %s",
          situation, number_text(step->error.detail).is, number_text(want->detail).is);
}

void error_untouched_expect(struct judge *judge, const struct lab01_step *step,
                            const char *function)
{
    CHECK(judge, step->called && step->result == 0 && !step->error_changed,
          "a function that works leaves *error as it is", "%s returned %s%s", function,
          result_text(step->result).is,
          step->error_changed ? "; *error is no longer what it was before the call" : "");
}

/* The calls on the way to a vCPU, as the call supervisor knows them. */
static const struct kernel_step {
    uint32_t call;
    unsigned long request;
    const char *name;
} kernel_steps[] = {
    [VMM_STEP_OPEN_DEVICE] = {CALL_OPEN, 0, "open"},
    [VMM_STEP_API_VERSION] = {CALL_IOCTL, KVM_GET_API_VERSION, "KVM_GET_API_VERSION"},
    [VMM_STEP_CHECK_EXTENSION] = {CALL_IOCTL, KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION"},
    [VMM_STEP_RUN_SIZE] = {CALL_IOCTL, KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE"},
    [VMM_STEP_CREATE_VM] = {CALL_IOCTL, KVM_CREATE_VM, "KVM_CREATE_VM"},
    [VMM_STEP_CREATE_VCPU] = {CALL_IOCTL, KVM_CREATE_VCPU, "KVM_CREATE_VCPU"},
    [VMM_STEP_MAP_RUN] = {CALL_MMAP, 0, "mmap of kvm_run"},
};

struct plan_fault fault_make(enum vmm_step step, int error)
{
    return (struct plan_fault){.kind = kernel_steps[step].call,
                               .request = (uint32_t)kernel_steps[step].request,
                               .error = error,
                               .repeat = 1};
}

/* kvm_open.h's table, a line each; step NONE: at every step. */
static enum vmm_error_kind kind_expected(enum vmm_step step, int error)
{
    static const struct {
        enum vmm_step step;
        int error;
        enum vmm_error_kind kind;
    } lines[] = {
        {VMM_STEP_NONE, EMFILE, VMM_ERR_TOO_MANY_FILES},
        {VMM_STEP_NONE, ENFILE, VMM_ERR_TOO_MANY_FILES},
        {VMM_STEP_NONE, ENOMEM, VMM_ERR_NO_MEMORY},
        {VMM_STEP_OPEN_DEVICE, ENOENT, VMM_ERR_NO_DEVICE},
        {VMM_STEP_OPEN_DEVICE, ENXIO, VMM_ERR_NO_DEVICE},
        {VMM_STEP_OPEN_DEVICE, ENODEV, VMM_ERR_NO_DEVICE},
        {VMM_STEP_OPEN_DEVICE, EACCES, VMM_ERR_NO_PERMISSION},
        {VMM_STEP_OPEN_DEVICE, EPERM, VMM_ERR_NO_PERMISSION},
        {VMM_STEP_API_VERSION, ENOTTY, VMM_ERR_NOT_KVM},
        {VMM_STEP_CREATE_VM, EBUSY, VMM_ERR_BUSY},
        {VMM_STEP_CREATE_VCPU, EEXIST, VMM_ERR_VCPU_EXISTS},
        {VMM_STEP_CREATE_VCPU, EINVAL, VMM_ERR_VCPU_ID},
    };

    for (size_t i = 0; i < COUNT(lines); i++)
        if (lines[i].error == error &&
            (lines[i].step == VMM_STEP_NONE || lines[i].step == step))
            return lines[i].kind;
    return VMM_ERR_SYSCALL;
}

struct vmm_error error_expected(enum vmm_step step, int error, uint32_t vcpu_id)
{
    enum vmm_error_kind kind = kind_expected(step, error);
    bool about_id = kind == VMM_ERR_VCPU_EXISTS || kind == VMM_ERR_VCPU_ID;

    return (struct vmm_error){
        .step = step, .kind = kind, .errnum = error, .detail = about_id ? vcpu_id : 0};
}

/* One call fails; if close_error, the next close() does as well. */
static void failure_try(struct judge *judge, enum vmm_step step, int error, int close_error)
{
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);
    char situation[120];

    in.vcpu_ids[0] = id_any(judge);
    plan.faults[0] = fault_make(step, error);
    if (close_error)
        plan.faults[1] =
            (struct plan_fault){.kind = CALL_CLOSE, .error = close_error, .repeat = 1};
    const struct vmm_error want = error_expected(step, error, in.vcpu_ids[0]);
    const struct evidence *e = life_run(judge, &in, &plan);
    snprintf(situation, sizeof situation, "%s failed with %s%s%s", kernel_steps[step].name,
             strerrorname_np(error), close_error ? ", then close() with " : "",
             close_error ? strerrorname_np(close_error) : "");
    error_expect(judge, e, step_of(output_of(e), step), -error, &want, situation);
    CHECK(judge, !close_error || step_of(output_of(e), step)->fd == -1,
          "the object of a failing function reads as not there: fd == -1",
          "%s: its fd is %s", situation, number_text(step_of(output_of(e), step)->fd).is);
}

/* A caller that passes error == NULL: only the result is left. */
static void unheard_expect(struct judge *judge, const struct kvm_plan *plan,
                           enum vmm_step step, int result, const char *situation)
{
    struct lab01_input in = input_make(1, 1);
    const struct run_spec spec = life_spec(&in, plan);

    in.no_error = 1;
    const struct evidence *e = judge_run_any_end(judge, &spec);
    CHECK(judge, e->complete && e->header.output_size >= sizeof(struct lab01_output),
          "error may be NULL: the caller does not want to know",
          "%s and error was NULL: the part did not return (%s)", situation,
          e->end.outcome == RUN_SIGNALLED ? strsignal(e->end.status) : "no signal");
    CHECK(judge, step_of(output_of(e), step)->result == result,
          "the result is the same where error is NULL", "%s and error was NULL: %s",
          situation, progress_text(output_of(e)).is);
}

static void failure_try_unheard(struct judge *judge, enum vmm_step step, int error)
{
    struct kvm_plan plan = plan_make(judge);
    char situation[96];

    plan.faults[0] = fault_make(step, error);
    snprintf(situation, sizeof situation, "%s failed with %s", kernel_steps[step].name,
             strerrorname_np(error));
    unheard_expect(judge, &plan, step, -error, situation);
}

/* Nothing fails, and nobody is to be told anything. */
static void success_try(struct judge *judge, enum vmm_step first, enum vmm_step last)
{
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);
    const struct lab01_output *out = output_of(life_run(judge, &in, &plan));

    for (enum vmm_step step = first; step <= last; step++)
        error_untouched_expect(judge, step_of(out, step),
                               step == VMM_STEP_CREATE_VM     ? "vm_create()"
                               : step == VMM_STEP_CREATE_VCPU ? "vcpu_create()"
                                                              : "kvm_open()");
    unheard_expect(judge, &plan, last, 0, "no call failed");
}

/* A real file that is not KVM: what kvm_open() makes of the path that it is given. */
static void path_try(struct judge *judge, const char *path, enum vmm_step step, int error,
                     const char *situation)
{
    const struct vmm_error want = error_expected(step, error, 0);
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);

    snprintf(in.path, sizeof in.path, "%s", path);
    const struct evidence *e = life_run(judge, &in, &plan);
    error_expect(judge, e, &output_of(e)->open, -error, &want, situation);
}

void open_failures_are_typed(struct judge *judge)
{
    int errors[] = {ENOENT, ENXIO, ENODEV, EACCES, EPERM, EMFILE, ENFILE, ENOMEM,
                    EIO,    EBUSY, EEXIST, ENOTTY, EINTR, EAGAIN, EINVAL};
    char path[40], situation[96];

    random_order(judge, errors, COUNT(errors), sizeof *errors);
    for (size_t i = 0; i < COUNT(errors); i++)
        failure_try(judge, VMM_STEP_OPEN_DEVICE, errors[i], 0);
    failure_try_unheard(judge, VMM_STEP_OPEN_DEVICE, EACCES);
    snprintf(path, sizeof path, "/dev/kvm-%" PRIu64, judge_random_below(judge, 1000000));
    snprintf(situation, sizeof situation, "kvm_open() was given \"%s\", which is not there",
             path);
    path_try(judge, path, VMM_STEP_OPEN_DEVICE, ENOENT, situation);
    success_try(judge, VMM_STEP_OPEN_DEVICE, VMM_STEP_OPEN_DEVICE);
}

void later_failures_are_typed(struct judge *judge)
{
    int errors[] = {EIO,    ENOMEM, EMFILE, ENFILE, ENOTTY,
                    EACCES, EBUSY,  EEXIST, EINVAL, EAGAIN};

    random_order(judge, errors, COUNT(errors), sizeof *errors);
    for (enum vmm_step step = VMM_STEP_API_VERSION; step <= VMM_STEP_MAP_RUN; step++) {
        for (size_t i = 0; i < COUNT(errors); i++)
            failure_try(judge, step, errors[i], 0);
        if (step != VMM_STEP_CREATE_VM) /* there, and only there, it is no failure */
            failure_try(judge, step, EINTR, 0);
        if (step != VMM_STEP_CREATE_VM &&
            step != VMM_STEP_CREATE_VCPU) /* nothing to close */
            failure_try(judge, step, ENOMEM, step % 2 ? EINTR : EIO);
        failure_try_unheard(judge, step, step == VMM_STEP_CREATE_VCPU ? EEXIST : EIO);
    }
    success_try(judge, VMM_STEP_CREATE_VM, VMM_STEP_CREATE_VCPU);
    path_try(judge, "/dev/null", VMM_STEP_API_VERSION, ENOTTY,
             "kvm_open() was given \"/dev/null\", which knows no KVM ioctl");
}

/* An answer of kvm_open()'s calls that is no failure and still will not do. */
static void answer_refused(struct judge *judge, const struct kvm_plan *plan, int result,
                           const struct vmm_error *want, const char *situation)
{
    struct lab01_input in = input_make(1, 1);
    const struct evidence *e = life_run(judge, &in, plan);

    error_expect(judge, e, &output_of(e)->open, result, want, situation);
    CHECK(judge, evidence_fds(e, 0, "memfd:kvm", NULL) == 0,
          "a kvm_open() that fails has closed the device",
          "%s: the device is still open afterwards", situation);
    CHECK(judge, output_of(e)->open.fd == -1, "a kvm_open() that fails leaves fd == -1",
          "%s: kvm->fd is %s", situation, number_text(output_of(e)->open.fd).is);
    unheard_expect(judge, plan, want->step, result, situation);
}

/* The same answer, given to the second kvm_open() of a process alone: each kvm is asked for
 * itself, and the first one is not the second one's to close. */
static void second_refused(struct judge *judge, enum vmm_step step, int32_t fault,
                           int result, const char *situation)
{
    struct lab01_input in = input_make(0, 0);
    struct kvm_plan plan = plan_make(judge);

    in.kvm_count = 2;
    const struct evidence *e = life_run(judge, &in, &plan);
    CHECK(judge, output_of(e)->open_second.result == 0, "a process may open KVM twice",
          "the second kvm_open() returned %s",
          result_text(output_of(e)->open_second.result).is);
    plan.faults[0] = fault_make(step, fault);
    plan.faults[0].nth = evidence_call_count(e, CALL_IOCTL, kernel_steps[step].request) / 2;
    e = life_run(judge, &in, &plan);
    CHECK(judge,
          output_of(e)->open.result == 0 && output_of(e)->open_second.result == result &&
              evidence_fds(e, 0, "memfd:kvm", NULL) == 1,
          "each kvm_open() asks anew; one that fails closes its own device alone",
          "%s to the second kvm_open(): the first returned %s, the second %s, not %s, and "
          "%u devices are open",
          situation, result_text(output_of(e)->open.result).is,
          result_text(output_of(e)->open_second.result).is, result_text(result).is,
          evidence_fds(e, 0, "memfd:kvm", NULL));
}

/* An answer that looks unusual and is fine. */
static void answer_accepted(struct judge *judge, const struct kvm_plan *plan,
                            const char *situation)
{
    struct lab01_input in = input_make(0, 0);
    const struct evidence *e = life_run(judge, &in, plan);

    CHECK(judge, output_of(e)->open.result == 0,
          "kvm_open() accepts every answer that its contract allows",
          "%s: it returned %s, not 0", situation,
          result_text(output_of(e)->open.result).is);
}

void wrong_version_is_refused(struct judge *judge)
{
    const int32_t versions[] = {
        11, 13, 0, (int32_t)judge_random_below(judge, 1000) + 14, 12 + 256, 12 + 65536};

    for (size_t i = 0; i < COUNT(versions); i++) {
        struct kvm_plan plan = plan_make(judge);
        char situation[64];

        plan.api_version = versions[i];
        snprintf(situation, sizeof situation, "KVM_GET_API_VERSION answered %d",
                 versions[i]);
        answer_refused(judge, &plan, -ENOTSUP,
                       &(struct vmm_error){.step = VMM_STEP_API_VERSION,
                                           .kind = VMM_ERR_API_VERSION,
                                           .detail = versions[i]},
                       situation);
    }
    second_refused(judge, VMM_STEP_API_VERSION, -13, -ENOTSUP,
                   "KVM_GET_API_VERSION answered 13");
}

static void missing_expect(struct judge *judge, const struct kvm_plan *plan, int capability,
                           const char *situation)
{
    answer_refused(judge, plan, -ENOTSUP,
                   &(struct vmm_error){.step = VMM_STEP_CHECK_EXTENSION,
                                       .kind = VMM_ERR_MISSING_EXTENSION,
                                       .detail = capability},
                   situation);
}

/* kvm_required_extensions, in an order that nobody knows beforehand; returns how many. */
static size_t required_in_some_order(struct judge *judge, int required[PLAN_EXTENSIONS])
{
    size_t count = 0;

    while (kvm_required_extensions[count] >= 0 && count < PLAN_EXTENSIONS) {
        required[count] = kvm_required_extensions[count];
        count++;
    }
    random_order(judge, required, count, sizeof *required);
    return count;
}

void missing_extension_is_named(struct judge *judge)
{
    struct kvm_plan all_missing = plan_make(judge), all_large = plan_make(judge);
    int required[PLAN_EXTENSIONS];
    const size_t count = required_in_some_order(judge, required);

    for (size_t n = 0; n < count; n++) {
        struct kvm_plan plan = plan_make(judge);
        char situation[260];

        plan.extensions[0].capability = required[n];
        snprintf(situation, sizeof situation, "KVM_CHECK_EXTENSION answered 0 for %s",
                 capability_text(required[n]).is);
        missing_expect(judge, &plan, required[n], situation);
        all_missing.extensions[n].capability = required[n];
        all_large.extensions[n].capability = required[n];
        /* 2 to 32,001, and numbers whose lower 8 or 16 bits are 0 */
        all_large.extensions[n].value = n % 3 == 0 ? 65536
                                        : n % 3 == 1
                                            ? 256
                                            : 2 + (int32_t)judge_random_below(judge, 32000);
    }
    missing_expect(judge, &all_missing, kvm_required_extensions[0],
                   "KVM_CHECK_EXTENSION answered 0 each time, and the first counts");
    answer_accepted(judge, &all_large,
                    "KVM_CHECK_EXTENSION answered with numbers greater than 1");
    second_refused(judge, VMM_STEP_CHECK_EXTENSION, EIO, -EIO,
                   "KVM_CHECK_EXTENSION answered EIO");
}

void small_run_area_is_refused(struct judge *judge)
{
    const int32_t smallest = (int32_t)sizeof(struct kvm_run);
    const int32_t sizes[] = {0, 1 + (int32_t)judge_random_below(judge, 2000), smallest - 1};
    struct kvm_plan plan = plan_make(judge);
    char situation[80];

    for (size_t i = 0; i < COUNT(sizes); i++) {
        plan.run_size = sizes[i];
        snprintf(situation, sizeof situation, "KVM_GET_VCPU_MMAP_SIZE answered %d bytes",
                 sizes[i]);
        answer_refused(judge, &plan, -EPROTO,
                       &(struct vmm_error){.step = VMM_STEP_RUN_SIZE,
                                           .kind = VMM_ERR_RUN_SIZE,
                                           .detail = sizes[i]},
                       situation);
    }
    plan.run_size = smallest;
    snprintf(situation, sizeof situation,
             "KVM_GET_VCPU_MMAP_SIZE answered %d bytes, all of struct kvm_run", smallest);
    answer_accepted(judge, &plan, situation);
    plan.run_size = 1 << 16;
    answer_accepted(judge, &plan, "KVM_GET_VCPU_MMAP_SIZE answered 65536 bytes");
    second_refused(judge, VMM_STEP_RUN_SIZE, -(smallest - 1), -EPROTO,
                   "KVM_GET_VCPU_MMAP_SIZE answered one byte too few");
}
