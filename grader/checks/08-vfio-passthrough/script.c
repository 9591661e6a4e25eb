/* script.c - a script of operations that the subject carries out on target model, where the
 * agent answers for VFIO and KVM as the check's plan says; then the log of the calls that
 * each operation has made, and what may be asked of it. */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RUN_AREA 12288

/* --- a script ---------------------------------------------------------------------- */

uint64_t random_pages(struct judge *judge, uint64_t from, uint64_t count)
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
        /* Far away, as VFIO has its regions. (The configuration is written to: no file of the
         * subject may be as long; in the machine it is as far away.) */
        .bar_offset = (2ull << 40) + random_pages(judge, 32, 96),
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

struct script *script_new(struct judge *judge)
{
    struct script *s = memory_get(judge, sizeof *s);

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
    strcpy(s->in.second_group_path, "/dev/vfio/91");
    strcpy(s->in.second_address, "0001:00:1f.7");
    s->in.second_dma_bits = 40;
    return s;
}

/* Adds an operation and returns its number. */
uint32_t op_add(struct script *s, struct lab08_op op)
{
    const uint32_t n = script_place(s->judge, &s->in.op_count, LAB08_OPS);

    s->in.ops[n] = op;
    return n;
}

void fault_set(struct script *s, unsigned n, uint32_t kind, uint32_t request, uint32_t nth,
               int error)
{
    s->plan.faults[n] = (struct plan_fault){
        .kind = kind, .request = request, .nth = nth, .error = error, .repeat = 1};
}

void script_run(struct script *s, const struct window *windows, uint32_t count)
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

const char *op_name(const struct script *s, uint32_t op)
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
        [LAB08_CLOSE_STDIN] = "close(0)",
        [LAB08_CHECKPOINT] = "nothing",
    };

    return names[s->in.ops[op].kind];
}

void op_returns(const struct script *s, uint32_t op, int wanted, const char *asked)
{
    char is[40], was[40];

    CHECK(s->judge, s->out->results[op].result == wanted, asked,
          "%s returned %s; asked for was %s", op_name(s, op),
          errno_number_text(s->out->results[op].result, is, sizeof is),
          errno_number_text(wanted, was, sizeof was));
}

/* --- the log ----------------------------------------------------------------------- */

const struct call_id map_id = IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_MAP_DMA);
const struct call_id unmap_id = IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA);
const struct call_id slot_id = IOCTL(OBJECT_VM, KVM_SET_USER_MEMORY_REGION);
const struct call_id routing_id = IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING);
const struct call_id irqfd_id = IOCTL(OBJECT_VM, KVM_IRQFD);
const struct call_id irqs_id = IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS);

static bool call_matches(const struct call *call, const struct call_id *id)
{
    return call->record->kind == id->kind && call->record->object == id->object &&
           (id->kind != CALL_IOCTL || (uint32_t)call->record->args[0] == id->request);
}

/* Where the n-th such call of an operation stands in the log; NONE: it was not made. */
size_t call_at(const struct script *s, uint32_t op, struct call_id id, unsigned n)
{
    for (size_t i = s->marks[op] + 1; i < s->marks[op + 1]; i++)
        if (call_matches(&s->e->calls[i], &id) && n-- == 0)
            return i;
    return NONE;
}

unsigned calls_of(const struct script *s, uint32_t op, struct call_id id)
{
    unsigned n = 0;

    while (call_at(s, op, id, n) != NONE)
        n++;
    return n;
}

const void *payload_at(const struct script *s, size_t at, size_t size)
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
void order_check(const struct script *s, uint32_t op, const struct call_id *ids,
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

static const char *error_name(int number)
{
    const char *name = errno_name(-(int64_t)number);

    return name ? name : "no errno";
}

void error_check(const struct script *s, uint32_t op, const struct vfio_error *due,
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
          "%s: errnum %d (%s), detail %" PRId64 "; asked for was errnum %d (%s), detail "
          "%" PRId64,
          words, is->errnum, error_name(is->errnum), is->detail, due->errnum,
          error_name(due->errnum), due->detail);
}

/* A function that worked has nothing to say about errors. */
void untouched_check(const struct script *s, uint32_t op)
{
    struct vfio_error junk;
    const struct vfio_error *is = &s->out->results[op].error;

    memset(&junk, LAB08_JUNK, sizeof junk);
    CHECK(s->judge, memcmp(is, &junk, sizeof junk) == 0,
          "a function that works leaves *error as it is",
          "%s returned 0; *error has step %d, kind %d, errnum %d now: it was written",
          op_name(s, op), (int)is->step, (int)is->kind, is->errnum);
}

/* The part writes two bytes of the device, and no others. */
void writes_check(const struct script *s, uint32_t op)
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

struct script *failure_script(struct judge *judge, const struct failure *failure)
{
    struct script *s = script_new(judge);

    fault_set(s, 0, failure->kind, failure->request, failure->nth, failure->errnum);
    return s;
}

/* The command register as the last write of an operation left it (or would have, if the
 * plan had not made it fail), or `before`. */
uint16_t command_after(const struct script *s, uint32_t op, uint16_t before, size_t *at)
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
