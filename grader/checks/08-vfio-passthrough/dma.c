/* dma.c - the command register, and ranges that are mapped for DMA (target model). */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- the command register ---------------------------------------------------------- */

static uint16_t command_of(const uint8_t *config)
{
    return (uint16_t)(config[PCI_COMMAND_OFFSET] | config[PCI_COMMAND_OFFSET + 1] << 8);
}

static void config_check(const struct script *s, unsigned checkpoint, uint16_t before,
                         uint16_t due, const char *when)
{
    static const char asked[] = "only the named bits of the command register change";
    uint16_t is;
    uint8_t now[PLAN_CONFIG];

    CHECK(s->judge, s->e->windows[checkpoint][0].length == sizeof now, asked,
          "%s: the device's file has no configuration space at its offset", when);
    memcpy(now, s->e->windows[checkpoint][0].bytes, sizeof now);
    is = command_of(now);
    CHECK(s->judge, is == due, asked,
          "%s the command register is %#06x; due is %#06x (it was "
          "%#06x)",
          when, is, due, before);
    for (size_t i = 0; i < sizeof now; i++)
        CHECK(s->judge, now[i] == s->plan.vfio.config[i] || i / 2 == PCI_COMMAND_OFFSET / 2,
              asked, "%s byte %#zx of configuration space is %#04x; it was %#04x", when, i,
              now[i], s->plan.vfio.config[i]);
}

/* In four rounds each other bit is twice 0 and twice 1, and MEM and BM have each value. */
void command_register_is_set(struct judge *judge)
{
    const uint16_t others = (uint16_t)(judge_random(judge) & ~6u), both = 6;

    for (unsigned round = 0; round < 4; round++) {
        struct script *s = script_new(judge);
        struct window window = {.name = "vfio-device",
                                .offset = s->plan.vfio.config_offset,
                                .length = PLAN_CONFIG};
        uint16_t first = (uint16_t)((round % 2 ? others : ~others & ~both) | round * 2);
        uint16_t second = (uint16_t)~first;

        memcpy(&s->plan.vfio.config[PCI_COMMAND_OFFSET], &first, sizeof first);
        OP(s, .kind = LAB08_OPEN);
        OP(s, .kind = LAB08_CHECKPOINT);
        OP(s, .kind = LAB08_COMMAND, .at = first); /* the guest's driver may, too */
        OP(s, .kind = LAB08_MASTER, .flags = 1);
        OP(s, .kind = LAB08_CHECKPOINT);
        OP(s, .kind = LAB08_COMMAND, .at = second);
        OP(s, .kind = LAB08_MASTER);
        OP(s, .kind = LAB08_CHECKPOINT);
        script_run(s, &window, 1);
        for (uint32_t op = 0; op < s->in.op_count; op++) {
            if (s->in.ops[op].kind == LAB08_COMMAND)
                continue;
            op_returns(s, op, 0, "a device that is as it should be gives no error");
            writes_check(s, op);
            if (s->in.ops[op].kind != LAB08_CHECKPOINT)
                untouched_check(s, op);
        }
        config_check(s, 0, first, (uint16_t)((first & ~both) | PCI_COMMAND_MEMORY),
                     "after vfio_open()");
        config_check(s, 1, first, first | PCI_COMMAND_MASTER,
                     "after vfio_bus_master(true)");
        config_check(s, 2, second, second & (uint16_t)~PCI_COMMAND_MASTER,
                     "after vfio_bus_master(false)");
    }
}

/* --- mapping memory for DMA -------------------------------------------------------- */

/* What vfio_dma_map() has to answer, argument by argument as the contract lists them. */
static int map_due(const struct lab08_op *op, unsigned bits, uint64_t ram_hva)
{
    uint64_t hva = op->offset == LAB08_NO_HVA ? 0 : ram_hva + op->offset;
    bool aligned = op->at % PAGE == 0 && op->size % PAGE == 0 && hva % PAGE == 0;
    unsigned __int128 end = (unsigned __int128)op->at + op->size;

    if (op->size == 0 || !aligned || hva == 0 || op->flags == 0 || op->flags > READ_WRITE ||
        end > (unsigned __int128)1 << 64)
        return -EINVAL;
    return end > (unsigned __int128)1 << bits ? -ERANGE : 0;
}

static void map_made_check(const struct script *s, uint32_t op, const char *asked)
{
    static const struct call_id id = IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_MAP_DMA);
    const struct lab08_op *o = &s->in.ops[op];
    const struct vfio_iommu_type1_dma_map *map =
        payload_at(s, call_at(s, op, id, 0), sizeof *map);

    CHECK(s->judge, map && calls_of(s, op, id) == 1, asked,
          "VFIO_IOMMU_MAP_DMA was called %u times; due is once", calls_of(s, op, id));
    CHECK(
        s->judge,
        map->argsz == sizeof *map && map->flags == o->flags &&
            map->vaddr == s->out->ram_hva + o->offset && map->iova == o->at &&
            map->size == o->size,
        asked,
        "VFIO_IOMMU_MAP_DMA got argsz %u, flags %u, hva ram + %#" PRIx64 ", iova %#" PRIx64
        ", size %#" PRIx64 "; due: %zu, %u, ram + %#" PRIx64 ", %#" PRIx64 ", %#" PRIx64,
        map->argsz, map->flags, (uint64_t)map->vaddr - s->out->ram_hva, (uint64_t)map->iova,
        (uint64_t)map->size, sizeof *map, o->flags, o->offset, o->at, o->size);
}

static const char *map_reason(const struct lab08_op *op, int due)
{
    if (due == 0)
        return "it keeps to the contract";
    if (due == -ERANGE)
        return "its last byte is past the device's last address";
    return op->size != 0 && op->at + (op->size - 1) < op->at
               ? "it wraps around 2^64"
               : "see size, alignment, hva and access in the contract";
}

static void map_check(const struct script *s, uint32_t op)
{
    static const char asked[] = "a range is mapped exactly if the contract allows it";
    static const struct call_id id = IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_MAP_DMA);
    const struct lab08_op *o = &s->in.ops[op];
    int due = map_due(o, s->in.dma_bits, s->out->ram_hva);
    char is[40], was[40];

    CHECK(s->judge, s->out->results[op].result == due, asked,
          "vfio_dma_map(iova %#" PRIx64 ", %s%#" PRIx64 ", size %#" PRIx64
          ", access %#x) on a device with %u address lines returned %s; due is %s: %s",
          o->at, o->offset == LAB08_NO_HVA ? "NULL, " : "ram + ",
          o->offset == LAB08_NO_HVA ? 0 : o->offset, o->size, o->flags, s->in.dma_bits,
          errno_number_text(s->out->results[op].result, is, sizeof is),
          errno_number_text(due, was, sizeof was), map_reason(o, due));
    if (due == 0) {
        map_made_check(s, op, asked);
        untouched_check(s, op);
        return;
    }
    CHECK(s->judge, call_at(s, op, id, 0) == NONE, asked,
          "a range that is refused reached VFIO_IOMMU_MAP_DMA all the same");
    if (o->no_error)
        return;
    error_check(s, op,
                &(struct vfio_error){
                    VFIO_STEP_DMA_MAP,
                    due == -EINVAL ? VFIO_ERR_ARGUMENT : VFIO_ERR_IOVA_OUT_OF_REACH, -due,
                    due == -EINVAL ? 0 : (int64_t)(o->at + o->size - 1)},
                asked);
}

static void map_ops_add(struct script *s)
{
    uint64_t end = s->in.dma_bits < 64 ? 1ull << s->in.dma_bits : 0, top = 0ull - PAGE;
    uint64_t at = random_pages(s->judge, 16, 64), size = random_pages(s->judge, 1, 8);
    uint64_t hva = random_pages(s->judge, 0, 16);
    const struct lab08_op cases[] = {
        {.at = at, .offset = hva, .size = size, .flags = READ_WRITE},
        {.at = at, .offset = hva, .size = size, .flags = VFIO_DMA_MAP_FLAG_READ},
        {.at = at, .offset = hva, .size = size, .flags = VFIO_DMA_MAP_FLAG_WRITE},
        {.at = 0, .offset = hva, .size = PAGE, .flags = READ_WRITE},
        {.at = at, .offset = hva, .size = 0, .flags = READ_WRITE},
        {.at = at + 8, .offset = hva, .size = size, .flags = READ_WRITE},
        {.at = at, .offset = hva + 64, .size = size, .flags = READ_WRITE},
        {.at = at, .offset = hva, .size = size + 512, .flags = READ_WRITE},
        {.at = at, .offset = LAB08_NO_HVA, .size = size, .flags = READ_WRITE},
        {.at = at, .offset = hva, .size = size, .flags = 0},
        {.at = at, .offset = hva, .size = size, .flags = VFIO_DMA_MAP_FLAG_VADDR | 1},
        {.at = at, .offset = hva, .size = size, .flags = 8},
        {.at = end - size, .offset = hva, .size = size, .flags = READ_WRITE},
        {.at = end - PAGE, .offset = hva, .size = PAGE, .flags = READ_WRITE},
        {.at = end - PAGE, .offset = hva, .size = 2 * PAGE, .flags = READ_WRITE},
        {.at = end, .offset = hva, .size = PAGE, .flags = READ_WRITE},
        {.at = end + 8, .offset = hva, .size = PAGE, .flags = READ_WRITE},
        {.at = end, .offset = hva, .size = PAGE, .flags = 0},
        {.at = end + (1ull << 32), .offset = hva, .size = PAGE, .flags = READ_WRITE},
        {.at = at, .offset = hva, .size = size + (1ull << 32), .flags = READ_WRITE},
        {.at = top, .offset = hva, .size = 2 * PAGE, .flags = READ_WRITE},
        {.at = top, .offset = hva, .size = PAGE, .flags = READ_WRITE},
        {.at = top - size, .offset = hva, .size = 0ull - PAGE, .flags = READ_WRITE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab08_op op = cases[i];

        op.kind = LAB08_MAP;
        op_add(s, op);
        op.no_error = 1;
        op_add(s, op);
    }
}

void dma_map_keeps_within_reach(struct judge *judge)
{
    static const unsigned bits[] = {28, 32, 64, 40};

    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        struct script *s = script_new(judge);

        s->in.dma_bits = bits[i];
        OP(s, .kind = LAB08_OPEN);
        map_ops_add(s);
        script_run(s, NULL, 0);
        op_returns(s, 0, 0, "vfio_open() takes a device that is as it should be");
        for (uint32_t op = 1; op < s->in.op_count; op++)
            map_check(s, op);
    }
}

/* Runs OPEN and one operation, and wants this error of it. unmap_short: so many bytes
 * fewer are unmapped than was asked for. */
static void dma_error_check(struct judge *judge, struct lab08_op op, uint32_t request,
                            int errnum, uint64_t unmap_short, struct vfio_error due)
{
    struct script *s = script_new(judge);
    static char asked[120];
    uint32_t n;

    if (errnum)
        snprintf(asked, sizeof asked, "VFIO refuses with %s: that is handed on",
                 strerrorname_np(errnum));
    else
        snprintf(asked, sizeof asked,
                 "VFIO unmaps %#" PRIx64 " bytes of %#" PRIx64 ": the caller is told",
                 op.size - unmap_short, op.size);
    OP(s, .kind = LAB08_OPEN);
    n = op_add(s, op);
    op.no_error = 1;
    op_add(s, op);
    if (errnum)
        fault_set(s, 0, CALL_IOCTL, request, 0, errnum);
    s->plan.faults[0].repeat *= 2;
    s->plan.vfio.unmap_short = unmap_short;
    script_run(s, NULL, 0);
    error_check(s, n, &due, asked);
    op_returns(s, n + 1, -due.errnum, "struct vfio_error may be NULL");
}

static void unmap_check(struct judge *judge, uint64_t at, uint64_t size)
{
    static const char asked[] = "vfio_dma_unmap() tells VFIO the range";
    static const struct call_id id = IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA);
    struct script *s = script_new(judge);
    const struct vfio_iommu_type1_dma_unmap *told;
    uint32_t good;

    OP(s, .kind = LAB08_OPEN);
    good = OP(s, .kind = LAB08_UNMAP, .at = at, .size = size);
    OP(s, .kind = LAB08_UNMAP, .at = at, .size = 0);
    OP(s, .kind = LAB08_UNMAP, .at = at + 16, .size = size);
    OP(s, .kind = LAB08_UNMAP, .at = at, .size = size + 16);
    uint32_t unheard =
        OP(s, .kind = LAB08_UNMAP, .at = at + 16, .size = size, .no_error = 1);
    script_run(s, NULL, 0);
    op_returns(s, good, 0, asked);
    untouched_check(s, good);
    op_returns(s, unheard, -EINVAL, "struct vfio_error may be NULL");
    told = payload_at(s, call_at(s, good, id, 0), 24);
    CHECK(judge, told && told->iova == at && told->size == size && told->flags == 0, asked,
          "VFIO_IOMMU_UNMAP_DMA got iova %#" PRIx64 ", size %#" PRIx64 "; due: %#" PRIx64
          ", %#" PRIx64,
          told ? (uint64_t)told->iova : 0, told ? (uint64_t)told->size : 0, at, size);
    for (uint32_t op = good + 1; op < unheard; op++)
        error_check(s, op,
                    &(struct vfio_error){VFIO_STEP_DMA_UNMAP, VFIO_ERR_ARGUMENT, EINVAL, 0},
                    "a range that is no range is refused");
}

void unmap_reports_what_was_missing(struct judge *judge)
{
    const uint64_t at = random_pages(judge, 16, 64), size = random_pages(judge, 2, 8);
    const struct lab08_op map = {
        .kind = LAB08_MAP, .at = at, .size = size, .flags = READ_WRITE};
    const struct lab08_op unmap = {.kind = LAB08_UNMAP, .at = at, .size = size};
    struct lab08_op large = {
        .kind = LAB08_UNMAP, .at = at + (5ull << 32), .size = size + (3ull << 32)};

    unmap_check(judge, at, size);
    unmap_check(judge, large.at, large.size);
    dma_error_check(judge, large, 0, 0, 1ull << 32,
                    (struct vfio_error){VFIO_STEP_DMA_UNMAP, VFIO_ERR_NOT_MAPPED, ENOENT,
                                        (int64_t)(large.size - (1ull << 32))});
    dma_error_check(judge, map, VFIO_IOMMU_MAP_DMA, EINTR, 0,
                    (struct vfio_error){VFIO_STEP_DMA_MAP, VFIO_ERR_SYSCALL, EINTR, 0});
    dma_error_check(judge, unmap, VFIO_IOMMU_UNMAP_DMA, EAGAIN, 0,
                    (struct vfio_error){VFIO_STEP_DMA_UNMAP, VFIO_ERR_SYSCALL, EAGAIN, 0});
    dma_error_check(
        judge, map, VFIO_IOMMU_MAP_DMA, EEXIST, 0,
        (struct vfio_error){VFIO_STEP_DMA_MAP, VFIO_ERR_IOVA_IN_USE, EEXIST, 0});
    dma_error_check(
        judge, map, VFIO_IOMMU_MAP_DMA, ENOMEM, 0,
        (struct vfio_error){VFIO_STEP_DMA_MAP, VFIO_ERR_LOCKED_MEMORY, ENOMEM, 0});
    dma_error_check(judge, unmap, VFIO_IOMMU_UNMAP_DMA, EINVAL, 0,
                    (struct vfio_error){VFIO_STEP_DMA_UNMAP, VFIO_ERR_SYSCALL, EINVAL, 0});
    dma_error_check(
        judge, unmap, 0, 0, size,
        (struct vfio_error){VFIO_STEP_DMA_UNMAP, VFIO_ERR_NOT_MAPPED, ENOENT, 0});
    dma_error_check(judge, unmap, 0, 0, PAGE,
                    (struct vfio_error){VFIO_STEP_DMA_UNMAP, VFIO_ERR_NOT_MAPPED, ENOENT,
                                        (int64_t)(size - PAGE)});
}
