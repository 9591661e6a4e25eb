/* bench.c - two measurements.
 *
 * PIO exits: a bare ioctl(KVM_RUN) loop beside vcpu_run() and its device bus, with the same
 * guest in the same machine, slice by slice in turn.
 * Walks: nested_walk() with its caches beside a textbook's walk, on the same tables. */
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
#include "nested_walk.h"
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

/* --- walks ------------------------------------------------------------------------------- */

#define WALK_MEMORY 0x10000000ull /* HPA; guest-physical addresses are the same, less it */
#define WALK_POOL   16
#define WALK_PAGES  256

static uint64_t walk_memory[WALK_POOL + 4][512]; /* the EPT's tables, then the guest's */
static uint64_t walk_reads;

static uint64_t walk_read(void *owner, uint64_t hpa)
{
    (void)owner;
    walk_reads++;
    return walk_memory[(hpa - WALK_MEMORY) / EPT_PAGE][hpa % EPT_PAGE / 8];
}

static void walk_write(void *owner, uint64_t hpa, uint64_t value)
{
    (void)owner;
    walk_memory[(hpa - WALK_MEMORY) / EPT_PAGE][hpa % EPT_PAGE / 8] = value;
}

/* As a textbook has it: four levels, every entry read each time, nothing remembered. */
static uint64_t textbook_table_walk(uint64_t root, uint64_t gpa)
{
    for (int level = EPT_LEVELS; level >= 1; level--)
        root = walk_read(NULL, root + 8 * ept_index(gpa, level)) & EPT_ADDRESS;
    return root | gpa % EPT_PAGE;
}

static uint64_t textbook_walk(uint64_t root, uint64_t cr3, uint64_t gva)
{
    for (int level = EPT_LEVELS; level >= 1; level--) {
        uint64_t at = textbook_table_walk(root, cr3 + 8 * ept_index(gva, level));

        cr3 = walk_read(NULL, at) & GUEST_ADDRESS;
    }
    return textbook_table_walk(root, cr3 | gva % EPT_PAGE);
}

/* 1 MiB of the guest's in pages of 4 KiB, in both dimensions (the HPAs are shifted by a page,
 * so that no larger one fits). CR3 is the result. */
static uint64_t walk_tables_make(struct ept *ept, struct ept_pool *pool)
{
    static const struct ept_cpu cpu = {.physical_bits = 46};
    const uint64_t tables = WALK_POOL * EPT_PAGE;

    *pool = (struct ept_pool){.hva = (uint8_t *)walk_memory,
                              .hpa = WALK_MEMORY,
                              .page_count = WALK_POOL,
                              .free_count = WALK_POOL};
    if (ept_create(ept, pool, &cpu, true) < 0 ||
        ept_map(ept, tables, WALK_MEMORY + tables, 4 * EPT_PAGE, EPT_RIGHTS, MT_WB) < 0 ||
        ept_map(ept, 1 << 30, (1ull << 31) + EPT_PAGE, WALK_PAGES * EPT_PAGE, EPT_RIGHTS,
                MT_WB) < 0)
        return 0;
    for (unsigned i = 0; i < 3; i++)
        walk_memory[WALK_POOL + i][0] = (tables + (i + 1) * EPT_PAGE) | 0x67;
    for (unsigned i = 0; i < WALK_PAGES; i++)
        walk_memory[WALK_POOL + 3][i] = ((1ull << 30) + i * EPT_PAGE) | 0x67;
    return tables;
}

/* Random places in the 1 MiB, the same for both. */
static uint64_t walks_slice(const struct guest_mmu *mmu, uint64_t seed, bool textbook,
                            uint64_t *sum)
{
    uint64_t start = now_ns();

    for (unsigned i = 0; i < BENCH_WALKS; i++) {
        struct nested_walk walk = {.hpa = 0};
        uint64_t gva;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        gva = seed >> 44;
        if (textbook)
            walk.hpa = textbook_walk(mmu->ept->root, mmu->cr3, gva);
        else
            nested_walk(mmu, gva, EPT_READ, &walk);
        *sum += walk.hpa;
    }
    return now_ns() - start;
}

static void walks(struct subject *subject)
{
    static struct nested_caches caches;
    const struct host_memory memory = {.read = walk_read, .write = walk_write};
    struct bench_walks_output *out = subject->output;
    struct ept_pool pool;
    struct ept ept;
    struct guest_mmu mmu = {.memory = &memory, .ept = &ept, .caches = &caches};

    subject->output_size = sizeof *out;
    mmu.cr3 = walk_tables_make(&ept, &pool);
    if (mmu.cr3 == 0)
        return;
    for (unsigned i = 0; i < BENCH_SLICES; i++) {
        uint64_t sums[2] = {0, 0}, before = walk_reads;

        out->part[i] = walks_slice(&mmu, i, false, &sums[0]);
        out->part_references += walk_reads - before;
        before = walk_reads;
        out->textbook[i] = walks_slice(&mmu, i, true, &sums[1]);
        out->textbook_references += walk_reads - before;
        out->wrong += sums[0] != sums[1];
    }
}

const subject_entry subject_entries[] = {pio, walks};
const size_t subject_entry_count = 2;
