/* run.c - `make run`: a whole VMM, as small as it can be, made of the ten parts. No check
 * looks at this; it is for seeing one's own part at work. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event_trace.h"
#include "exit_loop.h"
#include "exit_names.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "judge/guest_image.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"

GUEST_IMAGE(hello, "hello.bin");

#define RAM_SIZE     (1u << 20)
#define CONSOLE_PORT 0xe9
#define NUMBER_PORT  0x10
#define DEVICE_GPA   0x10000000u
#define NUMBER       1234u

struct vmm {
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
    struct guest_ram ram;
    struct event_trace trace;
    struct event ring[64];
    uint32_t squared;
};

static void console_access(void *owner, const struct bus_access *access)
{
    (void)owner;
    if (access->is_write)
        putchar(access->data[0]);
}

static void number_access(void *owner, const struct bus_access *access)
{
    const uint32_t number = NUMBER;

    (void)owner;
    if (!access->is_write)
        memcpy(access->data, &number, access->size < 4 ? access->size : 4);
}

static void square_access(void *owner, const struct bus_access *access)
{
    if (access->is_write && access->size == 4)
        memcpy(owner, access->data, 4);
}

static int step_report(const char *step, int result)
{
    printf("%-42s %s", step, result < 0 ? "failed: " : "ok\n");
    if (result < 0)
        printf("%s\n", result == -ENOSYS ? "not written yet (-ENOSYS)" : strerror(-result));
    return result;
}

static int typed_report(const char *step, int result, const struct vmm_error *error)
{
    char text[256];

    if (result >= 0 || error->kind == VMM_OK)
        return step_report(step, result);
    vmm_error_describe(error, text, sizeof text);
    printf("%-42s failed: %s\n", step, text);
    return result;
}

static int objects_create(struct vmm *vmm)
{
    struct vmm_error error = {0};
    int r = typed_report("kvm_open(\"/dev/kvm\")",
                         kvm_open(&vmm->kvm, KVM_DEVICE_PATH, &error), &error);

    if (r >= 0)
        r = typed_report("vm_create()", vm_create(&vmm->vm, &vmm->kvm, &error), &error);
    if (r >= 0)
        r = typed_report("vcpu_create()", vcpu_create(&vmm->vcpu, &vmm->vm, 0, &error),
                         &error);
    return r;
}

static int guest_prepare(struct vmm *vmm)
{
    int r = guest_ram_create(&vmm->ram, "ram", RAM_SIZE);

    if (r >= 0)
        r = step_report("memory_slot_add(gpa 0, 1 MiB)",
                        memory_slot_add(&vmm->vm, 0, RAM_SIZE, vmm->ram.hva, 0));
    if (r >= 0)
        r = step_report(
            "guest_load(hello, long mode)",
            guest_load(&vmm->vcpu, hello, GUEST_IMAGE_SIZE(hello), GUEST_LONG64));
    return r;
}

static void counters_print(const struct vcpu *vcpu)
{
    printf("exits that reached the VMM:");
    for (uint32_t reason = 0; reason < VCPU_EXIT_REASONS; reason++)
        if (vcpu->exits[reason])
            printf(" %s %" PRIu64, exit_name(reason), vcpu->exits[reason]);
    printf("\n");
}

static void vmm_run(struct vmm *vmm)
{
    static const struct device console = {
        .name = "console", .base = CONSOLE_PORT, .length = 1, .access = console_access};
    static const struct device number = {
        .name = "number", .base = NUMBER_PORT, .length = 4, .access = number_access};
    struct device square = {.name = "square",
                            .base = DEVICE_GPA,
                            .length = 4,
                            .owner = &vmm->squared,
                            .access = square_access};
    struct run_stop stop = {0};

    if (step_report("device_bus_add(console)", device_bus_add(&vmm->vm.pio, &console)) <
            0 ||
        step_report("device_bus_add(number)", device_bus_add(&vmm->vm.pio, &number)) < 0 ||
        step_report("device_bus_add(square)", device_bus_add(&vmm->vm.mmio, &square)) < 0)
        return;
    vmm->trace = (struct event_trace){.ring = vmm->ring, .capacity = 64};
    vmm->vcpu.trace = &vmm->trace;
    if (step_report("vcpu_run()", vcpu_run(&vmm->vcpu, &stop)) < 0)
        return;
    printf("%s; %u squared is %u\n",
           stop.status == RUN_HALTED ? "the guest has halted" : "the run ended otherwise",
           NUMBER, vmm->squared);
    counters_print(&vmm->vcpu);
}

static void run(struct subject *subject)
{
    static struct vmm vmm = {.kvm = {.fd = -1}, .vm = {.fd = -1}, .vcpu = {.fd = -1}};

    (void)subject;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (objects_create(&vmm) >= 0) {
        subject_checkpoint();
        if (guest_prepare(&vmm) >= 0)
            vmm_run(&vmm);
    }
    vcpu_destroy(&vmm.vcpu);
    vm_destroy(&vmm.vm);
    kvm_close(&vmm.kvm);
}

const subject_entry subject_entries[] = {run};
const size_t subject_entry_count = 1;
