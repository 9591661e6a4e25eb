/* 08-vfio-passthrough.c - the checks of lab 08.
 *
 * Target model: the agent answers for VFIO and KVM as the check's plan says; judged is
 * what was asked of them, in which order, and what was left behind. Target machine: a
 * driver in a guest uses a true device. Registers: the kernel's tracepoints. DMA: guest
 * memory, and the IOMMU's own trace from outside the machine. Interrupts: what KVM
 * injected, and what the guest counted. */
#define _GNU_SOURCE
#include "../subjects/08-vfio-passthrough.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "exit_loop.h"
#include "guest_image.h"
#include "guest_loader.h"
#include "memory_slots.h"

#define PAGE       4096u
#define RUN_AREA   12288
#define EVENTFD    "anon_inode:[eventfd]"
#define READ_WRITE (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define SOURCE_ID  0x28u /* 00:05.0 */

GUEST_IMAGE(driver_guest, "driver.bin");

/* --- a script: operations, and the log of calls that each has made ----------------- */

struct script {
    struct judge *judge;
    struct kvm_plan plan;
    struct lab08_input in;
    const struct evidence *e;
    const struct lab08_output *out;
    size_t marks[LAB08_OPS + 1]; /* where in the log an operation begins */
};

static uint64_t random_pages(struct judge *judge, uint64_t from, uint64_t count)
{
    return (from + judge_random_below(judge, count)) * PAGE;
}

static struct vfio_plan plan_random(struct judge *judge)
{
    struct vfio_plan plan = {
        .api_version = VFIO_API_VERSION,
        .type1v2 = 1,
        .group_flags = VFIO_GROUP_FLAGS_VIABLE,
        .device_flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
        .bar_flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
                     VFIO_REGION_INFO_FLAG_MMAP,
        .config_flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
        .msi_flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
        .msi_count = 1,
        .bar_offset = random_pages(judge, 32, 96),
        .bar_size = random_pages(judge, 2, 30),
        .config_offset = random_pages(judge, 256, 4096),
        .config_size = 256,
    };

    for (size_t i = 0; i < sizeof plan.config; i++)
        plan.config[i] = (uint8_t)judge_random(judge);
    plan.config[PCI_COMMAND_OFFSET] |=
        PCI_COMMAND_MASTER; /* so there is something to change */
    return plan;
}

/* Lives as long as the check's process. */
static struct script *script_new(struct judge *judge)
{
    struct script *s = calloc(1, sizeof *s);

    if (!s)
        judge_error(judge, "out of memory");
    s->judge = judge;
    s->plan = (struct kvm_plan){
        .api_version = KVM_API_VERSION, .run_size = RUN_AREA, .vfio = plan_random(judge)};
    snprintf(s->in.group_path, sizeof s->in.group_path, "/dev/vfio/%" PRIu64,
             1 + judge_random_below(judge, 90));
    snprintf(s->in.address, sizeof s->in.address, "0000:%02x:%02x.%u",
             (unsigned)judge_random_below(judge, 256),
             (unsigned)judge_random_below(judge, 32),
             (unsigned)judge_random_below(judge, 8));
    s->in.dma_bits = 28;
    return s;
}

/* Adds an operation and returns its number. */
static uint32_t op_add(struct script *s, struct lab08_op op)
{
    uint32_t n = s->in.op_count++;

    if (n >= LAB08_OPS)
        judge_error(s->judge, "the check's script is too long");
    s->in.ops[n] = op;
    return n;
}

#define OP(s, ...) op_add(s, (struct lab08_op){__VA_ARGS__})

static void fault_set(struct script *s, unsigned n, uint32_t kind, uint32_t request,
                      uint32_t nth, int error)
{
    s->plan.faults[n] = (struct plan_fault){
        .kind = kind, .request = request, .nth = nth, .error = error, .repeat = 1};
}

static void script_run(struct script *s, const struct window *windows, uint32_t count)
{
    const struct run_spec spec = {.entry = LAB08_SCRIPT,
                                  .input = &s->in,
                                  .input_size = sizeof s->in,
                                  .plan = &s->plan,
                                  .windows = windows,
                                  .window_count = count};
    uint32_t next = 0;

    s->e = judge_run(s->judge, &spec, sizeof *s->out);
    s->out = (const void *)s->e->answer;
    CHECK(s->judge, s->out->ready, "the earlier parts open KVM and create a VM",
          "they did not (lab 01)");
    for (size_t i = 0; i < s->e->call_count && next <= s->in.op_count; i++) {
        const struct call_record *r = s->e->calls[i].record;

        if (r->kind == CALL_MUNMAP && r->args[1] == 0 && r->args[0] == next)
            s->marks[next++] = i;
    }
    CHECK(s->judge, next == s->in.op_count + 1, "each function returns to its caller",
          "the log of calls ends in operation %u", next);
}

static const char *op_name(const struct script *s, uint32_t op)
{
    static const char *const names[] = {
        [LAB08_OPEN] = "vfio_open()",
        [LAB08_CLOSE] = "vfio_close()",
        [LAB08_MASTER] = "vfio_bus_master()",
        [LAB08_MAP] = "vfio_dma_map()",
        [LAB08_UNMAP] = "vfio_dma_unmap()",
        [LAB08_SLOT] = "memory_slot_add()",
        [LAB08_ASSIGN_BAR] = "device_assign_bar()",
        [LAB08_ASSIGN_MEMORY] = "device_assign_memory()",
        [LAB08_ASSIGN_INTERRUPT] = "device_assign_interrupt()",
        [LAB08_UNASSIGN] = "device_unassign()",
        [LAB08_SLOT_REMOVE] = "memory_slot_remove()",
        [LAB08_COMMAND] = "pwrite()",
        [LAB08_ROUTE] = "a route of another part",
        [LAB08_SIGNALLED] = "poll() of the eventfd",
        [LAB08_CHECKPOINT] = "nothing",
    };

    return names[s->in.ops[op].kind];
}

static const char *number_name(int value, char *buffer, size_t size)
{
    const char *name = value < 0 && value > -200 ? strerrorname_np(-value) : NULL;

    if (name)
        snprintf(buffer, size, "%d (-%s)", value, name);
    else
        snprintf(buffer, size, "%d", value);
    return buffer;
}

static void op_returns(const struct script *s, uint32_t op, int wanted, const char *asked)
{
    char is[40], was[40];

    CHECK(s->judge, s->out->results[op].result == wanted, asked,
          "%s returned %s; asked for was %s", op_name(s, op),
          number_name(s->out->results[op].result, is, sizeof is),
          number_name(wanted, was, sizeof was));
}

/* --- the log ----------------------------------------------------------------------- */

#define NONE SIZE_MAX

/* What identifies a call in the log. */
struct call_id {
    uint32_t kind, object;
    uint32_t request;
};

#define IOCTL(object, request)                                                             \
    {                                                                                      \
        CALL_IOCTL, object, (uint32_t)(request)                                            \
    }

static bool call_matches(const struct call *call, const struct call_id *id)
{
    return call->record->kind == id->kind && call->record->object == id->object &&
           (id->kind != CALL_IOCTL || (uint32_t)call->record->args[0] == id->request);
}

/* Where the n-th such call of an operation stands in the log; NONE: it was not made. */
static size_t call_at(const struct script *s, uint32_t op, struct call_id id, unsigned n)
{
    for (size_t i = s->marks[op] + 1; i < s->marks[op + 1]; i++)
        if (call_matches(&s->e->calls[i], &id) && n-- == 0)
            return i;
    return NONE;
}

static unsigned calls_of(const struct script *s, uint32_t op, struct call_id id)
{
    unsigned n = 0;

    while (call_at(s, op, id, n) != NONE)
        n++;
    return n;
}

static const void *payload_at(const struct script *s, size_t at, size_t size)
{
    return at != NONE && s->e->calls[at].record->payload >= size ? s->e->calls[at].payload
                                                                 : NULL;
}

/* Is this one of the calls that the order is about? Reading and writing the
 * configuration is not (what is written is looked at), nor is unmapping anything. */
static bool call_counts(const struct call *call)
{
    const struct call_record *r = call->record;

    return r->kind != CALL_READ && r->kind != CALL_WRITE && r->kind != CALL_MUNMAP &&
           r->object != OBJECT_STALE;
}

static const char *call_words(const struct call *call, char *buffer, size_t size)
{
    call_describe(call, buffer, size);
    return buffer;
}

static void id_words(const struct call_id *id, char *buffer, size_t size)
{
    const struct call_record record = {
        .kind = id->kind, .object = id->object, .args = {id->request}};

    if (id->kind == CALL_OPEN)
        snprintf(buffer, size, "open(%s)",
                 id->object == OBJECT_CONTAINER ? "\"" VFIO_CONTAINER_PATH "\""
                                                : "the group");
    else if (id->kind == CALL_MMAP)
        snprintf(buffer, size, "mmap(the device's BAR 0)");
    else
        call_describe(&(struct call){&record, ""}, buffer, size);
}

/* The operation made exactly these calls, in this order. */
static void order_check(const struct script *s, uint32_t op, const struct call_id *ids,
                        size_t count, const char *asked)
{
    size_t n = 0;
    char due[120] = "nothing more", made[200];

    for (size_t i = s->marks[op] + 1; i < s->marks[op + 1]; i++) {
        const struct call *call = &s->e->calls[i];

        if (!call_counts(call))
            continue;
        if (n < count)
            id_words(&ids[n], due, sizeof due);
        CHECK(s->judge, n < count && call_matches(call, &ids[n]), asked,
              "call %zu of %s was %s; due was %s", n + 1, op_name(s, op),
              call_words(call, made, sizeof made), n < count ? due : "nothing more");
        n++;
    }
    if (n < count)
        id_words(&ids[n], due, sizeof due);
    CHECK(s->judge, n == count, asked, "%s made %zu calls and ended; due was %s",
          op_name(s, op), n, due);
}

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
    CHECK(s->judge, (state->can_reset != 0) == resets, "vfio_open() fills in the device",
          "can_reset is %u; VFIO_DEVICE_FLAGS_RESET is %s", state->can_reset,
          resets ? "set" : "not set");
}

static void open_follows_the_protocol(struct judge *judge)
{
    for (int i = 0; i < 2; i++) {
        struct script *s = script_new(judge);
        uint32_t open = OP(s, .kind = LAB08_OPEN);

        if (i == 1) { /* what VFIO says beside is not our concern */
            s->plan.vfio.device_flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_CAPS;
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
    }
}

/* --- errors ------------------------------------------------------------------------ */

static void error_check(const struct script *s, uint32_t op, const struct vfio_error *due,
                        const char *asked)
{
    const struct vfio_error *is = &s->out->results[op].error;
    char words[300], wanted[300];

    op_returns(s, op, -due->errnum, asked);
    vfio_error_describe(is, words, sizeof words);
    vfio_error_describe(due, wanted, sizeof wanted);
    CHECK(s->judge, is->step == due->step && is->kind == due->kind, asked,
          "the error of %s says \"%s\"; asked for was \"%s\"", op_name(s, op), words,
          wanted);
    CHECK(s->judge, is->errnum == due->errnum && is->detail == due->detail, asked,
          "%s: errnum %d, detail %" PRId64 "; asked for was errnum %d, detail %" PRId64,
          words, is->errnum, is->detail, due->errnum, due->detail);
}

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
}

/* The part writes two bytes of the device, and no others. */
static void writes_check(const struct script *s, uint32_t op)
{
    static const struct call_id id = {CALL_WRITE, OBJECT_DEVICE, 0};
    uint64_t at = s->plan.vfio.config_offset + PCI_COMMAND_OFFSET;

    for (unsigned n = 0; call_at(s, op, id, n) != NONE; n++) {
        const uint64_t *args = s->e->calls[call_at(s, op, id, n)].record->args;

        CHECK(s->judge, args[0] == 2 && args[1] == at,
              "the command register is written as 16 bits, nothing else is written",
              "%s wrote %" PRIu64 " bytes at offset %#" PRIx64 " of the device; due are 2 "
              "at %#" PRIx64,
              op_name(s, op), args[0], args[1], at);
    }
}

/* A number of the plan, changed to an answer that makes the device unusable. */
struct refusal {
    size_t field; /* offset in struct vfio_plan */
    uint64_t value;
    size_t size;
    struct vfio_error due;
};

#define ANSWER(name, number, a_step, a_kind, a_errnum, a_detail)                           \
    {                                                                                      \
        .field = offsetof(struct vfio_plan, name), .value = number,                        \
        .size = sizeof((struct vfio_plan *)0)->name, .due = {                              \
            VFIO_STEP_##a_step,                                                            \
            VFIO_ERR_##a_kind,                                                             \
            a_errnum,                                                                      \
            a_detail                                                                       \
        }                                                                                  \
    }

static const struct refusal refusals[] = {
    ANSWER(api_version, 1, API_VERSION, API_VERSION, ENOTSUP, 1),
    ANSWER(type1v2, 0, CHECK_IOMMU, NO_TYPE1V2, ENOTSUP, 0),
    ANSWER(group_flags, 0, GROUP_STATUS, NOT_VIABLE, EPERM, 0),
    ANSWER(group_flags, VFIO_GROUP_FLAGS_CONTAINER_SET, GROUP_STATUS, NOT_VIABLE, EPERM, 0),
    ANSWER(group_flags, VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
           GROUP_STATUS, GROUP_BUSY, EBUSY, 0),
    ANSWER(device_flags, VFIO_DEVICE_FLAGS_PLATFORM | VFIO_DEVICE_FLAGS_RESET, DEVICE_INFO,
           NOT_PCI, ENODEV, 5),
    ANSWER(bar_flags, 3, BAR_INFO, NO_BAR, ENOTSUP, 3),
    ANSWER(bar_flags, 5, BAR_INFO, NO_BAR, ENOTSUP, 5),
    ANSWER(bar_flags, 6, BAR_INFO, NO_BAR, ENOTSUP, 6),
    ANSWER(bar_size, 0, BAR_INFO, NO_BAR, ENOTSUP, 7),
    ANSWER(bar_size, 256, BAR_INFO, NO_BAR, ENOTSUP, 7),
    ANSWER(bar_size, 4096 + 256, BAR_INFO, NO_BAR, ENOTSUP, 7),
    ANSWER(config_flags, 1, CONFIG_INFO, NO_CONFIG, ENOTSUP, 1),
    ANSWER(config_flags, 2, CONFIG_INFO, NO_CONFIG, ENOTSUP, 2),
    ANSWER(config_size, 60, CONFIG_INFO, NO_CONFIG, ENOTSUP, 3),
    ANSWER(msi_count, 0, IRQ_INFO, NO_MSI, ENOTSUP, 0),
    ANSWER(msi_flags, 8, IRQ_INFO, NO_MSI, ENOTSUP, 1),
};

/* The call after the one whose answer is bad: it must not have been made. */
static size_t next_call_of(enum vfio_step step)
{
    return (size_t)step; /* steps count from 1, open_calls from 0, one call a step */
}

static void refuses_what_cannot_be_used(struct judge *judge)
{
    static const char asked[] = "a device that cannot be used is refused, with its reason";

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct script *s = script_new(judge);
        uint32_t open = OP(s, .kind = LAB08_OPEN);
        unsigned again;
        size_t next;

        OP(s, .kind = LAB08_CHECKPOINT);
        memcpy((uint8_t *)&s->plan.vfio + refusals[i].field, &refusals[i].value,
               refusals[i].size);
        script_run(s, NULL, 0);
        error_check(s, open, &refusals[i].due, asked);
        next = next_call_of(refusals[i].due.step);
        again = refusals[i].due.step == VFIO_STEP_BAR_INFO; /* the same call again */
        CHECK(judge, call_at(s, open, open_calls[next], again) == NONE, asked,
              "vfio_open() went on to the next step all the same");
        device_marked_closed(s, open, asked);
        nothing_left(s, 0, asked);
    }
}

/* A call that fails with an errno, and the error that has to come of it. */
struct failure {
    uint32_t kind, request, nth;
    enum vfio_step step;
    int errnum;
    enum vfio_error_kind due;
};

#define FAIL_IOCTL(request, nth, step, errnum, due)                                        \
    {                                                                                      \
        CALL_IOCTL, (uint32_t)(request), nth, VFIO_STEP_##step, errnum, VFIO_ERR_##due     \
    }

/* The first open() is that of /dev/kvm, by part 01. */
static const struct failure open_failures[] = {
    {CALL_OPEN, 0, 1, VFIO_STEP_OPEN_CONTAINER, ENOENT, VFIO_ERR_NO_VFIO},
    {CALL_OPEN, 0, 1, VFIO_STEP_OPEN_CONTAINER, EACCES, VFIO_ERR_NO_PERMISSION},
    {CALL_OPEN, 0, 1, VFIO_STEP_OPEN_CONTAINER, EMFILE, VFIO_ERR_TOO_MANY_FILES},
    FAIL_IOCTL(VFIO_GET_API_VERSION, 0, API_VERSION, ENOTTY, SYSCALL),
    FAIL_IOCTL(VFIO_CHECK_EXTENSION, 0, CHECK_IOMMU, EINVAL, SYSCALL),
    {CALL_OPEN, 0, 2, VFIO_STEP_OPEN_GROUP, ENOENT, VFIO_ERR_NOT_BOUND},
    {CALL_OPEN, 0, 2, VFIO_STEP_OPEN_GROUP, EPERM, VFIO_ERR_NO_PERMISSION},
    {CALL_OPEN, 0, 2, VFIO_STEP_OPEN_GROUP, EBUSY, VFIO_ERR_GROUP_BUSY},
    FAIL_IOCTL(VFIO_GROUP_GET_STATUS, 0, GROUP_STATUS, EINVAL, SYSCALL),
    FAIL_IOCTL(VFIO_GROUP_SET_CONTAINER, 0, SET_CONTAINER, EINVAL, SYSCALL),
    FAIL_IOCTL(VFIO_SET_IOMMU, 0, SET_IOMMU, EPERM, NO_INTERRUPT_REMAPPING),
    FAIL_IOCTL(VFIO_SET_IOMMU, 0, SET_IOMMU, ENODEV, SYSCALL),
    FAIL_IOCTL(VFIO_GROUP_GET_DEVICE_FD, 0, GET_DEVICE, ENODEV, NO_SUCH_DEVICE),
    FAIL_IOCTL(VFIO_GROUP_GET_DEVICE_FD, 0, GET_DEVICE, ENFILE, TOO_MANY_FILES),
    FAIL_IOCTL(VFIO_DEVICE_GET_INFO, 0, DEVICE_INFO, EFAULT, SYSCALL),
    FAIL_IOCTL(VFIO_DEVICE_GET_REGION_INFO, 0, BAR_INFO, ENOMEM, NO_MEMORY),
    FAIL_IOCTL(VFIO_DEVICE_GET_REGION_INFO, 1, CONFIG_INFO, EIO, SYSCALL),
    FAIL_IOCTL(VFIO_DEVICE_GET_IRQ_INFO, 0, IRQ_INFO, EINVAL, SYSCALL),
    {CALL_MMAP, 0, 0, VFIO_STEP_MAP_BAR, ENOMEM, VFIO_ERR_NO_MEMORY},
    {CALL_READ, 0, 0, VFIO_STEP_COMMAND, EFAULT, VFIO_ERR_SYSCALL},
    {CALL_WRITE, 0, 0, VFIO_STEP_COMMAND, EINVAL, VFIO_ERR_SYSCALL},
};
#define OPEN_FAILURES (sizeof open_failures / sizeof open_failures[0])

static struct script *failure_script(struct judge *judge, const struct failure *failure)
{
    struct script *s = script_new(judge);

    fault_set(s, 0, failure->kind, failure->request, failure->nth, failure->errnum);
    return s;
}

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
    } cases[] = {{CALL_READ, EFAULT, EFAULT},
                 {CALL_WRITE, EINVAL, EINVAL},
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

static void failures_have_names(struct judge *judge)
{
    static const char asked[] = "a failed call is reported with its step and its errno";

    for (size_t i = 0; i < OPEN_FAILURES; i++) {
        const struct failure *f = &open_failures[i];
        struct script *s = failure_script(judge, f);
        uint32_t open = OP(s, .kind = LAB08_OPEN);

        script_run(s, NULL, 0);
        error_check(s, open, &(struct vfio_error){f->step, f->due, f->errnum, 0}, asked);
    }
    short_command_check(judge, asked);
    command_failures_check(judge, asked);
    /* NULL is no place to write to. */
    struct script *s = failure_script(judge, &open_failures[10]);
    uint32_t open = OP(s, .kind = LAB08_OPEN, .no_error = 1);
    script_run(s, NULL, 0);
    op_returns(s, open, -EPERM, "struct vfio_error may be NULL");
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

static void failed_open_leaves_nothing(struct judge *judge)
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

/* --- configuration space ----------------------------------------------------------- */

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
static void command_register_is_set(struct judge *judge)
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
          number_name(s->out->results[op].result, is, sizeof is),
          number_name(due, was, sizeof was), map_reason(o, due));
    if (due == 0) {
        map_made_check(s, op, asked);
        return;
    }
    CHECK(s->judge, call_at(s, op, id, 0) == NONE, asked,
          "a range that is refused reached VFIO_IOMMU_MAP_DMA all the same");
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
        {.at = end + (1ull << 32), .offset = hva, .size = PAGE, .flags = READ_WRITE},
        {.at = top, .offset = hva, .size = 2 * PAGE, .flags = READ_WRITE},
        {.at = top, .offset = hva, .size = PAGE, .flags = READ_WRITE},
        {.at = top - size, .offset = hva, .size = 0ull - PAGE, .flags = READ_WRITE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab08_op op = cases[i];

        op.kind = LAB08_MAP;
        op_add(s, op);
    }
}

static void dma_map_keeps_within_reach(struct judge *judge)
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
    if (errnum)
        fault_set(s, 0, CALL_IOCTL, request, 0, errnum);
    s->plan.vfio.unmap_short = unmap_short;
    script_run(s, NULL, 0);
    error_check(s, n, &due, asked);
}

static void unmap_reports_what_was_missing(struct judge *judge)
{
    static const char asked[] = "vfio_dma_unmap() tells VFIO the range";
    static const struct call_id id = IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA);
    const uint64_t at = random_pages(judge, 16, 64), size = random_pages(judge, 2, 8);
    const struct lab08_op map = {
        .kind = LAB08_MAP, .at = at, .size = size, .flags = READ_WRITE};
    const struct lab08_op unmap = {.kind = LAB08_UNMAP, .at = at, .size = size};
    struct script *s = script_new(judge);
    const struct vfio_iommu_type1_dma_unmap *told;
    uint32_t good;

    OP(s, .kind = LAB08_OPEN);
    good = op_add(s, unmap);
    OP(s, .kind = LAB08_UNMAP, .at = at, .size = 0);
    OP(s, .kind = LAB08_UNMAP, .at = at + 16, .size = size);
    OP(s, .kind = LAB08_UNMAP, .at = at, .size = size + 16);
    script_run(s, NULL, 0);
    op_returns(s, good, 0, asked);
    told = payload_at(s, call_at(s, good, id, 0), 24);
    CHECK(judge, told && told->iova == at && told->size == size && told->flags == 0, asked,
          "VFIO_IOMMU_UNMAP_DMA got iova %#" PRIx64 ", size %#" PRIx64 "; due: %#" PRIx64
          ", %#" PRIx64,
          told ? (uint64_t)told->iova : 0, told ? (uint64_t)told->size : 0, at, size);
    for (uint32_t op = good + 1; op < s->in.op_count; op++)
        error_check(s, op,
                    &(struct vfio_error){VFIO_STEP_DMA_UNMAP, VFIO_ERR_ARGUMENT, EINVAL, 0},
                    "a range that is no range is refused");
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

/* --- assigning memory -------------------------------------------------------------- */

#define SLOTS 5

/* Slots as memory_slot_add() will number them: one is the BAR, the others are memory,
 * read-only, with a dirty log, both, and neither in turn. size 0: removed again. */
struct layout {
    uint64_t gpa[VM_SLOTS_MAX], size[VM_SLOTS_MAX], offset[VM_SLOTS_MAX];
    uint32_t flags[VM_SLOTS_MAX];
    uint32_t count;
    uint32_t bar;                                         /* which of them */
    uint32_t assign_bar, assign_memory, assign_interrupt; /* operations */
};

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

static struct layout layout_add(struct script *s, uint32_t count, uint64_t last_gpa)
{
    static const uint32_t flags[] = {MEMORY_SLOT_READONLY, MEMORY_SLOT_LOG_DIRTY,
                                     MEMORY_SLOT_READONLY | MEMORY_SLOT_LOG_DIRTY, 0};
    bool last_is_memory = last_gpa != 0 || count > SLOTS;
    struct layout l = {.count = count,
                       .bar =
                           (uint32_t)judge_random_below(s->judge, count - last_is_memory)};
    uint64_t gpa = random_pages(s->judge, 0, 16);

    OP(s, .kind = LAB08_OPEN);
    for (uint32_t i = 0; i < count; i++) {
        l.gpa[i] = gpa;
        l.size[i] = i == l.bar ? s->plan.vfio.bar_size : random_pages(s->judge, 1, 8);
        l.offset[i] = i * 8 * PAGE;
        l.flags[i] = flags[(i - (i > l.bar)) % 4];
        if (i == count - 1 && last_gpa)
            l.gpa[i] = last_gpa;
        if (i == l.bar)
            l.assign_bar = OP(s, .kind = LAB08_ASSIGN_BAR, .at = l.gpa[i]);
        else
            OP(s, .kind = LAB08_SLOT, .at = l.gpa[i], .size = l.size[i],
               .offset = l.offset[i], .flags = l.flags[i]);
        gpa += l.size[i] + random_pages(s->judge, 0, 16);
    }
    if (count > SLOTS)
        layout_holes_add(s, &l);
    l.assign_memory = OP(s, .kind = LAB08_ASSIGN_MEMORY);
    return l;
}

static const struct call_id map_id = IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_MAP_DMA);
static const struct call_id unmap_id = IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA);

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

/* The command register as the last write of an operation left it (or would have, if the
 * plan had not made it fail), or `before`. */
static uint16_t command_after(const struct script *s, uint32_t op, uint16_t before,
                              size_t *at)
{
    static const struct call_id id = {CALL_WRITE, OBJECT_DEVICE, 0};
    uint16_t command = before;

    for (unsigned n = 0; call_at(s, op, id, n) != NONE; n++) {
        *at = call_at(s, op, id, n);
        if (s->e->calls[*at].record->args[1] ==
                s->plan.vfio.config_offset + PCI_COMMAND_OFFSET &&
            payload_at(s, *at, 2))
            memcpy(&command, s->e->calls[*at].payload, 2);
    }
    return command;
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
    script_run(s, NULL, 0);
    error_check(s, op,
                &(struct vfio_error){VFIO_STEP_BAR_SLOT, VFIO_ERR_SYSCALL, EEXIST, 0},
                asked);
    CHECK(judge, s->out->results[op].state.bar_slot == -1, asked,
          "bar_slot is %d; due is -1", s->out->results[op].state.bar_slot);
    op_returns(s, op + 1, 0, "a BAR that found no room may be put elsewhere");
}

static const struct call_id slot_id = IOCTL(OBJECT_VM, KVM_SET_USER_MEMORY_REGION);

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
    script_run(s, NULL, 0);
    op_returns(s, op, 0, asked);
    CHECK(judge, command_after(s, op, 0, &at) & PCI_COMMAND_MASTER, asked,
          "the VM has no slot but the BAR's; bus master was not switched on");
}

static void guest_memory_is_reachable(struct judge *judge)
{
    for (int i = 0; i < 4; i++) {
        struct script *s = script_new(judge);
        struct layout l = layout_add(s, i % 2 ? VM_SLOTS_MAX : SLOTS, 0);
        uint32_t again = OP(s, .kind = LAB08_ASSIGN_MEMORY);
        uint32_t bar_again = OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x8000000);
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
        error_check(s, again,
                    &(struct vfio_error){VFIO_STEP_DMA_MAP, VFIO_ERR_ARGUMENT, EBUSY, 0},
                    "memory is assigned once");
        error_check(s, bar_again,
                    &(struct vfio_error){VFIO_STEP_BAR_SLOT, VFIO_ERR_ARGUMENT, EBUSY, 0},
                    "the BAR is assigned once");
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

static void memory_is_mapped_all_or_nothing(struct judge *judge)
{
    static const char asked[] = "what cannot be mapped whole is not mapped at all";

    for (unsigned failing = 0; failing < SLOTS + 1; failing++) {
        struct script *s = script_new(judge);
        bool reach = failing == SLOTS, master = failing == SLOTS - 1;
        struct layout l = layout_add(s, SLOTS, reach ? (1ull << 28) - PAGE : 0);

        if (reach) /* its last page is past the device's last address */
            s->in.ops[l.assign_memory - 1].size = l.size[SLOTS - 1] = 2 * PAGE;
        if (master)
            fault_set(s, 0, CALL_WRITE, 0, 1, EIO);
        else if (!reach)
            fault_set(s, 0, CALL_IOCTL, VFIO_IOMMU_MAP_DMA, failing, EINVAL);
        script_run(s, NULL, 0);
        op_returns(s, l.assign_memory, reach ? -ERANGE : master ? -EIO : -EINVAL, asked);
        rolled_back_check(s, l.assign_memory, asked);
    }
}

/* --- interrupts -------------------------------------------------------------------- */

static void message_check(struct judge *judge, uint32_t apic, uint32_t vector,
                          const struct lab08_message *is)
{
    static const char asked[] = "an MSI has the address and data of the SDM";
    bool good = apic < 255 && vector > 15 && vector < 256;
    uint32_t junk = LAB08_JUNK * 0x01010101u;
    uint32_t low = good ? 0xfee00000u + apic * 0x1000u : junk, data = good ? vector : junk;
    uint32_t high = good ? 0 : junk;

    CHECK(judge, is->result == (good ? 0 : -EINVAL), asked,
          "msi_message(APIC id %u, vector %u) returned %d; due is %d", apic, vector,
          is->result, good ? 0 : -EINVAL);
    CHECK(judge, is->low == low && is->high == high && is->data == data,
          good ? asked : "a message that is refused leaves *msi as it was",
          "APIC id %u, vector %u: address %#x:%08x, data %#x; due is %#x:%08x, %#x", apic,
          vector, is->high, is->low, is->data, high, low, data);
}

static void messages_have_their_format(struct judge *judge)
{
    static struct lab08_messages in = {.count = LAB08_MESSAGES_MAX};
    const struct run_spec spec = {
        .entry = LAB08_MESSAGES, .input = &in, .input_size = sizeof in};
    const struct lab08_message *out;

    for (uint32_t i = 0; i < in.count; i++) {
        in.list[i].apic_id = (uint32_t)judge_random_below(judge, i % 8 ? 258 : 70000);
        in.list[i].vector = (uint32_t)judge_random_below(judge, i % 8 ? 260 : 70000);
        if (i < 600) /* each once */
            in.list[i].vector = i, in.list[i].apic_id = i < 300 ? 0 : i - 300;
    }
    out = (const void *)judge_run(judge, &spec, sizeof *out * in.count)->answer;
    for (uint32_t i = 0; i < in.count; i++)
        message_check(judge, in.list[i].apic_id, in.list[i].vector, &out[i]);
}

#define GSI     30u
#define VECTOR  0x61u
#define APIC_ID 3u

static struct kvm_irq_routing_entry our_route(void)
{
    struct kvm_irq_routing_entry entry = {.gsi = GSI, .type = KVM_IRQ_ROUTING_MSI};

    entry.u.msi.address_lo = 0xfee00000u | APIC_ID << 12;
    entry.u.msi.data = VECTOR;
    return entry;
}

/* Others' routes that the VM has already. */
static void routes_fill(struct script *s, unsigned count)
{
    s->in.routes.count = count;
    for (unsigned i = 0; i < count; i++) {
        struct kvm_irq_routing_entry *e = &s->in.routes.entries[i];

        e->gsi = i;
        e->type = KVM_IRQ_ROUTING_MSI;
        e->u.msi.address_lo = 0xfee00000u;
        e->u.msi.data = 0x20 + (uint32_t)judge_random_below(s->judge, 64);
    }
}

/* OPEN and ASSIGN_INTERRUPT; returns the number of the latter. */
static uint32_t interrupt_add(struct script *s, unsigned routes)
{
    routes_fill(s, routes);
    OP(s, .kind = LAB08_OPEN);
    return OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = GSI, .offset = APIC_ID,
              .size = VECTOR);
}

static const struct call_id routing_id = IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING);
static const struct call_id irqfd_id = IOCTL(OBJECT_VM, KVM_IRQFD);
static const struct call_id irqs_id = IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS);

static bool route_is(const struct kvm_irq_routing_entry *is,
                     const struct kvm_irq_routing_entry *due)
{
    return is->gsi == due->gsi && is->type == due->type &&
           is->u.msi.address_lo == due->u.msi.address_lo &&
           is->u.msi.address_hi == due->u.msi.address_hi &&
           is->u.msi.data == due->u.msi.data;
}

/* Others' routes: those of the input, then those that were added in the script. */
static unsigned routes_due(const struct script *s, struct kvm_irq_routing_entry *due)
{
    unsigned count = s->in.routes.count;

    memcpy(due, s->in.routes.entries, sizeof s->in.routes.entries);
    for (uint32_t op = 0; op < s->in.op_count; op++)
        if (s->in.ops[op].kind == LAB08_ROUTE)
            due[count++] = (struct kvm_irq_routing_entry){
                .gsi = (uint32_t)s->in.ops[op].at,
                .type = KVM_IRQ_ROUTING_MSI,
                .u.msi = {.address_lo = 0xfee00000u, .data = (uint32_t)s->in.ops[op].size}};
    return count;
}

/* A table, KVM's or ours: others' routes in their order, and ours or not. */
static void routes_check(const struct script *s,
                         const struct kvm_irq_routing_entry *entries, unsigned count,
                         bool ours, const char *whose, const char *asked)
{
    const struct kvm_irq_routing_entry mine = our_route();
    struct kvm_irq_routing_entry due[IRQ_ROUTES_MAX];
    unsigned others = routes_due(s, due), found = 0, n = 0;

    CHECK(s->judge, count == others + ours, asked, "%s has %u routes; due are %u", whose,
          count, others + ours);
    for (unsigned i = 0; i < count; i++) {
        if (route_is(&entries[i], &mine)) {
            found++;
            continue;
        }
        CHECK(s->judge, n < others && route_is(&entries[i], &due[n]), asked,
              "%s: entry %u is GSI %u with address %#x, data %#x; due is GSI %u with %#x, "
              "%#x",
              whose, i, entries[i].gsi, entries[i].u.msi.address_lo, entries[i].u.msi.data,
              n < others ? due[n].gsi : GSI,
              n < others ? due[n].u.msi.address_lo : mine.u.msi.address_lo,
              n < others ? due[n].u.msi.data : mine.u.msi.data);
        n++;
    }
    CHECK(s->judge, found == ours, asked,
          "%s has %u routes of GSI %u with address %#x, data %#x; due is %d", whose, found,
          GSI, mine.u.msi.address_lo, mine.u.msi.data, ours);
}

/* The table that KVM was told last in an operation. */
static void kvm_routes_check(const struct script *s, uint32_t op, bool ours,
                             const char *asked)
{
    unsigned calls = calls_of(s, op, routing_id);
    const struct kvm_irq_routing *told =
        calls ? payload_at(s, call_at(s, op, routing_id, calls - 1), sizeof *told) : NULL;

    CHECK(s->judge, told, asked, "KVM_SET_GSI_ROUTING was not called in %s",
          op_name(s, op));
    routes_check(s, told->entries, told->nr, ours, "KVM", asked);
}

static void wires_check(const struct script *s, uint32_t op)
{
    static const char asked[] = "MSI, eventfd and irqfd are one wire";
    const struct kvm_irqfd *irqfd =
        payload_at(s, call_at(s, op, irqfd_id, 0), sizeof *irqfd);
    const struct vfio_irq_set *set =
        payload_at(s, call_at(s, op, irqs_id, 0), sizeof *set + 4);
    int32_t fd = -1;

    CHECK(s->judge, irqfd && irqfd->gsi == GSI && irqfd->flags == 0, asked,
          "KVM_IRQFD got gsi %u, flags %#x; due is gsi %u, flags 0", irqfd ? irqfd->gsi : 0,
          irqfd ? irqfd->flags : 0, GSI);
    CHECK(s->judge, set, asked,
          "VFIO_DEVICE_SET_IRQS came without a descriptor (argsz %zu)", sizeof *set + 4);
    memcpy(&fd, set->data, sizeof fd);
    CHECK(s->judge, set->argsz == sizeof *set + 4, asked,
          "VFIO_DEVICE_SET_IRQS got argsz %u; head and descriptor have %zu bytes",
          set->argsz, sizeof *set + 4);
    CHECK(s->judge,
          set->index == VFIO_PCI_MSI_IRQ_INDEX && set->start == 0 && set->count == 1 &&
              set->flags == (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER),
          asked,
          "VFIO_DEVICE_SET_IRQS got index %u, start %u, count %u, flags %#x; due is 1 "
          "(MSI), 0, 1, %#x",
          set->index, set->start, set->count, set->flags,
          VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
    CHECK(s->judge, (int32_t)irqfd->fd == fd, asked,
          "the device signals descriptor %d, KVM waits for %u", fd, irqfd->fd);
}

/* `routes` of the 16 entries are taken before. */
static void one_wire_check(struct judge *judge, unsigned routes)
{
    static const char asked[] = "KVM is told all routes, the VM's others too";
    struct script *s = script_new(judge);
    static const struct call_id order[] = {IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING),
                                           IOCTL(OBJECT_VM, KVM_IRQFD),
                                           IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS)};
    uint32_t op = interrupt_add(s, routes), signalled;
    unsigned flags = 0;

    OP(s, .kind = LAB08_CHECKPOINT);
    signalled = OP(s, .kind = LAB08_SIGNALLED);
    script_run(s, NULL, 0);
    op_returns(s, op, 0, "device_assign_interrupt() returns 0");
    kvm_routes_check(s, op, true, asked);
    routes_check(s, s->out->routes.entries, s->out->routes.count, true, "*routes", asked);
    wires_check(s, op);
    order_check(s, op, order, 3, "who waits for an interrupt is there before who makes it");
    CHECK(judge,
          evidence_fds(s->e, 0, EVENTFD, &flags) == 1 && (flags & O_CLOEXEC) &&
              (flags & O_NONBLOCK),
          "one eventfd, close-on-exec and non-blocking",
          "%u eventfds, flags %#o; due is one with %#o",
          evidence_fds(s->e, 0, EVENTFD, NULL), flags, O_CLOEXEC | O_NONBLOCK);
    op_returns(s, signalled, 0, "the eventfd counts from 0: no interrupt has come yet");
}

static void interrupt_is_one_wire(struct judge *judge)
{
    one_wire_check(judge, 2 + (unsigned)judge_random_below(judge, 6));
    one_wire_check(judge, IRQ_ROUTES_MAX - 1);
}

static void interrupt_arguments_check(struct judge *judge)
{
    static const char asked[] = "an interrupt that cannot be routed is refused";
    static const struct {
        unsigned routes;
        uint32_t gsi, apic, vector;
        int due;
    } cases[] = {
        {3, GSI, APIC_ID, 15, EINVAL},     {3, GSI, 255, VECTOR, EINVAL},
        {3, 0, APIC_ID, VECTOR, EEXIST},   {3, 2, APIC_ID, 256, EINVAL},
        {3, 1, APIC_ID, VECTOR, EEXIST},   {3, 2, APIC_ID, VECTOR, EEXIST},
        {16, 15, APIC_ID, VECTOR, EEXIST}, {16, GSI, APIC_ID, VECTOR, ENOSPC},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct script *s = script_new(judge);
        uint32_t op;

        routes_fill(s, cases[i].routes);
        OP(s, .kind = LAB08_OPEN);
        op = OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = cases[i].gsi,
                .offset = cases[i].apic, .size = cases[i].vector);
        OP(s, .kind = LAB08_CHECKPOINT);
        script_run(s, NULL, 0);
        error_check(
            s, op,
            &(struct vfio_error){VFIO_STEP_ROUTING, VFIO_ERR_ARGUMENT, cases[i].due, 0},
            asked);
        order_check(s, op, NULL, 0, asked);
        CHECK(judge, evidence_fds(s->e, 0, EVENTFD, NULL) == 0, asked,
              "an eventfd was left");
    }
}

/* It is assigned already: that is found out before anything else is looked at. */
static void interrupt_twice_check(struct judge *judge)
{
    static const char asked[] = "an interrupt is assigned once";
    struct script *s = script_new(judge);
    uint32_t first = interrupt_add(s, IRQ_ROUTES_MAX - 1);

    OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = GSI + 1, .offset = APIC_ID, .size = VECTOR);
    OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = GSI, .offset = APIC_ID, .size = 15);
    script_run(s, NULL, 0);
    for (uint32_t op = first + 1; op < s->in.op_count; op++) {
        error_check(s, op,
                    &(struct vfio_error){VFIO_STEP_ROUTING, VFIO_ERR_ARGUMENT, EBUSY, 0},
                    asked);
        order_check(s, op, NULL, 0, asked);
        CHECK(judge, s->out->results[op].state.gsi == GSI, asked,
              "gsi is %u; the interrupt that is assigned has %u",
              s->out->results[op].state.gsi, GSI);
    }
}

/* A call of the wiring fails, and perhaps one of the calls that undo it. */
struct wiring_failure {
    struct failure failure;
    uint32_t undo; /* request whose second call fails too, or 0 */
    const struct call_id *due;
    size_t due_count;
};

static const struct call_id undone_irqfd[] = {IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING),
                                              IOCTL(OBJECT_VM, KVM_IRQFD),
                                              IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING)};
static const struct call_id undone_msi[] = {
    IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING), IOCTL(OBJECT_VM, KVM_IRQFD),
    IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS), IOCTL(OBJECT_VM, KVM_IRQFD),
    IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING)};

#define FAIL_ROUTING FAIL_IOCTL(KVM_SET_GSI_ROUTING, 0, ROUTING, EINVAL, SYSCALL)
#define FAIL_IRQFD   FAIL_IOCTL(KVM_IRQFD, 0, IRQFD, ENOMEM, NO_MEMORY)
#define FAIL_MSI     FAIL_IOCTL(VFIO_DEVICE_SET_IRQS, 0, SET_IRQS, ENOSPC, SYSCALL)

static const struct wiring_failure wiring_failures[] = {
    {FAIL_ROUTING, 0, undone_irqfd, 1},
    {FAIL_IRQFD, 0, undone_irqfd, 3},
    {FAIL_MSI, 0, undone_msi, 5},
    {FAIL_IRQFD, (uint32_t)KVM_SET_GSI_ROUTING, undone_irqfd, 3},
    {FAIL_MSI, (uint32_t)KVM_SET_GSI_ROUTING, undone_msi, 5},
    {FAIL_MSI, (uint32_t)KVM_IRQFD, undone_msi, 5},
};

static void wiring_failure_check(struct judge *judge, const struct wiring_failure *w)
{
    static const char asked[] = "a failed device_assign_interrupt() is undone, backwards";
    const struct failure *f = &w->failure;
    struct script *s = failure_script(judge, f);
    bool stays = w->undo == (uint32_t)KVM_SET_GSI_ROUTING; /* KVM has our route still */
    uint32_t op = interrupt_add(s, 4);
    const struct lab08_state *state;
    const struct kvm_irqfd *irqfd;

    OP(s, .kind = LAB08_CHECKPOINT);
    if (w->undo)
        fault_set(s, 1, CALL_IOCTL, w->undo, 1, EIO);
    script_run(s, NULL, 0);
    state = &s->out->results[op].state;
    error_check(s, op, &(struct vfio_error){f->step, f->due, f->errnum, 0}, asked);
    order_check(s, op, w->due, w->due_count, asked);
    routes_check(s, s->out->routes.entries, s->out->routes.count, stays,
                 stays ? "KVM refused to take our route out: *routes" : "*routes", asked);
    if (w->due_count > 1 && !stays)
        kvm_routes_check(s, op, false, asked);
    irqfd = payload_at(s, call_at(s, op, irqfd_id, 1), sizeof *irqfd);
    CHECK(judge, !irqfd || irqfd->flags == KVM_IRQFD_FLAG_DEASSIGN, asked,
          "the irqfd stayed: no KVM_IRQFD with KVM_IRQFD_FLAG_DEASSIGN");
    CHECK(judge, evidence_fds(s->e, 0, EVENTFD, NULL) == 0, asked, "an eventfd was left");
    CHECK(judge, !state->has_routes && state->eventfd == -1 && state->gsi == 0, asked,
          "the assignment says: routes %s, eventfd %s, gsi %u; due is NULL, -1, 0",
          state->has_routes ? "set" : "NULL", state->eventfd > 0 ? "not -1" : "-1",
          state->gsi);
}

static void failed_wiring_is_undone(struct judge *judge)
{
    for (size_t i = 0; i < sizeof wiring_failures / sizeof wiring_failures[0]; i++)
        wiring_failure_check(judge, &wiring_failures[i]);
    interrupt_arguments_check(judge);
    interrupt_twice_check(judge);
}

/* --- taking it away ---------------------------------------------------------------- */

/* Everything assigned; returns the operation that takes it away. Checkpoint 0 is behind
 * it. */
static uint32_t teardown_add(struct script *s, struct layout *l)
{
    uint32_t op;

    routes_fill(s, 3);
    *l = layout_add(s, SLOTS, 0);
    l->assign_interrupt =
        OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = GSI, .offset = APIC_ID, .size = VECTOR);
    for (unsigned i = 1; i <= 3; i++) /* ours is not the last one for long */
        OP(s, .kind = LAB08_ROUTE, .at = GSI + i, .size = VECTOR + i);
    op = OP(s, .kind = LAB08_UNASSIGN);
    OP(s, .kind = LAB08_CHECKPOINT);
    return op;
}

/* The payload of an operation's first such call; where the plan has made it fail,
 * nobody has looked at it, and having tried is all that counts. */
static bool call_tried(const struct script *s, uint32_t op, struct call_id id, size_t size,
                       const void **payload)
{
    size_t at = call_at(s, op, id, 0);

    *payload = payload_at(s, at, size);
    return at != NONE && s->e->calls[at].record->injected;
}

static void nothing_wired_check(const struct script *s, uint32_t op, const char *asked)
{
    const struct kvm_irqfd *irqfd;
    const struct vfio_irq_set *set;
    const void *routing;
    bool refused;
    bool irqfd_tried = call_tried(s, op, irqfd_id, sizeof *irqfd, (const void **)&irqfd);
    bool set_tried = call_tried(s, op, irqs_id, sizeof *set, (const void **)&set);

    CHECK(s->judge,
          set_tried ||
              (set && set->count == 0 && set->index == VFIO_PCI_MSI_IRQ_INDEX &&
               set->flags == (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)),
          asked, "the MSI was not disconnected (VFIO_DEVICE_SET_IRQS, DATA_NONE, count 0)");
    CHECK(s->judge, set_tried || set->argsz == sizeof *set, asked,
          "VFIO_DEVICE_SET_IRQS got argsz %u; without data it is the head alone, %zu",
          set->argsz, sizeof *set);
    CHECK(s->judge,
          irqfd_tried ||
              (irqfd && irqfd->flags == KVM_IRQFD_FLAG_DEASSIGN && irqfd->gsi == GSI),
          asked, "the irqfd was not taken off (KVM_IRQFD_FLAG_DEASSIGN, gsi %u)", GSI);
    CHECK(s->judge,
          irqfd_tried || s->e->calls[call_at(s, op, irqfd_id, 0)].record->result == 0,
          asked, "KVM_IRQFD failed: its eventfd was closed before");
    refused = call_tried(s, op, routing_id, 8, &routing);
    if (!refused)
        kvm_routes_check(s, op, false, asked);
    routes_check(s, s->out->routes.entries, s->out->routes.count, refused,
                 refused ? "KVM refused to take our route out: *routes" : "*routes", asked);
    CHECK(s->judge, evidence_fds(s->e, 0, EVENTFD, NULL) == 0, asked,
          "an eventfd was left");
}

static void nothing_assigned_check(const struct script *s, uint32_t op,
                                   const struct layout *l)
{
    static const char asked[] = "device_unassign() takes all of it away";
    const struct lab08_state *state = &s->out->results[op].state;
    const struct kvm_userspace_memory_region *region =
        payload_at(s, call_at(s, op, slot_id, 0), sizeof *region);

    nothing_wired_check(s, op, asked);
    CHECK(s->judge, calls_of(s, op, unmap_id) == SLOTS - 1, asked,
          "%u ranges were unmapped; mapped were %u", calls_of(s, op, unmap_id), SLOTS - 1);
    CHECK(s->judge, region && region->memory_size == 0 && region->slot == l->bar, asked,
          "the BAR's slot was not removed");
    CHECK(s->judge,
          state->bar_slot == -1 && state->range_count == 0 && !state->has_routes &&
              state->eventfd == -1 && state->gsi == 0,
          asked,
          "bar_slot %d, range_count %u, routes %s, eventfd %s, gsi %u; due is -1, 0, NULL, "
          "-1, 0",
          state->bar_slot, state->range_count, state->has_routes ? "set" : "NULL",
          state->eventfd > 0 ? "not -1" : "-1", state->gsi);
}

static void teardown_order_check(const struct script *s, uint32_t op,
                                 const struct layout *l)
{
    static const struct call_id order[] = {
        IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS),
        IOCTL(OBJECT_VM, KVM_IRQFD),
        IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING),
        IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA),
        IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA),
        IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA),
        IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA),
        IOCTL(OBJECT_VM, KVM_SET_USER_MEMORY_REGION),
    };
    static const char asked[] = "first the device is stopped, then what it used goes";
    uint32_t slot = SLOTS;
    size_t written = NONE;
    uint16_t command = command_after(s, op, 0xffff, &written);

    order_check(s, op, order, sizeof order / sizeof order[0], asked);
    CHECK(s->judge, !(command & PCI_COMMAND_MASTER) && written < call_at(s, op, irqs_id, 0),
          asked, "%s",
          command & PCI_COMMAND_MASTER ? "the device is still bus master"
                                       : "bus master went off too late");
    for (unsigned n = 0; n < SLOTS - 1; n++) {
        const struct vfio_iommu_type1_dma_unmap *unmap =
            payload_at(s, call_at(s, op, unmap_id, n), 24);

        slot = slot - 1 == l->bar ? slot - 2 : slot - 1;
        CHECK(s->judge,
              unmap && unmap->iova == l->gpa[slot] && unmap->size == l->size[slot], asked,
              "unmapping %u is of iova %#" PRIx64 "; due is %#" PRIx64 ", %#" PRIx64
              " bytes (the last one mapped goes first)",
              n + 1, unmap ? (uint64_t)unmap->iova : 0, l->gpa[slot], l->size[slot]);
    }
}

/* Only one of the three was assigned: only that one is taken away. */
static void partly_assigned_check(struct judge *judge)
{
    static const struct call_id slot[] = {IOCTL(OBJECT_VM, KVM_SET_USER_MEMORY_REGION)};
    static const struct call_id wire[] = {IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS),
                                          IOCTL(OBJECT_VM, KVM_IRQFD),
                                          IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING)};
    static const char asked[] = "what was not assigned is not taken away";
    struct script *s = script_new(judge);
    uint32_t op;
    size_t at;

    OP(s, .kind = LAB08_OPEN);
    OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x800000);
    OP(s, .kind = LAB08_ASSIGN_MEMORY); /* there is none, but bus master is on */
    op = OP(s, .kind = LAB08_UNASSIGN);
    script_run(s, NULL, 0);
    order_check(s, op, slot, 1, asked);
    CHECK(judge, !(command_after(s, op, 0xffff, &at) & PCI_COMMAND_MASTER), asked,
          "no memory was mapped; but bus master was on, and was not switched off");

    s = script_new(judge);
    op = interrupt_add(s, 2) + 1;
    OP(s, .kind = LAB08_UNASSIGN);
    script_run(s, NULL, 0);
    order_check(s, op, wire, 3, asked);
}

static void unassigning_is_orderly(struct judge *judge)
{
    static const struct {
        uint32_t kind, request, nth;
    } failing[] = {
        {0, 0, 0}, /* none */
        {CALL_WRITE, 0, 2},
        {CALL_IOCTL, VFIO_DEVICE_SET_IRQS, 1},
        {CALL_IOCTL, (uint32_t)KVM_IRQFD, 1},
        {CALL_IOCTL, (uint32_t)KVM_SET_GSI_ROUTING, 1},
        {CALL_IOCTL, VFIO_IOMMU_UNMAP_DMA, 0},
    };

    for (size_t i = 0; i < sizeof failing / sizeof failing[0]; i++) {
        struct script *s = script_new(judge);
        struct layout l;
        uint32_t op = teardown_add(s, &l), again;

        again = OP(s, .kind = LAB08_UNASSIGN);
        if (i > 0)
            fault_set(s, 0, failing[i].kind, failing[i].request, failing[i].nth, EIO);
        script_run(s, NULL, 0);
        op_returns(s, l.assign_interrupt, 0, "device_assign_interrupt() returns 0");
        nothing_assigned_check(s, op, &l);
        if (i == 0)
            teardown_order_check(s, op, &l);
        order_check(s, again, NULL, 0, "what is not assigned cannot be taken away");
    }
    partly_assigned_check(judge);
}

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

static void closing_is_orderly(struct judge *judge)
{
    for (int i = 0; i < 5; i++) {
        struct script *s = script_new(judge);
        bool resets = i % 2 == 0;
        uint32_t close;

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

/* --- the machine: a guest drives the device ---------------------------------------- */

/* What the guest does, and where its mailbox has what (guests/driver.protected32.c). */
#define DO_REGISTERS 1u
#define DO_TRAPPED   2u
#define DO_FACTORIAL 4u
#define DO_DMA       8u
#define DO_RAISE     16u
#define EDU_ID       0x010000edu
#define EDU_BUFFER   0x40000u
#define WAIT_TICKS   12000000000ull /* some seconds: an interrupt takes microseconds */
#define WINDOW_RAM   0
#define WINDOW_ROM   1

struct drive {
    struct judge *judge;
    struct lab08_guest in;
    const struct evidence *e;
    const struct lab08_guest_output *out;
};

static struct drive *drive_new(struct judge *judge, uint32_t what)
{
    struct drive *d = calloc(1, sizeof *d);

    if (!d)
        judge_error(judge, "out of memory");
    d->judge = judge;
    d->in = (struct lab08_guest){
        .bar_gpa = 0x40000000u + judge_random_below(judge, 1024) * 0x100000u,
        .gsi = 24 + (uint32_t)judge_random_below(judge, 200),
        .vector = 0x30 + (uint32_t)judge_random_below(judge, 0xc0),
        .interrupt = 1,
        .image_size = (uint32_t)GUEST_IMAGE_SIZE(driver_guest),
        .mailbox = {[0] = what, [4] = LAB08_TRAPPED_GPA, [9] = WAIT_TICKS}};
    d->in.mailbox[1] = d->in.bar_gpa;
    d->in.mailbox[7] = d->in.vector;
    memcpy(d->in.image, driver_guest, d->in.image_size);
    return d;
}

static uint64_t mailbox(const struct drive *d, unsigned n)
{
    return window_u64(d->e, 1, WINDOW_RAM, GUEST_MAILBOX_GPA + 8 * n);
}

static void drive_explain(const struct drive *d)
{
    static const char *const steps[] = {[LAB08_STEP_PARTS] = "the earlier parts",
                                        [LAB08_STEP_OPEN] = "vfio_open()",
                                        [LAB08_STEP_BAR] = "device_assign_bar()",
                                        [LAB08_STEP_MEMORY] = "device_assign_memory()",
                                        [LAB08_STEP_INTERRUPT] =
                                            "device_assign_interrupt()",
                                        [LAB08_STEP_RUN] = "vcpu_run()",
                                        [LAB08_STEP_DONE] = "nothing"};
    uint32_t step = d->out->step <= LAB08_STEP_DONE ? d->out->step : 0;
    char words[300] = "", number[40];

    if (d->out->error.kind != VFIO_OK)
        vfio_error_describe(&d->out->error, words, sizeof words);
    CHECK(d->judge, d->out->step == LAB08_STEP_DONE,
          "the true device can be given to a guest", "%s returned %s%s%s",
          step ? steps[step] : "?", number_name(d->out->result, number, sizeof number),
          words[0] ? ": " : "", words);
    CHECK(d->judge, d->out->status == RUN_KICKED, "the guest's driver runs to its end",
          "the run ended with status %u (3: as asked, 2: triple fault)", d->out->status);
}

static void drive_go(struct drive *d, uint32_t deadline_ms)
{
    static const struct window windows[] = {
        {.name = "guest-ram", .length = LAB08_GUEST_RAM},
        {.name = "guest-rom", .length = LAB08_ROM_SIZE}};
    const struct run_spec spec = {.entry = LAB08_GUEST,
                                  .flags = RUN_TRACE | RUN_DEVICE,
                                  .input = &d->in,
                                  .input_size = sizeof d->in,
                                  .windows = windows,
                                  .window_count = 2,
                                  .deadline_ms = deadline_ms};

    d->e = judge_run(d->judge, &spec, sizeof *d->out);
    d->out = (const void *)d->e->answer;
    drive_explain(d);
    CHECK(d->judge, d->e->windows[1][WINDOW_RAM].length == LAB08_GUEST_RAM,
          "the guest's memory is there when it has run", "it could not be read");
}

/* --- registers */

/* What the guest's rounds with the liveness register add up to: it reads as the
 * complement. */
static uint32_t liveness_sum(uint32_t number, uint64_t rounds)
{
    uint32_t sum = 0;

    for (uint64_t i = 0; i < rounds; i++)
        sum = 3 * sum - (number + (uint32_t)i) - 1;
    return sum;
}

/* Where in the trace the guest marked its n-th phase. */
static size_t mark_at(const struct drive *d, uint64_t mark)
{
    const struct kvm_events *events = &d->e->events;

    for (size_t i = 0; i < events->count; i++)
        if (events->list[i].kind == EVENT_PIO &&
            events->list[i].address == LAB08_MARK_PORT && events->list[i].value == mark)
            return i;
    check_fail(d->judge, "the guest's driver runs to its end",
               "the kernel's trace has no write of %" PRIu64 " to port 0x80", mark);
}

/* Exits between two marks because of an access to [from, from + size). */
static unsigned touches(const struct drive *d, size_t first, size_t last, uint64_t from,
                        uint64_t size)
{
    unsigned n = 0;

    for (size_t i = first; i < last; i++) {
        const struct kvm_event *e = &d->e->events.list[i];
        uint64_t address = e->kind == EVENT_EXIT ? e->info2 : e->address;

        if ((e->kind == EVENT_EXIT && e->reason == SVM_EXIT_NPF) || e->kind == EVENT_MMIO)
            n += address - from < size;
    }
    return n;
}

static double nanoseconds(const struct drive *d, size_t first, size_t last,
                          uint64_t accesses)
{
    return (double)(d->e->events.list[last].time_ns - d->e->events.list[first].time_ns) /
           (double)accesses;
}

static void registers_need_no_exit(struct judge *judge)
{
    static const char asked[] = "after the first touch no register access leaves the guest";
    struct drive *d = drive_new(judge, DO_REGISTERS | DO_TRAPPED);
    const uint64_t rounds = 2000 + judge_random_below(judge, 500), slow = 200;
    uint32_t number = (uint32_t)judge_random(judge);
    size_t marks[5];
    unsigned direct, trapped;

    d->in.mailbox[2] = number;
    d->in.mailbox[3] = rounds;
    d->in.mailbox[5] = slow;
    drive_go(d, 0);
    CHECK(judge, mailbox(d, 16) == EDU_ID && mailbox(d, 17) == liveness_sum(number, rounds),
          "the guest reaches the device's registers at the BAR's GPA",
          "it read id %#" PRIx64 " and the sum %#" PRIx64 "; due is %#x and %#x",
          mailbox(d, 16), mailbox(d, 17), EDU_ID, liveness_sum(number, rounds));
    for (uint64_t mark = 1; mark <= 4; mark++)
        marks[mark] = mark_at(d, mark);
    CHECK(judge, touches(d, 0, marks[1], d->in.bar_gpa, 0x100000) > 0, asked,
          "the kernel never saw a first touch of the BAR at %#" PRIx64, d->in.bar_gpa);
    direct = touches(d, marks[1], marks[2], d->in.bar_gpa, 0x100000);
    trapped = touches(d, marks[3], marks[4], LAB08_TRAPPED_GPA, PAGE);
    CHECK(judge, direct == 0, asked,
          "%u exits for %" PRIu64 " accesses to the BAR's registers; due are 0", direct,
          2 * rounds);
    CHECK(judge, d->out->mmio_exits == 2 * slow && trapped >= 2 * slow,
          "where there is no slot, each access is an exit",
          "%" PRIu64 " accesses made %" PRIu64 " MMIO exits", 2 * slow, d->out->mmio_exits);
    judge_figure(judge, "register access, BAR as memory slot",
                 nanoseconds(d, marks[1], marks[2], 2 * rounds), "ns");
    judge_figure(judge, "register access, trapped (MMIO exit)",
                 nanoseconds(d, marks[3], marks[4], 2 * slow), "ns");
    judge_figure(judge, "exits per access, BAR as memory slot", direct, "");
}

/* --- DMA */

static void transfer_set(struct drive *d, uint64_t from, uint64_t to, uint64_t length,
                         uint64_t command)
{
    uint64_t *order = &d->in.mailbox[32 + 4 * d->in.mailbox[8]++];

    order[0] = from;
    order[1] = to;
    order[2] = length;
    order[3] = command;
}

static void interrupts_check(const struct drive *d, uint64_t due)
{
    static const char asked[] = "each interrupt of the device reaches the guest's handler";

    CHECK(d->judge, mailbox(d, 23) == 0, asked,
          "interrupt %" PRIu64 " did not come (the guest waited for %s)",
          mailbox(d, 20) + 1,
          mailbox(d, 23) == DO_FACTORIAL ? "the factorial"
          : mailbox(d, 23) == DO_DMA     ? "a DMA transfer"
                                         : "an interrupt that it had asked for");
    CHECK(d->judge, mailbox(d, 20) == due, asked,
          "the guest's handler ran %" PRIu64 " times; due are %" PRIu64, mailbox(d, 20),
          due);
}

/* The IOMMU's own record: has the device used this address, by the page? */
static bool translated(const struct drive *d, uint64_t iova)
{
    for (size_t i = 0; i < d->e->device.count; i++)
        if (d->e->device.list[i].kind == DEVICE_TRANSLATED &&
            d->e->device.list[i].source == SOURCE_ID &&
            d->e->device.list[i].iova == (iova & ~(uint64_t)(PAGE - 1)))
            return true;
    return false;
}

static void pattern_set(struct drive *d, uint64_t gpa, uint32_t size)
{
    d->in.pattern_gpa = gpa;
    d->in.pattern_size = size;
    for (uint32_t i = 0; i < size; i++)
        d->in.pattern[i] = (uint8_t)judge_random(d->judge);
}

/* Memory from 0x20000 on is nobody's but the device's. */
static void rest_unchanged(const struct drive *d, uint64_t at, uint32_t size)
{
    const uint8_t *before = d->e->windows[0][WINDOW_RAM].bytes,
                  *after = d->e->windows[1][WINDOW_RAM].bytes;

    CHECK(d->judge, d->e->windows[0][WINDOW_RAM].length == LAB08_GUEST_RAM,
          "the guest's memory is there before it runs", "it could not be read");
    for (uint64_t i = 0x20000; i < LAB08_GUEST_RAM; i++)
        CHECK(d->judge, before[i] == after[i] || i - at < size,
              "DMA changes what it was told to change, and nothing else",
              "the byte at GPA %#" PRIx64 " was %#04x and is %#04x", i, before[i],
              after[i]);
}

static void dma_moves_both_ways(struct judge *judge)
{
    static const char asked[] = "memory goes into the device and comes back by DMA";
    struct drive *d = drive_new(judge, DO_DMA);
    uint32_t size = 3000 + (uint32_t)judge_random_below(judge, 1096);
    uint64_t from = 0x20000 + judge_random_below(judge, 0x8000) * 2,
             to = 0x30000 + judge_random_below(judge, 0x7000) * 2;
    size_t wrong = 0;

    pattern_set(d, from, size);
    transfer_set(d, from, EDU_BUFFER, size, 1 | 4);
    transfer_set(d, EDU_BUFFER, to, size, 1 | 2 | 4);
    drive_go(d, 0);
    interrupts_check(d, 2);
    while (wrong < size &&
           d->e->windows[1][WINDOW_RAM].bytes[to + wrong] == d->in.pattern[wrong])
        wrong++;
    CHECK(judge, wrong == size, asked,
          "byte %zu of %u at GPA %#" PRIx64 " is %#04x; due is %#04x", wrong, size, to,
          d->e->windows[1][WINDOW_RAM].bytes[to + wrong], d->in.pattern[wrong]);
    CHECK(judge, translated(d, from) && translated(d, to), asked,
          "the IOMMU has seen no access of the device to IOVA %#" PRIx64,
          translated(d, from) ? to : from);
    CHECK(judge, device_events_count(&d->e->device, DEVICE_FAULT) == 0, asked,
          "the IOMMU refused %zu accesses",
          device_events_count(&d->e->device, DEVICE_FAULT));
    rest_unchanged(d, to, size);
}

/* Was an access to this page refused, and how? */
static const struct device_event *fault_at(const struct drive *d, uint64_t iova, bool write)
{
    for (size_t i = 0; i < d->e->device.count; i++) {
        const struct device_event *e = &d->e->device.list[i];

        if (e->kind == DEVICE_FAULT && e->write == write && e->iova / PAGE == iova / PAGE)
            return e;
    }
    return NULL;
}

static void device_stays_in_the_guest(struct judge *judge)
{
    static const char asked[] = "the device reaches the guest's memory and nothing else";
    struct drive *d = drive_new(judge, DO_DMA);
    const uint64_t rom = LAB08_ROM_GPA + judge_random_below(judge, 15) * PAGE + 64;
    const uint64_t hole = LAB08_GUEST_RAM + judge_random_below(judge, 32) * PAGE;

    pattern_set(d, rom, 64);
    transfer_set(d, EDU_BUFFER, rom, 64, 1 | 2);
    transfer_set(d, EDU_BUFFER, hole, 64, 1 | 2);
    d->in.interrupt = 0;
    drive_go(d, 0);
    CHECK(judge, mailbox(d, 24) == 2, "the guest's driver runs to its end",
          "%" PRIu64 " of 2 transfers were made", mailbox(d, 24));
    CHECK(judge,
          d->e->windows[1][WINDOW_ROM].length == LAB08_ROM_SIZE &&
              memcmp(d->e->windows[1][WINDOW_ROM].bytes + (rom - LAB08_ROM_GPA),
                     d->in.pattern, 64) == 0,
          asked, "the device has written to GPA %#" PRIx64 ", which is read-only", rom);
    CHECK(judge, fault_at(d, rom, true) != NULL, asked,
          "the IOMMU has not refused the write to GPA %#" PRIx64 ", which is read-only",
          rom);
    CHECK(judge, fault_at(d, hole, true) != NULL && !translated(d, hole), asked,
          "the IOMMU has not refused the write to GPA %#" PRIx64 ", where the guest has no "
          "memory",
          hole);
}

/* --- interrupts */

static uint32_t factorial_of(uint32_t n)
{
    uint32_t product = 1;

    for (uint32_t i = 2; i <= n; i++)
        product *= i;
    return product;
}

static unsigned injected(const struct drive *d)
{
    unsigned n = 0;

    for (size_t i = 0; i < d->e->events.count; i++)
        n += d->e->events.list[i].kind == EVENT_INJECT &&
             d->e->events.list[i].value == d->in.vector;
    return n;
}

static void interrupts_reach_the_guest(struct judge *judge)
{
    struct drive *d = drive_new(judge, DO_FACTORIAL | DO_RAISE);
    const uint32_t n = 5 + (uint32_t)judge_random_below(judge, 25);
    const uint64_t raises = 20 + judge_random_below(judge, 20);
    uint64_t sum = 1;

    for (uint64_t i = 0; i < raises; i++)
        sum += 0x10000u + i;
    d->in.mailbox[6] = n;
    d->in.mailbox[10] = raises;
    drive_go(d, 0);
    interrupts_check(d, raises + 1);
    CHECK(judge, mailbox(d, 19) == factorial_of(n), "the device computes for the guest",
          "%u! is %#" PRIx64 "; due is %#x (modulo 2^32)", n, mailbox(d, 19),
          factorial_of(n));
    CHECK(judge, mailbox(d, 22) == sum, "the handler reads and acknowledges each status",
          "the statuses add up to %#" PRIx64 "; due is %#" PRIx64, mailbox(d, 22), sum);
    CHECK(judge, injected(d) >= raises + 1, "KVM itself brings the interrupts to the vCPU",
          "the kernel's trace has %u injections of vector %#x; due are %" PRIu64,
          injected(d), d->in.vector, raises + 1);
    /* The end: one OUT, and the kick that answers it. */
    CHECK(judge, kvm_events_count(&d->e->events, EVENT_USERSPACE_EXIT, KVM_EVENT_ANY) <= 2,
          "no interrupt needs the VMM",
          "KVM_RUN came back %zu times; due are 2, at the guest's end",
          kvm_events_count(&d->e->events, EVENT_USERSPACE_EXIT, KVM_EVENT_ANY));
}

/* --- again and again */

static void device_is_free_again(struct judge *judge)
{
    static const char asked[] = "what was given away comes back whole";
    static const char *const names[] = {"/dev/vfio/vfio", "/dev/vfio/1",
                                        "anon_inode:[vfio-device]", EVENTFD};
    struct drive *d = drive_new(judge, DO_REGISTERS);

    d->in.rounds = 6;
    d->in.mailbox[2] = (uint32_t)judge_random(judge);
    d->in.mailbox[3] = 10;
    drive_go(d, 0);
    CHECK(judge, d->out->rounds == d->in.rounds, asked,
          "the device was given and taken %u times; due are %u", d->out->rounds,
          d->in.rounds);
    CHECK(judge, mailbox(d, 16) == EDU_ID, asked,
          "the guest read id %#" PRIx64 "; due is %#x", mailbox(d, 16), EDU_ID);
    CHECK(judge, evidence_fds(d->e, 0, names[2], NULL) == 1, asked,
          "/proc/PID/fd shows %u VFIO devices while the guest has it; due is 1",
          evidence_fds(d->e, 0, names[2], NULL));
    for (unsigned checkpoint = 0; checkpoint <= 2; checkpoint += 2)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            unsigned due = checkpoint == 0;
            unsigned is = evidence_fds(d->e, checkpoint, names[i], NULL);

            if (i == 1) /* the group's number is not ours to know */
                is = evidence_fds(d->e, checkpoint, "/dev/vfio/", NULL) -
                     evidence_fds(d->e, checkpoint, names[0], NULL);
            CHECK(judge, is == due, asked, "%s: /proc/PID/fd shows %u of %s; due is %u",
                  checkpoint ? "after vfio_close()" : "while the guest has it", is,
                  i == 1 ? "the group" : names[i], due);
        }
    CHECK(judge, evidence_maps(d->e, 2, "anon_inode:[vfio-device]", NULL) == 0, asked,
          "after vfio_close() the BAR is still mapped");
}

/* --- the declarations -------------------------------------------------------------- */

#define VFIO_RST           "Linux Documentation/driver-api/vfio.rst"
#define API(section)       "Linux Documentation/virt/kvm/api.rst, " section
#define PCI_COMMAND_MANUAL "PCI Local Bus Specification 3.0, 6.2.2"

static const struct check checks[] = {
    {
        .id = "open_follows_the_protocol",
        .title = "takes the device, step by step",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = open_follows_the_protocol,
        .why = "VFIO hands out a device only inside a protection domain: the order is the "
               "point.",
        .handout = "Steps, 1",
        .slide = "Passed-through device",
        .manual = VFIO_RST ", VFIO Usage Example",
        .hints =
            {"The contract numbers the calls. Which one does the report say is missing?",
             "Container, group into container, IOMMU, device: each needs the one before. "
             "SET_CONTAINER takes a pointer to the container's descriptor.",
             "open, VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION, open, GET_STATUS, "
             "SET_CONTAINER, VFIO_SET_IOMMU, GET_DEVICE_FD(address), GET_INFO, "
             "GET_REGION_INFO(0), (7), GET_IRQ_INFO(1), mmap; index and argsz go in "
             "first."},
        .explanation =
            "Before VFIO_SET_IOMMU there is nothing to get: the group's devices are "
            "cut off from all memory first, and only then handed out.",
    },
    {
        .id = "refuses_what_cannot_be_used",
        .title = "refuses a device that cannot be used",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = refuses_what_cannot_be_used,
        .why = "A call that succeeds can still say no: its answer has to be read.",
        .handout = "Errors",
        .slide = "Passed-through device",
        .manual = VFIO_RST ", Groups, Devices, and IOMMUs",
        .hints = {"No call fails here. What do the flags say, and the sizes and counts?",
                  "The report names step and kind that were due. After the bad answer no "
                  "further step may follow, and all is closed again.",
                  "Test all needed flags at once: (flags & needed) != needed. VIABLE comes "
                  "before CONTAINER_SET. errnum: ENOTSUP, EPERM, EBUSY or ENODEV as in the "
                  "list."},
        .explanation =
            "A group is viable when no device of it is left to a driver of the host: "
            "otherwise your guest and that driver could reach each other by DMA.",
    },
    {
        .id = "failures_have_names",
        .title = "says which step failed, and why",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = failures_have_names,
        .why =
            "\"Operation not permitted\" alone helps nobody: was it the node or the IOMMU?",
        .handout = "Errors",
        .slide = "Passed-through device",
        .manual = "common/include/vfio_error.h",
        .hints =
            {"Does each call's result reach an if?",
             "vfio_call_failed(error, step) knows the kinds: call it at once, before "
             "anything else can change errno, and return what it returns.",
             "pread() and pwrite() can fail as well, and so can mmap(), which says "
             "MAP_FAILED, not NULL. The error is fixed before vfio_close() cleans up."},
        .explanation =
            "EPERM from VFIO_SET_IOMMU means that interrupts are not remapped: a "
            "device could write to FEExxxxxh and forge any interrupt of the host.",
    },
    {
        .id = "failed_open_leaves_nothing",
        .title = "a failed open leaves nothing behind",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = failed_open_leaves_nothing,
        .why = "A group can be opened once: a leaked descriptor makes the next try fail.",
        .handout = "Steps, 4",
        .slide = "Passed-through device",
        .manual = VFIO_RST,
        .hints =
            {"What is open when the call fails that the report names?",
             "One function that undoes what is there, in reverse, serves every failure.",
             "Mark everything as not there first (-1, NULL); on r < 0 call vfio_close(), "
             "which skips what is -1 and sets to -1 what it closes."},
        .explanation =
            "Undoing by one tolerant function instead of a ladder of labels: there is "
            "one order to get right, and it is also the order of a normal end.",
    },
    {
        .id = "command_register_is_set",
        .title = "changes two bits of the command register",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = command_register_is_set,
        .why = "Without MEM the registers read as ones; without BM neither DMA nor MSI "
               "happens.",
        .handout = "Steps, 2",
        .slide = "DMA devices",
        .manual = PCI_COMMAND_MANUAL,
        .hints = {"Read, change, write back: 16 bits.",
                  "Configuration space is a region: where it begins, VFIO has told you.",
                  "pread(device, &command, 2, config_offset + 4), then "
                  "(command & ~clear) | set, then pwrite() of the same two bytes."},
        .explanation =
            "The kernel's offset for region 7 happens to be 7 << 40. It is not a "
            "promise: the structure is.",
    },
    {
        .id = "dma_map_keeps_within_reach",
        .title = "maps for DMA only what the device can reach",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = dma_map_keeps_within_reach,
        .why = "A device with 28 address lines cuts the address off: it hits other memory.",
        .handout = "Steps, 5",
        .slide = "DMA devices",
        .manual = VFIO_RST ", VFIO_IOMMU_MAP_DMA; QEMU docs/specs/edu.rst, DMA",
        .hints =
            {"What is the last byte of the range? Can computing it overflow?",
             "A range may end exactly at the last address: compare last bytes, not ends.",
             "last = iova + size - 1; last < iova: it wraps. With dma_bits < 64: "
             "last >> dma_bits != 0 is out of reach."},
        .explanation =
            "The IOMMU checks what the device puts on the bus. Bits that the device "
            "has no lines for never get there, so nobody else can notice.",
    },
    {
        .id = "unmap_reports_what_was_missing",
        .title = "hands on what VFIO says about mappings",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = unmap_reports_what_was_missing,
        .why = "VFIO_IOMMU_UNMAP_DMA succeeds when nothing was mapped; only size tells.",
        .handout = "Steps, 6",
        .slide = "IOMMU",
        .manual = "Linux include/uapi/linux/vfio.h, VFIO_IOMMU_UNMAP_DMA",
        .hints =
            {"Which field of the structure does the kernel write?",
             "size comes back as the number of bytes that were unmapped.",
             "unmap.size < size after the call: NOT_MAPPED, ENOENT, detail unmap.size."},
        .explanation =
            "In version 2 of the type 1 IOMMU a mapping is taken back whole or not at "
            "all: half a mapping cannot be unmapped.",
    },
    {
        .id = "guest_memory_is_reachable",
        .title = "maps the guest's memory at its own addresses",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = guest_memory_is_reachable,
        .why = "The guest's driver knows guest-physical addresses only, and gives the "
               "device these.",
        .handout = "Steps, 10",
        .slide = "IOMMU and virtualization",
        .manual = API("4.35") "; " VFIO_RST,
        .hints =
            {"Which slots are memory of the guest, and which one is not?",
             "IOVA is the slot's gpa, vaddr its hva. What may the device do with a "
             "read-only slot?",
             "For each slot with size != 0 that is not bar_slot: vfio_dma_map(gpa, hva, "
             "size, READ, and WRITE unless MEMORY_SLOT_READONLY); then "
             "vfio_bus_master(true), also if there was none."},
        .explanation =
            "Two tables now hold the same thing: the nested page tables for the CPU "
            "and the IOMMU's for the device. That is why passthrough pins memory.",
    },
    {
        .id = "memory_is_mapped_all_or_nothing",
        .title = "maps the guest's memory whole or not at all",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = memory_is_mapped_all_or_nothing,
        .why = "A half-mapped guest works until the device meets the other half.",
        .handout = "Steps, 10",
        .slide = "IOMMU and virtualization",
        .manual = VFIO_RST,
        .hints =
            {"What has been done when the third of five mappings fails?",
             "Note each range that was mapped: undoing is the way back along the list.",
             "On failure vfio_dma_unmap() for ranges[--range_count] until it is 0, and no "
             "bus master. Failing to become bus master counts as well."},
        .explanation =
            "Keep the error of the first failure: what happens while undoing is of "
            "no interest to whoever has to mend it.",
    },
    {
        .id = "messages_have_their_format",
        .title = "an MSI has the SDM's address and data",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = messages_have_their_format,
        .why = "An interrupt message is a memory write: its bits name CPU and vector.",
        .handout = "Steps, 8",
        .slide = "Interrupts",
        .manual = "SDM 3A 11.11.1, 11.11.2",
        .hints =
            {"The drawing in the contract has all the bits.",
             "The APIC id stands in bits 19:12 of the address, the vector in bits 7:0 of "
             "the data; the rest is constant.",
             "0xfee00000 | apic_id << 12, 0, vector; vectors 16 to 255, APIC ids 0 to "
             "254."},
        .explanation =
            "With interrupt remapping these writes are looked up in a table first "
            "(lab 07): the bits then mean an index, not a CPU.",
    },
    {
        .id = "interrupt_is_one_wire",
        .title = "joins MSI, eventfd, irqfd and route",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = interrupt_is_one_wire,
        .why = "Then an interrupt goes from device to guest without waking the VMM.",
        .handout = "Steps, 12",
        .slide = "Interrupts management",
        .manual = API("4.52, 4.75"),
        .hints =
            {"Follow the wire: who writes to the eventfd, who reads it, and where to then?",
             "KVM_SET_GSI_ROUTING replaces the whole table: the VM has other routes.",
             "eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); old routes plus ours to KVM; "
             "KVM_IRQFD {fd, gsi}; VFIO_DEVICE_SET_IRQS with that descriptor as data."},
        .explanation =
            "An eventfd is a counter with two ends. Here both ends are in the kernel, "
            "and your process only introduces them to each other.",
    },
    {
        .id = "failed_wiring_is_undone",
        .title = "a failed wiring is undone",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = failed_wiring_is_undone,
        .why = "A route without a device behind it takes the GSI away from the next one.",
        .handout = "Steps, 12",
        .slide = "Interrupts management",
        .manual = API("4.52, 4.75"),
        .hints =
            {"Which of the four objects exist when the third step fails?",
             "KVM has to be told the old table again, and *routes has to be that table.",
             "Change a copy of the table, tell KVM, and only then *routes = copy. On "
             "failure: irqfd off (if it was on), route out and KVM told, eventfd closed."},
        .explanation =
            "Arguments are checked before anything is made: then there is nothing "
            "to undo.",
    },
    {
        .id = "unassigning_is_orderly",
        .title = "takes the device from the guest in order",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = unassigning_is_orderly,
        .why = "Memory that a device still writes to must not become somebody else's.",
        .handout = "Steps, 13",
        .slide = "DMA devices",
        .manual = VFIO_RST "; " PCI_COMMAND_MANUAL,
        .hints =
            {"What can the device still do at each of your steps?",
             "Bus master off first: it ends DMA and MSI. Then source before sink. What "
             "fails does not stop the rest.",
             "vfio_bus_master(false); vfio_msi_connect(-1); KVM_IRQFD with DEASSIGN; route "
             "out and KVM told; close the eventfd; ranges backwards; "
             "memory_slot_remove()."},
        .explanation =
            "A teardown that gives up half-way leaks all that comes after: so it has "
            "no result, and goes on.",
    },
    {
        .id = "closing_is_orderly",
        .title = "gives the device back in order",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = closing_is_orderly,
        .why = "VFIO_GROUP_UNSET_CONTAINER is refused while a device is open.",
        .handout = "Steps, 4",
        .slide = "Passed-through device",
        .manual = VFIO_RST,
        .hints =
            {"Reverse the order in which vfio_open() took things.",
             "Bus master off, reset where the device can, BAR unmapped, device closed; "
             "then the group leaves the container.",
             "VFIO_DEVICE_RESET only if can_reset; munmap(bar, bar_size); close(device); "
             "VFIO_GROUP_UNSET_CONTAINER; close(group); close(container); -1 and NULL."},
        .explanation =
            "The kernel would clean up after a dead process all the same; but a VMM "
            "that hot-unplugs a device lives on.",
    },
    {
        .id = "registers_need_no_exit",
        .title = "the guest uses registers without VM exits",
        .tenths = 7,
        .target = TARGET_MACHINE,
        .run = registers_need_no_exit,
        .why = "This is what passthrough is for: the VMM is out of the way.",
        .handout = "Run it",
        .slide = "Passed-through device",
        .manual = API("4.35"),
        .hints =
            {"If the checks on the model pass, this one does.",
             "The BAR has to be a slot at the GPA that device_assign_bar() got, with the "
             "address where you mapped it as hva.",
             "memory_slot_add(vm, gpa, bar_size, bar, 0): read-write, no dirty log."},
        .explanation =
            "The first touch is a nested page fault: KVM finds the slot and fills in "
            "the tables. All further accesses are the CPU's own.",
    },
    {
        .id = "dma_moves_both_ways",
        .title = "the device reads and writes guest memory",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = dma_moves_both_ways,
        .why = "The guest's driver gives the device its own addresses, and they are right.",
        .handout = "Run it",
        .slide = "IOMMU and virtualization",
        .manual = VFIO_RST,
        .hints =
            {"If the checks on the model pass, this one does.",
             "Zeros in memory: a read of an address that is not mapped gives zeros. No "
             "interrupt: MSI needs bus master, too.",
             "IOVA = GPA for all slots, bus master on, then the interrupt."},
        .explanation =
            "The IOMMU's own trace (QEMU's, outside the machine) shows each page that "
            "was translated: the numbers behind \"IOVA\" in the report of a failure.",
    },
    {
        .id = "device_stays_in_the_guest",
        .title = "the device cannot leave the guest's memory",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = device_stays_in_the_guest,
        .why = "A guest's driver can ask for any address: the IOMMU has to say no.",
        .handout = "Run it",
        .slide = "IOMMU",
        .manual = "VT-d specification, chapter 7 (translation faults)",
        .hints =
            {"What may the device do with a read-only slot?",
             "The guest asks for a write into its ROM and for one where it has no memory.",
             "VFIO_DMA_MAP_FLAG_READ alone for a slot with MEMORY_SLOT_READONLY; and map "
             "slots, not one range from the first to the last."},
        .explanation =
            "The device is told nothing: its write just vanishes, and a fault record "
            "says who tried. Lab 09 reads these records.",
    },
    {
        .id = "interrupts_reach_the_guest",
        .title = "the guest's own handler takes the interrupts",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = interrupts_reach_the_guest,
        .why = "Device, irqfd, local APIC, handler: the VMM's process is never woken.",
        .handout = "Run it",
        .slide = "Interrupts management",
        .manual = API("4.52, 4.75"),
        .hints =
            {"If the checks on the model pass, this one does.",
             "No interrupt at all: is the device bus master? An MSI is a write.",
             "device_assign_memory() ends with vfio_bus_master(true); the route carries "
             "the vector and the CPU that the call names."},
        .explanation =
            "Each interrupt still costs exits of the kernel's: the injection, and the "
            "handler's EOI. Posted interrupts (lab 07) take these away, too.",
    },
    {
        .id = "device_is_free_again",
        .title = "the device can be given again and again",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = device_is_free_again,
        .why = "A host lends a device to one guest after the other.",
        .handout = "Run it",
        .slide = "Passed-through device",
        .manual = VFIO_RST,
        .hints =
            {"If the checks on the model pass, this one does.",
             "EBUSY at the second round: what is still open from the first?",
             "device_unassign(), then vfio_close(): group and container are closed last."},
        .explanation =
            "/proc/PID/fd showed one container, one group, one device and one eventfd "
            "while the guest had it, and none of them afterwards.",
    },
};

const struct lab_checks lab_checks = {
    .name = "08-vfio-passthrough",
    .title = "VFIO passthrough",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
