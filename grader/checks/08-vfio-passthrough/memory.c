/* memory.c - the BAR as a memory slot, and the guest's memory in the IOMMU (target model).
 */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>

#include "memory_slots.h"

/* Free entries between those in use, the first one perhaps, never the last one. */
static void layout_holes_add(struct script *s, struct layout *l)
{
    const uint32_t last = l->count - 1;

    for (uint32_t n = 1; n < last / 2; n += 3) {
        uint32_t hole = (l->bar + n) % last;

        OP(s, .kind = LAB08_SLOT_REMOVE, .at = hole);
        l->size[hole] = 0;
    }
}

struct layout layout_add(struct script *s, uint32_t count, uint64_t last_gpa)
{
    static const uint32_t flags[] = {MEMORY_SLOT_READONLY, MEMORY_SLOT_LOG_DIRTY,
                                     MEMORY_SLOT_READONLY | MEMORY_SLOT_LOG_DIRTY, 0};
    bool last_is_memory = last_gpa != 0 || count > SLOTS;
    struct layout l = {.count = count,
                       .bar =
                           (uint32_t)judge_random_below(s->judge, count - last_is_memory)};
    /* Each slot in an area of its own, whose order is not that of the slots; beyond 4 GiB, and
     * larger than that, where the device reaches so far. */
    const bool far = s->in.dma_bits > 32;
    const uint64_t area = far ? 1ull << 33 : 64 * PAGE,
                   turn = judge_random_below(s->judge, count);

    OP(s, .kind = LAB08_OPEN);
    for (uint32_t i = 0; i < count; i++) {
        /* 3 has no divisor in common with either count */
        l.gpa[i] = (far + (i * 3 + turn) % count) * area + random_pages(s->judge, 0, 16);
        l.size[i] = i == l.bar
                        ? s->plan.vfio.bar_size
                        : random_pages(s->judge, 1, 8) + (far && i % 2 ? 1ull << 32 : 0);
        l.offset[i] = i * 8 * PAGE;
        l.flags[i] = flags[(i - (i > l.bar)) % 4];
        if (i == count - 1 && last_gpa)
            l.gpa[i] = last_gpa;
        if (i == l.bar)
            l.assign_bar = OP(s, .kind = LAB08_ASSIGN_BAR, .at = l.gpa[i]);
        else
            OP(s, .kind = LAB08_SLOT, .at = l.gpa[i], .size = l.size[i],
               .offset = l.offset[i], .flags = l.flags[i]);
    }
    if (count > SLOTS)
        layout_holes_add(s, &l);
    l.assign_memory = OP(s, .kind = LAB08_ASSIGN_MEMORY);
    return l;
}

/* Returns where in the log the last mapping stands. */
static size_t layout_mapped_check(const struct script *s, const struct layout *l)
{
    static const char asked[] = "every slot but the BAR's is mapped, at IOVA = GPA";
    unsigned n = 0;

    for (uint32_t i = 0; i < l->count; i++) {
        const struct vfio_iommu_type1_dma_map *map;
        uint32_t access =
            l->flags[i] & MEMORY_SLOT_READONLY ? VFIO_DMA_MAP_FLAG_READ : READ_WRITE;

        if (i == l->bar || l->size[i] == 0)
            continue;
        map = payload_at(s, call_at(s, l->assign_memory, map_id, n++), sizeof *map);
        CHECK(s->judge, map, asked, "slot %u (gpa %#" PRIx64 ") was not mapped", i,
              l->gpa[i]);
        CHECK(s->judge,
              map->iova == l->gpa[i] && map->size == l->size[i] &&
                  map->vaddr == s->out->ram_hva + l->offset[i],
              asked,
              "mapping %u: iova %#" PRIx64 ", size %#" PRIx64 "; due is slot %u: %#" PRIx64
              ", %#" PRIx64 "%s",
              n - 1, (uint64_t)map->iova, (uint64_t)map->size, i, l->gpa[i], l->size[i],
              map->iova == l->gpa[i] ? " (and its hva)" : "");
        CHECK(s->judge, map->flags == access, asked,
              "slot %u is %s; its mapping has access %u, due is %u (1 read, 2 write)", i,
              l->flags[i] & MEMORY_SLOT_READONLY ? "read-only" : "read-write", map->flags,
              access);
    }
    CHECK(s->judge, calls_of(s, l->assign_memory, map_id) == n, asked,
          "%u ranges were mapped; the guest's memory has %u slots",
          calls_of(s, l->assign_memory, map_id), n);
    return call_at(s, l->assign_memory, map_id, n - 1);
}

static void once_check(const struct script *s, uint32_t op, enum vfio_step step)
{
    error_check(s, op, &(struct vfio_error){step, VFIO_ERR_ARGUMENT, EBUSY, 0},
                step == VFIO_STEP_DMA_MAP ? "memory is assigned once"
                                          : "the BAR is assigned once");
}

/* Where the guest has memory already there is no room for the BAR. */
static void bar_in_the_way(struct judge *judge)
{
    static const char asked[] = "a BAR that finds no room is no slot";
    struct script *s = script_new(judge);
    uint32_t op;

    OP(s, .kind = LAB08_OPEN);
    OP(s, .kind = LAB08_SLOT, .at = 0x100000, .size = 4 * PAGE);
    op = OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x101000);
    OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x800000);
    OP(s, .kind = LAB08_ASSIGN_MEMORY);
    OP(s, .kind = LAB08_ASSIGN_MEMORY);
    script_run(s, NULL, 0);
    error_check(s, op,
                &(struct vfio_error){VFIO_STEP_BAR_SLOT, VFIO_ERR_SYSCALL, EEXIST, 0},
                asked);
    CHECK(judge, s->out->results[op].state.bar_slot == -1, asked,
          "bar_slot is %d; due is -1", s->out->results[op].state.bar_slot);
    op_returns(s, op + 1, 0, "a BAR that found no room may be put elsewhere");
    op_returns(s, op + 2, 0, "device_assign_memory() returns 0");
    once_check(s, op + 3, VFIO_STEP_DMA_MAP); /* a single range */
}

/* KVM was told the whole BAR, and no dirty log. */
static void bar_slot_check(const struct script *s, const struct layout *l)
{
    static const char asked[] = "all of the BAR becomes a memory slot, read-write, no log";
    const struct kvm_userspace_memory_region *region =
        payload_at(s, call_at(s, l->assign_bar, slot_id, 0), sizeof *region);
    int slot = s->out->results[l->assign_bar].state.bar_slot;

    op_returns(s, l->assign_bar, 0, "the BAR becomes a memory slot");
    CHECK(s->judge, slot == (int)l->bar, "bar_slot is what memory_slot_add() returned",
          "it is %d; due is %u", slot, l->bar);
    CHECK(s->judge, region, asked, "KVM_SET_USER_MEMORY_REGION was not called");
    CHECK(s->judge,
          region->guest_phys_addr == l->gpa[l->bar] &&
              region->memory_size == s->plan.vfio.bar_size && region->flags == 0 &&
              region->userspace_addr == s->out->bar_hva,
          asked,
          "the slot is gpa %#llx, %#llx bytes, flags %u, hva bar + %#llx; due is %#" PRIx64
          ", %#" PRIx64 ", 0, bar + 0",
          region->guest_phys_addr, region->memory_size, region->flags,
          region->userspace_addr - s->out->bar_hva, l->gpa[l->bar], s->plan.vfio.bar_size);
}

/* A device without memory to reach: its MSI needs bus master all the same. */
static void no_memory_check(struct judge *judge)
{
    static const char asked[] = "without memory to map the device becomes bus master, too";
    struct script *s = script_new(judge);
    size_t at;
    uint32_t op;

    OP(s, .kind = LAB08_OPEN);
    OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x800000);
    op = OP(s, .kind = LAB08_ASSIGN_MEMORY);
    OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x4000000);
    script_run(s, NULL, 0);
    op_returns(s, op, 0, asked);
    once_check(s, op + 1, VFIO_STEP_BAR_SLOT); /* its slot is number 0 */
    CHECK(judge, command_after(s, op, 0, &at) & PCI_COMMAND_MASTER, asked,
          "the VM has no slot but the BAR's; bus master was not switched on");
}

void guest_memory_is_reachable(struct judge *judge)
{
    for (int i = 0; i < 4; i++) {
        struct script *s = script_new(judge);
        s->in.dma_bits = i < 2 ? 28 : 48;
        struct layout l = layout_add(s, i % 2 ? VM_SLOTS_MAX : SLOTS, 0);
        uint32_t again = OP(s, .kind = LAB08_ASSIGN_MEMORY);
        uint32_t bar_again = OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x8000000);
        uint32_t unheard = OP(s, .kind = LAB08_ASSIGN_MEMORY, .no_error = 1);
        OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x8000000, .no_error = 1);
        size_t written = 0, mapped;
        uint16_t command;

        script_run(s, NULL, 0);
        bar_slot_check(s, &l);
        op_returns(s, l.assign_memory, 0, "device_assign_memory() returns 0");
        mapped = layout_mapped_check(s, &l);
        command = command_after(s, l.assign_memory, 0, &written);
        CHECK(judge, (command & PCI_COMMAND_MASTER) && written > mapped,
              "the device becomes bus master when all is mapped, not before", "%s",
              command & PCI_COMMAND_MASTER ? "it was bus master before the last mapping"
                                           : "it did not become bus master");
        once_check(s, again, VFIO_STEP_DMA_MAP);
        once_check(s, bar_again, VFIO_STEP_BAR_SLOT);
        untouched_check(s, l.assign_bar);
        untouched_check(s, l.assign_memory);
        for (uint32_t op = unheard; op < unheard + 2; op++)
            op_returns(s, op, -EBUSY, "struct vfio_error may be NULL");
    }
    no_memory_check(judge);
    bar_in_the_way(judge);
}

/* All that was mapped in an operation has been unmapped in it again, and no bus master. */
static void rolled_back_check(const struct script *s, uint32_t op, const char *asked)
{
    unsigned tried = calls_of(s, op, map_id), mapped = tried, u = 0;
    size_t written = 0;

    if (tried && s->e->calls[call_at(s, op, map_id, tried - 1)].record->result < 0)
        mapped--;
    CHECK(s->judge, calls_of(s, op, unmap_id) == mapped, asked,
          "%u ranges were mapped, and %u calls unmap", mapped, calls_of(s, op, unmap_id));
    for (unsigned n = mapped; n-- > 0; u++) {
        const struct vfio_iommu_type1_dma_map *map =
            payload_at(s, call_at(s, op, map_id, n), sizeof *map);
        const struct vfio_iommu_type1_dma_unmap *unmap =
            payload_at(s, call_at(s, op, unmap_id, u), 24);

        if (s->e->calls[call_at(s, op, unmap_id, u)].record->injected)
            continue; /* nobody has looked at what it asked for */
        CHECK(s->judge,
              map && unmap && unmap->iova == map->iova && unmap->size == map->size, asked,
              "call %u that unmaps is for iova %#" PRIx64 ", %#" PRIx64
              " bytes; due is %#" PRIx64 ", %#" PRIx64 " (the last one mapped goes first)",
              u + 1, unmap ? (uint64_t)unmap->iova : 0, unmap ? (uint64_t)unmap->size : 0,
              map ? (uint64_t)map->iova : 0, map ? (uint64_t)map->size : 0);
    }
    CHECK(s->judge,
          !(command_after(s, op, 0, &written) & PCI_COMMAND_MASTER) ||
              s->e->calls[written].record->injected,
          asked, "the device has become bus master");
    CHECK(s->judge, s->out->results[op].state.range_count == 0, asked,
          "range_count is %u; due is 0", s->out->results[op].state.range_count);
}

void memory_is_mapped_all_or_nothing(struct judge *judge)
{
    static const char asked[] = "what cannot be mapped whole is not mapped at all";

    for (unsigned failing = 0; failing < SLOTS + 1; failing++) {
        struct script *s = script_new(judge);
        bool reach = failing == SLOTS, master = failing == SLOTS - 1;
        struct layout l = layout_add(s, SLOTS, reach ? (1ull << 28) - PAGE : 0);

        uint32_t unheard = OP(s, .kind = LAB08_ASSIGN_MEMORY, .no_error = 1);
        const uint64_t last = (1ull << 28) + PAGE - 1;

        if (reach) /* its last page is past the device's last address */
            s->in.ops[l.assign_memory - 1].size = l.size[SLOTS - 1] = 2 * PAGE;
        if (master) {
            fault_set(s, 0, CALL_WRITE, 0, 1, EIO);
            fault_set(s, 1, CALL_WRITE, 0, 2, EIO);
        } else if (!reach) {
            fault_set(s, 0, CALL_IOCTL, VFIO_IOMMU_MAP_DMA, failing, EINVAL);
            fault_set(s, 1, CALL_IOCTL, VFIO_IOMMU_MAP_DMA, 2 * failing + 1, EINVAL);
        }
        /* Undoing may fail, too: the rest goes on, and the first error is the one. */
        fault_set(s, 2, CALL_IOCTL, VFIO_IOMMU_UNMAP_DMA, 0, ENOMEM);
        script_run(s, NULL, 0);
        error_check(
            s, l.assign_memory,
            &(struct vfio_error){master ? VFIO_STEP_COMMAND : VFIO_STEP_DMA_MAP,
                                 reach ? VFIO_ERR_IOVA_OUT_OF_REACH : VFIO_ERR_SYSCALL,
                                 reach    ? ERANGE
                                 : master ? EIO
                                          : EINVAL,
                                 reach ? (int64_t)last : 0},
            asked);
        rolled_back_check(s, l.assign_memory, asked);
        op_returns(s, unheard, s->out->results[l.assign_memory].result,
                   "struct vfio_error may be NULL");
        rolled_back_check(s, unheard, asked);
    }
}
