/* machine.c - on the machine: the real KVM, seen through /proc/PID/fd and tracepoints. */
#include "checks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "exit_names.h"

/* Descriptors of the real KVM: the device, VMs, vCPUs. */
static unsigned kvm_fds(const struct evidence *e, unsigned checkpoint)
{
    return evidence_fds(e, checkpoint, KVM_DEVICE_PATH, NULL) +
           evidence_fds(e, checkpoint, "anon_inode:kvm", NULL);
}

void kernel_sees_the_three_objects(struct judge *judge)
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

void forbidden_device_says_so(struct judge *judge)
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

void second_vcpu_with_the_same_id_is_refused(struct judge *judge)
{
    uint32_t id = 256 + (uint32_t)judge_random_below(judge, 100);
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

/* A real-mode guest that computes and halts. Its number is put into its memory when nothing but
 * the guest can run any more. */
#define NUMBER_AT 0x8002u

static uint32_t guest_assemble(uint8_t *code)
{
    static const uint8_t text[] = {0xa1, 0x02, 0x80, /* mov ax, [8002h] */
                                   0xf7, 0xd0,       /* not ax */
                                   0xa3, 0x00, 0x80, /* mov [8000h], ax */
                                   0xf4};            /* hlt */

    memcpy(code, text, sizeof text);
    return sizeof text;
}

/* One VM with one vCPU, and the kernel entered it where the program begins. */
static void first_entry_expect(struct judge *judge, const struct evidence *e, uint64_t rip)
{
    const unsigned vms = evidence_fds(e, 0, "anon_inode:kvm-vm", NULL),
                   vcpus = evidence_fds(e, 0, "anon_inode:kvm-vcpu", NULL);
    size_t at = 0;

    CHECK(judge, vms == 1 && vcpus == 1, "there are one VM and one vCPU",
          "/proc/PID/fd shows %u and %u", vms, vcpus);
    while (at < e->events.count && e->events.list[at].kind != EVENT_ENTRY)
        at++;
    CHECK(judge, at < e->events.count && e->events.list[at].rip == rip,
          "the first VM entry is to the guest's first instruction",
          "RIP was %#" PRIx64 " in the first kvm_entry, the program begins at %#" PRIx64,
          at < e->events.count ? e->events.list[at].rip : 0, rip);
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

void first_guest_runs_until_it_halts(struct judge *judge)
{
    uint16_t number = (uint16_t)judge_random(judge), computed = (uint16_t)~number;
    struct lab01_input in = input_make(1, 1);
    const struct window ram = {.name = "guest-ram", .offset = 0x8000, .length = 8};
    struct run_spec spec = life_spec(&in, NULL);

    struct handover handover = {
        .name = "guest-ram", .offset = NUMBER_AT, .length = sizeof number, .alone = 1};

    memcpy(handover.bytes, &number, sizeof number);
    in.guest_at = 0x1000 + (uint32_t)judge_random_below(judge, 0x6000);
    in.guest_size = guest_assemble(in.guest);
    spec.entry = LAB01_GUEST;
    spec.flags = RUN_TRACE;
    spec.windows = &ram;
    spec.window_count = 1;
    spec.handovers = &handover;
    spec.handover_count = 1;
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab01_output));
    const struct lab01_output *out = life_expect(judge, &in, e);
    uint16_t found = (uint16_t)window_u32(e, 1, 0, 0);

    hlt_exit_expect(judge, e);
    first_entry_expect(judge, e, in.guest_at);
    CHECK(judge, found == computed, "the guest's computation is in its memory",
          "at GPA 8000h: %04xh, not %04xh", found, computed);
    CHECK(judge, out->ran && out->exit_reason == KVM_EXIT_HLT,
          "vcpu->run shows why the guest stopped: KVM_EXIT_HLT",
          "KVM_RUN %s; vcpu->run->exit_reason is %u (KVM_EXIT_%s), not %u",
          out->ran ? "returned 0" : "failed", out->exit_reason, exit_name(out->exit_reason),
          KVM_EXIT_HLT);
}
