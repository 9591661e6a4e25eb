/* calls.c - the calls of a good day: which, in which order; what the new objects hold. */
#include "checks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

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

void open_asks_version_and_extensions(struct judge *judge)
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

void extension_value_is_handed_on(struct judge *judge)
{
    const int32_t values[] = {1, 0, 65536 + (int32_t)judge_random_below(judge, 0x7fff0000)};
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

void interrupted_create_vm_is_tried_again(struct judge *judge)
{
    uint32_t times = 300 + (uint32_t)judge_random_below(judge, 1000);
    struct lab01_input in = input_make(1, 0);
    struct kvm_plan plan = plan_make(judge);

    plan.faults[0] = fault_make(VMM_STEP_CREATE_VM, EINTR);
    plan.faults[0].repeat = times;
    const struct evidence *e = life_run(judge, &in, &plan);
    CHECK(judge,
          life_complete(&in, output_of(e)) &&
              evidence_call_count(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VM) == times + 1,
          "vm_create() goes on trying while signals interrupt KVM_CREATE_VM",
          "EINTR came %u times, then it would have worked; KVM_CREATE_VM was tried %u "
          "times; %s",
          times, evidence_call_count(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VM),
          progress_text(output_of(e)).is);
    error_untouched_expect(judge, &output_of(e)->vms[0], "vm_create()");
}

/* --- what a new object holds -------------------------------------------------------- */

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

void new_objects_start_empty(struct judge *judge)
{
    struct lab01_input in = input_make(1, 2);
    struct kvm_plan plan = plan_make(judge);

    in.vcpu_ids[0] = id_any(judge);
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

/* Two kvms whose kernels answer with different sizes: each object's size is its own. */
static void two_kvms_expect(struct judge *judge)
{
    struct lab01_input in = input_make(2, 1);
    struct kvm_plan plan = plan_make(judge), second = plan;

    in.kvm_count = 2;
    in.extension = KVM_CAP_MAX_VCPUS;
    plan.run_size += 1 << 16;
    plan.faults[0] = fault_make(VMM_STEP_RUN_SIZE, -second.run_size);
    plan.faults[0].nth = 1;
    const struct evidence *e = life_run(judge, &in, &plan);
    const struct lab01_output *out = life_expect(judge, &in, e);
    const struct call *asked =
        evidence_call(e, CALL_IOCTL, KVM_CHECK_EXTENSION,
                      evidence_call_count(e, CALL_IOCTL, KVM_CHECK_EXTENSION) - 1);
    CHECK(judge, asked && asked->record->object == OBJECT_KVM && asked->record->serial == 0,
          "kvm_extension() asks the kvm that it is given", "it asked number %u of two",
          asked ? asked->record->serial + 1 : 0);
    for (unsigned i = 0; i < 2; i++) {
        const struct call *create =
            evidence_call(e, CALL_IOCTL, (uint32_t)KVM_CREATE_VM, i);

        CHECK(judge, create && create->record->serial == i && out->new_vms[i].knows_kvm,
              "vm_create() asks the kvm that it is given",
              "of two kvms, VM %u was made by the other", i);
        run_map_expect(judge, evidence_call(e, CALL_MMAP, 0, i), i, i ? &second : &plan);
        CHECK(judge, out->vcpus[i][0].size == (uint32_t)(i ? second : plan).run_size,
              "run_size is that of the vCPU's own kvm",
              "two kvms, whose areas have %d and %d bytes: the vCPU of VM %u has %s",
              plan.run_size, second.run_size, i, number_text(out->vcpus[i][0].size).is);
    }
}

void vcpu_maps_its_run_area(struct judge *judge)
{
    struct lab01_input in = input_make(1, 2);
    struct kvm_plan plan = plan_make(judge);

    in.vcpu_ids[0] = id_any(judge);
    in.vcpu_ids[1] = (uint32_t)judge_random_below(judge, 100);
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
    two_kvms_expect(judge);
}
