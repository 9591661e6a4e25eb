/* script.c - a script: calls one after the other, each with the result and the ioctl that
 * it has to lead to; run, and compared.
 */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MODEL_MS 4000 /* up to some hundred calls go to the agent and back */
#define LIST_MAX 256  /* addresses in a list of dirty pages */

const char handed_on[] = "a failing ioctl makes the function fail with its errno";

struct script *script_new(struct judge *judge, uint32_t vms)
{
    struct script *s = memory_get(judge, sizeof *s);

    s->judge = judge;
    s->in.vm_count = vms;
    s->in.rams[0].size = 0x10000;
    s->in.pool_size = LAB02_POOL;
    strcpy(s->in.rams[0].name, "ram");
    return s;
}

void op_put(struct script *s, int64_t want, const char *asked, struct lab02_op op)
{
    const uint32_t i = script_place(s->judge, &s->in.op_count, LAB02_OPS);

    s->in.ops[i] = op;
    s->wants[i] = want;
    s->asked[i] = asked;
}

/* Why the operation that was put last has this result: for the report. */
__attribute__((format(printf, 2, 3))) void op_because(struct script *s, const char *format,
                                                      ...)
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
void op_tells(struct script *s, struct kvm_userspace_memory_region region)
{
    s->told[s->told_count++] = (struct told){.region = region, .op = s->in.op_count - 1};
    s->slots[region.slot] = region;
}

/* The same, but the call is all that counts; the plan may make it fail. */
void op_calls(struct script *s)
{
    s->told[s->told_count++] = (struct told){.op = s->in.op_count - 1, .made_is_all = true};
}

void add_put(struct script *s, uint32_t slot, const char *asked, struct lab02_op op)
{
    op.kind = LAB02_ADD;
    op_put(s, slot, asked, op);
    op_tells(s, (struct kvm_userspace_memory_region){.slot = slot,
                                                     .flags = op.flags,
                                                     .guest_phys_addr = op.gpa,
                                                     .memory_size = op.length,
                                                     .userspace_addr = op.offset});
}

/* Removes the slot that an earlier operation was given, whichever it is. */
void given_remove_put(struct script *s, uint32_t vm, uint32_t op)
{
    OP(s, 0, "a slot in use can be removed", .kind = LAB02_REMOVE, .vm = vm,
       .slot = (int32_t)op, .flags = 1);
}

/* vm->slots of VM 0 is looked at here. */
void mirror_put(struct script *s)
{
    int32_t n = (int32_t)s->mirror_count++;

    memcpy(s->mirrors[n], s->slots, sizeof s->slots);
    OP(s, 0, "vm->slots can be read", .kind = LAB02_MIRROR, .slot = n);
}

uint64_t random_pages(struct judge *judge, uint64_t limit)
{
    return judge_random_below(judge, limit) * PAGE;
}

/* What the reference parts make is there; with OWN=1, the student's may not be. */
void objects_expect(const struct script *s)
{
    static const char asked[] = "kvm, VMs and vCPUs can be made before your part is called";
    static const char *const names[] = {[LAB02_STEP_KVM_OPEN] = "kvm_open",
                                        [LAB02_STEP_VM_CREATE] = "vm_create",
                                        [LAB02_STEP_VCPU_CREATE] = "vcpu_create"};
    const uint32_t step = s->out->step;
    const int32_t result = s->out->result;
    char text[40];

    if (step == LAB02_STEP_READY)
        return;
    CHECK(s->judge, step > LAB02_STEP_RAM && step < LAB02_STEP_READY, asked,
          "there is no memory for the guest: %d (step %u)", result, step);
    CHECK(s->judge, false, asked,
          "%s() of part 01 returned %s: with OWN=1 your own parts are linked; mend "
          "it with make grade LAB=1, or leave OWN=1 out",
          names[step], errno_number_text(result, text, sizeof text));
}

struct run_spec script_spec(const struct script *s, const struct run_spec *how)
{
    struct run_spec spec = *how;

    spec.entry = LAB02_SCRIPT;
    spec.input = &s->in;
    spec.input_size = offsetof(struct lab02_input, pool) + s->in.pool_size;
    spec.deadline_ms = spec.plan ? MODEL_MS : 0;
    return spec;
}

size_t answer_size(const struct script *s)
{
    return offsetof(struct lab02_output, pool) + s->in.pool_size;
}

void script_run(struct script *s, const struct run_spec *how)
{
    const struct run_spec spec = script_spec(s, how);

    s->e = judge_run(s->judge, &spec, answer_size(s));
    s->out = (const void *)s->e->answer;
    objects_expect(s);
}

struct kvm_plan plan_make(void)
{
    return (struct kvm_plan){.api_version = KVM_API_VERSION, .run_size = 3 * 4096};
}

static bool value_fits(int64_t want, int64_t got)
{
    if (want == WANT_SLOT)
        return got >= 0 && got < VM_SLOTS_MAX;
    return want == WANT_ANY || want == got;
}

/* Does the operation make a list of dirty pages? */
bool lists_pages(const struct lab02_op *op)
{
    return op->kind == LAB02_PAGES || op->kind == LAB02_FAR_PAGES;
}

/* How a list of addresses differs from the one that is due, both ascending. `kind` says
 * what the addresses of the latter are. False: not at all. */
bool list_explain(const uint64_t *want, uint64_t due, const uint64_t *got, uint64_t count,
                  const char *kind, char *buffer, size_t size)
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
void pages_explain(const struct script *s, uint32_t i, char *buffer, size_t size)
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
const struct call *op_call(const struct script *s, uint32_t op, unsigned n)
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
    else if (s->lists && lists_pages(&s->in.ops[op]) && s->wants[op] >= 0)
        pages_explain(s, op, buffer, size);
    else if (s->because[op])
        snprintf(buffer, size, ": %s", s->because[op]);
}

/* Every operation returned what it had to. */
void results_expect(struct script *s)
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
void script_judge(struct script *s, const struct kvm_plan *plan)
{
    s->in.marks = 1;
    script_run(s, &(struct run_spec){.plan = plan});
    results_expect(s);
    calls_expect(s);
    for (uint32_t n = 0; n < s->mirror_count; n++)
        mirror_expect(s, n);
}
