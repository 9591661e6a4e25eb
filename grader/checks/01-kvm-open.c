/* 01-kvm-open.c - the checks of lab 01.
 *
 * Target model: the agent plays KVM (call_supervisor.h), so every answer of the kernel can
 * be chosen, and the log of calls comes from outside the subject. Target machine: the real
 * /dev/kvm; what the kernel holds is read from /proc and from its tracepoints.
 */
#define _GNU_SOURCE
#include "../subjects/01-kvm-open.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "exit_names.h"
#include "kvm_open.h"

#define PAGE 4096u

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- input, plan, run ------------------------------------------------------------------------ */

static struct lab01_input input_make(uint32_t vms, uint32_t vcpus)
{
    return (struct lab01_input){
        .path = KVM_DEVICE_PATH, .vm_count = vms, .vcpu_count = vcpus, .vcpu_ids = {0, 1}};
}

static struct kvm_plan plan_make(struct judge *judge)
{
    return (struct kvm_plan){
        .api_version = KVM_API_VERSION,
        .run_size = (int32_t)(PAGE * (3 + judge_random_below(judge, 6))),
    };
}

static struct run_spec life_spec(const struct lab01_input *in, const struct kvm_plan *plan)
{
    return (struct run_spec){
        .entry = LAB01_LIFE, .input = in, .input_size = sizeof *in, .plan = plan};
}

static const struct evidence *life_run(struct judge *judge, const struct lab01_input *in,
                                       const struct kvm_plan *plan)
{
    const struct run_spec spec = life_spec(in, plan);

    return judge_run(judge, &spec, sizeof(struct lab01_output));
}

static const struct lab01_output *output_of(const struct evidence *e)
{
    return (const struct lab01_output *)(const void *)e->answer;
}

/* --- numbers in words ---------------------------------------------------------------------------- */

struct text {
    char is[200];
};

/* What the dispatcher fills errors with before the call. */
#define POISON 0x5a5a5a5a

/* "0", "-2 (-ENOENT)" */
static struct text result_text(int result)
{
    struct text text;
    const char *name = result < 0 ? strerrorname_np(-result) : NULL;

    if (result == -ENOTSUP)
        name = "ENOTSUP"; /* also called EOPNOTSUPP; the contract says ENOTSUP */
    if (name)
        snprintf(text.is, sizeof text.is, "%d (-%s)", result, name);
    else
        snprintf(text.is, sizeof text.is, "%d", result);
    return text;
}

static struct text named(const char *const *names, size_t count, int64_t value)
{
    struct text text;

    if (value >= 0 && value < (int64_t)count)
        snprintf(text.is, sizeof text.is, "%s (%" PRId64 ")", names[value], value);
    else if ((int32_t)value == POISON)
        snprintf(text.is, sizeof text.is, "not set");
    else
        snprintf(text.is, sizeof text.is, "%" PRId64, value);
    return text;
}

static struct text number_text(int64_t value)
{
    return named(NULL, 0, value);
}

static struct text step_text(int32_t step)
{
    static const char *const names[] = {
        "VMM_STEP_NONE",        "VMM_STEP_OPEN_DEVICE",
        "VMM_STEP_API_VERSION", "VMM_STEP_CHECK_EXTENSION",
        "VMM_STEP_RUN_SIZE",    "VMM_STEP_CREATE_VM",
        "VMM_STEP_CREATE_VCPU", "VMM_STEP_MAP_RUN",
    };

    return named(names, COUNT(names), step);
}

static struct text kind_text(int32_t kind)
{
    static const char *const names[] = {
        "VMM_OK",           "VMM_ERR_NO_DEVICE",      "VMM_ERR_NO_PERMISSION",
        "VMM_ERR_NOT_KVM",  "VMM_ERR_API_VERSION",    "VMM_ERR_MISSING_EXTENSION",
        "VMM_ERR_RUN_SIZE", "VMM_ERR_TOO_MANY_FILES", "VMM_ERR_NO_MEMORY",
        "VMM_ERR_BUSY",     "VMM_ERR_VCPU_EXISTS",    "VMM_ERR_VCPU_ID",
        "VMM_ERR_SYSCALL",
    };

    return named(names, COUNT(names), kind);
}

static struct text capability_text(int64_t capability)
{
    static const struct {
        int64_t number;
        const char *name;
    } known[] = {{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
                 {KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"},
                 {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
                 {KVM_CAP_NR_MEMSLOTS, "KVM_CAP_NR_MEMSLOTS"}};
    struct text text = number_text(capability);

    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].number == capability)
            snprintf(text.is, sizeof text.is, "%s (%" PRId64 ")", known[i].name,
                     capability);
    return text;
}

/* How far the subject came: "kvm_open() 0, vm_create() -38 (-ENOSYS)" */
static struct text progress_text(const struct lab01_output *out)
{
    struct text text;
    int at = snprintf(text.is, sizeof text.is, "kvm_open() returned %s",
                      result_text(out->open.result).is);

    if (out->vms[0].called)
        at += snprintf(text.is + at, sizeof text.is - (size_t)at, ", vm_create() %s",
                       result_text(out->vms[0].result).is);
    for (int i = 0; i < 2; i++)
        if (out->vcpus[0][i].called)
            at += snprintf(text.is + at, sizeof text.is - (size_t)at, ", vcpu_create() %s",
                           result_text(out->vcpus[0][i].result).is);
    return text;
}

/* The last of one VM's vCPUs has been made, and so has all before it. */
static bool life_complete(const struct lab01_input *in, const struct lab01_output *out)
{
    const struct lab01_step *last = in->vcpu_count ? &out->vcpus[0][in->vcpu_count - 1]
                                    : in->vm_count ? &out->vms[0]
                                                   : &out->open;

    return last->called && last->result == 0;
}

static const struct lab01_output *
life_expect(struct judge *judge, const struct lab01_input *in, const struct evidence *e)
{
    CHECK(judge, life_complete(in, output_of(e)),
          "where nothing is wrong, every function works and returns 0", "%s",
          progress_text(output_of(e)).is);
    return output_of(e);
}

/* --- typed errors ------------------------------------------------------------------------------ */

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

static void error_expect(struct judge *judge, const struct evidence *e,
                         const struct lab01_step *step, int result,
                         const struct vmm_error *want, const char *situation)
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

static struct plan_fault fault_make(enum vmm_step step, int error)
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

static struct vmm_error error_expected(enum vmm_step step, int error, uint32_t vcpu_id)
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

    in.vcpu_ids[0] = 1 + (uint32_t)judge_random_below(judge, 200);
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
}

/* The same for a caller that passes error == NULL: only the result is left. */
static void failure_try_unheard(struct judge *judge, enum vmm_step step, int error)
{
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);
    const struct run_spec spec = life_spec(&in, &plan);

    in.no_error = 1;
    plan.faults[0] = fault_make(step, error);
    const struct evidence *e = judge_run_any_end(judge, &spec);
    CHECK(judge, e->complete && e->header.output_size >= sizeof(struct lab01_output),
          "error may be NULL: the caller does not want to know",
          "%s failed with %s and error was NULL: the part did not return (%s)",
          kernel_steps[step].name, strerrorname_np(error),
          e->end.outcome == RUN_SIGNALLED ? strsignal(e->end.status) : "no signal");
    CHECK(judge, step_of(output_of(e), step)->result == -error,
          "the result is the same where error is NULL",
          "%s failed with %s and error was NULL: %s", kernel_steps[step].name,
          strerrorname_np(error), progress_text(output_of(e)).is);
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

static void open_failures_are_typed(struct judge *judge)
{
    static const int errors[] = {ENOENT, ENXIO,  ENODEV, EACCES, EPERM,  EMFILE,
                                 ENFILE, ENOMEM, EIO,    EBUSY,  EEXIST, ENOTTY};
    char path[40], situation[96];

    for (size_t i = 0; i < COUNT(errors); i++)
        failure_try(judge, VMM_STEP_OPEN_DEVICE, errors[i], 0);
    failure_try_unheard(judge, VMM_STEP_OPEN_DEVICE, EACCES);
    snprintf(path, sizeof path, "/dev/kvm-%" PRIu64, judge_random_below(judge, 1000000));
    snprintf(situation, sizeof situation, "kvm_open() was given \"%s\", which is not there",
             path);
    path_try(judge, path, VMM_STEP_OPEN_DEVICE, ENOENT, situation);
}

static void later_failures_are_typed(struct judge *judge)
{
    static const int errors[] = {EIO,    ENOMEM, EMFILE, ENFILE, ENOTTY,
                                 EACCES, EBUSY,  EEXIST, EINVAL};

    for (enum vmm_step step = VMM_STEP_API_VERSION; step <= VMM_STEP_MAP_RUN; step++)
        for (size_t i = 0; i < COUNT(errors); i++)
            failure_try(judge, step, errors[i], 0);
    failure_try(judge, VMM_STEP_RUN_SIZE, ENOMEM, EINTR);
    failure_try(judge, VMM_STEP_MAP_RUN, ENOMEM, EIO);
    failure_try_unheard(judge, VMM_STEP_RUN_SIZE, EIO);
    failure_try_unheard(judge, VMM_STEP_CREATE_VCPU, EEXIST);
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

static void wrong_version_is_refused(struct judge *judge)
{
    const int32_t versions[] = {11, 13, 0, (int32_t)judge_random_below(judge, 1000) + 14};

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

static void missing_extension_is_named(struct judge *judge)
{
    struct kvm_plan all_missing = plan_make(judge), all_large = plan_make(judge);
    size_t n = 0;

    for (const int *capability = kvm_required_extensions; *capability >= 0; capability++) {
        struct kvm_plan plan = plan_make(judge);
        char situation[260];

        plan.extensions[0].capability = *capability;
        snprintf(situation, sizeof situation, "KVM_CHECK_EXTENSION answered 0 for %s",
                 capability_text(*capability).is);
        missing_expect(judge, &plan, *capability, situation);
        all_missing.extensions[n].capability = *capability;
        all_large.extensions[n].capability = *capability;
        all_large.extensions[n++].value = 2 + (int32_t)judge_random_below(judge, 32000);
    }
    missing_expect(judge, &all_missing, kvm_required_extensions[0],
                   "KVM_CHECK_EXTENSION answered 0 each time, and the first counts");
    answer_accepted(judge, &all_large,
                    "KVM_CHECK_EXTENSION answered with numbers greater than 1");
}

static void small_run_area_is_refused(struct judge *judge)
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
}

/* --- the calls of a good day -------------------------------------------------------------------- */

/* kvm_required_extensions have to be asked for in their order; other questions may come
 * between them. */
static void extensions_expect(struct judge *judge, const struct evidence *e)
{
    const int *wanted = kvm_required_extensions;
    const struct call *call;
    char asked[120] = "none";
    size_t at = 0;

    for (unsigned n = 0; (call = evidence_call(e, CALL_IOCTL, KVM_CHECK_EXTENSION, n));
         n++) {
        if (*wanted >= 0 && call->record->args[1] == (uint64_t)*wanted)
            wanted++;
        if (at < sizeof asked)
            at += (size_t)snprintf(asked + at, sizeof asked - at, "%s%" PRIu64,
                                   at ? ", " : "", call->record->args[1]);
    }
    CHECK(judge, *wanted < 0,
          "every extension of kvm_required_extensions is asked for, in their order",
          "%s was not, or too early; KVM_CHECK_EXTENSION was called for: %s",
          capability_text(*wanted).is, asked);
}

/* An ioctl without a parameter: the kernel refuses any other value than 0. */
static void question_expect(struct judge *judge, const struct evidence *e,
                            unsigned long request, const char *name)
{
    const struct call *call = evidence_call(e, CALL_IOCTL, request, 0);

    CHECK(judge, call, "kvm_open() asks for the API version and for the size of kvm_run",
          "%s was never called", name);
    CHECK(judge, call->record->args[1] == 0,
          "an ioctl that takes no parameter is given 0 (others are EINVAL)",
          "%s was given %#" PRIx64
          " as its third argument (or none, and this was left over)",
          name, call->record->args[1]);
}

static void open_call_expect(struct judge *judge, const struct evidence *e)
{
    const struct call *open = evidence_call(e, CALL_OPEN, 0, 0);
    uint64_t flags = open ? open->record->args[0] : 0;

    CHECK(judge, open, "kvm_open() opens the path", "there was no open(\"/dev/kvm\")");
    CHECK(judge, (flags & O_ACCMODE) == O_RDWR,
          "the device is opened for reading and writing",
          "the flags of open() are %#" PRIx64 "; their access mode is %s", flags,
          (flags & O_ACCMODE) == O_RDONLY ? "O_RDONLY" : "O_WRONLY");
    CHECK(judge, flags & O_CLOEXEC,
          "the device is close-on-exec from the moment that it is open",
          "the flags of open() are %#" PRIx64 ", without O_CLOEXEC (%#x)", flags,
          (unsigned)O_CLOEXEC);
}

static void open_asks_version_and_extensions(struct judge *judge)
{
    struct lab01_input in = input_make(0, 0);
    struct kvm_plan plan = plan_make(judge);
    const struct evidence *e = life_run(judge, &in, &plan);
    const struct lab01_output *out = life_expect(judge, &in, e);
    char first[160] = "no further call";
    size_t at = 0;

    open_call_expect(judge, e);
    question_expect(judge, e, KVM_GET_API_VERSION, "KVM_GET_API_VERSION");
    while (at < e->call_count && e->calls[at].record->kind != CALL_IOCTL)
        at++;
    if (at < e->call_count)
        call_describe(&e->calls[at], first, sizeof first);
    CHECK(judge,
          at < e->call_count &&
              &e->calls[at] == evidence_call(e, CALL_IOCTL, KVM_GET_API_VERSION, 0),
          "the API version is the first question: the others stand on it",
          "after open() came %s", first);
    extensions_expect(judge, e);
    question_expect(judge, e, KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE");
    CHECK(judge,
          out->api_version == KVM_API_VERSION && out->open.fd >= 0 &&
              out->open.size == (uint32_t)plan.run_size,
          "struct kvm is filled: fd, api_version, run_size",
          "fd %s, api_version %s (the kernel answered %d), run_size %s (%d)",
          number_text(out->open.fd).is, number_text(out->api_version).is, KVM_API_VERSION,
          number_text(out->open.size).is, plan.run_size);
}

static void extension_value_is_handed_on(struct judge *judge)
{
    const int32_t values[] = {1, 0, 2 + (int32_t)judge_random_below(judge, 32000)};
    struct lab01_input in = input_make(0, 0);
    struct kvm_plan plan = plan_make(judge);
    const struct evidence *e = NULL;

    in.extension = KVM_CAP_MAX_VCPUS;
    plan.extensions[0].capability = KVM_CAP_MAX_VCPUS;
    for (size_t i = 0; i < COUNT(values); i++) {
        plan.extensions[0].value = values[i];
        e = life_run(judge, &in, &plan);
        CHECK(judge, life_expect(judge, &in, e)->extension == values[i],
              "kvm_extension() returns the kernel's number",
              "KVM_CHECK_EXTENSION(KVM_CAP_MAX_VCPUS) answered %d, kvm_extension() "
              "returned %s",
              values[i], result_text(output_of(e)->extension).is);
    }
    /* The last question is kvm_extension()'s: those of kvm_open() came before. */
    plan.faults[0] = fault_make(VMM_STEP_CHECK_EXTENSION, EFAULT);
    plan.faults[0].nth = evidence_call_count(e, CALL_IOCTL, KVM_CHECK_EXTENSION) - 1;
    e = life_run(judge, &in, &plan);
    CHECK(judge, output_of(e)->extension == -EFAULT,
          "kvm_extension() returns -errno where the ioctl fails",
          "KVM_CHECK_EXTENSION failed with EFAULT, kvm_extension() returned %s, not %s",
          result_text(output_of(e)->extension).is, result_text(-EFAULT).is);
}

static void interrupted_create_vm_is_tried_again(struct judge *judge)
{
    uint32_t times = 300 + (uint32_t)judge_random_below(judge, 100);
    struct lab01_input in = input_make(1, 0);
    struct kvm_plan plan = plan_make(judge);

    plan.faults[0] = fault_make(VMM_STEP_CREATE_VM, EINTR);
    plan.faults[0].repeat = times;
    const struct evidence *e = life_run(judge, &in, &plan);
    CHECK(judge,
          life_complete(&in, output_of(e)) &&
              evidence_call_count(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VM) > times,
          "vm_create() goes on trying while signals interrupt KVM_CREATE_VM",
          "EINTR came %u times, then it would have worked; KVM_CREATE_VM was tried %u "
          "times; %s",
          times, evidence_call_count(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VM),
          progress_text(output_of(e)).is);
}

/* --- what a new object holds ---------------------------------------------------------------------- */

static void new_vm_expect(struct judge *judge, const struct lab01_new_vm *vm)
{
    CHECK(judge, vm->knows_kvm, "vm->kvm is the kvm that vm_create() was given",
          "vm->kvm points elsewhere");
    CHECK(judge, vm->slots_used == 0 && vm->pio_devices == 0 && vm->mmio_devices == 0,
          "a new VM has no memory slot and no device",
          "%u of its slots have a size, vm->pio.count is %s, vm->mmio.count is %s",
          vm->slots_used, number_text(vm->pio_devices).is,
          number_text(vm->mmio_devices).is);
}

static void new_vcpu_expect(struct judge *judge, const struct lab01_new_vcpu *vcpu,
                            uint32_t id)
{
    CHECK(judge, vcpu->knows_vm && vcpu->id == id,
          "vcpu->vm and vcpu->id are what vcpu_create() was given",
          "vcpu->vm is %s, vcpu->id is %s (asked for: %u)",
          vcpu->knows_vm ? "right" : "another pointer", number_text(vcpu->id).is, id);
    CHECK(judge, vcpu->counters_set == 0, "a new vCPU's counters are 0",
          "%u of exits[] and interrupted are not 0", vcpu->counters_set);
    CHECK(judge, vcpu->kick_requested == 0 && vcpu->thread == 0 && !vcpu->traced,
          "a new vCPU is not kicked, on no thread, and not traced",
          "kick_requested is %s, thread %s, trace %s",
          vcpu->kick_requested ? "set" : "false", number_text(vcpu->thread).is,
          vcpu->traced ? "not NULL" : "NULL");
}

static void new_objects_start_empty(struct judge *judge)
{
    struct lab01_input in = input_make(1, 2);
    struct kvm_plan plan = plan_make(judge);

    in.vcpu_ids[0] = 1 + (uint32_t)judge_random_below(judge, 100);
    in.vcpu_ids[1] = 101 + (uint32_t)judge_random_below(judge, 100);
    const struct evidence *e = life_run(judge, &in, &plan);
    const struct lab01_output *out = life_expect(judge, &in, e);
    const struct call *create = evidence_call(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VM, 0);
    CHECK(judge, create && create->record->args[1] == 0, "the machine type of a VM is 0",
          "KVM_CREATE_VM was given %#" PRIx64 " as its third argument",
          create ? create->record->args[1] : 0);
    new_vm_expect(judge, &out->new_vms[0]);
    for (unsigned i = 0; i < 2; i++)
        new_vcpu_expect(judge, &out->new_vcpus[0][i], in.vcpu_ids[i]);
}

static void run_map_expect(struct judge *judge, const struct call *map, unsigned vcpu,
                           const struct kvm_plan *plan)
{
    char seen[160] = "there is no mmap of a KVM descriptor for it";

    if (map)
        call_describe(map, seen, sizeof seen);
    CHECK(judge, map && map->record->object == OBJECT_VCPU && map->record->serial == vcpu,
          "kvm_run is mapped from the vCPU's own descriptor", "vCPU %u: %s", vcpu, seen);
    CHECK(judge, map->record->args[0] == (uint64_t)plan->run_size,
          "the mapping has the size that the kernel named",
          "mmap of %" PRIu64 " bytes; KVM_GET_VCPU_MMAP_SIZE answered %d",
          map->record->args[0], plan->run_size);
    uint64_t protection = map->record->args[1], type = map->record->args[2] & MAP_TYPE;
    CHECK(judge,
          protection == (PROT_READ | PROT_WRITE) &&
              (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) &&
              map->record->args[3] == 0,
          "the mapping is shared, readable and writable, from offset 0",
          "mmap got prot %" PRIu64 " (PROT_READ is 1, PROT_WRITE 2), a %s mapping, offset "
          "%" PRIu64,
          protection, type == MAP_PRIVATE ? "private" : "shared", map->record->args[3]);
}

static void vcpu_maps_its_run_area(struct judge *judge)
{
    struct lab01_input in = input_make(1, 2);
    struct kvm_plan plan = plan_make(judge);

    in.vcpu_ids[0] = (uint32_t)judge_random_below(judge, 100);
    in.vcpu_ids[1] = 100 + (uint32_t)judge_random_below(judge, 100);
    const struct evidence *e = life_run(judge, &in, &plan);
    const struct lab01_output *out = life_expect(judge, &in, e);
    for (unsigned i = 0; i < 2; i++) {
        const struct lab01_step *vcpu = &out->vcpus[0][i];
        const struct call *create =
            evidence_call(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VCPU, i);

        CHECK(judge, create && create->record->args[1] == in.vcpu_ids[i],
              "the vCPU gets the id asked for",
              "KVM_CREATE_VCPU was given %" PRIu64 ", not %u",
              create ? create->record->args[1] : 0, in.vcpu_ids[i]);
        run_map_expect(judge, evidence_call(e, CALL_MMAP, 0, i), i, &plan);
        CHECK(judge, vcpu->run_mapped && vcpu->size == (uint32_t)plan.run_size,
              "struct vcpu is filled: run, run_size",
              "vCPU %u: run is %s, run_size %s (the kernel answered %d)", i,
              vcpu->run_mapped ? "set" : "NULL", number_text(vcpu->size).is, plan.run_size);
    }
}

/* --- cleaning up -------------------------------------------------------------------------------- */

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
    struct held held = {.kvm = out->open.result >= 0,
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

static void no_leak_whichever_call_fails(struct judge *judge)
{
    struct lab01_input in = input_make(1, 2);
    struct kvm_plan plan = plan_make(judge);
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

static void destroying_twice_is_harmless(struct judge *judge)
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
}

/* --- on the machine: the real KVM --------------------------------------------------------------- */

/* Descriptors of the real KVM: the device, VMs, vCPUs. */
static unsigned kvm_fds(const struct evidence *e, unsigned checkpoint)
{
    return evidence_fds(e, checkpoint, KVM_DEVICE_PATH, NULL) +
           evidence_fds(e, checkpoint, "anon_inode:kvm", NULL);
}

static void kernel_sees_the_three_objects(struct judge *judge)
{
    struct lab01_input in = input_make(2, 2);
    const struct evidence *e = life_run(judge, &in, NULL);
    unsigned flags = 0;

    CHECK(judge, evidence_fds(e, 0, "/dev/kvm", &flags) == 1, "/dev/kvm is open once",
          "/proc/PID/fd shows it %u times; %s", evidence_fds(e, 0, "/dev/kvm", NULL),
          progress_text(output_of(e)).is);
    CHECK(judge, flags & O_CLOEXEC, "/dev/kvm is open close-on-exec",
          "/proc/PID/fdinfo says flags 0%o, without 0%o", flags, (unsigned)O_CLOEXEC);
    CHECK(judge, evidence_fds(e, 0, "anon_inode:kvm-vm", NULL) == 2,
          "the kernel holds two VMs (anon_inode:kvm-vm)", "it holds %u; %s",
          evidence_fds(e, 0, "anon_inode:kvm-vm", NULL), progress_text(output_of(e)).is);
    for (unsigned id = 0; id < 2; id++) {
        char name[40];

        snprintf(name, sizeof name, "anon_inode:kvm-vcpu:%u", id);
        CHECK(judge, evidence_fds(e, 0, name, NULL) == 2,
              "the kernel holds a vCPU 0 and a vCPU 1 in each of two VMs",
              "it holds %u of %s, not 2; %s", evidence_fds(e, 0, name, NULL), name,
              progress_text(output_of(e)).is);
    }
    CHECK(judge, evidence_maps(e, 0, "anon_inode:kvm-vcpu", NULL) == 4,
          "each vCPU's kvm_run is mapped", "/proc/PID/maps shows %u of 4",
          evidence_maps(e, 0, "anon_inode:kvm-vcpu", NULL));
    CHECK(judge,
          kvm_fds(e, 1) == 0 && evidence_maps(e, 1, "anon_inode:kvm-vcpu", NULL) == 0,
          "after destroying, the kernel holds nothing of ours",
          "%u descriptors and %u mappings are left", kvm_fds(e, 1),
          evidence_maps(e, 1, "anon_inode:kvm-vcpu", NULL));
}

static void forbidden_device_says_so(struct judge *judge)
{
    const struct vmm_error want = error_expected(VMM_STEP_OPEN_DEVICE, EACCES, 0);
    struct lab01_input in = input_make(0, 0);
    struct run_spec spec = life_spec(&in, NULL);
    const struct evidence *e = life_run(judge, &in, NULL);

    CHECK(judge, evidence_fds(e, 0, KVM_DEVICE_PATH, NULL) == 1,
          "the same device opens where it is allowed", "it is not open; %s",
          progress_text(output_of(e)).is);
    spec.flags = RUN_HIDE_KVM;
    e = judge_run(judge, &spec, sizeof(struct lab01_output));
    error_expect(judge, e, &output_of(e)->open, -EACCES, &want,
                 "/dev/kvm belonged to root alone");
}

static void second_vcpu_with_the_same_id_is_refused(struct judge *judge)
{
    uint32_t id = 1 + (uint32_t)judge_random_below(judge, 100);
    const struct vmm_error want = error_expected(VMM_STEP_CREATE_VCPU, EEXIST, id);
    struct lab01_input in = input_make(1, 2);

    in.vcpu_ids[0] = in.vcpu_ids[1] = id;
    const struct evidence *e = life_run(judge, &in, NULL);
    error_expect(judge, e, &output_of(e)->vcpus[0][1], -EEXIST, &want,
                 "the real KVM was asked twice for the same vCPU id");
    CHECK(judge, evidence_fds(e, 0, "anon_inode:kvm-vcpu", NULL) == 1,
          "the first vCPU with that id stays", "the kernel holds %u vCPUs, not 1",
          evidence_fds(e, 0, "anon_inode:kvm-vcpu", NULL));
}

/* A real-mode guest that computes and halts; what it does is known only at run time. */
static uint32_t guest_assemble(uint8_t *code, uint16_t number)
{
    const uint8_t text[] = {0xb8,
                            (uint8_t)number,
                            (uint8_t)(number >> 8), /* mov ax, number */
                            0xf7,
                            0xd0, /* not ax */
                            0xa3,
                            0x00,
                            0x80,  /* mov [8000h], ax */
                            0xf4}; /* hlt */

    memcpy(code, text, sizeof text);
    return sizeof text;
}

static void hlt_exit_expect(struct judge *judge, const struct evidence *e)
{
    size_t halts = kvm_events_count(&e->events, EVENT_EXIT, SVM_EXIT_HLT);

    CHECK(judge, halts == 1, "the kernel's tracepoints show the guest's HLT as a VM exit",
          "%zu kvm_entry, %zu kvm_exit, of which %zu are HLT; %s",
          kvm_events_count(&e->events, EVENT_ENTRY, KVM_EVENT_ANY),
          kvm_events_count(&e->events, EVENT_EXIT, KVM_EVENT_ANY), halts,
          progress_text(output_of(e)).is);
}

static void first_guest_runs_until_it_halts(struct judge *judge)
{
    uint16_t number = (uint16_t)judge_random(judge), computed = (uint16_t)~number;
    struct lab01_input in = input_make(1, 1);
    const struct window ram = {.name = "guest-ram", .offset = 0x8000, .length = 8};
    struct run_spec spec = life_spec(&in, NULL);

    in.guest_size = guest_assemble(in.guest, number);
    spec.entry = LAB01_GUEST;
    spec.flags = RUN_TRACE;
    spec.windows = &ram;
    spec.window_count = 1;
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab01_output));
    const struct lab01_output *out = life_expect(judge, &in, e);
    uint16_t found = (uint16_t)window_u32(e, 0, 0, 0);

    hlt_exit_expect(judge, e);
    CHECK(judge, found == computed, "the guest's computation is in its memory",
          "at GPA 8000h: %04xh, not %04xh", found, computed);
    CHECK(judge, out->ran && out->exit_reason == KVM_EXIT_HLT,
          "vcpu->run shows why the guest stopped: KVM_EXIT_HLT",
          "KVM_RUN %s; vcpu->run->exit_reason is %u (KVM_EXIT_%s), not %u",
          out->ran ? "returned 0" : "failed", out->exit_reason, exit_name(out->exit_reason),
          KVM_EXIT_HLT);
}

#define API(section) "Linux Documentation/virt/kvm/api.rst, " section

static const struct check checks[] = {
    {
        .id = "open_asks_version_and_extensions",
        .title = "opens the device, asks for version and extensions",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = open_asks_version_and_extensions,
        .why =
            "KVM is a driver like any other: what it can do has to be asked, not assumed.",
        .handout = "Steps, 2",
        .slide = "KVM",
        .manual = API("4.1, 4.4, 4.5"),
        .hints =
            {"A device is opened like any file. Which flags does a program need that "
             "reads, writes, and may start others?",
             "Three kinds of question, all ioctls on the new descriptor: the version "
             "first, each required extension, the size of kvm_run. What does an ioctl get "
             "as its third argument when it takes none?",
             "open(path, O_RDWR | O_CLOEXEC); ioctl(fd, KVM_GET_API_VERSION, 0); a loop "
             "over kvm_required_extensions until -1 with KVM_CHECK_EXTENSION; then "
             "KVM_GET_VCPU_MMAP_SIZE. Keep version and size in *kvm."},
        .explanation =
            "O_CLOEXEC keeps the device out of programs that the VMM starts; setting the "
            "flag after open() would leave a moment without it. Version 12 has been the "
            "answer since Linux 2.6.22; new features show as extensions instead.",
    },
    {
        .id = "open_failures_are_typed",
        .title = "says why /dev/kvm cannot be opened",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = open_failures_are_typed,
        .why =
            "\"No such device\" and \"no permission\" need different help; the user sees "
            "only what you kept.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = "man 2 open; common/include/kvm_open.h",
        .hints =
            {"The table in kvm_open.h has a line for this step and one for any step.",
             "errno belongs to the last call that failed. What may happen to it before "
             "you look? And what if the caller passed no error object?",
             "One function from (step, errno) to kind: first the errnos that mean the "
             "same everywhere, then a switch over the step, then VMM_ERR_SYSCALL. "
             "vmm_error_set() fills the object if there is one and returns -errno."},
        .explanation =
            "EBUSY from open is not in the table: it means another hypervisor only "
            "when KVM_CREATE_VM says it. The step is part of the meaning.",
    },
    {
        .id = "later_failures_are_typed",
        .title = "says why a later step failed",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = later_failures_are_typed,
        .why = "The same errno means different things at different steps.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = API("4.2, 4.7") "; man 2 mmap",
        .hints = {"Is the errno that you report still the one of the failed call when you "
                  "report it? close() may change it.",
                  "The step is part of the meaning: EINVAL from KVM_CREATE_VCPU is about "
                  "the id, from mmap it is not. error->detail is the id for the two kinds "
                  "that are about the id, and 0 for all others.",
                  "Report first (that keeps errno), clean up afterwards, return what you "
                  "reported. Touch error->detail only if error is not NULL."},
        .explanation = "ENOTTY is the kernel's way to say \"this file does not know that "
                       "ioctl\": the right answer to it is that the path is not KVM.",
    },
    {
        .id = "wrong_version_is_refused",
        .title = "refuses an API version other than 12",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = wrong_version_is_refused,
        .why = "api.rst asks applications to refuse to run with any other number.",
        .handout = "Steps, 2",
        .slide = "KVM",
        .manual = API("4.1"),
        .hints =
            {"The ioctl succeeds; its answer is the problem. What is errnum then?",
             "vmm_error_set() returns -EPROTO when errnum is 0. What does the contract "
             "want kvm_open() to return here? And what is still open?",
             "errnum 0, detail = the version; ignore the result of vmm_error_set(), close "
             "the device, return -ENOTSUP."},
        .explanation =
            "A failed call and an answer one cannot live with are different: the "
            "first has an errno, the second has a value worth showing.",
    },
    {
        .id = "missing_extension_is_named",
        .title = "names the extension that is missing",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = missing_extension_is_named,
        .why = "\"KVM is too old\" helps nobody; the number of the extension does.",
        .handout = "Steps, 2",
        .slide = "KVM",
        .manual = API("4.4"),
        .hints =
            {"0 means: not there. Any positive number means: there.",
             "Several may be missing. Which one does the user get to hear of, and what "
             "is still open at that moment?",
             "Stop at the first that answers 0: detail is *capability (the loop's "
             "variable points into kvm_required_extensions), the result -ENOTSUP."},
        .explanation = "Extensions are KVM's way to grow without a new API version: a VMM "
                       "lists what it cannot do without, and asks once, at the start.",
    },
    {
        .id = "small_run_area_is_refused",
        .title = "refuses a kvm_run area that is too small",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = small_run_area_is_refused,
        .why = "Reading past a mapping is a crash far away from its cause.",
        .handout = "Steps, 2",
        .slide = "KVM",
        .manual = API("4.5, 5"),
        .hints =
            {"Which structure has to fit into the area? Exactly as large is large enough.",
             "The ioctl returns an int, sizeof is unsigned: what becomes of -1 when the "
             "two are compared?",
             "A negative answer is a failed call; otherwise compare (size_t)size with "
             "sizeof(struct kvm_run): VMM_ERR_RUN_SIZE, detail = the size, -EPROTO."},
        .explanation =
            "The area is larger than the structure: the page after it carries PIO "
            "data, one more the coalesced ring. That is why the kernel names it.",
    },
    {
        .id = "extension_value_is_handed_on",
        .title = "hands on an extension's value",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = extension_value_is_handed_on,
        .why = "Some extensions answer with a number that matters (how many vCPUs, slots).",
        .handout = "Steps, 4",
        .slide = "KVM",
        .manual = API("4.4"),
        .hints =
            {"Not a yes or no: a number.",
             "ioctl() says in its result that it failed, and in errno why. The caller of "
             "kvm_extension() has only the result.",
             "return value < 0 ? -errno : value;"},
        .explanation = "KVM_CAP_MAX_VCPUS and KVM_CAP_NR_MEMSLOTS are such numbers.",
    },
    {
        .id = "interrupted_create_vm_is_tried_again",
        .title = "tries again when a signal interrupts KVM_CREATE_VM",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = interrupted_create_vm_is_tried_again,
        .why = "A terminal that is resized must not make a VM fail.",
        .handout = "Steps, 5",
        .slide = "KVM",
        .manual = API("4.2") "; man 7 signal",
        .hints = {"Which errno says \"nothing is wrong, a signal came\"?",
                  "How many signals may come before it works? Is there a number that is "
                  "surely enough?",
                  "do fd = ioctl(...); while (fd < 0 && errno == EINTR);"},
        .explanation =
            "Creating a VM can take milliseconds, in which a signal may arrive. A "
            "bounded number of tries would only make the failure rarer.",
    },
    {
        .id = "new_objects_start_empty",
        .title = "new objects start empty, whatever lay there before",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = new_objects_start_empty,
        .why = "Memory on the stack is not zeroed; the later parts believe every field.",
        .handout = "Steps, 5",
        .slide = "KVM",
        .manual = API("4.2") "; common/include/vmm.h",
        .hints =
            {"The object that you are handed may hold anything. Which of its fields does "
             "your function write?",
             "Read struct vm and struct vcpu in vmm.h field by field: what is each before "
             "the first guest has run? And what is the third argument of KVM_CREATE_VM?",
             "Assign the whole structure at once, *vm = (struct vm){.fd = fd, .kvm = kvm}: "
             "the fields that are not named become 0 or NULL."},
        .explanation =
            "A compound literal sets every field, the ones added next year too. A "
            "kick_requested that nobody set would end the first run before it begins.",
    },
    {
        .id = "vcpu_maps_its_run_area",
        .title = "creates vCPUs and maps their kvm_run",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = vcpu_maps_its_run_area,
        .why = "kvm_run is how the kernel tells the VMM what the guest did.",
        .handout = "Steps, 7",
        .slide = "Virtual Machine Control Structure",
        .manual = API("4.7, 5"),
        .hints =
            {"The mapping belongs to the vCPU's descriptor, not to the VM's. Its size has "
             "been asked for already.",
             "Who has to see what you write there, and whose writes do you want to see? "
             "mmap has a flag for that.",
             "mmap(NULL, vm->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, "
             "vcpu->fd, 0); keep run and run_size in *vcpu."},
        .explanation =
            "With MAP_PRIVATE the first write of the VMM makes a private copy: from then "
            "on neither side sees the other. Each vCPU has an area of its own; that is why "
            "the mapping is made from its descriptor.",
    },
    {
        .id = "no_leak_whichever_call_fails",
        .title = "leaks nothing, whichever call fails",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = no_leak_whichever_call_fails,
        .why = "A VM that stays open after an error keeps its memory and its CPU state.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = "common/include/kvm_open.h, the three rules",
        .hints =
            {"For each call, ask: what is open at this moment, and who made it?",
             "A function undoes what it did itself, no more: the kvm and vm objects are "
             "the caller's. And what does its own object read as afterwards?",
             "Let each function fill the object step by step, and call its own destroyer "
             "when a step fails: a destroyer that forgives half-built objects serves "
             "both. Note that MAP_FAILED is not NULL."},
        .explanation =
            "This check makes each call fail in turn. A single exit path that "
            "works on half-built objects is easier to get right than one clean-up "
            "a branch.",
    },
    {
        .id = "destroying_twice_is_harmless",
        .title = "destroys in order, and twice without harm",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = destroying_twice_is_harmless,
        .why = "Closing a number twice closes somebody else's file the second time.",
        .handout = "Steps, 8",
        .slide = "KVM",
        .manual = "man 2 close, man 2 munmap",
        .hints = {"How does a destroyer know that it has been here before?",
                  "\"Not there\" has a value for descriptors and one for pointers: see the "
                  "three rules. 0 is a valid descriptor. In which order were the two made?",
                  "if (run) munmap(run, run_size); if (fd >= 0) close(fd); then reset the "
                  "object: fd = -1, run = NULL."},
        .explanation =
            "The mapping holds a reference to the vCPU of its own: a vCPU that is "
            "closed but mapped still lives.",
    },
    {
        .id = "kernel_sees_the_three_objects",
        .title = "the kernel holds kvm, VMs and vCPUs; then nothing",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = kernel_sees_the_three_objects,
        .why = "The real KVM is the judge of what was created.",
        .handout = "Run it",
        .slide = "KVM",
        .manual = "man 5 proc, /proc/PID/fd",
        .hints =
            {"`make run LAB=1` shows what the kernel holds for your VMM.",
             "Two VMs, each with vCPU 0 and 1, mapped; after destroying: nothing. Which "
             "descriptor does each ioctl go to? Is anything kept in a global?",
             "Objects belong to their parent: vcpu_create() uses vm->fd, vm_create() "
             "kvm->fd. An ioctl without a parameter gets 0, KVM_CREATE_VM gets 0 too."},
        .explanation = "Each object is a file of its own (anon_inode:kvm-vm, "
                       "anon_inode:kvm-vcpu:N): that is how KVM knows who may use it.",
    },
    {
        .id = "forbidden_device_says_so",
        .title = "a device that we may not open says so",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = forbidden_device_says_so,
        .why = "The most common first error of every KVM user.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = "man 2 open",
        .hints = {"The same table as for the other errnos of open.",
                  "Does kvm_open() look at the result of open() before it does anything "
                  "else, and at errno right after it?",
                  "EACCES and EPERM are VMM_ERR_NO_PERMISSION at step OPEN_DEVICE; return "
                  "-errno of the open itself."},
        .explanation = "On most systems /dev/kvm belongs to group kvm; the message that "
                       "vmm_error_describe() makes of your error says how to join it.",
    },
    {
        .id = "second_vcpu_with_the_same_id_is_refused",
        .title = "a vCPU id is used once a VM",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = second_vcpu_with_the_same_id_is_refused,
        .why = "The id is the vCPU's APIC id: two of them would answer one interrupt.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = API("4.7"),
        .hints =
            {"The real KVM refuses with an errno of its own: nothing has to be remembered.",
             "Look up what the contract says for KVM_CREATE_VCPU: there is a kind for "
             "it, and something that belongs into detail.",
             "EEXIST is VMM_ERR_VCPU_EXISTS at step CREATE_VCPU, detail = id."},
        .explanation =
            "The kernel's answer is the authority; the VMM need not keep a list.",
    },
    {
        .id = "first_guest_runs_until_it_halts",
        .title = "a first guest runs on your vCPU until it halts",
        .tenths = 8,
        .target = TARGET_MACHINE,
        .run = first_guest_runs_until_it_halts,
        .why = "This is VM entry and VM exit: root mode to non-root mode and back.",
        .handout = "Run it",
        .slide = "Root and non-root modes",
        .manual = API("4.10, 5"),
        .hints = {"If the other checks pass, this one does.",
                  "It gives your vCPU memory and registers and calls KVM_RUN once; then it "
                  "reads exit_reason through your mapping.",
                  "vcpu->run has to be the shared mapping of this very vCPU."},
        .explanation =
            "kvm_entry and kvm_exit are the kernel's own notes, made where VMRUN "
            "(AMD) or VMLAUNCH (Intel) is executed: nobody in user space can "
            "write them.",
    },
};

const struct lab_checks lab_checks = {
    .name = "01-kvm-open",
    .title = "Open KVM",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
