/* 02-memory-slots.c - the checks of lab 02.
 *
 * Each check writes a script of operations and, beside each operation, what it has to
 * return. The expected values come from a view of guest memory that knows no ranges: page
 * by page, byte by byte. Target model: the log of calls shows what KVM was told. Target
 * machine: a guest runs in the slots; its memory and the kernel's tracepoints are read.
 */
#define _GNU_SOURCE
#include "../subjects/02-memory-slots.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "exit_loop.h"
#include "guest_image.h"
#include "guest_loader.h"
#include "memory_slots.h"

#define PAGE       ((uint64_t)GUEST_PAGE_SIZE)
#define MODEL_MS   4000   /* up to some hundred calls go to the agent and back */
#define LIST_MAX   256    /* addresses in a list of dirty pages */
#define RAM_AT_MAX 0x1000 /* pages: how far into the RAM a slot's made-up hva may lie */

GUEST_IMAGE(pattern_guest, "pattern.bin");
GUEST_IMAGE(touch_guest, "touch.bin");
GUEST_IMAGE(dirty_guest, "dirty.bin");

/* --- a script and what is expected of it ---------------------------------------------- */

#define WANT_ANY  (INT64_MIN + 1) /* judged otherwise, or not at all */
#define WANT_SLOT (INT64_MIN + 2) /* any valid slot number */

/* A call that KVM is to hear; userspace_addr counts from the RAM's start. */
struct told {
    struct kvm_userspace_memory_region region;
    uint32_t op;      /* which operation it comes from */
    bool made_is_all; /* what it says is not looked at */
};

struct script {
    struct judge *judge;
    struct lab02_input in;
    int64_t wants[LAB02_OPS];
    const char *asked[LAB02_OPS];
    const char *because[LAB02_OPS]; /* why this result, in a few words, or NULL */
    const uint8_t *lists;           /* the pool with the lists of PAGES as due, or NULL */

    /* of VM 0, with the pretended KVM */
    struct told told[LAB02_OPS];
    uint32_t told_count;
    struct kvm_userspace_memory_region slots[VM_SLOTS_MAX]; /* after the last operation */
    struct kvm_userspace_memory_region mirrors[LAB02_MIRRORS][VM_SLOTS_MAX];
    uint32_t mirror_count;

    const struct evidence *e;
    const struct lab02_output *out;
};

static const char handed_on[] = "a failing ioctl makes the function fail with its errno";

/* Lives as long as the check's process. */
static struct script *script_new(struct judge *judge, uint32_t vms)
{
    struct script *s = calloc(1, sizeof *s);

    if (!s)
        judge_error(judge, "out of memory");
    s->judge = judge;
    s->in.vm_count = vms;
    s->in.rams[0].size = 0x10000;
    s->in.pool_size = LAB02_POOL;
    strcpy(s->in.rams[0].name, "ram");
    return s;
}

static void op_put(struct script *s, int64_t want, const char *asked, struct lab02_op op)
{
    uint32_t i = s->in.op_count++;

    if (i >= LAB02_OPS)
        judge_error(s->judge, "the check's script is too long");
    s->in.ops[i] = op;
    s->wants[i] = want;
    s->asked[i] = asked;
}

#define OP(s, want, asked, ...) op_put(s, want, asked, (struct lab02_op){__VA_ARGS__})

/* Why the operation that was put last has this result: for the report. */
__attribute__((format(printf, 2, 3))) static void op_because(struct script *s,
                                                             const char *format, ...)
{
    char *text;
    va_list list;

    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        judge_error(s->judge, "out of memory");
    va_end(list);
    s->because[s->in.op_count - 1] = text;
}

/* The operation that was put last makes this call; KVM agrees. */
static void op_tells(struct script *s, struct kvm_userspace_memory_region region)
{
    s->told[s->told_count++] = (struct told){.region = region, .op = s->in.op_count - 1};
    s->slots[region.slot] = region;
}

/* The same, but the call is all that counts; the plan may make it fail. */
static void op_calls(struct script *s)
{
    s->told[s->told_count++] = (struct told){.op = s->in.op_count - 1, .made_is_all = true};
}

static void add_put(struct script *s, uint32_t slot, const char *asked, struct lab02_op op)
{
    op.kind = LAB02_ADD;
    op_put(s, slot, asked, op);
    op_tells(s, (struct kvm_userspace_memory_region){.slot = slot,
                                                     .flags = op.flags,
                                                     .guest_phys_addr = op.gpa,
                                                     .memory_size = op.length,
                                                     .userspace_addr = op.offset});
}

/* vm->slots of VM 0 is looked at here. */
static void mirror_put(struct script *s)
{
    int32_t n = (int32_t)s->mirror_count++;

    memcpy(s->mirrors[n], s->slots, sizeof s->slots);
    OP(s, 0, "vm->slots can be read", .kind = LAB02_MIRROR, .slot = n);
}

static uint64_t random_pages(struct judge *judge, uint64_t limit)
{
    return judge_random_below(judge, limit) * PAGE;
}

static void random_fill(struct judge *judge, void *buffer, size_t size)
{
    uint8_t *bytes = buffer;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)judge_random(judge);
}

/* --- in words ------------------------------------------------------------------------- */

static void op_describe(const struct lab02_op *op, char *buffer, size_t size)
{
    char hva[32] = "NULL";

    if (op->ram != LAB02_NO_RAM)
        snprintf(hva, sizeof hva, "ram + %#" PRIx64, op->offset);
    switch (op->kind) {
    case LAB02_ADD:
        snprintf(buffer, size,
                 "memory_slot_add(gpa %#" PRIx64 ", size %#" PRIx64 ", hva %s, flags %#x)",
                 op->gpa, op->length, hva, op->flags);
        break;
    case LAB02_REMOVE:
        snprintf(buffer, size, "memory_slot_remove(slot %d)", op->slot);
        break;
    case LAB02_LOG_DIRTY:
        snprintf(buffer, size, "memory_slot_log_dirty(slot %d, %s)", op->slot,
                 op->length ? "true" : "false");
        break;
    case LAB02_LOG_BYTES:
        snprintf(buffer, size, "dirty_log_bytes(%#" PRIx64 ")", op->length);
        break;
    case LAB02_FETCH:
        snprintf(buffer, size, "dirty_log_fetch(slot %d, %" PRIu64 " bytes of room)",
                 op->slot, op->length);
        break;
    case LAB02_PAGES:
        snprintf(buffer, size, "dirty_log_pages(slot %d, max %" PRIu64 ")", op->slot,
                 op->length);
        break;
    case LAB02_LOAD:
        snprintf(buffer, size, "guest_load(), which calls your guest_write(),");
        break;
    case LAB02_RUN:
        snprintf(buffer, size, "vcpu_run(), VM %u,", op->vm);
        break;
    default:
        snprintf(buffer, size, "%s(gpa %#" PRIx64 ", length %#" PRIx64 ")",
                 op->kind == LAB02_TO_HVA ? "gpa_to_hva"
                 : op->kind == LAB02_READ ? "guest_read"
                                          : "guest_write",
                 op->gpa, op->length);
        break;
    }
}

static void hva_describe(int64_t value, char *buffer, size_t size)
{
    if (value == LAB02_NO_HVA)
        snprintf(buffer, size, "NULL");
    else if (value < 0)
        snprintf(buffer, size, "ram - %#" PRIx64, -(uint64_t)value);
    else
        snprintf(buffer, size, "ram + %#" PRIx64, (uint64_t)value);
}

static void run_describe(int64_t value, char *buffer, size_t size)
{
    static const char *const stops[] = {
        [RUN_HALTED] = "RUN_HALTED",
        [RUN_SHUTDOWN] = "RUN_SHUTDOWN",
        [RUN_KICKED] = "RUN_KICKED",
        [RUN_FAIL_ENTRY] = "RUN_FAIL_ENTRY",
        [RUN_UNKNOWN_EXIT] = "an unknown exit",
        [RUN_INTERNAL_ERROR] = "RUN_INTERNAL_ERROR",
    };
    uint64_t stop = (uint64_t)value & 0xff;

    if (value == LAB02_NO_RUN)
        snprintf(buffer, size, "nothing: the guest could not be loaded");
    else if (value > 0 && stop >= RUN_HALTED && stop <= RUN_UNKNOWN_EXIT)
        snprintf(buffer, size, "%s", stops[stop]);
    else
        snprintf(buffer, size, "%" PRId64, value);
}

static void value_describe(uint32_t kind, int64_t value, char *buffer, size_t size)
{
    /* -1 is more likely an ioctl's own result than -EPERM. */
    const char *name = value < -1 && value > -200 ? strerrorname_np((int)-value) : NULL;

    if (kind == LAB02_TO_HVA)
        hva_describe(value, buffer, size);
    else if (kind == LAB02_RUN && !name)
        run_describe(value, buffer, size);
    else if (value == WANT_SLOT)
        snprintf(buffer, size, "a slot number");
    else if (name)
        snprintf(buffer, size, "-%s", name);
    else
        snprintf(buffer, size, "%" PRId64, value);
}

static void region_describe(const struct kvm_userspace_memory_region *region,
                            uint64_t ram_hva, char *buffer, size_t size)
{
    char hva[32];

    hva_describe((int64_t)(region->userspace_addr - ram_hva), hva, sizeof hva);
    snprintf(buffer, size,
             "slot %u, flags %#x, gpa %#" PRIx64 ", size %#" PRIx64 ", hva %s",
             region->slot, region->flags, (uint64_t)region->guest_phys_addr,
             (uint64_t)region->memory_size, region->memory_size ? hva : "any");
}

/* --- running it and comparing --------------------------------------------------------- */

/* What the reference parts make is there; with OWN=1, the student's may not be. */
static void objects_expect(const struct script *s)
{
    static const char asked[] = "kvm, VMs and vCPUs can be made before your part is called";
    static const char *const names[] = {[LAB02_STEP_KVM_OPEN] = "kvm_open",
                                        [LAB02_STEP_VM_CREATE] = "vm_create",
                                        [LAB02_STEP_VCPU_CREATE] = "vcpu_create"};
    const uint32_t step = s->out->step;
    const int32_t result = s->out->result;
    const char *name = strerrorname_np(-result);

    if (step == LAB02_STEP_READY)
        return;
    CHECK(s->judge, step > LAB02_STEP_RAM && step < LAB02_STEP_READY, asked,
          "there is no memory for the guest: %d (step %u)", result, step);
    CHECK(s->judge, false, asked,
          "%s() of part 01 returned %d%s%s%s: with OWN=1 your own parts are linked; mend "
          "it with make grade LAB=1, or leave OWN=1 out",
          names[step], result, name ? " (-" : "", name ? name : "", name ? ")" : "");
}

static struct run_spec script_spec(const struct script *s, const struct run_spec *how)
{
    struct run_spec spec = *how;

    spec.entry = LAB02_SCRIPT;
    spec.input = &s->in;
    spec.input_size = offsetof(struct lab02_input, pool) + s->in.pool_size;
    spec.deadline_ms = spec.plan ? MODEL_MS : 0;
    return spec;
}

static size_t answer_size(const struct script *s)
{
    return offsetof(struct lab02_output, pool) + s->in.pool_size;
}

static void script_run(struct script *s, const struct run_spec *how)
{
    const struct run_spec spec = script_spec(s, how);

    s->e = judge_run(s->judge, &spec, answer_size(s));
    s->out = (const void *)s->e->answer;
    objects_expect(s);
}

static struct kvm_plan plan_make(void)
{
    return (struct kvm_plan){.api_version = KVM_API_VERSION, .run_size = 3 * 4096};
}

static bool value_fits(int64_t want, int64_t got)
{
    if (want == WANT_SLOT)
        return got >= 0 && got < VM_SLOTS_MAX;
    return want == WANT_ANY || want == got;
}

/* How a list of addresses differs from the one that is due, both ascending. `kind` says
 * what the addresses of the latter are. False: not at all. */
static bool list_explain(const uint64_t *want, uint64_t due, const uint64_t *got,
                         uint64_t count, const char *kind, char *buffer, size_t size)
{
    uint64_t i = 0, there = 0;

    while (i < due && i < count && want[i] == got[i])
        i++;
    if (i == due && i == count)
        return false;
    for (uint64_t n = 0; i < due && n < count; n++)
        there |= got[n] == want[i];
    if (i < due && there)
        snprintf(buffer, size,
                 "entry %" PRIu64 " of your list is %#" PRIx64
                 "; in ascending order, %#" PRIx64 " is the next",
                 i, got[i], want[i]);
    else if (i < count && (i == due || got[i] < want[i]))
        snprintf(buffer, size,
                 "entry %" PRIu64 " of your list is %#" PRIx64
                 ", which is no page %s (or twice in the list)",
                 i, got[i], kind);
    else
        snprintf(buffer, size,
                 "your list has %" PRIu64 " page%s; %#" PRIx64 ", a page %s, is missing",
                 count, count == 1 ? "" : "s", want[i], kind);
    return true;
}

/* The same for the list of a PAGES operation; the empty text if all is well with it. */
static void pages_explain(const struct script *s, uint32_t i, char *buffer, size_t size)
{
    const struct lab02_op *op = &s->in.ops[i];
    const uint64_t room = op->length < LIST_MAX ? op->length : LIST_MAX;
    const int64_t result = s->out->results[i];
    const uint64_t due = (uint64_t)s->wants[i] < room ? (uint64_t)s->wants[i] : room;
    const uint64_t count = result < 0                ? 0
                           : (uint64_t)result < room ? (uint64_t)result
                                                     : room;
    uint64_t want[LIST_MAX], got[LIST_MAX];
    char kind[120], text[200];

    buffer[0] = 0;
    snprintf(kind, sizeof kind, "of this slot (%#llx to %#llx) whose bit is set",
             s->slots[op->slot].guest_phys_addr,
             s->slots[op->slot].guest_phys_addr + s->slots[op->slot].memory_size);
    memcpy(want, s->lists + op->to, sizeof want);
    memcpy(got, s->out->pool + op->to, sizeof got);
    if (list_explain(want, due, got, count, kind, text, sizeof text))
        snprintf(buffer, size, "; %s", text);
    else if (result == (int64_t)op->length && result < s->wants[i])
        snprintf(buffer, size, "; max limits the list, not the count");
}

static uint32_t request_of(const struct lab02_op *op)
{
    return op->kind == LAB02_FETCH ? (uint32_t)KVM_GET_DIRTY_LOG
                                   : (uint32_t)KVM_SET_USER_MEMORY_REGION;
}

/* The n-th call of this kind that the operation made, or NULL. */
static const struct call *op_call(const struct script *s, uint32_t op, unsigned n)
{
    const uint32_t request = request_of(&s->in.ops[op]);
    bool inside = false;

    for (size_t i = 0; i < s->e->call_count; i++) {
        const struct call_record *r = s->e->calls[i].record;

        if (r->kind == CALL_MUNMAP && r->args[1] == 0)
            inside = r->args[0] == op; /* the dispatcher's mark */
        else if (inside && r->kind == CALL_IOCTL && (uint32_t)r->args[0] == request &&
                 n-- == 0)
            return &s->e->calls[i];
    }
    return NULL;
}

static const struct told *op_told(const struct script *s, uint32_t op)
{
    for (uint32_t i = 0; i < s->told_count; i++)
        if (s->told[i].op == op)
            return &s->told[i];
    return NULL;
}

/* What may help to understand a result that is not the one that was due. */
static void result_explain(const struct script *s, uint32_t op, char *buffer, size_t size)
{
    const struct call *call = op_call(s, op, 0);

    buffer[0] = 0;
    if (call && call->record->injected && s->out->results[op] == -1)
        snprintf(buffer, size, " (an ioctl that fails returns -1; the reason is in errno)");
    else if (s->in.marks && !call && op_told(s, op) && s->out->results[op] >= 0)
        snprintf(buffer, size, "; it did not call KVM");
    else if (s->lists && s->in.ops[op].kind == LAB02_PAGES && s->wants[op] >= 0)
        pages_explain(s, op, buffer, size);
    else if (s->because[op])
        snprintf(buffer, size, ": %s", s->because[op]);
}

/* Every operation returned what it had to. */
static void results_expect(struct script *s)
{
    for (uint32_t i = 0; i < s->in.op_count; i++) {
        const struct lab02_op *op = &s->in.ops[i];
        char call[160], want[64], got[64], note[240];

        if (value_fits(s->wants[i], s->out->results[i]))
            continue;
        op_describe(op, call, sizeof call);
        value_describe(op->kind, s->wants[i], want, sizeof want);
        value_describe(op->kind, s->out->results[i], got, sizeof got);
        result_explain(s, i, note, sizeof note);
        CHECK(s->judge, false, s->asked[i], "%s returned %s, not %s%s", call, got, want,
              note);
    }
}

/* Of a removal only slot and size count. */
static bool regions_equal(const struct kvm_userspace_memory_region *want,
                          const struct kvm_userspace_memory_region *got, uint64_t ram_hva)
{
    if (want->slot != got->slot || want->memory_size != got->memory_size)
        return false;
    return want->memory_size == 0 ||
           (want->flags == got->flags && want->guest_phys_addr == got->guest_phys_addr &&
            want->userspace_addr == got->userspace_addr - ram_hva);
}

/* A region that KVM was told is the one that was asked for. */
static void region_expect(const struct script *s, const struct told *want,
                          const struct call *call)
{
    struct kvm_userspace_memory_region got = {0};
    char op[160], asked_for[160], told[160];

    if (call->record->payload == sizeof got)
        memcpy(&got, call->payload, sizeof got);
    if (regions_equal(&want->region, &got, s->out->ram_hva[0]))
        return;
    op_describe(&s->in.ops[want->op], op, sizeof op);
    region_describe(&want->region, 0, asked_for, sizeof asked_for);
    region_describe(&got, s->out->ram_hva[0], told, sizeof told);
    CHECK(s->judge, false, "KVM_SET_USER_MEMORY_REGION says what was asked for",
          "%s has to tell KVM: %s; it told: %s", op, asked_for, told);
}

/* Why there is nothing to tell KVM. */
static void no_change_explain(const struct script *s, uint32_t op, char *buffer,
                              size_t size)
{
    char want[64];

    value_describe(s->in.ops[op].kind, s->wants[op], want, sizeof want);
    if (s->wants[op] < 0 && s->wants[op] > -200)
        snprintf(buffer, size, "it has to return %s before that%s%s", want,
                 s->because[op] ? ": " : "", s->because[op] ? s->because[op] : "");
    else if (s->in.ops[op].kind == LAB02_LOG_DIRTY)
        snprintf(buffer, size, "the slot %s already",
                 s->in.ops[op].length ? "logs" : "is without logging");
    else
        snprintf(buffer, size, "it changes no slot");
}

/* The operation called KVM once if something was due, else not at all. */
static void op_calls_expect(const struct script *s, uint32_t op)
{
    const struct told *want = op_told(s, op);
    const struct call *call = op_call(s, op, 0);
    char name[160], why[160];

    op_describe(&s->in.ops[op], name, sizeof name);
    no_change_explain(s, op, why, sizeof why);
    CHECK(s->judge, call || !want, "KVM is told of every change", "%s did not call KVM",
          name);
    CHECK(s->judge, want || !call, "no call of KVM where nothing changes",
          "%s %s KVM although %s", name,
          s->in.ops[op].kind == LAB02_FETCH ? "asked" : "told", why);
    CHECK(s->judge, !op_call(s, op, 1), "one call of KVM for one change",
          "%s called KVM more than once", name);
    if (want && !want->made_is_all)
        region_expect(s, want, call);
}

/* KVM heard what it had to, and nothing else. */
static void calls_expect(const struct script *s)
{
    unsigned calls =
        evidence_call_count(s->e, CALL_IOCTL, (uint32_t)KVM_SET_USER_MEMORY_REGION) +
        evidence_call_count(s->e, CALL_IOCTL, (uint32_t)KVM_GET_DIRTY_LOG);

    for (uint32_t i = 0; i < s->in.op_count; i++)
        op_calls_expect(s, i);
    CHECK(s->judge, calls == s->told_count, "no call of KVM where nothing changes",
          "%u calls of KVM were due, %u came", s->told_count, calls);
}

static void mirror_expect(struct script *s, uint32_t n)
{
    for (uint32_t i = 0; i < VM_SLOTS_MAX; i++) {
        const struct lab02_slot *slot = &s->out->mirrors[n][i];
        struct kvm_userspace_memory_region want = s->mirrors[n][i];
        const struct kvm_userspace_memory_region got = {
            .slot = i,
            .flags = slot->flags,
            .guest_phys_addr = slot->gpa,
            .memory_size = slot->size,
            .userspace_addr = slot->hva,
        };
        char expected[160], seen[160];

        want.slot = i;
        if (regions_equal(&want, &got, s->out->ram_hva[0]))
            continue;
        region_describe(&want, 0, expected, sizeof expected);
        region_describe(&got, s->out->ram_hva[0], seen, sizeof seen);
        CHECK(s->judge, false, "vm->slots mirrors what KVM has",
              "vm->slots says: %s; KVM has: %s", seen, expected);
    }
}

/* All that the pretended KVM can show of VM 0. */
static void script_judge(struct script *s, const struct kvm_plan *plan)
{
    s->in.marks = 1;
    script_run(s, &(struct run_spec){.plan = plan});
    results_expect(s);
    calls_expect(s);
    for (uint32_t n = 0; n < s->mirror_count; n++)
        mirror_expect(s, n);
}

/* --- memory_slot_add: what it refuses ------------------------------------------------- */

static void bad_arguments_are_refused(struct judge *judge)
{
    static const char asked[] = "memory_slot_add() refuses what cannot be a slot";
    const uint64_t gpa = random_pages(judge, 1u << 20),
                   size = PAGE + random_pages(judge, 8);
    const uint64_t odd = 1 + judge_random_below(judge, PAGE - 1);
    const uint32_t flag = 4u << judge_random_below(judge, 30);
    const struct kvm_plan plan = plan_make();
    const struct {
        struct lab02_op op;
        const char *because;
    } bad[] = {
        {{.gpa = gpa, .length = 0}, "the size is 0"},
        {{.gpa = gpa + odd, .length = size}, "gpa is no multiple of the page size"},
        {{.gpa = gpa + PAGE / 2, .length = size}, "gpa is no multiple of the page size"},
        {{.gpa = gpa, .length = size + odd}, "size is no multiple of the page size"},
        {{.gpa = gpa, .length = odd}, "size is no multiple of the page size"},
        {{.gpa = gpa, .length = size, .offset = odd}, "hva is not page-aligned"},
        {{.gpa = gpa, .length = size, .offset = PAGE / 2}, "hva is not page-aligned"},
        {{.gpa = gpa, .length = size, .ram = LAB02_NO_RAM}, "hva is NULL"},
        {{.gpa = gpa, .length = size, .flags = flag}, "the flag is unknown"},
        {{.gpa = gpa, .length = size, .flags = flag | MEMORY_SLOT_READONLY},
         "one of the flags is unknown"},
        {{.gpa = gpa, .length = size, .flags = 1u << 31 | MEMORY_SLOT_LOG_DIRTY},
         "one of the flags is unknown"},
    };
    struct script *s = script_new(judge, 1);

    /* Twice: the second time a slot is in the way, which must not change the answer. */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            op_put(s, -EINVAL, asked, bad[i].op);
            op_because(s, "%s", bad[i].because);
        }
        if (round == 0)
            add_put(s, 0, "memory_slot_add() takes a good range in the first entry",
                    (struct lab02_op){.gpa = gpa, .length = size, .offset = PAGE});
    }
    mirror_put(s);
    script_judge(s, &plan);
}

static void slots_end_at_the_gpa_limit(struct judge *judge)
{
    const uint64_t some = PAGE + random_pages(judge, 1000), more = some + PAGE;
    const struct kvm_plan plan = plan_make();
    const struct {
        uint64_t gpa, size;
    } cases[] = {
        {GPA_LIMIT - PAGE, PAGE},
        {GPA_LIMIT - some, some},
        {0, GPA_LIMIT},
        {some, more},
        {GPA_LIMIT - some, more},
        {GPA_LIMIT, PAGE},
        {GPA_LIMIT + some, PAGE},
        {0, GPA_LIMIT + PAGE},
        {-PAGE, PAGE},
        {-some, more}, /* the sum is one page */
        {-some, some}, /* the sum is 0 */
        {some, -some},
        {more, -some},
        {GPA_LIMIT - some, -PAGE},
        {1ull << 63, 1ull << 63},
    };
    struct script *s = script_new(judge, sizeof cases / sizeof cases[0]);

    for (uint32_t i = 0; i < s->in.vm_count; i++) {
        bool fits = (unsigned __int128)cases[i].gpa + cases[i].size <= GPA_LIMIT;

        OP(s, fits ? WANT_SLOT : -EINVAL,
           fits ? "a slot may end at GPA_LIMIT"
                : "no slot passes GPA_LIMIT or wraps around",
           .kind = LAB02_ADD, .vm = i, .gpa = cases[i].gpa, .length = cases[i].size);
        op_because(s, "it ends at gpa + size, which is %s than %#llx",
                   fits ? "not more" : "more", GPA_LIMIT);
        if (fits)
            op_calls(s);
    }
    script_judge(s, &plan);
}

/* Whoever looks at an entry 16 of a table of 16 finds a slot there. */
static void behind_put(struct script *s, uint32_t vm, uint64_t gpa, uint64_t size)
{
    s->in.behind[vm] =
        (struct lab02_slot){.gpa = gpa, .size = size, .flags = MEMORY_SLOT_LOG_DIRTY};
}

/* Random ranges in one VM, in units of a page, of 2 MiB or of 1 TiB; 64 units are one word,
 * so that "do they overlap?" is an AND. */
static void overlaps_put(struct script *s, uint32_t vm)
{
    static const uint64_t units[] = {PAGE, 2u << 20, 1ull << 40};
    const uint64_t unit = units[judge_random_below(s->judge, 3)];
    const uint64_t base = judge_random_below(s->judge, GPA_LIMIT / unit - 64) * unit;
    uint64_t taken = 0;

    for (int i = 0, used = 0; i < 24 && used < VM_SLOTS_MAX - 1; i++) {
        uint64_t length = 1 + judge_random_below(s->judge, 7);
        uint64_t first = judge_random_below(s->judge, 64 - length);
        uint64_t mask = ((1ull << length) - 1) << first, shared = taken & mask;

        OP(s, shared ? -EEXIST : WANT_SLOT,
           shared ? "a range that shares a page with a slot is refused"
                  : "ranges that share no page do not overlap, even if they touch",
           .kind = LAB02_ADD, .vm = vm, .gpa = base + first * unit,
           .length = length * unit);
        if (shared)
            op_because(s, "the page at gpa %#" PRIx64 " is in another slot already",
                       base + (uint64_t)__builtin_ctzll(shared) * unit);
        else
            op_because(s, "no page of it is in another slot");
        used += !shared;
        taken |= shared ? 0 : mask;
    }
    behind_put(s, vm, base, 64 * unit);
}

static void slots_may_touch_but_not_overlap(struct judge *judge)
{
    struct script *s = script_new(judge, LAB02_VMS);
    const struct kvm_plan plan = plan_make();

    for (uint32_t vm = 0; vm < LAB02_VMS; vm++)
        overlaps_put(s, vm);
    script_run(s, &(struct run_spec){.plan = &plan});
    results_expect(s);
}

/* --- which entry, and what KVM hears -------------------------------------------------- */

/* Sixteen and more areas that do not overlap, for slots of up to 16 pages. */
#define AREAS     20
#define AREA_SIZE (32 * PAGE)

static struct lab02_op slot_in_area(struct judge *judge, uint64_t area)
{
    return (struct lab02_op){
        .gpa = (1ull << 33) + area * AREA_SIZE + random_pages(judge, 16),
        .length = PAGE + random_pages(judge, 16),
        .offset = random_pages(judge, RAM_AT_MAX),
        .flags = (uint32_t)judge_random_below(judge, 4),
    };
}

static void slots_fill_the_entries_in_order(struct judge *judge)
{
    static const char in_order[] = "slots take the entries 0, 1, 2, ... in order";
    static const char first_reason[] =
        "of several reasons, the first in the contract counts";
    const uint64_t turn = judge_random_below(judge, VM_SLOTS_MAX);
    struct script *s = script_new(judge, 1);
    const struct kvm_plan plan = plan_make();

    /* In an order of addresses that is not the order of entries. */
    for (uint32_t i = 0; i < VM_SLOTS_MAX; i++)
        add_put(s, i, in_order, slot_in_area(judge, (i * 5 + turn) % VM_SLOTS_MAX));
    mirror_put(s);
    OP(s, -ENOSPC, "a 17th slot is refused", .kind = LAB02_ADD,
       .gpa = slot_in_area(judge, VM_SLOTS_MAX).gpa, .length = PAGE);
    OP(s, -EEXIST, first_reason, .kind = LAB02_ADD, .gpa = s->slots[3].guest_phys_addr,
       .length = PAGE);
    OP(s, -EINVAL, first_reason, .kind = LAB02_ADD, .gpa = s->slots[3].guest_phys_addr);
    mirror_put(s);
    script_judge(s, &plan);
}

/* Numbers that are no slot's. Behind the last entry lies what looks like a slot. */
static const int32_t nowhere[] = {VM_SLOTS_MAX, -1, VM_SLOTS_MAX + 1};

#define NOWHERE ((int)(sizeof nowhere / sizeof nowhere[0]))

/* Is the slot in use after the last operation? */
static bool slot_is_used(const struct script *s, int32_t slot)
{
    return slot >= 0 && slot < VM_SLOTS_MAX && s->slots[slot].memory_size != 0;
}

static void slot_because(struct script *s, int32_t slot)
{
    if (slot < 0 || slot >= VM_SLOTS_MAX)
        op_because(s, "there are slots 0 to %d", VM_SLOTS_MAX - 1);
    else
        op_because(s, "slot %d is %s use", slot, slot_is_used(s, slot) ? "in" : "not in");
}

/* The entries of these numbers would lie far from vm: who looks there is ended by a signal.
 * Hence a run of their own, of which the report can say what was asked for. */
static void far_slots_try(struct judge *judge, uint32_t kind)
{
    static const char asked[] = "a slot number may be anything; no such slot is -ENOENT";
    static const int32_t far[] = {INT32_MAX, INT32_MIN};
    const struct kvm_plan plan = plan_make();
    struct script *s = script_new(judge, 1);
    struct run_spec spec;
    char calls[2][160];

    for (int i = 0; i < 2; i++) {
        OP(s, -ENOENT, asked, .kind = kind, .slot = far[i], .length = 1);
        slot_because(s, far[i]);
        op_describe(&s->in.ops[i], calls[i], sizeof calls[i]);
    }
    spec = script_spec(s, &(struct run_spec){.plan = &plan});
    s->e = judge_run_any_end(judge, &spec);
    CHECK(judge, s->e->complete && s->e->header.output_size >= answer_size(s), asked,
          "%s, then %s: it did not return (%s)", calls[0], calls[1],
          s->e->end.outcome == RUN_SIGNALLED ? strsignal(s->e->end.status) : "no signal");
    s->out = (const void *)s->e->answer;
    objects_expect(s);
    results_expect(s);
}

static void remove_put(struct script *s, int32_t slot)
{
    bool used = slot_is_used(s, slot);

    OP(s, used ? 0 : -ENOENT,
       used ? "a slot in use can be removed" : "only a slot in use can be removed",
       .kind = LAB02_REMOVE, .slot = slot);
    slot_because(s, slot);
    if (used)
        op_tells(s, (struct kvm_userspace_memory_region){.slot = (uint32_t)slot});
}

/* Adds a slot somewhere where none is; the oracle for the entry: the first 0 in a row. */
static void add_anywhere_put(struct script *s)
{
    uint64_t area = judge_random_below(s->judge, AREAS);
    bool taken = false;
    uint32_t entry = 0;

    for (int i = 0; i < VM_SLOTS_MAX; i++)
        taken |= s->slots[i].memory_size != 0 &&
                 (s->slots[i].guest_phys_addr - (1ull << 33)) / AREA_SIZE == area;
    while (entry < VM_SLOTS_MAX && s->slots[entry].memory_size)
        entry++;
    if (!taken && entry < VM_SLOTS_MAX)
        add_put(s, entry, "a new slot takes the lowest free entry",
                slot_in_area(s->judge, area));
}

static void removed_slots_are_free_again(struct judge *judge)
{
    struct script *s = script_new(judge, 1);
    const struct kvm_plan plan = plan_make();

    behind_put(s, 0, 1ull << 40, PAGE);
    remove_put(s, 0);
    for (int i = 0; i < 200; i++) {
        if (judge_random_below(judge, 5) < 3)
            add_anywhere_put(s);
        else
            remove_put(s, (int32_t)judge_random_below(judge, VM_SLOTS_MAX));
        if (i % 50 == 10) {
            remove_put(s, nowhere[i / 50 % NOWHERE]);
            mirror_put(s);
        }
    }
    script_judge(s, &plan);
    far_slots_try(judge, LAB02_REMOVE);
}

/* --- changing flags ------------------------------------------------------------------- */

static void log_dirty_put(struct script *s, int32_t slot, bool enable)
{
    bool used = slot_is_used(s, slot);
    struct kvm_userspace_memory_region region = {0};

    OP(s, used ? 0 : -ENOENT,
       used ? "logging can be switched for every slot" : "only a slot in use can log",
       .kind = LAB02_LOG_DIRTY, .slot = slot, .length = enable);
    slot_because(s, slot);
    if (!used)
        return;
    region = s->slots[slot];
    region.flags = (region.flags & MEMORY_SLOT_READONLY) | (enable ? 1 : 0);
    if (region.flags != s->slots[slot].flags)
        op_tells(s, region);
}

static void log_dirty_changes_one_flag(struct judge *judge)
{
    struct script *s = script_new(judge, 1);
    const struct kvm_plan plan = plan_make();

    log_dirty_put(s, 0, true);
    for (uint32_t i = 0; i < 4; i++) {
        struct lab02_op op = slot_in_area(judge, i);

        op.flags = i; /* each combination once */
        add_put(s, i, "a slot can be added with any of the flags", op);
    }
    behind_put(s, 0, 1ull << 40, PAGE);
    for (int i = 0; i < NOWHERE; i++) {
        log_dirty_put(s, nowhere[i], false);
        log_dirty_put(s, nowhere[i], true);
    }
    for (int i = 0; i < 60; i++) {
        log_dirty_put(s, (int32_t)judge_random_below(judge, 5), judge_random(judge) & 1);
        if (i % 20 == 19)
            mirror_put(s);
    }
    script_judge(s, &plan);
    far_slots_try(judge, LAB02_LOG_DIRTY);
}

/* --- when the kernel says no ---------------------------------------------------------- */

/* Different errnos, so that no constant is right. EPERM is none of them: -EPERM is -1, the
 * result of the ioctl itself. */
static void faults_draw(struct judge *judge, struct kvm_plan *plan, unsigned long request,
                        const uint32_t failing[3])
{
    static const int errors[] = {ENOMEM, EINVAL, EFAULT, EBUSY, EIO, ENXIO, ENODEV};
    const uint64_t first = judge_random_below(judge, 7),
                   step = 1 + judge_random_below(judge, 6);

    for (uint64_t i = 0; i < 3; i++)
        plan->faults[i] = (struct plan_fault){.kind = CALL_IOCTL,
                                              .request = (uint32_t)request,
                                              .nth = failing[i],
                                              .error = errors[(first + i * step) % 7],
                                              .repeat = 1};
}

static void failing_ioctl_changes_nothing(struct judge *judge)
{
    static const uint32_t failing[] = {1, 2, 4};
    struct kvm_plan plan = plan_make();
    struct script *s = script_new(judge, 1);
    struct lab02_op first = slot_in_area(judge, 0), second = slot_in_area(judge, 1);

    faults_draw(judge, &plan, KVM_SET_USER_MEMORY_REGION, failing);
    first.flags = MEMORY_SLOT_READONLY;
    first.kind = second.kind = LAB02_ADD;
    add_put(s, 0, "a slot can be added", first);
    op_put(s, -plan.faults[0].error, handed_on, second);
    op_calls(s);
    OP(s, -plan.faults[1].error, handed_on, .kind = LAB02_LOG_DIRTY, .slot = 0,
       .length = 1);
    op_calls(s);
    mirror_put(s);
    add_put(s, 1, "a slot that KVM refused leaves its range and entry free", second);
    OP(s, -plan.faults[2].error, handed_on, .kind = LAB02_REMOVE, .slot = 0);
    op_calls(s);
    mirror_put(s);
    op_put(s, -EEXIST, "a slot that KVM did not remove is still there", first);
    log_dirty_put(s, 0, true);
    remove_put(s, 0);
    mirror_put(s);
    script_judge(s, &plan);
}

/* --- a world: guest memory, page by page ---------------------------------------------- */

#define WORLD_PAGES 64

/* The oracle's view of the guest-physical addresses from base on. */
struct world {
    uint64_t base;
    uint32_t pages;
    struct world_page {
        int slot;        /* pages of one slot have the same number; 0: no slot */
        uint64_t offset; /* in the RAM */
        bool readonly;
    } page[WORLD_PAGES];
};

/* `pages` pages from page `first` on become a slot of VM `vm`, or a hole if slot is 0. */
static void world_slot_put(struct script *s, struct world *w, uint32_t vm,
                           const struct world_page *of, uint32_t first, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++) {
        w->page[first + i] = *of;
        w->page[first + i].offset += i * PAGE;
    }
    if (of->slot)
        OP(s, WANT_SLOT, "slots that touch, but do not overlap, can be added",
           .kind = LAB02_ADD, .vm = vm, .gpa = w->base + first * PAGE,
           .length = pages * PAGE, .offset = of->offset,
           .flags = of->readonly ? MEMORY_SLOT_READONLY : 0);
}

/* Slots and holes of up to `longest` pages. Addresses in the RAM go down where GPAs go up,
 * with a page between two slots: whoever runs past the end of a slot lands elsewhere. */
static void world_random_put(struct script *s, struct world *w, uint32_t vm,
                             uint32_t longest, uint32_t hole_percent)
{
    uint64_t offset = 2 * w->pages * PAGE;
    int slots = 0;

    for (uint32_t first = 0; first < w->pages;) {
        uint32_t pages = 1 + (uint32_t)judge_random_below(s->judge, longest);
        bool hole = judge_random_below(s->judge, 100) < hole_percent;
        struct world_page of = {0};

        if (pages > w->pages - first)
            pages = w->pages - first;
        if (!hole && slots < VM_SLOTS_MAX) {
            offset -= (pages + 1) * PAGE;
            of.slot = ++slots;
            of.offset = offset;
        }
        world_slot_put(s, w, vm, &of, first, pages);
        first += pages;
    }
}

/* NULL: nothing is there. */
static const struct world_page *world_at(const struct world *w, uint64_t gpa)
{
    uint64_t n = (gpa - w->base) / PAGE;

    return gpa >= w->base && n < w->pages && w->page[n].slot ? &w->page[n] : NULL;
}

/* Is [gpa, gpa + length) longer than the world, or does it wrap? Then no need to walk. */
static bool range_is_wild(const struct world *w, uint64_t gpa, uint64_t length)
{
    return length > w->pages * PAGE || (length > 0 && gpa > UINT64_MAX - (length - 1));
}

/* --- gpa_to_hva ----------------------------------------------------------------------- */

static int64_t hva_wanted(const struct world *w, uint64_t gpa, uint64_t length)
{
    const struct world_page *first = world_at(w, gpa);

    if (!first || length == 0 || range_is_wild(w, gpa, length))
        return LAB02_NO_HVA;
    for (uint64_t done = 0; done < length; done += PAGE - (gpa + done) % PAGE) {
        const struct world_page *page = world_at(w, gpa + done);

        if (!page || page->slot != first->slot)
            return LAB02_NO_HVA;
    }
    return (int64_t)(first->offset + gpa % PAGE);
}

/* Bytes from gpa to the end of its slot. */
static uint64_t slot_rest(const struct world *w, uint64_t gpa)
{
    uint64_t rest = PAGE - gpa % PAGE;

    while (hva_wanted(w, gpa, rest + PAGE) != LAB02_NO_HVA)
        rest += PAGE;
    return rest;
}

static uint64_t length_interesting(struct judge *judge, const struct world *w, uint64_t gpa)
{
    const uint64_t lengths[] = {
        0,
        1,
        1 + judge_random_below(judge, 16),
        PAGE,
        judge_random_below(judge, 4 * PAGE),
        slot_rest(w, gpa),
        slot_rest(w, gpa) + 1,
        slot_rest(w, gpa) - 1,
        UINT64_MAX - judge_random_below(judge, 16),
        -gpa,                                        /* the sum is 0 */
        -gpa + judge_random_below(judge, 32 * PAGE), /* the sum is small */
    };

    return lengths[judge_random_below(judge, sizeof lengths / sizeof lengths[0])];
}

static void to_hva_put(struct script *s, const struct world *w, uint32_t vm, uint64_t gpa,
                       uint64_t length)
{
    OP(s, hva_wanted(w, gpa, length),
       "gpa_to_hva() answers for ranges inside one slot, and for no others",
       .kind = LAB02_TO_HVA, .vm = vm, .gpa = gpa, .length = length);
    if (!world_at(w, gpa))
        op_because(s, "gpa is in no slot");
    else
        op_because(s, "the slot of gpa ends at %#" PRIx64, gpa + slot_rest(w, gpa));
}

static void to_hva_anywhere_put(struct script *s, const struct world *w, uint32_t vm)
{
    uint64_t gpa = w->base + random_pages(s->judge, w->pages + 1);

    switch (judge_random_below(s->judge, 3)) {
    case 0:
        gpa += judge_random_below(s->judge, 9);
        break;
    case 1:
        gpa -= judge_random_below(s->judge, 9);
        break;
    default:
        gpa += judge_random_below(s->judge, PAGE);
        break;
    }
    to_hva_put(s, w, vm, gpa, length_interesting(s->judge, w, gpa));
}

static void gpa_to_hva_stays_inside_one_slot(struct judge *judge)
{
    struct script *s = script_new(judge, 3);
    const struct kvm_plan plan = plan_make();
    struct world worlds[3] = {
        {.base = 0, .pages = WORLD_PAGES}, /* a sum that wraps around lands in it */
        {.base = random_pages(judge, 1ull << 30), .pages = WORLD_PAGES},
        {.base = GPA_LIMIT - 2 * WORLD_PAGES * PAGE, .pages = WORLD_PAGES},
    };

    for (uint32_t vm = 0; vm < 3; vm++) {
        const uint64_t end = worlds[vm].base + WORLD_PAGES * PAGE;

        world_random_put(s, &worlds[vm], vm, 8, 25);
        behind_put(s, vm, end, PAGE);
        to_hva_put(s, &worlds[vm], vm, end, 8);
    }
    for (int i = 0; i < 330; i++)
        to_hva_anywhere_put(s, &worlds[i % 3], (uint32_t)i % 3);
    script_run(s, &(struct run_spec){.plan = &plan});
    results_expect(s);
}

/* --- guest_read, guest_write ---------------------------------------------------------- */

#define COPY_PAGES 16
#define COPY_RAM   (2 * COPY_PAGES * PAGE)
#define COPY_MAX   (2 * PAGE)
#define READS_AT   (2 * COPY_MAX) /* in the pool; before it lies what is written */

/* What RAM and buffers have to look like in the end. */
struct copies {
    struct script *s;
    struct world world;
    uint8_t ram[COPY_RAM];
    uint8_t pool[LAB02_POOL];
    uint32_t reads_at;
};

static struct copies *copies_new(struct judge *judge, uint64_t base)
{
    struct copies *c = calloc(1, sizeof *c);

    if (!c)
        judge_error(judge, "out of memory");
    c->s = script_new(judge, 1);
    c->s->in.rams[0].size = COPY_RAM;
    c->world = (struct world){.base = base, .pages = COPY_PAGES};
    c->reads_at = READS_AT;
    random_fill(judge, c->s->in.pool, LAB02_POOL);
    memcpy(c->pool, c->s->in.pool, LAB02_POOL);
    for (uint32_t at = 0; at < COPY_RAM; at += COPY_MAX) {
        OP(c->s, 0, "", .kind = LAB02_FILL, .offset = at, .at = at / 8, .length = COPY_MAX);
        memcpy(c->ram + at, c->pool + at / 8, COPY_MAX);
    }
    return c;
}

static int copy_wanted(const struct world *w, uint64_t gpa, uint64_t length, bool write)
{
    bool readonly = false;

    if (range_is_wild(w, gpa, length))
        return -EFAULT;
    for (uint64_t i = 0; i < length; i++) {
        const struct world_page *page = world_at(w, gpa + i);

        if (!page)
            return -EFAULT;
        readonly |= page->readonly;
    }
    return write && readonly ? -EROFS : 0;
}

/* Puts one copy into the script and does it, byte by byte, in our own RAM and pool. */
static void copy_put(struct copies *c, bool write, uint64_t gpa, uint64_t length)
{
    int want = copy_wanted(&c->world, gpa, length, write);
    uint32_t at = write ? (uint32_t)judge_random_below(c->s->judge, COPY_MAX) : c->reads_at;

    if (want == 0 && at + length > LAB02_POOL)
        return; /* no room left to read to */
    OP(c->s, want,
       want == 0        ? "a range that slots cover without a gap can be copied"
       : want == -EROFS ? "a range with a read-only part cannot be written"
                        : "a range with a hole cannot be copied",
       .kind = write ? LAB02_WRITE : LAB02_READ, .gpa = gpa, .length = length, .at = at);
    for (uint64_t i = 0; want == 0 && i < length; i++) {
        uint8_t *in_ram = &c->ram[world_at(&c->world, gpa + i)->offset + (gpa + i) % PAGE];

        if (write)
            *in_ram = c->pool[at + i];
        else
            c->pool[at + i] = *in_ram;
    }
    if (!write && want == 0)
        c->reads_at += (uint32_t)length + 16; /* a gap that has to stay as it was */
}

/* The operation whose buffer lies at or before this place in the pool. */
static const struct lab02_op *buffer_owner(const struct script *s, size_t place, bool to)
{
    const struct lab02_op *owner = NULL;

    for (uint32_t i = 0; i < s->in.op_count; i++) {
        const struct lab02_op *op = &s->in.ops[i];
        size_t at = to ? op->to : op->at;

        if ((op->kind == LAB02_READ || op->kind == LAB02_FETCH ||
             op->kind == LAB02_PAGES) &&
            at <= place && (!owner || at >= (to ? owner->to : owner->at)))
            owner = op;
    }
    return owner;
}

static void pool_expect(struct script *s, const uint8_t *want, bool to, const char *asked)
{
    for (size_t i = 0; i < s->in.pool_size; i++) {
        if (want[i] == s->out->pool[i])
            continue;

        const struct lab02_op *op = buffer_owner(s, i, to);
        char call[160] = "a buffer that is only read";

        if (op)
            op_describe(op, call, sizeof call);
        CHECK(s->judge, false, asked, "%s: byte %zu from its start is %02x, not %02x", call,
              i - (op ? (to ? op->to : op->at) : 0), s->out->pool[i], want[i]);
    }
}

static void ram_expect(struct copies *c)
{
    const struct evidence *e = c->s->e;

    for (uint32_t i = 0; i < COPY_RAM; i++) {
        if (i < e->windows[0][0].length && e->windows[0][0].bytes[i] == c->ram[i])
            continue;

        char gpa[32] = "in no slot";

        for (uint32_t n = 0; n < c->world.pages; n++)
            if (c->world.page[n].slot && c->world.page[n].offset == i - i % PAGE)
                snprintf(gpa, sizeof gpa, "GPA %#" PRIx64,
                         c->world.base + n * PAGE + i % PAGE);
        CHECK(c->s->judge, false, "guest_write() changes the bytes it was given, no others",
              "the byte at ram + %#x (%s) is %02x, not %02x", i, gpa,
              i < e->windows[0][0].length ? e->windows[0][0].bytes[i] : 0, c->ram[i]);
    }
}

static void copies_judge(struct copies *c)
{
    const struct window ram = {.name = "guest-ram", .length = COPY_RAM};
    const struct kvm_plan plan = plan_make();

    script_run(c->s, &(struct run_spec){.plan = &plan, .windows = &ram, .window_count = 1});
    results_expect(c->s);
    pool_expect(c->s, c->pool, false, "guest_read() fills its buffer, and nothing else");
    ram_expect(c);
}

static void copies_cross_touching_slots(struct judge *judge)
{
    struct copies *c = copies_new(judge, random_pages(judge, 1ull << 30));

    world_random_put(c->s, &c->world, 0, 3, 0);
    for (int i = 0; i < 60; i++) {
        bool write = judge_random(judge) & 1;
        uint64_t length = judge_random_below(judge, i % 6 ? 64 : COPY_MAX);
        uint64_t boundary = c->world.base + random_pages(judge, COPY_PAGES + 1);
        uint64_t gpa = boundary - judge_random_below(judge, length + 1);

        if (i == 7)
            length = 0;
        if (copy_wanted(&c->world, gpa, length, write) == 0)
            copy_put(c, write, gpa, length);
    }
    copies_judge(c);
}

/* RAM (2 slots), ROM, a hole, ROM, RAM, nothing. */
static void checkered_world_put(struct copies *c)
{
    static const struct {
        uint32_t pages;
        bool hole, readonly;
    } parts[] = {{2, false, false}, {2, false, false}, {2, false, true}, {1, true, false},
                 {1, false, true},  {2, false, false}, {2, true, false}};
    uint64_t offset = COPY_RAM;
    uint32_t first = 0;

    for (int i = 0; i < (int)(sizeof parts / sizeof parts[0]); i++) {
        struct world_page of = {.slot = parts[i].hole ? 0 : i + 1,
                                .readonly = parts[i].readonly};

        offset -= (parts[i].pages + 1) * PAGE;
        of.offset = offset;
        world_slot_put(c->s, &c->world, 0, &of, first, parts[i].pages);
        first += parts[i].pages;
    }
    c->world.pages = first;
}

static void copies_are_all_or_nothing(struct judge *judge)
{
    struct copies *c = copies_new(judge, judge_random(judge) & 1 ? 0 : PAGE << 20);
    const uint64_t base = c->world.base, some = 1 + judge_random_below(judge, 1000);

    checkered_world_put(c);
    behind_put(c->s, 0, base + 10 * PAGE, PAGE); /* in the last hole */
    for (int write = 0; write < 2; write++) {
        copy_put(c, write, base + 2 * PAGE - some, some + 8);        /* RAM, RAM */
        copy_put(c, write, base + 4 * PAGE - some, some + 8);        /* RAM, ROM */
        copy_put(c, write, base + 6 * PAGE - some, some + 8);        /* ROM, hole */
        copy_put(c, write, base + 7 * PAGE - some, some + 8);        /* hole, ROM */
        copy_put(c, write, base + 8 * PAGE - some, some + 8);        /* ROM, RAM */
        copy_put(c, write, base + 10 * PAGE - some, some + 8);       /* RAM, hole */
        copy_put(c, write, base + 6 * PAGE - some, PAGE + some + 8); /* ROM, hole, ROM */
        copy_put(c, write, base + some, UINT64_MAX);
        copy_put(c, write, base + some, -base);
        copy_put(c, write, -some, some + 8); /* wraps around to 8 */
        copy_put(c, write, base + 6 * PAGE + some, 0);
    }
    for (int i = 0; i < 60; i++) {
        uint64_t gpa = base + judge_random_below(judge, 12 * PAGE);
        uint64_t length = judge_random_below(judge, i % 3 ? 400 : COPY_MAX);
        bool write = i % 4 != 0;

        if (write || copy_wanted(&c->world, gpa, length, write) != 0)
            copy_put(c, write, gpa, length);
    }
    copies_judge(c);
}

/* --- the dirty log -------------------------------------------------------------------- */

#define FETCHED_AT  0x1000 /* in the pool */
#define FETCHED_TO  0x2000
#define FAILED_AT   0x3000
#define FETCH_SPARE 64 /* bytes of room that KVM does not need */

static void log_sizes_put(struct script *s)
{
    const uint64_t pages[] = {1,
                              8,
                              9,
                              63,
                              64,
                              65,
                              127,
                              128,
                              129,
                              1 + judge_random_below(s->judge, 100000),
                              1 + judge_random_below(s->judge, GPA_LIMIT / PAGE),
                              GPA_LIMIT / PAGE};

    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        uint64_t words = pages[i] / 64 + (pages[i] % 64 != 0);

        OP(s, (int64_t)(words * 8), "a dirty log is one bit a page, in whole 64-bit words",
           .kind = LAB02_LOG_BYTES, .length = pages[i] * PAGE);
    }
}

static void fetch_put(struct script *s, int64_t want, int32_t slot, uint64_t room,
                      uint32_t at)
{
    OP(s, want,
       want == 0         ? "the dirty log of a logging slot can be fetched"
       : want == -ENOENT ? "a slot that is not there has no dirty log"
                         : "no log without logging, and none that does not fit",
       .kind = LAB02_FETCH, .slot = slot, .length = room, .at = at);
    if (want == -ENOENT)
        slot_because(s, slot);
    if (want == 0)
        op_calls(s);
}

static void fetches_put(struct script *s, const struct kvm_plan *plan)
{
    const uint64_t need = plan->dirty_words * sizeof(uint64_t);
    const uint64_t small[] = {0, need - 1, need - 8};

    fetch_put(s, -ENOENT, 3, 4096, 0);
    for (int i = 0; i < NOWHERE; i++)
        fetch_put(s, -ENOENT, nowhere[i], 4096, 0);
    fetch_put(s, -EINVAL, 0, 4096, 0);
    op_because(s, "slot 0 does not log");
    for (int i = 0; i < 3; i++) {
        fetch_put(s, -EINVAL, 2, small[i], 0);
        op_because(s, "the log of slot 2 needs %" PRIu64 " bytes", need);
    }
    fetch_put(s, 0, 2, need, FETCHED_AT);
    fetch_put(s, 0, 2, need + FETCH_SPARE, FETCHED_TO);
    for (uint32_t i = 0; i < 3; i++) {
        OP(s, -plan->faults[i].error, handed_on, .kind = LAB02_FETCH, .slot = 2,
           .length = need, .at = FAILED_AT);
        op_calls(s);
    }
}

/* The calls that worked were about the slot that was asked for. */
static void fetched_slots_expect(const struct script *s)
{
    for (uint32_t i = 0; i < s->in.op_count; i++) {
        const struct call *call =
            s->in.ops[i].kind == LAB02_FETCH ? op_call(s, i, 0) : NULL;

        CHECK(s->judge, !call || call->record->injected || call->record->args[2] == 2,
              "the log of the slot asked for is fetched",
              "KVM_GET_DIRTY_LOG was called for slot %" PRIu64 ", not 2",
              call ? call->record->args[2] : 0);
    }
}

static void dirty_log_fetch_never_overruns(struct judge *judge)
{
    struct kvm_plan plan = plan_make();
    struct script *s = script_new(judge, 1);
    uint8_t pool[LAB02_POOL];

    plan.dirty_words = 2 + (uint32_t)judge_random_below(judge, PLAN_DIRTY - 1);
    random_fill(judge, plan.dirty, sizeof plan.dirty);
    faults_draw(judge, &plan, KVM_GET_DIRTY_LOG, (const uint32_t[]){2, 3, 4});
    uint64_t size = (plan.dirty_words * 64 - judge_random_below(judge, 64)) * PAGE;
    log_sizes_put(s);
    for (uint32_t i = 0; i < 3; i++) {
        OP(s, i, "slots take the entries 0, 1, 2, ... in order", .kind = LAB02_ADD,
           .gpa = i * 16 * size, .length = size,
           .flags = i == 0 ? 0 : MEMORY_SLOT_LOG_DIRTY);
        op_calls(s);
    }
    behind_put(s, 0, 1ull << 40, PAGE);
    fetches_put(s, &plan);
    random_fill(judge, s->in.pool, LAB02_POOL);
    memcpy(pool, s->in.pool, sizeof pool);
    memcpy(pool + FETCHED_AT, plan.dirty, plan.dirty_words * 8);
    memcpy(pool + FETCHED_TO, plan.dirty, plan.dirty_words * 8);

    script_judge(s, &plan);
    fetched_slots_expect(s);
    /* What a failed fetch left, or what lies in the room that was not needed, is free. */
    memcpy(pool + FAILED_AT, s->out->pool + FAILED_AT, plan.dirty_words * 8);
    memcpy(pool + FETCHED_TO + plan.dirty_words * 8,
           s->out->pool + FETCHED_TO + plan.dirty_words * 8, FETCH_SPARE);
    pool_expect(s, pool, false, "the bitmap is what KVM wrote, in the caller's buffer");
    far_slots_try(judge, LAB02_FETCH);
}

/* Our own list of a bitmap's pages; returns how many there are. */
static uint64_t pages_list(uint64_t gpa, uint64_t pages, const uint8_t *bitmap, uint8_t *to,
                           uint64_t max)
{
    uint64_t found = 0;

    for (uint64_t page = 0; page < pages; page++) {
        uint64_t address = gpa + page * PAGE;

        if (!(bitmap[page / 8] & 1u << page % 8))
            continue;
        if (found++ < max)
            memcpy(to + (found - 1) * 8, &address, sizeof address);
    }
    return found;
}

/* A slot, its bitmap (with bits past the end), and what is made of it with several max. */
static void pages_put(struct script *s, uint8_t *pool, uint32_t slot)
{
    const struct lab02_op add = {.gpa = ((uint64_t)slot << 33) + slot * 256 * PAGE,
                                 .length = PAGE + random_pages(s->judge, 190)};
    const uint64_t pages = add.length / PAGE;
    const uint64_t maxima[] = {pages + 64, 1 + judge_random_below(s->judge, pages), 0};
    const uint32_t at = slot * 0x100;

    add_put(s, slot, "slots take the entries 0, 1, 2, ... in order", add);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t to = 0x1000 + (slot * 3 + i) * 0x800;
        uint64_t want = pages_list(add.gpa, pages, pool + at, pool + to, maxima[i]);

        OP(s, (int64_t)want, "dirty_log_pages() counts the slot's dirty pages",
           .kind = LAB02_PAGES, .slot = (int32_t)slot, .length = maxima[i], .at = at,
           .to = to);
    }
}

static void no_pages_put(struct script *s, int32_t slot)
{
    OP(s, -ENOENT, "a slot that is not there has no dirty pages", .kind = LAB02_PAGES,
       .slot = slot, .length = 1, .to = 0xf000);
    slot_because(s, slot);
}

/* Every list holds the addresses that it has to. */
static void pages_expect(struct script *s)
{
    for (uint32_t i = 0; i < s->in.op_count; i++) {
        char call[160], difference[240] = "";

        if (s->in.ops[i].kind != LAB02_PAGES || s->wants[i] < 0)
            continue;
        op_describe(&s->in.ops[i], call, sizeof call);
        pages_explain(s, i, difference, sizeof difference);
        CHECK(s->judge, !difference[0], "dirty_log_pages() stores ascending addresses",
              "%s returned %" PRId64 "%s", call, s->out->results[i], difference);
    }
}

static void dirty_log_pages_are_addresses(struct judge *judge)
{
    struct script *s = script_new(judge, 1);
    const struct kvm_plan plan = plan_make();
    uint8_t pool[LAB02_POOL];

    random_fill(judge, s->in.pool, LAB02_POOL);
    memset(s->in.pool, 0, 0x100);            /* the first slot's bitmap: nothing dirty */
    memset(s->in.pool + 0x100, 0xff, 0x100); /* the second one's: everything */
    memcpy(pool, s->in.pool, sizeof pool);
    for (uint32_t slot = 0; slot < 6; slot++)
        pages_put(s, pool, slot);
    no_pages_put(s, 6);
    no_pages_put(s, VM_SLOTS_MAX - 1);
    for (int i = 0; i < NOWHERE; i++)
        no_pages_put(s, nowhere[i]);
    behind_put(s, 0, 1ull << 40, PAGE);
    s->lists = pool;
    script_run(s, &(struct run_spec){.plan = &plan});
    results_expect(s);
    pages_expect(s);
    pool_expect(s, pool, true, "dirty_log_pages() stores ascending addresses, max at most");
    far_slots_try(judge, LAB02_PAGES);
}

/* --- on the machine: guests in the slots ---------------------------------------------- */

#define IMAGE_AT    0u /* in the pool */
#define LISTS_AT    0x400u
#define RESULTS_AT  0x1000u
#define POOL_USED   0x4000u
#define PORT_SUM    0x2a0
#define MACHINE_RAM 0x80000ull

static const char halts[] = "the guest runs in your slots until it halts";
static const char mapped[] = "guest memory can be mapped";
static const char copied[] = "guest_write() reaches the guest's memory";

static struct script *machine_script(struct judge *judge, uint32_t vms,
                                     const uint8_t *image, size_t size)
{
    struct script *s = script_new(judge, vms);

    s->in.with_vcpus = 1;
    s->in.pool_size = POOL_USED;
    memcpy(s->in.pool + IMAGE_AT, image, size);
    return s;
}

static void load_put(struct script *s, uint32_t vm, size_t size, enum guest_mode mode)
{
    OP(s, 0, copied, .kind = LAB02_LOAD, .vm = vm, .gpa = GUEST_LOAD_GPA, .length = size,
       .at = IMAGE_AT, .flags = (uint32_t)mode);
}

/* The n-th list goes into the mailbox with guest_write(). */
static void *list_put(struct script *s, uint32_t vm, uint32_t n, uint32_t size)
{
    uint32_t at = LISTS_AT + n * 0x200;

    OP(s, 0, copied, .kind = LAB02_WRITE, .vm = vm, .gpa = GUEST_MAILBOX_GPA,
       .length = size, .at = at);
    return s->in.pool + at;
}

static void run_put(struct script *s, uint32_t vm)
{
    OP(s, RUN_HALTED, halts, .kind = LAB02_RUN, .vm = vm);
}

/* --- what the pattern guest leaves */

struct pattern {
    uint64_t gpa, count, nonce;
};

static uint64_t pattern_next(uint64_t number)
{
    return number * 6364136223846793005u + 1442695040888963407u;
}

static uint64_t pattern_sum(const struct pattern *p)
{
    uint64_t sum = 0, number = p->nonce;

    for (uint64_t i = 0; i < p->count; i++)
        sum += number = pattern_next(number);
    return sum;
}

/* The numbers up to GPA split are seen in one window, those from there on in the next. */
static void pattern_expect(struct script *s, const struct pattern *p, uint64_t split,
                           unsigned window)
{
    uint64_t number = p->nonce;

    for (uint64_t i = 0; i < p->count; i++) {
        uint64_t gpa = p->gpa + 8 * i;
        unsigned in = gpa < split ? window : window + 1;
        uint64_t got = window_u64(s->e, 0, in, gpa % PAGE);

        number = pattern_next(number);
        CHECK(s->judge, got == number,
              "what the guest wrote is in the memory behind the slot",
              "at GPA %#" PRIx64 " the guest wrote %016" PRIx64
              "; the RAM behind it holds %016" PRIx64,
              gpa, number, got);
    }
}

/* The same numbers as guest_read() saw them. */
static void pattern_read_expect(struct script *s, const struct pattern *p)
{
    uint64_t number = p->nonce, got;

    for (uint64_t i = 0; i < p->count; i++) {
        number = pattern_next(number);
        memcpy(&got, s->out->pool + RESULTS_AT + 8 * i, sizeof got);
        CHECK(s->judge, got == number, "guest_read() reads what the guest wrote",
              "at GPA %#" PRIx64 " the guest wrote %016" PRIx64
              ", guest_read() saw %016" PRIx64,
              p->gpa + 8 * i, number, got);
    }
}

static void outs_expect(struct script *s, const uint32_t *values, size_t count)
{
    const struct kvm_events *events = &s->e->events;
    size_t n = 0;

    for (size_t i = 0; i < events->count; i++) {
        const struct kvm_event *event = &events->list[i];

        if (event->kind != EVENT_PIO)
            continue;
        CHECK(s->judge,
              n < count && event->address == PORT_SUM && event->value == values[n],
              "kvm_pio shows the sums that the guest computed, in order",
              "OUT %zu is port %#" PRIx64 ", value %#" PRIx64 "; expected port %#x, %#x", n,
              event->address, event->value, PORT_SUM, n < count ? values[n] : 0);
        n++;
    }
    CHECK(s->judge,
          n == count && kvm_events_count(events, EVENT_EXIT, SVM_EXIT_IOIO) == count,
          "the guest's OUTs are VM exits in the kernel's tracepoints",
          "%zu kvm_pio and %zu kvm_exit with reason io, not %zu", n,
          kvm_events_count(events, EVENT_EXIT, SVM_EXIT_IOIO), count);
    CHECK(s->judge, kvm_events_count(events, EVENT_MMIO, KVM_EVENT_ANY) == 0,
          "accesses to memory in a slot do not leave the kernel",
          "%zu kvm_mmio events, although the guest touched its RAM alone",
          kvm_events_count(events, EVENT_MMIO, KVM_EVENT_ANY));
}

static struct pattern pattern_around(struct judge *judge, uint64_t split)
{
    struct pattern p = {.count = 40 + judge_random_below(judge, 200),
                        .nonce = judge_random(judge)};

    p.gpa = split - 8 * (1 + judge_random_below(judge, p.count - 2));
    return p;
}

/* Two slots that touch, with their memory the other way round. */
static void guest_writes_land_in_your_ram(struct judge *judge)
{
    const uint64_t half = MACHINE_RAM / 2;
    const struct pattern p = pattern_around(judge, half);
    const uint64_t sum = pattern_sum(&p);
    const struct window windows[] = {
        {.name = "guest-ram", .offset = MACHINE_RAM - PAGE, .length = PAGE},
        {.name = "guest-ram", .offset = 0, .length = PAGE}};
    struct script *s =
        machine_script(judge, 1, pattern_guest, GUEST_IMAGE_SIZE(pattern_guest));

    s->in.rams[0].size = MACHINE_RAM;
    OP(s, WANT_SLOT, mapped, .kind = LAB02_ADD, .gpa = 0, .length = half, .offset = half);
    OP(s, WANT_SLOT, mapped, .kind = LAB02_ADD, .gpa = half, .length = half);
    memcpy(list_put(s, 0, 0, sizeof p), &p, sizeof p);
    load_put(s, 0, GUEST_IMAGE_SIZE(pattern_guest), GUEST_LONG64);
    run_put(s, 0);
    OP(s, 0, "guest_read() reads what the guest wrote", .kind = LAB02_READ, .gpa = p.gpa,
       .length = 8 * p.count, .at = RESULTS_AT);
    script_run(
        s, &(struct run_spec){.flags = RUN_TRACE, .windows = windows, .window_count = 2});
    results_expect(s);
    pattern_expect(s, &p, half, 0);
    outs_expect(s, (const uint32_t[]){(uint32_t)sum, (uint32_t)(sum >> 32)}, 2);
    pattern_read_expect(s, &p);
}

/* The same addresses in two VMs; each has its own memory behind them. */
static void two_vms_stay_isolated(struct judge *judge)
{
    const uint64_t split = 0x30000;
    const struct window windows[] = {
        {.name = "guest-a", .offset = split - PAGE, .length = PAGE},
        {.name = "guest-a", .offset = split, .length = PAGE},
        {.name = "guest-b", .offset = split - PAGE, .length = PAGE},
        {.name = "guest-b", .offset = split, .length = PAGE}};
    struct pattern p[2] = {pattern_around(judge, split)};
    struct script *s =
        machine_script(judge, 2, pattern_guest, GUEST_IMAGE_SIZE(pattern_guest));

    p[1] = p[0];
    p[1].nonce = ~p[0].nonce;
    for (uint32_t vm = 0; vm < 2; vm++) {
        s->in.rams[vm].size = MACHINE_RAM;
        strcpy(s->in.rams[vm].name, vm ? "b" : "a");
        OP(s, WANT_SLOT, mapped, .kind = LAB02_ADD, .vm = vm, .ram = vm,
           .length = MACHINE_RAM);
    }
    for (uint32_t vm = 0; vm < 2; vm++)
        load_put(s, vm, GUEST_IMAGE_SIZE(pattern_guest), GUEST_LONG64);
    for (uint32_t vm = 0; vm < 2; vm++)
        memcpy(list_put(s, vm, vm, sizeof p[vm]), &p[vm], sizeof p[vm]);
    for (uint32_t vm = 0; vm < 2; vm++)
        run_put(s, vm);
    script_run(
        s, &(struct run_spec){.flags = RUN_TRACE, .windows = windows, .window_count = 4});
    results_expect(s);
    for (unsigned vm = 0; vm < 2; vm++)
        pattern_expect(s, &p[vm], split, 2 * vm);
}

/* --- what is no memory is MMIO */

/* One access that the touch guest makes, as its mailbox takes it. */
struct touch {
    uint64_t where; /* GPA, + 1 for a write */
    uint64_t value;
};

#define TOUCHES 9

/* Where things lie in this run. */
struct touched {
    uint64_t rom, extra, hole;
    uint32_t in_rom; /* offset of the word that is touched */
    uint32_t in_extra;
    struct touch list[2][TOUCHES];
};

static struct touched touched_make(struct judge *judge)
{
    struct touched t = {
        .rom = 0xc0000 + random_pages(judge, 16),
        .extra = 0x100000 + random_pages(judge, 1000),
        .hole = 0x1000000 + (judge_random_below(judge, 0xe0000000) & ~3ull),
        .in_rom = (uint32_t)judge_random_below(judge, PAGE / 4) * 4,
        .in_extra = (uint32_t)judge_random_below(judge, PAGE / 4) * 4,
    };

    for (int run = 0; run < 2; run++) {
        const uint64_t where[TOUCHES] = {
            MACHINE_RAM - 4 + 1,
            MACHINE_RAM + 1,
            t.rom + t.in_rom,
            t.rom + t.in_rom + 1,
            t.hole,
            t.hole + 1,
            t.extra + t.in_extra + 1,
            t.extra + t.in_extra,
            t.extra + PAGE + 1,
        };

        for (int i = 0; i < TOUCHES; i++)
            t.list[run][i] =
                (struct touch){.where = where[i], .value = (uint32_t)judge_random(judge)};
    }
    return t;
}

/* Is this access of this run one to memory? Said once more, in our own words. */
static bool touch_is_mmio(const struct touched *t, int run, const struct touch *touch)
{
    uint64_t gpa = touch->where & ~1ull;
    bool write = touch->where & 1;

    if (gpa / PAGE == t->rom / PAGE)
        return write;
    if (gpa / PAGE == t->extra / PAGE)
        return run == 1;
    return gpa >= MACHINE_RAM;
}

/* A read shows twice in the trace: on its way out and with its answer. */
static const struct kvm_event *mmio_next(const struct kvm_events *events, size_t *at)
{
    const struct kvm_event *found = NULL;

    for (; *at < events->count; (*at)++) {
        const struct kvm_event *event = &events->list[*at];

        if (event->kind != EVENT_MMIO)
            continue;
        if (found && (found->write || event->write || event->address != found->address))
            break;
        if (found) {
            (*at)++;
            break;
        }
        found = event;
    }
    return found;
}

static void mmio_expect(struct script *s, const struct touched *t)
{
    const struct kvm_event *event;
    size_t at = 0, due = 0;
    char seen[120] = "nothing more";

    for (int i = 0; i < 2 * TOUCHES; i++) {
        const struct touch *touch = &t->list[i / TOUCHES][i % TOUCHES];
        uint64_t gpa = touch->where & ~1ull;
        bool write = touch->where & 1;

        if (!touch_is_mmio(t, i / TOUCHES, touch))
            continue;
        event = mmio_next(&s->e->events, &at);
        if (event)
            kvm_event_describe(event, seen, sizeof seen);
        CHECK(s->judge,
              event && event->address == gpa && event->write == write && event->size == 4 &&
                  (!write || event->value == touch->value),
              "an access that no slot answers is an MMIO exit at its GPA",
              "run %d, the guest %s GPA %#" PRIx64 ", where no %s is (RAM ends at %#llx, "
              "ROM at %#" PRIx64 ", extra slot at %#" PRIx64 "%s); kvm_mmio shows: %s",
              i / TOUCHES + 1, write ? "writes" : "reads", gpa,
              write ? "writable memory" : "memory", MACHINE_RAM, t->rom, t->extra,
              i < TOUCHES ? "" : " until it was removed", event ? seen : "nothing more");
        due++;
    }
    event = mmio_next(&s->e->events, &at);
    if (event)
        kvm_event_describe(event, seen, sizeof seen);
    CHECK(s->judge, !event, "an access to memory in a slot is no MMIO exit",
          "one kvm_mmio too many: %s", seen);
    CHECK(s->judge,
          kvm_events_count(&s->e->events, EVENT_USERSPACE_EXIT, KVM_EXIT_MMIO) == due,
          "each MMIO exit reaches user space (KVM_EXIT_MMIO)",
          "%zu kvm_userspace_exit with reason 6, not %zu",
          kvm_events_count(&s->e->events, EVENT_USERSPACE_EXIT, KVM_EXIT_MMIO), due);
}

static void touched_memory_expect(struct script *s, const struct touched *t)
{
    uint32_t word, extra = (uint32_t)t->list[0][6].value;
    const size_t answer = (1 + 2 * 2 + 1) * 8; /* where the ROM's word was left */

    memcpy(&word, s->in.pool + RESULTS_AT + t->in_rom, sizeof word);
    CHECK(s->judge,
          s->e->windows[0][1].length == PAGE &&
              memcmp(s->e->windows[0][1].bytes, s->in.pool + RESULTS_AT, PAGE) == 0,
          "a guest cannot change a read-only slot",
          "the word at GPA %#" PRIx64 " was %08x, now it is %08x", t->rom + t->in_rom, word,
          window_u32(s->e, 0, 1, t->in_rom));
    CHECK(s->judge, window_u32(s->e, 0, 2, answer) == word,
          "a guest can read a read-only slot",
          "GPA %#" PRIx64 " holds %08x, the guest read %08x", t->rom + t->in_rom, word,
          window_u32(s->e, 0, 2, answer));
    CHECK(s->judge, window_u32(s->e, 0, 0, t->in_extra) == extra,
          "a removed slot's memory keeps what was in it",
          "the guest wrote %08x before the removal, %08x after it; the memory holds %08x",
          extra, (uint32_t)t->list[1][6].value, window_u32(s->e, 0, 0, t->in_extra));
    CHECK(s->judge, window_u32(s->e, 0, 3, PAGE - 4) == (uint32_t)t->list[1][0].value,
          "the last word of a slot is memory", "at GPA %#llx: %08x, not %08x",
          MACHINE_RAM - 4, window_u32(s->e, 0, 3, PAGE - 4), (uint32_t)t->list[1][0].value);
}

static void touches_put(struct script *s, const struct touched *t, uint32_t run)
{
    uint64_t *list = list_put(s, 0, run, 8 + sizeof t->list[run]);

    list[0] = TOUCHES;
    memcpy(list + 1, t->list[run], sizeof t->list[run]);
    run_put(s, 0);
}

static void what_no_slot_answers_is_mmio(struct judge *judge)
{
    const struct touched t = touched_make(judge);
    const struct window windows[] = {
        {.name = "guest-extra", .length = PAGE},
        {.name = "guest-rom", .length = PAGE},
        {.name = "guest-ram", .offset = GUEST_MAILBOX_GPA, .length = PAGE},
        {.name = "guest-ram", .offset = MACHINE_RAM - PAGE, .length = PAGE}};
    struct script *s = machine_script(judge, 1, touch_guest, GUEST_IMAGE_SIZE(touch_guest));

    s->in.rams[0].size = MACHINE_RAM;
    s->in.rams[1].size = s->in.rams[2].size = PAGE;
    strcpy(s->in.rams[1].name, "rom");
    strcpy(s->in.rams[2].name, "extra");
    random_fill(judge, s->in.pool + RESULTS_AT, PAGE);
    OP(s, 0, mapped, .kind = LAB02_ADD, .length = MACHINE_RAM);
    OP(s, 1, mapped, .kind = LAB02_ADD, .gpa = t.rom, .length = PAGE, .ram = 1,
       .flags = MEMORY_SLOT_READONLY);
    OP(s, 2, mapped, .kind = LAB02_ADD, .gpa = t.extra, .length = PAGE, .ram = 2);
    OP(s, 0, "", .kind = LAB02_FILL, .ram = 1, .length = PAGE, .at = RESULTS_AT);
    load_put(s, 0, GUEST_IMAGE_SIZE(touch_guest), GUEST_PROTECTED32);
    touches_put(s, &t, 0);
    OP(s, 0, "a slot in use can be removed", .kind = LAB02_REMOVE, .slot = 2);
    touches_put(s, &t, 1);
    script_run(
        s, &(struct run_spec){.flags = RUN_TRACE, .windows = windows, .window_count = 4});
    results_expect(s);
    mmio_expect(s, &t);
    touched_memory_expect(s, &t);
}

/* --- which pages the guest wrote */

#define DATA_GPA   0x20000u
#define DATA_SLOT  1
#define DATA_MAX   112 /* pages: up to 0x90000, within a real-mode segment's reach */
#define DIRTY_RUNS 3

/* What the dirty guest does in one run: the list for its mailbox, and our own notes. */
struct dirty_run {
    uint16_t list[2 + DATA_MAX + 1];
    bool written[DATA_MAX];
};

static struct dirty_run dirty_run_make(struct judge *judge, uint32_t pages, bool all)
{
    struct dirty_run run = {.list = {(uint16_t)judge_random(judge),
                                     (uint16_t)(judge_random_below(judge, PAGE / 2) * 2)}};
    uint32_t n = 2;

    for (uint32_t page = 0; page < pages; page++) {
        bool edge = page == 0 || page == pages - 1 || page == 63 || page == 64;
        uint64_t what = judge_random_below(judge, all ? 1 : edge ? 2 : 6);

        /* 0 write, 1 read, else neither */
        if (what > 1)
            continue;
        run.list[n++] = (uint16_t)((DATA_GPA + page * PAGE) / 16 + what);
        run.written[page] = what == 0;
    }
    return run;
}

/* One run of the guest, then the log, twice: the second time nothing is new. */
static void dirty_run_put(struct script *s, const struct dirty_run *run, uint32_t n,
                          uint64_t room, bool counts)
{
    static const char fetched[] = "the dirty log can be fetched after a run";
    const uint32_t bitmap = RESULTS_AT + n * 0x1000, list = bitmap + 0x100;

    memcpy(list_put(s, 0, n, sizeof run->list), run->list, sizeof run->list);
    run_put(s, 0);
    OP(s, 0, fetched, .kind = LAB02_FETCH, .slot = DATA_SLOT, .length = room, .at = bitmap);
    op_because(s, "KVM has to know slot %d as one that logs", DATA_SLOT);
    OP(s, WANT_ANY, "", .kind = LAB02_PAGES, .slot = DATA_SLOT, .length = DATA_MAX,
       .at = bitmap, .to = list);
    if (!counts)
        return;
    OP(s, 0, fetched, .kind = LAB02_FETCH, .slot = DATA_SLOT, .length = room,
       .at = bitmap + 0x800);
    OP(s, 0, "fetching the log clears it", .kind = LAB02_PAGES, .slot = DATA_SLOT,
       .length = DATA_MAX, .at = bitmap + 0x800, .to = list + 0x800);
    op_because(s, "the guest did not run since the log was fetched");
}

/* The list that came back names the written pages and no others. */
static void dirty_run_expect(const struct script *s, const struct dirty_run *run,
                             uint32_t n, uint32_t pages, int64_t count)
{
    const uint8_t *list = s->out->pool + RESULTS_AT + n * 0x1000 + 0x100;
    uint64_t want[DATA_MAX], got[DATA_MAX], due = 0;
    char difference[240] = "";

    for (uint32_t page = 0; page < pages; page++)
        if (run->written[page])
            want[due++] = DATA_GPA + page * PAGE;
    memcpy(got, list, sizeof got);
    CHECK(s->judge, count >= 0 && count <= DATA_MAX,
          "the dirty log can be read after a run",
          "run %u: dirty_log_pages() returned %" PRId64 ", the slot has %u pages", n, count,
          pages);
    CHECK(s->judge,
          !list_explain(want, due, got, (uint64_t)count, "that the guest wrote", difference,
                        sizeof difference),
          "the dirty log names the pages that the guest wrote, and no others", "run %u: %s",
          n, difference);
}

/* The results that the script left open: run 0 is not judged. */
static void dirty_lists_expect(const struct script *s, const struct dirty_run *runs,
                               uint32_t pages)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->in.op_count; i++) {
        if (s->in.ops[i].kind != LAB02_PAGES || s->wants[i] != WANT_ANY)
            continue;
        if (n > 0)
            dirty_run_expect(s, &runs[n], n, pages, s->out->results[i]);
        n++;
    }
}

/* The guest did what it was told: the words are in the memory. */
static void dirty_memory_expect(struct script *s, const struct dirty_run *run,
                                uint32_t pages)
{
    for (uint32_t page = 0; page < pages; page++) {
        uint32_t got = window_u32(s->e, 0, 0, page * PAGE + run->list[1]) & 0xffff;

        CHECK(s->judge, !run->written[page] || got == run->list[0],
              "the guest's writes are in the memory behind the slot",
              "at GPA %#" PRIx64 ": %04x, the guest wrote %04x",
              DATA_GPA + page * PAGE + run->list[1], got, run->list[0]);
    }
}

static void dirty_log_names_the_written_pages(struct judge *judge)
{
    const uint32_t pages = 66 + (uint32_t)judge_random_below(judge, DATA_MAX - 66);
    const struct window data = {.name = "guest-data", .length = pages * (uint32_t)PAGE};
    struct dirty_run runs[DIRTY_RUNS];
    struct script *s = machine_script(judge, 1, dirty_guest, GUEST_IMAGE_SIZE(dirty_guest));

    s->in.rams[0].size = DATA_GPA;
    s->in.rams[1].size = pages * PAGE;
    strcpy(s->in.rams[1].name, "data");
    OP(s, 0, mapped, .kind = LAB02_ADD, .length = DATA_GPA);
    OP(s, DATA_SLOT, mapped, .kind = LAB02_ADD, .gpa = DATA_GPA, .length = pages * PAGE,
       .ram = 1);
    OP(s, 0, "logging can be switched on", .kind = LAB02_LOG_DIRTY, .slot = DATA_SLOT,
       .length = 1);
    load_put(s, 0, GUEST_IMAGE_SIZE(dirty_guest), GUEST_REAL16);
    /* KVM maps pages on first touch, writable, and calls them dirty then, even if they are
     * only read. Run 0 touches all, its log is not judged; from then on it is exact. */
    for (uint32_t n = 0; n < DIRTY_RUNS; n++) {
        runs[n] = dirty_run_make(judge, pages, n == 0);
        dirty_run_put(s, &runs[n], n, 16, n > 0);
    }
    script_run(s,
               &(struct run_spec){.flags = RUN_TRACE, .windows = &data, .window_count = 1});
    results_expect(s);
    dirty_lists_expect(s, runs, pages);
    dirty_memory_expect(s, &runs[DIRTY_RUNS - 1], pages);
}

#define API(section) "Linux Documentation/virt/kvm/api.rst, " section

static const struct check checks[] = {
    {
        .id = "bad_arguments_are_refused",
        .title = "refuses what cannot be a slot",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = bad_arguments_are_refused,
        .why = "A mistake that is refused where it is made costs a minute, not an evening.",
        .handout = "Steps, 2",
        .slide = "RAM Management",
        .manual = API("4.35") "; common/include/memory_slots.h",
        .hints =
            {"Go through the first line of the list in the contract: each comma is one "
             "condition.",
             "Three numbers have to be multiples of the page size; a pointer is a number "
             "after a cast to uintptr_t. A flag is unknown if it is none of the two.",
             "flags & ~(MEMORY_SLOT_LOG_DIRTY | MEMORY_SLOT_READONLY) has to be 0; "
             "check all of this before you look at the slots that are there."},
        .explanation = "KVM would refuse most of these as well, with the same EINVAL for "
                       "all. Unknown flags are the exception that bites: a newer kernel "
                       "may give them a meaning.",
    },
    {
        .id = "slots_end_at_the_gpa_limit",
        .title = "refuses ranges that pass GPA_LIMIT or wrap around",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = slots_end_at_the_gpa_limit,
        .why = "gpa + size can be small although both are huge: arithmetic is modulo 2^64.",
        .handout = "Steps, 2",
        .slide = "RAM Management",
        .manual = "Intel SDM 3A, 4.1.4; common/include/memory_slots.h",
        .hints = {"What is 0xfffffffffffff000 + 0x2000 in 64 bits?",
                  "A sum can wrap around; a difference a - b cannot when b <= a is known. "
                  "A slot may end exactly at the limit.",
                  "gpa >= GPA_LIMIT || size > GPA_LIMIT - gpa"},
        .explanation = "The same trick (compare with what is left, do not add) serves in "
                       "gpa_to_hva(), where the numbers come from the guest.",
    },
    {
        .id = "slots_may_touch_but_not_overlap",
        .title = "refuses overlaps, accepts slots that touch",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = slots_may_touch_but_not_overlap,
        .why = "One address can have only one memory behind it; any two slots may have "
               "neighbouring addresses.",
        .handout = "Steps, 2",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints = {"Draw two ranges in all the ways they can lie: left, right, touching, "
                  "half over, inside, around, the same.",
                  "Two ranges do not overlap if one ends before or where the other starts. "
                  "Turn that sentence around.",
                  "a < b_end && b < a_end, with ends that are not part of the range."},
        .explanation = "Half-open ranges [start, end) make touching and overlapping "
                       "different by one character. The check tries hundreds of random "
                       "pairs, at page, 2 MiB and 1 TiB size.",
    },
    {
        .id = "slots_fill_the_entries_in_order",
        .title = "puts slots into entries 0 to 15 and tells KVM",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = slots_fill_the_entries_in_order,
        .why = "The index in vm->slots is the number that KVM knows the slot by.",
        .handout = "Steps, 2",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints = {"An entry with size 0 is free. Which of the free ones is taken?",
                  "struct kvm_userspace_memory_region has five fields, and you have been "
                  "given a value for each. A full table is the last thing to find out.",
                  "Search from 0 for size == 0; none: -ENOSPC, but only after the overlap "
                  "check. Then ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), then "
                  "vm->slots[n] = ..., return n."},
        .explanation = "KVM itself allows 32764 slots on x86. A VMM keeps few: each change "
                       "makes the kernel copy its table and wait for running vCPUs.",
    },
    {
        .id = "removed_slots_are_free_again",
        .title = "removes slots and uses their entries again",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = removed_slots_are_free_again,
        .why = "Memory and devices come and go while a guest runs.",
        .handout = "Steps, 3",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints =
            {"There is no ioctl to remove a slot: it is done with the one you know.",
             "memory_size 0, the same slot number. The number comes from the caller: is "
             "it one of a slot in use?",
             "slot < 0 || slot >= VM_SLOTS_MAX || vm->slots[slot].size == 0 is -ENOENT; "
             "else the ioctl, then an empty entry."},
        .explanation = "An entry that was forgotten in the mirror would be memory that the "
                       "VMM can see and the guest cannot.",
    },
    {
        .id = "log_dirty_changes_one_flag",
        .title = "switches dirty logging, and nothing else",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = log_dirty_changes_one_flag,
        .why =
            "A ROM that becomes writable because its writes are logged is a security hole.",
        .handout = "Steps, 4",
        .slide = "RAM Management",
        .manual = API("4.35, 4.8"),
        .hints =
            {"Which fields may the ioctl change in a slot that is there, and which must "
             "stay as they are?",
             "The whole region is said again, with one bit different. If that bit is "
             "already right, there is nothing to say.",
             "Copy vm->slots[slot], set or clear MEMORY_SLOT_LOG_DIRTY in the copy, "
             "return 0 if the flags are equal, else tell KVM."},
        .explanation = "Telling KVM costs a grace period of all vCPUs, even if nothing "
                       "changes: that is why an unnecessary call counts as wrong.",
    },
    {
        .id = "failing_ioctl_changes_nothing",
        .title = "changes nothing when KVM says no",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = failing_ioctl_changes_nothing,
        .why = "A mirror that shows what was wanted, not what is, is worse than none.",
        .handout = "Steps, 1",
        .slide = "RAM Management",
        .manual = API("4.35") "; common/include/memory_slots.h",
        .hints =
            {"In which order do you tell KVM and note it down?",
             "KVM first. errno is read right after the failed call; the mirror changes "
             "only after a call that worked.",
             "One helper for all three functions: if (ioctl(...) < 0) return -errno; "
             "vm->slots[slot] = *wanted; return 0;"},
        .explanation = "Do, then note: the same order keeps a journal, a cache or a mirror "
                       "true in every program.",
    },
    {
        .id = "gpa_to_hva_stays_inside_one_slot",
        .title = "translates GPAs, inside one slot only",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = gpa_to_hva_stays_inside_one_slot,
        .why = "The guest chooses these numbers: a wrong answer is a way out of the VM.",
        .handout = "Steps, 5",
        .slide = "RAM Management",
        .manual = "common/include/memory_slots.h",
        .hints = {"Two slots that touch in guest-physical memory: do their host addresses "
                  "touch as well?",
                  "Find the slot of the first byte; then ask whether length fits into what "
                  "is left of that slot. Add nothing to gpa.",
                  "offset = gpa - slot->gpa; NULL if length == 0 or length > slot->size - "
                  "offset; else slot->hva + offset."},
        .explanation =
            "gpa + length > end is the classic mistake: with length 2^64 - 8 the "
            "sum is small. Real VMMs had such bugs in their device models, and "
            "they were guest-to-host escapes.",
    },
    {
        .id = "copies_cross_touching_slots",
        .title = "reads and writes across slots that touch",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = copies_cross_touching_slots,
        .why = "The guest does not know where your slots end; its buffers lie across.",
        .handout = "Steps, 6",
        .slide = "RAM Management",
        .manual = "common/include/memory_slots.h",
        .hints =
            {"How much can be copied at once, starting at gpa?",
             "As much as is left of the slot that holds gpa, then go on at the next "
             "address: which slot is it in?",
             "while (length > 0): slot of gpa, run = min(length, what is left), memcpy, "
             "advance gpa, buffer, length by run."},
        .explanation = "In this check host addresses go down where guest addresses go up, "
                       "with a page between: one memcpy for all would show.",
    },
    {
        .id = "copies_are_all_or_nothing",
        .title = "copies all or nothing, with the right error",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = copies_are_all_or_nothing,
        .why = "Half a packet in the guest's memory is an error that nobody can repair.",
        .handout = "Steps, 6",
        .slide = "RAM Management",
        .manual = "common/include/memory_slots.h",
        .hints =
            {"When do you know that the whole range can be copied?",
             "Walk over the range twice: once to see, once to copy. A read-only slot "
             "does not end the first walk: a hole may follow.",
             "First walk: a hole is -EFAULT at once; read-only is noted, and -EROFS only "
             "at the end (and only for writes). Wrapping needs no extra test if no "
             "slot reaches 2^64."},
        .explanation = "Why -EFAULT before -EROFS? A hole is wrong for every access, "
                       "read-only only for writes: the first is the more general answer.",
    },
    {
        .id = "dirty_log_fetch_never_overruns",
        .title = "fetches the dirty log only if it fits",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = dirty_log_fetch_never_overruns,
        .why = "KVM is not told how big the buffer is: it writes what the slot needs.",
        .handout = "Steps, 8",
        .slide = "RAM Management",
        .manual = API("4.8"),
        .hints = {"How many bytes are there for a slot of 1 page? Of 64? Of 65?",
                  "Pages / 64, rounded up, times 8. The ioctl gets slot and pointer; the "
                  "rest of the structure is zero.",
                  "(pages + 63) / 64 * 8; -ENOENT, then -EINVAL without "
                  "MEMORY_SLOT_LOG_DIRTY or with too little room, then KVM_GET_DIRTY_LOG."},
        .explanation = "The kernel's unit is the long: one page needs 8 bytes. A bitmap "
                       "sized in bytes works until the heap behind it is used.",
    },
    {
        .id = "dirty_log_pages_are_addresses",
        .title = "turns the bitmap into addresses",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = dirty_log_pages_are_addresses,
        .why = "Migration copies pages by address; a missed page is a broken guest.",
        .handout = "Steps, 9",
        .slide = "RAM Management",
        .manual = API("4.8"),
        .hints =
            {"Bit n is page n of the slot, not of the guest.",
             "Count every dirty page, but store only max of them. The last word has bits "
             "for pages that the slot does not have.",
             "for page in 0 to size / 4096 - 1: if bitmap[page / 64] >> (page % 64) & 1, "
             "store slot->gpa + page * 4096 if there is room, and count."},
        .explanation = "Returning the full count lets the caller see that its list was too "
                       "short, and by how much: snprintf() does the same.",
    },
    {
        .id = "guest_writes_land_in_your_ram",
        .title = "a guest's pattern lands in your memory",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = guest_writes_land_in_your_ram,
        .why = "This is the H mapping: guest-physical to host memory, by your slots.",
        .handout = "Run it",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints = {"If the checks on the model pass, this one does.",
                  "Guest memory is two slots that touch at 256 KiB; the second half of the "
                  "RAM comes first. The guest writes across the border.",
                  "KVM has to be told the hva that came with each slot; guest_write() puts "
                  "the program there, guest_read() looks at what it did."},
        .explanation =
            "After the first touch of a page no exit was needed: KVM filled in the "
            "nested page tables from your slots, page by page, and from then on "
            "the CPU walks them alone.",
    },
    {
        .id = "what_no_slot_answers_is_mmio",
        .title = "holes, ROM writes and removed slots are MMIO exits",
        .tenths = 7,
        .target = TARGET_MACHINE,
        .run = what_no_slot_answers_is_mmio,
        .why = "This is how devices at memory addresses are emulated at all.",
        .handout = "Run it",
        .slide = "Hardware passthrough",
        .manual = API("4.35, 5 (KVM_EXIT_MMIO)"),
        .hints =
            {"An access that should be MMIO and is not found memory there: whose?",
             "The guest writes to a read-only slot, next to and far from all slots, and "
             "to a slot that is removed between two runs.",
             "The READONLY flag has to reach KVM; removing has to tell KVM memory_size "
             "0 for the same slot number."},
        .explanation =
            "For the CPU all three are the same: a nested page fault (on Intel: "
            "an EPT violation). KVM looks for a slot, finds none that permits the "
            "access, decodes the instruction and asks the VMM.",
    },
    {
        .id = "dirty_log_names_the_written_pages",
        .title = "the dirty log names the pages the guest wrote",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = dirty_log_names_the_written_pages,
        .why = "Live migration sends these pages again, and only these.",
        .handout = "Run it",
        .slide = "RAM Management",
        .manual = API("4.8"),
        .hints = {"If the checks on the model pass, this one does.",
                  "The guest writes some pages and only reads others. The log is fetched "
                  "after each run, and once more when nothing has happened.",
                  "Flag to KVM, fetch for the right slot (it is slot 1 here), bit n to "
                  "slot->gpa + n * 4096."},
        .explanation = "KVM finds out by taking the write permission away and waiting for "
                       "the fault, or by the dirty bits of the nested page tables; Intel's "
                       "Page-Modification Logging writes the list in hardware.",
    },
    {
        .id = "two_vms_stay_isolated",
        .title = "two VMs with the same GPAs stay isolated",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = two_vms_stay_isolated,
        .why = "Isolation is what a VM is for.",
        .handout = "Run it",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints =
            {"What do your functions remember between two calls?",
             "All state belongs into struct vm: a static variable is one for both VMs.",
             "A cache of the slot that was found last has to be per VM, and has to be "
             "forgotten when slots change: begin without one."},
        .explanation =
            "Both guests used the same guest-physical addresses at the same time. "
            "Each VM has nested page tables of its own; nothing else keeps them "
            "apart.",
    },
};

const struct lab_checks lab_checks = {
    .name = "02-memory-slots",
    .title = "Memory slots",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
