/* open.c - from a group to a mapped device and back (target model): the calls and their
 * order, answers that make a device unusable, every call made to fail, the end. */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* --- opening ----------------------------------------------------------------------- */

static const struct call_id open_calls[] = {
    {CALL_OPEN, OBJECT_CONTAINER, 0},
    IOCTL(OBJECT_CONTAINER, VFIO_GET_API_VERSION),
    IOCTL(OBJECT_CONTAINER, VFIO_CHECK_EXTENSION),
    {CALL_OPEN, OBJECT_GROUP, 0},
    IOCTL(OBJECT_GROUP, VFIO_GROUP_GET_STATUS),
    IOCTL(OBJECT_GROUP, VFIO_GROUP_SET_CONTAINER),
    IOCTL(OBJECT_CONTAINER, VFIO_SET_IOMMU),
    IOCTL(OBJECT_GROUP, VFIO_GROUP_GET_DEVICE_FD),
    IOCTL(OBJECT_DEVICE, VFIO_DEVICE_GET_INFO),
    IOCTL(OBJECT_DEVICE, VFIO_DEVICE_GET_REGION_INFO),
    IOCTL(OBJECT_DEVICE, VFIO_DEVICE_GET_REGION_INFO),
    IOCTL(OBJECT_DEVICE, VFIO_DEVICE_GET_IRQ_INFO),
    {CALL_MMAP, OBJECT_DEVICE, 0},
};

#define OPEN_CALLS (sizeof open_calls / sizeof open_calls[0])

static const char open_asked[] =
    "vfio_open() makes the calls of the contract, in its order";

static const struct call_record *open_record(const struct script *s, uint32_t op,
                                             size_t step, unsigned n)
{
    return s->e->calls[call_at(s, op, open_calls[step], n)].record;
}

static void open_texts_check(const struct script *s, uint32_t op)
{
    const char *group = payload_at(s, call_at(s, op, open_calls[3], 0), 1);
    const char *name = payload_at(s, call_at(s, op, open_calls[7], 0), 1);
    const int32_t *container = payload_at(s, call_at(s, op, open_calls[5], 0), 4);

    CHECK(s->judge, group && strcmp(group, s->in.group_path) == 0, open_asked,
          "it opened \"%s\"; the request names \"%s\"", group ? group : "?",
          s->in.group_path);
    CHECK(s->judge, name && strcmp(name, s->in.address) == 0, open_asked,
          "it asked the group for \"%s\"; the request names \"%s\"", name ? name : "?",
          s->in.address);
    CHECK(s->judge, container && *container == open_record(s, op, 1, 0)->fd, open_asked,
          "VFIO_GROUP_SET_CONTAINER points to %d; the container's descriptor is %d",
          container ? *container : -1, open_record(s, op, 1, 0)->fd);
}

static void open_numbers_check(const struct script *s, uint32_t op)
{
    const struct vfio_region_info *regions[2];
    const struct vfio_irq_info *irq = payload_at(s, call_at(s, op, open_calls[11], 0), 16);
    const struct call_record *map = open_record(s, op, 12, 0);

    for (unsigned i = 0; i < 2; i++)
        regions[i] = payload_at(s, call_at(s, op, open_calls[9], i), 8);
    for (size_t i = 2; i <= 6; i += 4)
        CHECK(s->judge, open_record(s, op, i, 0)->args[1] == VFIO_TYPE1v2_IOMMU, open_asked,
              "it named IOMMU %" PRIu64 "; VFIO_TYPE1v2_IOMMU is %d",
              open_record(s, op, i, 0)->args[1], VFIO_TYPE1v2_IOMMU);
    for (size_t i = 0; i <= 3; i += 3)
        CHECK(s->judge,
              (open_record(s, op, i, 0)->args[0] & O_CLOEXEC) != 0 &&
                  (open_record(s, op, i, 0)->args[0] & O_ACCMODE) == O_RDWR,
              open_asked,
              "the %s was opened with flags %#" PRIx64
              "; asked for was O_RDWR | O_CLOEXEC (%#x)",
              i ? "group" : "container", open_record(s, op, i, 0)->args[0],
              O_RDWR | O_CLOEXEC);
    CHECK(s->judge,
          regions[0] && regions[1] && regions[0]->index == VFIO_PCI_BAR0_REGION_INDEX &&
              regions[1]->index == VFIO_PCI_CONFIG_REGION_INDEX,
          open_asked,
          "it asked for regions %u and %u; due were 0 (BAR 0) and 7 (configuration)",
          regions[0] ? regions[0]->index : 99, regions[1] ? regions[1]->index : 99);
    CHECK(s->judge, irq && irq->index == VFIO_PCI_MSI_IRQ_INDEX, open_asked,
          "it asked for interrupt index %u; MSI is 1", irq ? irq->index : 99);
    CHECK(s->judge,
          map->args[0] == s->plan.vfio.bar_size &&
              map->args[1] == (PROT_READ | PROT_WRITE) &&
              (map->args[2] & MAP_TYPE) == MAP_SHARED &&
              map->args[3] == s->plan.vfio.bar_offset,
          open_asked,
          "BAR 0 was mapped at offset %#" PRIx64 " with %#" PRIx64
          " bytes, protection %#" PRIx64 ", flags %#" PRIx64 "; asked for was %#" PRIx64
          ", %#" PRIx64 " bytes, read and write, shared",
          map->args[3], map->args[0], map->args[1], map->args[2], s->plan.vfio.bar_offset,
          s->plan.vfio.bar_size);
}

static void open_state_check(const struct script *s, uint32_t op)
{
    const struct lab08_state *state = &s->out->results[op].state;
    bool resets = (s->plan.vfio.device_flags & VFIO_DEVICE_FLAGS_RESET) != 0;

    CHECK(s->judge,
          state->container == 1 && state->group == 1 && state->device == 1 &&
              state->bar == 1,
          "vfio_open() fills in the device", "container %s, group %s, device %s, bar %s",
          state->container > 0 ? "there" : "-1", state->group > 0 ? "there" : "-1",
          state->device > 0 ? "there" : "-1", state->bar > 0 ? "there" : "NULL");
    CHECK(s->judge,
          state->bar_size == s->plan.vfio.bar_size &&
              state->config_offset == s->plan.vfio.config_offset,
          "vfio_open() fills in the device",
          "bar_size is %#" PRIx64 " and config_offset %#" PRIx64 "; VFIO said %#" PRIx64
          " and %#" PRIx64,
          state->bar_size, state->config_offset, s->plan.vfio.bar_size,
          s->plan.vfio.config_offset);
    CHECK(s->judge, state->dma_bits == s->in.dma_bits, "vfio_open() fills in the device",
          "dma_bits is %u; the request has %u", state->dma_bits, s->in.dma_bits);
    CHECK(s->judge, (state->can_reset != 0) == resets, "vfio_open() fills in the device",
          "can_reset is %u; VFIO_DEVICE_FLAGS_RESET is %s", state->can_reset,
          resets ? "set" : "not set");
}

/* The operation wrote to the command register of this device, and nowhere else. */
static void own_command_check(const struct script *s, uint32_t op, bool second)
{
    static const struct call_id id = {CALL_WRITE, OBJECT_DEVICE, 0};
    const uint64_t due = s->plan.vfio.config_offset + PCI_COMMAND_OFFSET +
                         (second ? s->plan.vfio.second_shift : 0);

    for (unsigned n = 0; n == 0 || call_at(s, op, id, n) != NONE; n++) {
        const size_t at = call_at(s, op, id, n);
        const struct call_record *r = at == NONE ? NULL : s->e->calls[at].record;

        CHECK(s->judge, r && r->serial == (second ? 1 : 0) && r->args[1] == due,
              "of two devices each has its own configuration space",
              "%s of device %u wrote to offset %#" PRIx64 " of device %u; due is %#" PRIx64,
              op_name(s, op), second + 1, r ? r->args[1] : 0, r ? r->serial + 1 : 0, due);
    }
}

/* Two devices that differ in all that VFIO says, one used after the other. */
static void two_devices_try(struct judge *judge)
{
    static const char asked[] = "two devices know nothing of each other";
    static const struct call_id reset_id = IOCTL(OBJECT_DEVICE, VFIO_DEVICE_RESET);
    struct script *s = script_new(judge);
    const uint64_t beyond = 1ull << 30;

    s->plan.vfio.second_shift = 3 * PAGE;
    for (uint32_t second = 0; second < 2; second++)
        OP(s, .kind = LAB08_OPEN, .second = second);
    for (uint32_t i = 0; i < 4; i++)
        OP(s, .kind = LAB08_MASTER, .second = i % 2, .flags = i < 2);
    for (uint32_t second = 0; second < 2; second++)
        OP(s, .kind = LAB08_MAP, .second = second, .at = beyond, .size = PAGE, .flags = 3);
    for (uint32_t second = 0; second < 2; second++)
        OP(s, .kind = LAB08_CLOSE, .second = second);
    script_run(s, NULL, 0);
    for (uint32_t op = 0; op < s->in.op_count; op++) {
        op_returns(s, op, op == 6 ? -ERANGE : 0, asked);
        if (s->in.ops[op].kind != LAB08_MAP)
            own_command_check(s, op, op % 2);
    }
    for (uint32_t op = 0; op < 2; op++) {
        const struct lab08_state *state = &s->out->results[op].state;
        const uint64_t shift = op ? s->plan.vfio.second_shift : 0;
        const struct call_record *map = open_record(s, op, 12, 0);

        CHECK(judge,
              state->bar_size == s->plan.vfio.bar_size + shift &&
                  state->config_offset == s->plan.vfio.config_offset + shift &&
                  map->args[0] == state->bar_size &&
                  map->args[3] == s->plan.vfio.bar_offset + shift,
              asked,
              "device %u: bar_size %#" PRIx64 ", config_offset %#" PRIx64 ", %#" PRIx64
              " bytes mapped; VFIO said %#" PRIx64 " and %#" PRIx64 " of this one",
              op + 1, state->bar_size, state->config_offset, map->args[0],
              s->plan.vfio.bar_size + shift, s->plan.vfio.config_offset + shift);
        CHECK(judge, calls_of(s, 8 + op, reset_id) == !op, asked,
              "device %u %s be reset; VFIO_DEVICE_RESET was called %u times", op + 1,
              op ? "cannot" : "can", calls_of(s, 8 + op, reset_id));
    }
}

void open_follows_the_protocol(struct judge *judge)
{
    for (uint32_t i = 0; i < 3; i++) {
        struct script *s = script_new(judge);
        uint32_t open = OP(s, .kind = LAB08_OPEN);

        if (i > 0) { /* what VFIO says beside is not our concern */
            s->plan.vfio.device_flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_CAPS |
                                        (i == 2 ? VFIO_DEVICE_FLAGS_RESET : 0);
            s->plan.vfio.type1v2 = 2; /* there is: "1 (or some other positive integer)" */
            s->plan.vfio.bar_flags |= VFIO_REGION_INFO_FLAG_CAPS;
            s->plan.vfio.config_flags |= VFIO_REGION_INFO_FLAG_CAPS;
            s->plan.vfio.bar_size = PAGE;
            s->plan.vfio.config_size = 64;
            s->plan.vfio.msi_count = 4;
        }
        script_run(s, NULL, 0);
        op_returns(s, open, 0, "vfio_open() takes a device that is as it should be");
        order_check(s, open, open_calls, OPEN_CALLS, open_asked);
        open_texts_check(s, open);
        open_numbers_check(s, open);
        open_state_check(s, open);
        untouched_check(s, open);
    }
    two_devices_try(judge);
}

/* --- errors ------------------------------------------------------------------------ */

/* Nothing of VFIO is open or mapped at a checkpoint. */
static void nothing_left(const struct script *s, unsigned checkpoint, const char *asked)
{
    static const char *const names[] = {"memfd:vfio-container", "memfd:vfio-group",
                                        "memfd:vfio-device"};
    uint64_t size;

    for (size_t i = 0; i < 3; i++)
        CHECK(s->judge, evidence_fds(s->e, checkpoint, names[i], NULL) == 0, asked,
              "/proc/PID/fd still shows the %s", names[i] + strlen("memfd:vfio-"));
    CHECK(s->judge, evidence_maps(s->e, checkpoint, "memfd:vfio-device", &size) == 0, asked,
          "/proc/PID/maps still shows %" PRIu64 " bytes of the device's BAR", size);
    CHECK(s->judge, evidence_fds(s->e, checkpoint, EVENTFD, NULL) == 0, asked,
          "/proc/PID/fd still shows an eventfd");
}

static void device_marked_closed(const struct script *s, uint32_t op, const char *asked)
{
    const struct lab08_state *state = &s->out->results[op].state;

    CHECK(s->judge,
          state->container == -1 && state->group == -1 && state->device == -1 &&
              state->bar == -1,
          asked, "after %s: container %s, group %s, device %s, bar %s; due is -1 and NULL",
          op_name(s, op), state->container > 0 ? "not -1" : "-1",
          state->group > 0 ? "not -1" : "-1", state->device > 0 ? "not -1" : "-1",
          state->bar > 0 ? "not NULL" : "NULL");
    CHECK(s->judge,
          state->bar_size == 0 && state->config_offset == 0 && state->can_reset == 0, asked,
          "after %s: bar_size %#" PRIx64 ", config_offset %#" PRIx64
          ", can_reset %u; due is 0 for all",
          op_name(s, op), state->bar_size, state->config_offset, state->can_reset);
    CHECK(s->judge, state->dma_bits == s->in.dma_bits, asked,
          "after %s: dma_bits is %u; due is %u, as it was", op_name(s, op), state->dma_bits,
          s->in.dma_bits);
}

/* A number of the plan, changed to an answer that makes the device unusable. */
struct refusal {
    size_t field; /* offset in struct vfio_plan */
    uint64_t value;
    size_t size;
    struct vfio_error due;
    const char *words; /* the answer, for the report */
};

#define ANSWER(name, number, a_step, a_kind, a_errnum, a_detail, a_words)                  \
    {                                                                                      \
        .field = offsetof(struct vfio_plan, name), .value = number,                        \
        .size = sizeof((struct vfio_plan *)0)->name,                                       \
        .due = {VFIO_STEP_##a_step, VFIO_ERR_##a_kind, a_errnum, a_detail},                \
        .words = a_words                                                                   \
    }

static const struct refusal refusals[] = {
    ANSWER(api_version, 1, API_VERSION, API_VERSION, ENOTSUP, 1,
           "VFIO_GET_API_VERSION answers 1, not VFIO_API_VERSION (0)"),
    ANSWER(type1v2, 0, CHECK_IOMMU, NO_TYPE1V2, ENOTSUP, 0,
           "VFIO_CHECK_EXTENSION answers 0: no VFIO_TYPE1v2_IOMMU"),
    ANSWER(group_flags, 0, GROUP_STATUS, NOT_VIABLE, EPERM, 0,
           "VFIO_GROUP_GET_STATUS gives flags 0: not viable"),
    ANSWER(group_flags, VFIO_GROUP_FLAGS_CONTAINER_SET, GROUP_STATUS, NOT_VIABLE, EPERM, 0,
           "VFIO_GROUP_GET_STATUS gives CONTAINER_SET without VIABLE"),
    ANSWER(group_flags, VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
           GROUP_STATUS, GROUP_BUSY, EBUSY, 0,
           "VFIO_GROUP_GET_STATUS gives VIABLE and CONTAINER_SET: it has a container"),
    ANSWER(device_flags, VFIO_DEVICE_FLAGS_PLATFORM | VFIO_DEVICE_FLAGS_RESET, DEVICE_INFO,
           NOT_PCI, ENODEV, 5,
           "VFIO_DEVICE_GET_INFO gives flags RESET and PLATFORM: no PCI device"),
    ANSWER(bar_flags, 3, BAR_INFO, NO_BAR, ENOTSUP, 3,
           "BAR 0 has flags READ and WRITE: not MMAP"),
    ANSWER(bar_flags, 5, BAR_INFO, NO_BAR, ENOTSUP, 5,
           "BAR 0 has flags READ and MMAP: not WRITE"),
    ANSWER(bar_flags, 6, BAR_INFO, NO_BAR, ENOTSUP, 6,
           "BAR 0 has flags WRITE and MMAP: not READ"),
    ANSWER(bar_size, 0, BAR_INFO, NO_BAR, ENOTSUP, 7, "BAR 0 has 0 bytes"),
    ANSWER(bar_size, 256, BAR_INFO, NO_BAR, ENOTSUP, 7,
           "BAR 0 has 256 bytes: no whole page"),
    ANSWER(bar_size, 4096 + 256, BAR_INFO, NO_BAR, ENOTSUP, 7,
           "BAR 0 has 4096 + 256 bytes: no whole pages"),
    ANSWER(config_flags, 1, CONFIG_INFO, NO_CONFIG, ENOTSUP, 1,
           "the configuration region has flag READ only: not WRITE"),
    ANSWER(config_flags, 2, CONFIG_INFO, NO_CONFIG, ENOTSUP, 2,
           "the configuration region has flag WRITE only: not READ"),
    ANSWER(config_size, 60, CONFIG_INFO, NO_CONFIG, ENOTSUP, 3,
           "the configuration region has 60 bytes: fewer than 64"),
    ANSWER(msi_count, 0, IRQ_INFO, NO_MSI, ENOTSUP, 0, "MSI has 0 vectors"),
    ANSWER(msi_flags, 8, IRQ_INFO, NO_MSI, ENOTSUP, 1, "MSI has flags without EVENTFD"),
};

/* The call after the one whose answer is bad: it must not have been made. */
static size_t next_call_of(enum vfio_step step)
{
    return (size_t)step; /* steps count from 1, open_calls from 0, one call a step */
}

void refuses_what_cannot_be_used(struct judge *judge)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char asked[240];
        struct script *s = script_new(judge);
        uint32_t open = OP(s, .kind = LAB08_OPEN);
        unsigned again;
        size_t next;

        OP(s, .kind = LAB08_CHECKPOINT);
        uint32_t unheard = OP(s, .kind = LAB08_OPEN, .no_error = 1);
        snprintf(asked, sizeof asked,
                 "a device that cannot be used is refused, with its reason; here %s",
                 refusals[i].words);
        memcpy((uint8_t *)&s->plan.vfio + refusals[i].field, &refusals[i].value,
               refusals[i].size);
        script_run(s, NULL, 0);
        error_check(s, open, &refusals[i].due, asked);
        next = next_call_of(refusals[i].due.step);
        again = refusals[i].due.step == VFIO_STEP_BAR_INFO; /* the same call again */
        CHECK(judge, call_at(s, open, open_calls[next], again) == NONE, asked,
              "vfio_open() reported it, and went on to the next step all the same");
        device_marked_closed(s, open, asked);
        nothing_left(s, 0, asked);
        op_returns(s, unheard, -refusals[i].due.errnum, "struct vfio_error may be NULL");
    }
}

/* The first open() is that of /dev/kvm, by part 01. */
static const struct failure open_failures[] = {
    {CALL_OPEN, 0, 1, VFIO_STEP_OPEN_CONTAINER, ENOENT, VFIO_ERR_NO_VFIO},
    {CALL_OPEN, 0, 1, VFIO_STEP_OPEN_CONTAINER, EACCES, VFIO_ERR_NO_PERMISSION},
    {CALL_OPEN, 0, 1, VFIO_STEP_OPEN_CONTAINER, EMFILE, VFIO_ERR_TOO_MANY_FILES},
    {CALL_OPEN, 0, 1, VFIO_STEP_OPEN_CONTAINER, EINTR, VFIO_ERR_SYSCALL},
    {CALL_OPEN, 0, 2, VFIO_STEP_OPEN_GROUP, EINTR, VFIO_ERR_SYSCALL},
    FAIL_IOCTL(VFIO_GET_API_VERSION, 0, API_VERSION, ENOTTY, SYSCALL),
    FAIL_IOCTL(VFIO_CHECK_EXTENSION, 0, CHECK_IOMMU, EAGAIN, SYSCALL),
    {CALL_OPEN, 0, 2, VFIO_STEP_OPEN_GROUP, ENOENT, VFIO_ERR_NOT_BOUND},
    {CALL_OPEN, 0, 2, VFIO_STEP_OPEN_GROUP, EPERM, VFIO_ERR_NO_PERMISSION},
    {CALL_OPEN, 0, 2, VFIO_STEP_OPEN_GROUP, EBUSY, VFIO_ERR_GROUP_BUSY},
    FAIL_IOCTL(VFIO_GROUP_GET_STATUS, 0, GROUP_STATUS, EINTR, SYSCALL),
    FAIL_IOCTL(VFIO_GROUP_SET_CONTAINER, 0, SET_CONTAINER, EINTR, SYSCALL),
    FAIL_IOCTL(VFIO_SET_IOMMU, 0, SET_IOMMU, EPERM, NO_INTERRUPT_REMAPPING),
    FAIL_IOCTL(VFIO_SET_IOMMU, 0, SET_IOMMU, ENODEV, SYSCALL),
    FAIL_IOCTL(VFIO_GROUP_GET_DEVICE_FD, 0, GET_DEVICE, ENODEV, NO_SUCH_DEVICE),
    FAIL_IOCTL(VFIO_GROUP_GET_DEVICE_FD, 0, GET_DEVICE, ENFILE, TOO_MANY_FILES),
    FAIL_IOCTL(VFIO_GROUP_GET_DEVICE_FD, 0, GET_DEVICE, EINTR, SYSCALL),
    FAIL_IOCTL(VFIO_DEVICE_GET_INFO, 0, DEVICE_INFO, EINTR, SYSCALL),
    FAIL_IOCTL(VFIO_DEVICE_GET_REGION_INFO, 0, BAR_INFO, ENOMEM, NO_MEMORY),
    FAIL_IOCTL(VFIO_DEVICE_GET_REGION_INFO, 1, CONFIG_INFO, EAGAIN, SYSCALL),
    FAIL_IOCTL(VFIO_DEVICE_GET_IRQ_INFO, 0, IRQ_INFO, EINTR, SYSCALL),
    {CALL_MMAP, 0, 0, VFIO_STEP_MAP_BAR, ENOMEM, VFIO_ERR_NO_MEMORY},
    {CALL_READ, 0, 0, VFIO_STEP_COMMAND, EFAULT, VFIO_ERR_SYSCALL},
    {CALL_WRITE, 0, 0, VFIO_STEP_COMMAND, EINVAL, VFIO_ERR_SYSCALL},
};

#define OPEN_FAILURES (sizeof open_failures / sizeof open_failures[0])

/* Half a command register is none. */
static void short_command_check(struct judge *judge, const char *asked)
{
    struct script *s = script_new(judge);
    uint32_t open = OP(s, .kind = LAB08_OPEN);

    s->plan.vfio.config_cut = PCI_COMMAND_OFFSET + 1;
    script_run(s, NULL, 0);
    error_check(s, open, &(struct vfio_error){VFIO_STEP_COMMAND, VFIO_ERR_SYSCALL, EIO, 0},
                asked);
}

/* Reading or writing the command register fails, or (fault -1) moves one byte. Both in
 * vfio_open() and, as the second such call, in vfio_bus_master(). */
static void command_failures_check(struct judge *judge, const char *asked)
{
    static const struct {
        uint32_t kind;
        int fault, due;
    } cases[] = {{CALL_READ, EINTR, EINTR},
                 {CALL_WRITE, EAGAIN, EAGAIN},
                 {CALL_READ, -1, EIO},
                 {CALL_WRITE, -1, EIO}};

    for (unsigned i = 0; i < 8; i++) {
        struct script *s = script_new(judge);
        uint32_t op = OP(s, .kind = LAB08_OPEN);
        int due = cases[i / 2].due;

        if (i % 2)
            op = OP(s, .kind = LAB08_MASTER, .flags = 1);
        fault_set(s, 0, cases[i / 2].kind, 0, i % 2, cases[i / 2].fault);
        script_run(s, NULL, 0);
        error_check(
            s, op, &(struct vfio_error){VFIO_STEP_COMMAND, VFIO_ERR_SYSCALL, due, 0},
            cases[i / 2].fault < 0 ? "reading or writing one byte of the two is -EIO"
                                   : asked);
    }
}

/* The same step of a second vfio_open() fails as well. */
static void failure_lasts(struct script *s, const struct failure *f)
{
    struct plan_fault *again = &s->plan.faults[3];
    const bool two_an_open = (f->kind == CALL_OPEN && f->step == VFIO_STEP_OPEN_GROUP) ||
                             (f->kind == CALL_IOCTL && f->step == VFIO_STEP_CONFIG_INFO);

    *again = s->plan.faults[0];
    again->nth += two_an_open ? 2 : 1;
    if (f->kind == CALL_READ || f->kind == CALL_WRITE) /* closing reads and writes, too */
        again->repeat = 100;
}

/* The call that was made to fail, as the log has it; "" if it was never made. */
static void failed_call_describe(const struct script *s, char *buffer, size_t size)
{
    buffer[0] = 0;
    for (size_t i = 0; i < s->e->call_count; i++)
        if (s->e->calls[i].record->injected) {
            call_describe(&s->e->calls[i], buffer, size);
            return;
        }
}

static void failure_check(struct script *s, uint32_t open, const struct failure *f)
{
    char call[200], asked[300];

    failed_call_describe(s, call, sizeof call);
    snprintf(asked, sizeof asked,
             "a failed call is reported with its step and its errno%s%s",
             *call ? "; here " : "", call);
    error_check(s, open, &(struct vfio_error){f->step, f->due, f->errnum, 0}, asked);
}

void failures_have_names(struct judge *judge)
{
    static const char asked[] = "a failed call is reported with its step and its errno";

    for (size_t i = 0; i < OPEN_FAILURES; i++) {
        const struct failure *f = &open_failures[i];
        struct script *s = failure_script(judge, f);
        uint32_t open = OP(s, .kind = LAB08_OPEN);
        uint32_t unheard = OP(s, .kind = LAB08_OPEN, .no_error = 1);

        failure_lasts(s, f);
        /* What cleans up may fail as well: errno is another one then. */
        fault_set(s, 1, CALL_CLOSE, 0, 0, EIO);
        fault_set(s, 2, CALL_IOCTL, VFIO_GROUP_UNSET_CONTAINER, 0, ENOTTY);
        s->plan.faults[1].repeat = s->plan.faults[2].repeat = 100;
        script_run(s, NULL, 0);
        failure_check(s, open, f);
        op_returns(s, unheard, -f->errnum, "struct vfio_error may be NULL");
    }
    short_command_check(judge, asked);
    command_failures_check(judge, asked);
}

/* Each object was closed once, in the opposite order; the group left its container
 * before. */
static void closing_order_check(const struct script *s, uint32_t op, const char *asked)
{
    static const struct call_id closes[] = {
        {CALL_CLOSE, OBJECT_DEVICE, 0},
        IOCTL(OBJECT_GROUP, VFIO_GROUP_UNSET_CONTAINER),
        {CALL_CLOSE, OBJECT_GROUP, 0},
        {CALL_CLOSE, OBJECT_CONTAINER, 0},
    };
    size_t last = 0;
    char words[120], before[120] = "nothing";

    for (size_t i = 0; i < sizeof closes / sizeof closes[0]; i++) {
        size_t at = call_at(s, op, closes[i], 0);

        if (at == NONE)
            continue;
        call_describe(&s->e->calls[at], words, sizeof words);
        CHECK(s->judge, at > last, asked, "%s came before %s", words, before);
        memcpy(before, words, sizeof before);
        last = at;
    }
    CHECK(s->judge, calls_of(s, op, (struct call_id){CALL_CLOSE, OBJECT_STALE, 0}) == 0,
          asked, "a descriptor was closed twice");
}

void failed_open_leaves_nothing(struct judge *judge)
{
    static const char asked[] = "a failed vfio_open() leaves nothing behind";
    static const struct call_id set = IOCTL(OBJECT_GROUP, VFIO_GROUP_SET_CONTAINER);
    static const struct call_id unset = IOCTL(OBJECT_GROUP, VFIO_GROUP_UNSET_CONTAINER);

    for (size_t i = 0; i < OPEN_FAILURES; i++) {
        struct script *s = failure_script(judge, &open_failures[i]);
        uint32_t open = OP(s, .kind = LAB08_OPEN), close;
        size_t joined;

        OP(s, .kind = LAB08_CHECKPOINT);
        close = OP(s, .kind = LAB08_CLOSE);
        script_run(s, NULL, 0);
        op_returns(s, open, -open_failures[i].errnum, asked);
        nothing_left(s, 0, asked);
        device_marked_closed(s, open, asked);
        closing_order_check(s, open, asked);
        writes_check(s, open);
        joined = call_at(s, open, set, 0);
        CHECK(judge,
              joined == NONE || s->e->calls[joined].record->result < 0 ||
                  call_at(s, open, unset, 0) != NONE,
              asked, "the group stayed in its container (VFIO_GROUP_UNSET_CONTAINER)");
        order_check(s, close, NULL, 0,
                    "vfio_close() of a device that is closed does nothing");
        closing_order_check(s, close, asked);
    }
}

/* --- closing ----------------------------------------------------------------------- */

static void close_check(const struct script *s, uint32_t close, bool resets)
{
    static const char asked[] = "vfio_close() gives all back, in the contract's order";
    static const struct call_id reset_id = IOCTL(OBJECT_DEVICE, VFIO_DEVICE_RESET);
    size_t written = NONE, device, unmapped = NONE;
    uint16_t command = command_after(s, close, 0xffff, &written);

    device = call_at(s, close, (struct call_id){CALL_CLOSE, OBJECT_DEVICE, 0}, 0);
    for (size_t i = s->marks[close] + 1; i < s->marks[close + 1]; i++)
        if (s->e->calls[i].record->kind == CALL_MUNMAP &&
            s->e->calls[i].record->args[0] == s->out->bar_hva)
            unmapped = i;
    CHECK(s->judge, !(command & PCI_COMMAND_MASTER), asked,
          "the device is still bus master");
    CHECK(s->judge, calls_of(s, close, reset_id) == resets, asked,
          "VFIO_DEVICE_RESET was called %u times; can_reset was %d",
          calls_of(s, close, reset_id), resets);
    CHECK(s->judge,
          !resets || (written < call_at(s, close, reset_id, 0) &&
                      call_at(s, close, reset_id, 0) < unmapped),
          asked,
          "the reset is due after bus master went off and before the BAR is unmapped");
    CHECK(s->judge, unmapped < device && device != NONE, asked,
          "the BAR is to be unmapped, then the device closed");
    CHECK(s->judge,
          calls_of(s, close,
                   (struct call_id)IOCTL(OBJECT_GROUP, VFIO_GROUP_UNSET_CONTAINER)) == 1,
          asked, "VFIO_GROUP_UNSET_CONTAINER is due once");
    closing_order_check(s, close, asked);
    device_marked_closed(s, close, asked);
    nothing_left(s, 0, asked);
}

void closing_is_orderly(struct judge *judge)
{
    static const uint32_t zero[] = {OBJECT_CONTAINER, OBJECT_GROUP, OBJECT_DEVICE};

    for (int i = 0; i < 8; i++) {
        struct script *s = script_new(judge);
        bool resets = i % 2 == 0;
        uint32_t close;

        if (i >= 5)
            s->plan.zero_object = zero[i - 5]; /* 0 is a descriptor like any other */

        OP(s, .kind = LAB08_OPEN);
        OP(s, .kind = LAB08_MASTER, .flags = 1);
        close = OP(s, .kind = LAB08_CLOSE);
        OP(s, .kind = LAB08_CHECKPOINT);
        OP(s, .kind = LAB08_CLOSE);
        if (!resets)
            s->plan.vfio.device_flags = VFIO_DEVICE_FLAGS_PCI;
        if (i == 2)
            fault_set(s, 0, CALL_WRITE, 0, 2, EIO);
        if (i == 3)
            fault_set(s, 0, CALL_IOCTL, VFIO_GROUP_UNSET_CONTAINER, 0, EBUSY);
        if (i == 4)
            fault_set(s, 0, CALL_IOCTL, VFIO_DEVICE_RESET, 0, EAGAIN);
        script_run(s, NULL, 0);
        op_returns(s, 0, 0, "vfio_open() takes a device that is as it should be");
        close_check(s, close, resets);
        writes_check(s, close);
        order_check(s, close + 2, NULL, 0, "closing twice is harmless");
    }
}
