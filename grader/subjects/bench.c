/* bench.c - PIO exits: a bare ioctl(KVM_RUN) loop beside vcpu_run() and its device bus, with
 * the same guest in the same machine, slice by slice in turn. */
#define _GNU_SOURCE
#include "bench.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <time.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"

#define PORT 0x80

struct counter {
    struct vcpu *vcpu;
    uint32_t left;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void counter_access(void *owner, const struct bus_access *access)
{
    struct counter *counter = owner;

    (void)access;
    if (--counter->left == 0)
        vcpu_kick(counter->vcpu);
}

static uint64_t slice_bare(struct vcpu *vcpu, uint32_t exits)
{
    uint64_t start = now_ns();

    for (uint32_t i = 0; i < exits; i++)
        if (ioctl(vcpu->fd, KVM_RUN, 0) < 0 || vcpu->run->exit_reason != KVM_EXIT_IO)
            return 0;
    return now_ns() - start;
}

static uint64_t slice_core(struct counter *counter, uint32_t exits)
{
    uint64_t start = now_ns();
    struct run_stop stop;

    counter->left = exits;
    if (vcpu_run(counter->vcpu, &stop) < 0 || stop.status != RUN_KICKED)
        return 0;
    return now_ns() - start;
}

static void measure(struct vcpu *vcpu, const struct bench_input *in,
                    struct bench_output *out)
{
    struct counter counter = {.vcpu = vcpu};
    struct device device = {.name = "counter",
                            .base = PORT,
                            .length = 1,
                            .owner = &counter,
                            .access = counter_access};

    if (vcpu_kick_init() < 0 || device_bus_add(&vcpu->vm->pio, &device) < 0)
        return;
    for (int i = 0; i < BENCH_SLICES; i++) {
        out->bare[i] = slice_bare(vcpu, in->exits);
        out->core[i] = slice_core(&counter, in->exits);
    }
}

static void pio(struct subject *subject)
{
    static const uint8_t guest[] = {0xba, PORT, 0x00,
                                    0xee, 0xeb, 0xfd}; /* 1: out dx,al; jmp 1b */
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
    struct guest_ram ram;

    subject->output_size = sizeof(struct bench_output);
    if (kvm_open(&kvm, KVM_DEVICE_PATH, NULL) < 0 || vm_create(&vm, &kvm, NULL) < 0 ||
        vcpu_create(&vcpu, &vm, 0, NULL) < 0 ||
        guest_ram_create(&ram, "ram", 1 << 20) < 0 ||
        memory_slot_add(&vm, 0, ram.size, ram.hva, 0) < 0 ||
        guest_load(&vcpu, guest, sizeof guest, GUEST_REAL16) < 0)
        return;
    measure(&vcpu, subject->input, subject->output);
}

const subject_entry subject_entries[] = {pio};
const size_t subject_entry_count = 1;
