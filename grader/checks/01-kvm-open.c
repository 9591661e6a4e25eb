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
#include "kvm_open.h"

#define PAGE 4096u

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

static const struct evidence *life_run(struct judge *judge, const struct lab01_input *in,
                                       const struct kvm_plan *plan, uint32_t flags)
{
    return judge_run(judge,
                     &(struct run_spec){.entry = LAB01_LIFE,
                                        .flags = flags,
                                        .input = in,
                                        .input_size = sizeof *in,
                                        .plan = plan},
                     sizeof(struct lab01_output));
}

static const struct lab01_output *output_of(const struct evidence *e)
{
    return (const struct lab01_output *)(const void *)e->answer;
}

/* --- typed errors ------------------------------------------------------------------------------ */

/* A call that fails, and what the part has to make of it. */
struct failure {
    uint32_t call;
    unsigned long request;
    int error;
    enum vmm_step step;
    enum vmm_error_kind kind;
    int64_t detail;
};

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

static void error_expect(struct judge *judge, const struct lab01_step *step, int result,
                         const struct vmm_error *want, const char *situation)
{
    CHECK(judge, step->called, "a failed step is reported, the ones before it work",
          "%s: the step before it already failed", situation);
    CHECK(judge, step->result == result, "a failing function returns the negative errno",
          "%s: it returned %d, not %d (-%s)", situation, step->result, result,
          strerrorname_np(-result));
    CHECK(judge, step->error.step == (int32_t)want->step,
          "error->step names the failed call", "%s: step is %d, not %d (enum vmm_step)",
          situation, step->error.step, (int)want->step);
    CHECK(judge, step->error.kind == (int32_t)want->kind, "error->kind says why it failed",
          "%s: kind is %d, not %d (enum vmm_error_kind)", situation, step->error.kind,
          (int)want->kind);
    CHECK(judge, step->error.errnum == want->errnum,
          "error->errnum is the errno of the failed call, 0 if no call failed",
          "%s: errnum is %d, not %d", situation, step->error.errnum, want->errnum);
    CHECK(judge, step->error.detail == want->detail, "error->detail as the kind says",
          "%s: detail is %" PRId64 ", not %" PRId64, situation, step->error.detail,
          want->detail);
}

static const char *step_call(enum vmm_step step)
{
    static const char *const names[] = {
        "?",
        "open",
        "KVM_GET_API_VERSION",
        "KVM_CHECK_EXTENSION",
        "KVM_GET_VCPU_MMAP_SIZE",
        "KVM_CREATE_VM",
        "KVM_CREATE_VCPU",
        "mmap of kvm_run",
    };

    return names[step];
}

static void failure_try(struct judge *judge, const struct failure *f)
{
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);
    const struct vmm_error want = {
        .step = f->step, .kind = f->kind, .errnum = f->error, .detail = f->detail};
    char situation[96];

    in.vcpu_ids[0] = f->detail ? (uint32_t)f->detail : 0;
    plan.faults[0] = (struct plan_fault){
        .kind = f->call, .request = (uint32_t)f->request, .error = f->error, .repeat = 1};
    snprintf(situation, sizeof situation, "%s failed with %s", step_call(f->step),
             strerrorname_np(f->error));
    error_expect(judge, step_of(output_of(life_run(judge, &in, &plan, 0)), f->step),
                 -f->error, &want, situation);
}

static void open_failures_are_typed(struct judge *judge)
{
    static const struct {
        int error;
        enum vmm_error_kind kind;
    } cases[] = {
        {ENOENT, VMM_ERR_NO_DEVICE},      {ENXIO, VMM_ERR_NO_DEVICE},
        {ENODEV, VMM_ERR_NO_DEVICE},      {EACCES, VMM_ERR_NO_PERMISSION},
        {EPERM, VMM_ERR_NO_PERMISSION},   {EMFILE, VMM_ERR_TOO_MANY_FILES},
        {ENFILE, VMM_ERR_TOO_MANY_FILES}, {ENOMEM, VMM_ERR_NO_MEMORY},
        {EIO, VMM_ERR_SYSCALL},           {EBUSY, VMM_ERR_SYSCALL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        failure_try(judge, &(struct failure){.call = CALL_OPEN,
                                             .error = cases[i].error,
                                             .step = VMM_STEP_OPEN_DEVICE,
                                             .kind = cases[i].kind});
}

static void later_failures_are_typed(struct judge *judge)
{
    const uint32_t id = 1 + (uint32_t)judge_random_below(judge, 200);
    const struct failure cases[] = {
        {CALL_IOCTL, KVM_GET_API_VERSION, ENOTTY, VMM_STEP_API_VERSION, VMM_ERR_NOT_KVM, 0},
        {CALL_IOCTL, KVM_GET_API_VERSION, EIO, VMM_STEP_API_VERSION, VMM_ERR_SYSCALL, 0},
        {CALL_IOCTL, KVM_CHECK_EXTENSION, EIO, VMM_STEP_CHECK_EXTENSION, VMM_ERR_SYSCALL,
         0},
        {CALL_IOCTL, KVM_GET_VCPU_MMAP_SIZE, EIO, VMM_STEP_RUN_SIZE, VMM_ERR_SYSCALL, 0},
        {CALL_IOCTL, KVM_CREATE_VM, EBUSY, VMM_STEP_CREATE_VM, VMM_ERR_BUSY, 0},
        {CALL_IOCTL, KVM_CREATE_VM, EMFILE, VMM_STEP_CREATE_VM, VMM_ERR_TOO_MANY_FILES, 0},
        {CALL_IOCTL, KVM_CREATE_VM, EEXIST, VMM_STEP_CREATE_VM, VMM_ERR_SYSCALL, 0},
        {CALL_IOCTL, KVM_CREATE_VCPU, EEXIST, VMM_STEP_CREATE_VCPU, VMM_ERR_VCPU_EXISTS,
         id},
        {CALL_IOCTL, KVM_CREATE_VCPU, EINVAL, VMM_STEP_CREATE_VCPU, VMM_ERR_VCPU_ID, id},
        {CALL_IOCTL, KVM_CREATE_VCPU, ENOMEM, VMM_STEP_CREATE_VCPU, VMM_ERR_NO_MEMORY, 0},
        {CALL_MMAP, 0, ENOMEM, VMM_STEP_MAP_RUN, VMM_ERR_NO_MEMORY, 0},
        {CALL_MMAP, 0, EINVAL, VMM_STEP_MAP_RUN, VMM_ERR_SYSCALL, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        failure_try(judge, &cases[i]);
}

/* An answer of kvm_open()'s calls that is no failure and still will not do. */
static void answer_refused(struct judge *judge, const struct kvm_plan *plan, int result,
                           const struct vmm_error *want, const char *situation)
{
    struct lab01_input in = input_make(1, 1);
    const struct evidence *e = life_run(judge, &in, plan, 0);

    error_expect(judge, &output_of(e)->open, result, want, situation);
    CHECK(judge, evidence_fds(e, 0, "memfd:kvm", NULL) == 0,
          "a kvm_open() that fails has closed the device",
          "%s: the device is still open afterwards", situation);
    CHECK(judge, output_of(e)->open.fd == -1, "a kvm_open() that fails leaves fd == -1",
          "%s: kvm->fd is %d", situation, output_of(e)->open.fd);
}

static void wrong_version_is_refused(struct judge *judge)
{
    const int32_t versions[] = {11, 13, 0, (int32_t)judge_random_below(judge, 1000) + 14};

    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
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

static void missing_extension_is_named(struct judge *judge)
{
    for (const int *capability = kvm_required_extensions; *capability >= 0; capability++) {
        struct kvm_plan plan = plan_make(judge);
        char situation[64];

        plan.extensions[0].capability = *capability;
        snprintf(situation, sizeof situation, "KVM_CHECK_EXTENSION(%d) answered 0",
                 *capability);
        answer_refused(judge, &plan, -ENOTSUP,
                       &(struct vmm_error){.step = VMM_STEP_CHECK_EXTENSION,
                                           .kind = VMM_ERR_MISSING_EXTENSION,
                                           .detail = *capability},
                       situation);
    }
}

static void small_run_area_is_refused(struct judge *judge)
{
    const int32_t sizes[] = {0, (int32_t)judge_random_below(judge, 2000),
                             (int32_t)sizeof(struct kvm_run) - 1};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct kvm_plan plan = plan_make(judge);
        char situation[64];

        plan.run_size = sizes[i];
        snprintf(situation, sizeof situation, "KVM_GET_VCPU_MMAP_SIZE answered %d",
                 sizes[i]);
        answer_refused(judge, &plan, -EPROTO,
                       &(struct vmm_error){.step = VMM_STEP_RUN_SIZE,
                                           .kind = VMM_ERR_RUN_SIZE,
                                           .detail = sizes[i]},
                       situation);
    }
}

/* --- the calls, in order ------------------------------------------------------------------------ */

/* The next record of the log has to be this call; returns it. */
static const struct call *call_expect(struct judge *judge, const struct evidence *e,
                                      size_t *at, uint32_t kind, unsigned long request,
                                      const char *name)
{
    char seen[160] = "no further call";
    const struct call *call = *at < e->call_count ? &e->calls[*at] : NULL;

    if (call)
        call_describe(call, seen, sizeof seen);
    CHECK(judge,
          call && call->record->kind == kind &&
              (kind != CALL_IOCTL || (uint32_t)call->record->args[0] == (uint32_t)request),
          "kvm_open() asks the kernel in the order of its contract",
          "call %zu should have been %s, but was: %s", *at + 1, name, seen);
    (*at)++;
    return call;
}

static void open_asks_version_and_extensions(struct judge *judge)
{
    struct lab01_input in = input_make(0, 0);
    struct kvm_plan plan = plan_make(judge);
    const struct evidence *e = life_run(judge, &in, &plan, 0);
    const struct lab01_output *out = output_of(e);
    size_t at = 0;

    CHECK(judge, out->open.result == 0, "kvm_open() works where nothing is wrong",
          "it returned %d", out->open.result);
    const struct call *open =
        call_expect(judge, e, &at, CALL_OPEN, 0, "open(\"/dev/kvm\")");
    CHECK(judge, (open->record->args[0] & O_ACCMODE) == O_RDWR,
          "the device is opened for reading and writing", "the flags are %#" PRIx64,
          open->record->args[0]);
    CHECK(judge, open->record->args[0] & O_CLOEXEC, "the device is opened close-on-exec",
          "the flags are %#" PRIx64 ", without O_CLOEXEC", open->record->args[0]);
    call_expect(judge, e, &at, CALL_IOCTL, KVM_GET_API_VERSION, "KVM_GET_API_VERSION");
    for (const int *capability = kvm_required_extensions; *capability >= 0; capability++) {
        const struct call *asked = call_expect(judge, e, &at, CALL_IOCTL,
                                               KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION");

        CHECK(judge, asked->record->args[1] == (uint64_t)*capability,
              "every required extension is asked for, in order",
              "asked for extension %" PRIu64 " where %d comes next", asked->record->args[1],
              *capability);
    }
    call_expect(judge, e, &at, CALL_IOCTL, KVM_GET_VCPU_MMAP_SIZE,
                "KVM_GET_VCPU_MMAP_SIZE");
    CHECK(judge,
          out->api_version == KVM_API_VERSION && out->open.fd >= 0 &&
              out->open.size == (uint32_t)plan.run_size,
          "struct kvm is filled: fd, api_version, run_size",
          "fd %d, api_version %d, run_size %u (the kernel answered %d)", out->open.fd,
          out->api_version, out->open.size, plan.run_size);
}

static void extension_value_is_handed_on(struct judge *judge)
{
    const int32_t values[] = {0, 1, 2 + (int32_t)judge_random_below(judge, 32000)};
    struct lab01_input in = input_make(0, 0);

    in.extension = KVM_CAP_MAX_VCPUS;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct kvm_plan plan = plan_make(judge);

        plan.extensions[0].capability = KVM_CAP_MAX_VCPUS;
        plan.extensions[0].value = values[i];
        const struct evidence *e = life_run(judge, &in, &plan, 0);
        CHECK(judge, output_of(e)->open.result == 0 && output_of(e)->extension == values[i],
              "kvm_extension() returns the kernel's number",
              "the kernel said %d, it said %d", values[i], output_of(e)->extension);
    }
    struct kvm_plan plan = plan_make(judge);
    plan.faults[0] = (struct plan_fault){.kind = CALL_IOCTL,
                                         .request = KVM_CHECK_EXTENSION,
                                         .nth = 4, /* after the required ones */
                                         .error = EFAULT,
                                         .repeat = 1};
    const struct evidence *e = life_run(judge, &in, &plan, 0);
    CHECK(judge, output_of(e)->extension == -EFAULT,
          "kvm_extension() returns -errno where the ioctl fails",
          "the ioctl failed with EFAULT, it returned %d", output_of(e)->extension);
}

static void interrupted_create_vm_is_tried_again(struct judge *judge)
{
    uint32_t times = 2 + (uint32_t)judge_random_below(judge, 20);
    struct lab01_input in = input_make(1, 0);
    struct kvm_plan plan = plan_make(judge);

    plan.faults[0] = (struct plan_fault){.kind = CALL_IOCTL,
                                         .request = (uint32_t)KVM_CREATE_VM,
                                         .error = EINTR,
                                         .repeat = times};
    const struct evidence *e = life_run(judge, &in, &plan, 0);
    CHECK(
        judge, output_of(e)->vms[0].called && output_of(e)->vms[0].result == 0,
        "vm_create() tries again when a signal interrupts KVM_CREATE_VM",
        "EINTR came %u times, then it would have worked; vm_create() returned %d after %u "
        "tries",
        times, output_of(e)->vms[0].result,
        evidence_call_count(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VM));
    const struct call *create =
        evidence_call(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VM, times);
    CHECK(judge, create && create->record->args[1] == 0, "the machine type is 0",
          "KVM_CREATE_VM was given %" PRIu64, create ? create->record->args[1] : 0);
}

static void vcpu_maps_its_run_area(struct judge *judge)
{
    struct lab01_input in = input_make(1, 2);
    struct kvm_plan plan = plan_make(judge);

    in.vcpu_ids[0] = (uint32_t)judge_random_below(judge, 100);
    in.vcpu_ids[1] = 100 + (uint32_t)judge_random_below(judge, 100);
    const struct evidence *e = life_run(judge, &in, &plan, 0);
    const struct lab01_output *out = output_of(e);

    for (unsigned i = 0; i < 2; i++) {
        const struct call *create =
            evidence_call(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VCPU, i);
        const struct call *map = evidence_call(e, CALL_MMAP, 0, i);

        CHECK(judge, out->vcpus[0][i].called && out->vcpus[0][i].result == 0 && create,
              "vcpu_create() works where nothing is wrong", "vCPU %u: it returned %d", i,
              out->vcpus[0][i].result);
        CHECK(judge, create->record->args[1] == in.vcpu_ids[i],
              "the vCPU gets the id asked for",
              "KVM_CREATE_VCPU was given %" PRIu64 ", not %u", create->record->args[1],
              in.vcpu_ids[i]);
        CHECK(judge, map && map->record->object == OBJECT_VCPU && map->record->serial == i,
              "kvm_run is mapped from the vCPU's own descriptor",
              "there is no mmap of vCPU %u's descriptor", i);
        CHECK(judge, map->record->args[0] == (uint64_t)plan.run_size,
              "the mapping has the size that the kernel named",
              "mmap of %" PRIu64 " bytes; KVM_GET_VCPU_MMAP_SIZE said %d",
              map->record->args[0], plan.run_size);
        CHECK(judge,
              map->record->args[1] == (PROT_READ | PROT_WRITE) &&
                  (map->record->args[2] & MAP_TYPE) == MAP_SHARED &&
                  map->record->args[3] == 0,
              "the mapping is shared, readable and writable, from offset 0",
              "mmap(prot %#" PRIx64 ", flags %#" PRIx64 ", offset %" PRIu64 ")",
              map->record->args[1], map->record->args[2], map->record->args[3]);
        CHECK(judge,
              out->vcpus[0][i].run_mapped &&
                  out->vcpus[0][i].size == (uint32_t)plan.run_size,
              "struct vcpu is filled: run, run_size", "vCPU %u: run %s, run_size %u", i,
              out->vcpus[0][i].run_mapped ? "set" : "NULL", out->vcpus[0][i].size);
    }
}

/* --- cleaning up -------------------------------------------------------------------------------- */

static void gone_expect(struct judge *judge, const struct evidence *e,
                        const char *situation)
{
    const struct lab01_output *out = output_of(e);
    const struct call *stale = NULL;

    CHECK(judge, evidence_fds(e, 1, "memfd:kvm", NULL) == 0,
          "nothing of KVM stays open once everything is destroyed",
          "%s: %u descriptors are still open (kvm %u, vm %u, vcpu %u)", situation,
          evidence_fds(e, 1, "memfd:kvm", NULL),
          evidence_fds(e, 1, "memfd:kvm", NULL) - evidence_fds(e, 1, "memfd:kvm-", NULL),
          evidence_fds(e, 1, "memfd:kvm-vm", NULL),
          evidence_fds(e, 1, "memfd:kvm-vcpu", NULL));
    CHECK(judge, evidence_maps(e, 1, "memfd:kvm-vcpu", NULL) == 0,
          "no kvm_run stays mapped once everything is destroyed",
          "%s: %u mappings are left", situation,
          evidence_maps(e, 1, "memfd:kvm-vcpu", NULL));
    for (size_t i = 0; i < e->call_count && !stale; i++)
        if (e->calls[i].record->kind == CALL_CLOSE &&
            e->calls[i].record->object == OBJECT_STALE)
            stale = &e->calls[i];
    CHECK(judge, !stale, "a descriptor is closed exactly once",
          "%s: descriptor %d was closed again after it had been closed", situation,
          stale ? stale->record->fd : 0);
    CHECK(judge,
          out->kvm_fd == -1 && out->vm_fds[0] == -1 && out->vcpu_fds[0][0] == -1 &&
              out->run_pointers == 0,
          "destroyed objects read as not there: fd == -1, run == NULL",
          "%s: kvm.fd %d, vm.fd %d, vcpu.fd %d, %d run pointers left", situation,
          out->kvm_fd, out->vm_fds[0], out->vcpu_fds[0][0], out->run_pointers);
}

static void no_leak_whichever_call_fails(struct judge *judge)
{
    struct lab01_input in = input_make(1, 2);
    struct kvm_plan plan = plan_make(judge);
    const struct evidence *clean = life_run(judge, &in, &plan, 0);
    uint32_t calls = 0;

    CHECK(judge,
          output_of(clean)->vcpus[0][1].called && output_of(clean)->vcpus[0][1].result == 0,
          "the whole way to a second vCPU works where nothing is wrong",
          "a step before it failed");
    for (size_t i = 0; i < clean->call_count; i++)
        calls += clean->calls[i].record->kind != CALL_CLOSE &&
                 clean->calls[i].record->kind != CALL_MUNMAP;

    for (uint32_t nth = 0; nth < calls; nth++) {
        char what[160] = "?", situation[240];

        plan.faults[0] = (struct plan_fault){.nth = nth, .error = EIO, .repeat = 1};
        const struct evidence *e = life_run(judge, &in, &plan, 0);
        const struct lab01_output *out = output_of(e);
        bool reported = out->open.result < 0 || out->vms[0].result < 0 ||
                        out->vcpus[0][0].result < 0 || out->vcpus[0][1].result < 0;

        for (size_t i = 0; i < e->call_count; i++)
            if (e->calls[i].record->injected)
                call_describe(&e->calls[i], what, sizeof what);
        snprintf(situation, sizeof situation, "call %u, %s", nth + 1, what);
        CHECK(judge, reported, "a call that fails makes the function fail",
              "%s: every function reported success", situation);
        CHECK(judge, out->open.result >= 0 || evidence_fds(e, 0, "memfd:kvm", NULL) == 0,
              "kvm_open() closes the device when a later step fails",
              "%s: the device is still open", situation);
        CHECK(judge,
              evidence_fds(e, 0, "memfd:kvm-vcpu", NULL) ==
                  evidence_maps(e, 0, "memfd:kvm-vcpu", NULL),
              "vcpu_create() closes the vCPU when mapping kvm_run fails",
              "%s: %u vCPUs open, %u mapped", situation,
              evidence_fds(e, 0, "memfd:kvm-vcpu", NULL),
              evidence_maps(e, 0, "memfd:kvm-vcpu", NULL));
        CHECK(judge, out->open.result < 0 || (out->kvm_fd == -1 && out->open.fd >= 0),
              "a failing vm_create() or vcpu_create() leaves the kvm object alone",
              "%s: kvm->fd was %d", situation, out->open.fd);
        gone_expect(judge, e, situation);
    }
}

static void destroying_twice_is_harmless(struct judge *judge)
{
    struct lab01_input in = input_make(1, 1);
    struct kvm_plan plan = plan_make(judge);
    const struct evidence *e = life_run(judge, &in, &plan, 0);
    size_t unmap = e->call_count, close_vcpu = e->call_count;

    CHECK(judge, output_of(e)->vcpus[0][0].called && output_of(e)->vcpus[0][0].result == 0,
          "there is something to destroy", "building kvm, vm and vcpu failed");
    CHECK(judge, evidence_fds(e, 0, "memfd:kvm", NULL) == 3,
          "kvm, vm and vcpu are open until they are destroyed", "%u of 3 are open",
          evidence_fds(e, 0, "memfd:kvm", NULL));
    gone_expect(judge, e, "everything destroyed twice");
    for (size_t i = 0; i < e->call_count; i++) {
        const struct call_record *r = e->calls[i].record;

        if (r->kind == CALL_MUNMAP && r->args[1] == (uint64_t)plan.run_size)
            unmap = i;
        if (r->kind == CALL_CLOSE && r->object == OBJECT_VCPU)
            close_vcpu = i;
    }
    CHECK(judge, unmap < close_vcpu && close_vcpu < e->call_count,
          "vcpu_destroy() unmaps all of kvm_run, then closes the vCPU", "%s",
          unmap == e->call_count ? "there is no munmap of run_size bytes"
                                 : "the descriptor was closed first");
}

/* --- on the machine: the real KVM --------------------------------------------------------------- */

static void kernel_sees_the_three_objects(struct judge *judge)
{
    struct lab01_input in = input_make(2, 2);
    const struct evidence *e = life_run(judge, &in, NULL, 0);
    const struct lab01_output *out = output_of(e);
    unsigned flags = 0;

    CHECK(judge, evidence_fds(e, 0, "/dev/kvm", &flags) == 1, "/dev/kvm is open once",
          "it is open %u times (kvm_open() returned %d)",
          evidence_fds(e, 0, "/dev/kvm", NULL), out->open.result);
    CHECK(judge, flags & O_CLOEXEC, "/dev/kvm is open close-on-exec",
          "/proc/PID/fdinfo says flags 0%o", flags);
    CHECK(judge, evidence_fds(e, 0, "anon_inode:kvm-vm", NULL) == 2,
          "the kernel holds two VMs (anon_inode:kvm-vm)", "it holds %u",
          evidence_fds(e, 0, "anon_inode:kvm-vm", NULL));
    for (unsigned id = 0; id < 2; id++) {
        char name[40];

        snprintf(name, sizeof name, "anon_inode:kvm-vcpu:%u", id);
        CHECK(judge, evidence_fds(e, 0, name, NULL) == 2,
              "the kernel holds a vCPU 0 and a vCPU 1 in each VM", "it holds %u of %s",
              evidence_fds(e, 0, name, NULL), name);
    }
    CHECK(judge, evidence_maps(e, 0, "anon_inode:kvm-vcpu", NULL) == 4,
          "each vCPU's kvm_run is mapped", "%u of 4 are",
          evidence_maps(e, 0, "anon_inode:kvm-vcpu", NULL));
    CHECK(judge,
          evidence_fds(e, 1, "kvm", NULL) == 0 &&
              evidence_maps(e, 1, "anon_inode:kvm-vcpu", NULL) == 0,
          "after destroying, the kernel holds nothing of ours",
          "%u descriptors and %u mappings are left", evidence_fds(e, 1, "kvm", NULL),
          evidence_maps(e, 1, "anon_inode:kvm-vcpu", NULL));
}

static void forbidden_device_says_so(struct judge *judge)
{
    struct lab01_input in = input_make(0, 0);
    const struct evidence *e = life_run(judge, &in, NULL, RUN_HIDE_KVM);

    error_expect(judge, &output_of(e)->open, -EACCES,
                 &(struct vmm_error){.step = VMM_STEP_OPEN_DEVICE,
                                     .kind = VMM_ERR_NO_PERMISSION,
                                     .errnum = EACCES},
                 "/dev/kvm belongs to root alone");
}

static void second_vcpu_with_the_same_id_is_refused(struct judge *judge)
{
    uint32_t id = 1 + (uint32_t)judge_random_below(judge, 100);
    struct lab01_input in = input_make(1, 2);

    in.vcpu_ids[0] = in.vcpu_ids[1] = id;
    const struct evidence *e = life_run(judge, &in, NULL, 0);
    CHECK(judge, output_of(e)->vcpus[0][0].called && output_of(e)->vcpus[0][0].result == 0,
          "the first vCPU is created", "id %u: vcpu_create() returned %d", id,
          output_of(e)->vcpus[0][0].result);
    error_expect(judge, &output_of(e)->vcpus[0][1], -EEXIST,
                 &(struct vmm_error){.step = VMM_STEP_CREATE_VCPU,
                                     .kind = VMM_ERR_VCPU_EXISTS,
                                     .errnum = EEXIST,
                                     .detail = id},
                 "the real KVM was asked for the same vCPU id twice");
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

static void first_guest_runs_until_it_halts(struct judge *judge)
{
    uint16_t number = (uint16_t)judge_random(judge);
    struct lab01_input in = input_make(1, 1);
    const struct window ram = {.name = "guest-ram", .offset = 0x8000, .length = 8};
    const struct run_spec spec = {.entry = LAB01_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = &in,
                                  .input_size = sizeof in,
                                  .windows = &ram,
                                  .window_count = 1};

    in.guest_size = guest_assemble(in.guest, number);
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab01_output));

    CHECK(judge, output_of(e)->vcpus[0][0].called && output_of(e)->vcpus[0][0].result == 0,
          "kvm, VM and vCPU can be made on the machine",
          "a step failed: open %d, vm %d, vcpu %d", output_of(e)->open.result,
          output_of(e)->vms[0].result, output_of(e)->vcpus[0][0].result);
    CHECK(judge, kvm_events_count(&e->events, EVENT_EXIT, SVM_EXIT_HLT) == 1,
          "the kernel's tracepoints show the guest's HLT as a VM exit",
          "%zu kvm_entry, %zu kvm_exit, of which %zu are HLT",
          kvm_events_count(&e->events, EVENT_ENTRY, KVM_EVENT_ANY),
          kvm_events_count(&e->events, EVENT_EXIT, KVM_EVENT_ANY),
          kvm_events_count(&e->events, EVENT_EXIT, SVM_EXIT_HLT));
    CHECK(judge, (window_u32(e, 0, 0, 0) & 0xffff) == (uint16_t)~number,
          "the guest's computation is in its memory",
          "at GPA 8000h: %04x; it was to be the complement of %04x",
          window_u32(e, 0, 0, 0) & 0xffff, number);
    CHECK(judge, output_of(e)->halted,
          "kvm_run, as mapped by vcpu_create(), shows KVM_EXIT_HLT",
          "vcpu->run does not show the exit that the kernel made");
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
             "Four kinds of question, all ioctls on the same descriptor: version, each "
             "required extension (in the order of the list), size of kvm_run.",
             "open(path, O_RDWR | O_CLOEXEC); then KVM_GET_API_VERSION; then a loop over "
             "kvm_required_extensions until -1 with KVM_CHECK_EXTENSION; then "
             "KVM_GET_VCPU_MMAP_SIZE."},
        .explanation =
            "O_CLOEXEC keeps the VM out of programs that the VMM starts: whoever "
            "inherits the descriptor holds the VM. Version 12 has been the answer "
            "since Linux 2.6.22; new features show as extensions instead.",
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
        .hints = {"The table in kvm_open.h has a line for this step and one for any step.",
                  "Save errno before anything else is called; return its negative.",
                  "One function from (step, errno) to kind: first the errnos that mean the "
                  "same everywhere, then a switch over the step, then VMM_ERR_SYSCALL."},
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
                  "error->detail is the vCPU's id for the two kinds that are about the id, "
                  "and 0 for all others.",
                  "Report first (that keeps errno), clean up afterwards, return what you "
                  "reported."},
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
             "errnum is 0, detail the version, and the function returns -ENOTSUP.",
             "vmm_error_set() returns -EPROTO when errnum is 0: ignore its result here "
             "and return -ENOTSUP yourself. Close the device before."},
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
        .hints = {"0 means: not there. Any positive number means: there.",
                  "The first one that is missing goes into detail; nothing stays open.",
                  "The loop's variable points into kvm_required_extensions: detail is "
                  "*capability, the result -ENOTSUP."},
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
            {"Which structure has to fit into the area?",
             "Compare with sizeof(struct kvm_run); mind that the ioctl returns an int.",
             "A negative answer is a failed call; less than sizeof(struct kvm_run) is "
             "VMM_ERR_RUN_SIZE with detail = the size, result -EPROTO."},
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
        .hints = {"Not a yes or no: a number.", "Return the ioctl's value as it is.",
                  "value < 0 ? -errno : value"},
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
                  "EINTR: do the same ioctl again, as often as it takes.",
                  "do fd = ioctl(...); while (fd < 0 && errno == EINTR);"},
        .explanation =
            "Creating a VM can take milliseconds, in which a signal may arrive. A "
            "bounded number of tries would only make the failure rarer.",
    },
    {
        .id = "vcpu_maps_its_run_area",
        .title = "creates vCPUs and maps their kvm_run",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = vcpu_maps_its_run_area,
        .why = "kvm_run is how the kernel tells the VMM what the guest did.",
        .handout = "Steps, 6",
        .slide = "Virtual Machine Control Structure",
        .manual = API("4.7, 5"),
        .hints = {"The mapping belongs to the vCPU's descriptor, not to the VM's.",
                  "Shared: the kernel has to see what you write, and you what it writes.",
                  "mmap(NULL, vm->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, "
                  "vcpu->fd, 0)"},
        .explanation = "MAP_PRIVATE would seem to work until the first write: from then on "
                       "the VMM would look at its own copy.",
    },
    {
        .id = "no_leak_whichever_call_fails",
        .title = "leaks nothing, whichever call fails",
        .tenths = 10,
        .target = TARGET_MODEL,
        .run = no_leak_whichever_call_fails,
        .why = "A VM that stays open after an error keeps its memory and its CPU state.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = "common/include/kvm_open.h, the three rules",
        .hints =
            {"For each call, ask: what is open at this moment, and whose is it?",
             "A function undoes what it did itself, no more: the kvm and vm objects are "
             "the caller's.",
             "Let each function fill the object step by step, and call its own destroyer "
             "when a step fails: a destroyer that forgives half-built objects serves "
             "both."},
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
        .handout = "Steps, 3",
        .slide = "KVM",
        .manual = "man 2 close, man 2 munmap",
        .hints = {"How does a destroyer know that it has been here before?",
                  "-1 and NULL mean \"not there\": set them after closing and unmapping.",
                  "if (run) munmap(run, run_size); if (fd >= 0) close(fd); then reset the "
                  "object."},
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
        .hints = {"Try `make run LAB=1`: it prints what the kernel holds.",
                  "Two VMs, each with vCPU 0 and 1, mapped; after destroying: none.",
                  "Objects belong to their parent: vcpu_create() uses vm->fd, vm_create() "
                  "kvm->fd."},
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
                  "EACCES and EPERM: VMM_ERR_NO_PERMISSION.",
                  "Return -errno of the open itself."},
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
        .hints = {"The real KVM refuses with an errno of its own.",
                  "EEXIST; detail is the id.",
                  "VMM_ERR_VCPU_EXISTS, at step CREATE_VCPU, detail = id."},
        .explanation =
            "The kernel's answer is the authority; the VMM need not keep a list.",
    },
    {
        .id = "first_guest_runs_until_it_halts",
        .title = "a first guest runs on your vCPU until it halts",
        .tenths = 10,
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
