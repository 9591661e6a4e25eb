/* board.c - interrupt controllers, CPUID, first registers (target model): what KVM was told. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "board.h"
#include "checks.h"
#include "x86.h"

#define OP_CREATE 0
#define OP_CPUID  1
#define OP_START  2

struct calls {
    const struct evidence *e;
    const struct lab11_board_output *out;
};

static struct calls board_run(struct judge *judge, const struct lab11_board *in,
                              const struct kvm_plan *plan)
{
    const struct run_spec spec = {
        .entry = LAB11_BOARD, .input = in, .input_size = sizeof *in, .plan = plan};
    struct calls c = {.e = judge_run(judge, &spec, sizeof *c.out)};

    c.out = (const void *)c.e->answer;
    CHECK(judge, c.out->ready, "the earlier parts open KVM, create a VM and a vCPU",
          "they did not (lab 01)");
    return c;
}

static void returned(struct judge *judge, int result, int due, const char *function,
                     const char *when)
{
    char is[40], wanted[40];

    CHECK(judge, result == due, "each function returns what the contract says",
          "%s %s is to return %s; it returned %s", function, when,
          errno_text(due, wanted, sizeof wanted), errno_text(result, is, sizeof is));
}

/* --- board_create() */

static const unsigned long board_requests[] = {KVM_SET_TSS_ADDR, KVM_CREATE_IRQCHIP,
                                               KVM_CREATE_PIT2};
static const char *const board_names[] = {"KVM_SET_TSS_ADDR", "KVM_CREATE_IRQCHIP",
                                          "KVM_CREATE_PIT2"};

static void board_order_check(struct judge *judge, const struct calls *c)
{
    const struct call *last = NULL;

    for (unsigned i = 0; i < 3; i++) {
        const struct call *call =
            operation_call(judge, c->e, OP_CREATE, board_requests[i], 0);

        CHECK(judge, call && call > last, "TSS address, controllers, timer, in this order",
              "%s %s", board_names[i], call ? "comes too early" : "is not called");
        CHECK(judge, call->record->object == OBJECT_VM, "these are calls on the VM",
              "%s was called on another descriptor", board_names[i]);
        CHECK(judge, !operation_call(judge, c->e, OP_CREATE, board_requests[i], 1),
              "each of them once", "%s was called twice", board_names[i]);
        last = call;
    }
}

void board_is_made_in_order(struct judge *judge)
{
    struct kvm_plan plan = plan_make();
    const struct lab11_board in = {.entry = 0x1000000};
    struct calls c = board_run(judge, &in, &plan);
    struct kvm_pit_config pit;

    returned(judge, c.out->create, 0, "board_create()", "on a VM");
    board_order_check(judge, &c);
    CHECK(judge,
          operation_call(judge, c.e, OP_CREATE, KVM_SET_TSS_ADDR, 0)->record->args[1] ==
              BOARD_TSS_GPA,
          "the TSS address is BOARD_TSS_GPA", "it is %#" PRIx64,
          operation_call(judge, c.e, OP_CREATE, KVM_SET_TSS_ADDR, 0)->record->args[1]);
    memcpy(&pit, operation_call(judge, c.e, OP_CREATE, KVM_CREATE_PIT2, 0)->payload,
           sizeof pit);
    CHECK(judge, pit.flags == KVM_PIT_SPEAKER_DUMMY,
          "the timer is made with KVM_PIT_SPEAKER_DUMMY", "its flags are %#x", pit.flags);
    for (unsigned i = 0; i < 3; i++) {
        const int error = 1 + (int)judge_random_below(judge, 100);

        plan.faults[0] = (struct plan_fault){.kind = CALL_IOCTL,
                                             .request = (uint32_t)board_requests[i],
                                             .error = error,
                                             .repeat = 1};
        c = board_run(judge, &in, &plan);
        returned(judge, c.out->create, -error, "board_create()", board_names[i]);
        for (unsigned later = i + 1; later < 3; later++)
            CHECK(judge, !operation_call(judge, c.e, OP_CREATE, board_requests[later], 0),
                  "after a failure nothing else is tried", "%s failed, then %s was called",
                  board_names[i], board_names[later]);
    }
}

/* --- board_cpuid() */

static struct kvm_cpuid_entry2 entry_random(struct judge *judge, uint32_t function,
                                            uint32_t index)
{
    return (struct kvm_cpuid_entry2){.function = function,
                                     .index = index,
                                     .flags = index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                                     .eax = (uint32_t)judge_random(judge),
                                     .ebx = (uint32_t)judge_random(judge),
                                     .ecx = (uint32_t)judge_random(judge),
                                     .edx = (uint32_t)judge_random(judge)};
}

/* What leaf it is decides what may differ. */
static struct kvm_cpuid_entry2 entry_due(struct kvm_cpuid_entry2 entry, uint32_t id,
                                         bool deadline)
{
    if (entry.function == 1) {
        entry.ebx = id << 24 | 0x10000 | (entry.ebx & 0xffff);
        entry.ecx |= 1u << 31;
        entry.ecx = deadline ? entry.ecx | 1u << 24 : entry.ecx & ~(1u << 24);
    }
    if (entry.function == 0xb || entry.function == 0x1f)
        entry.edx = id;
    return entry;
}

static void entry_check(struct judge *judge, const struct kvm_cpuid_entry2 *is,
                        const struct kvm_cpuid_entry2 *due)
{
    const uint32_t values[4][2] = {
        {is->eax, due->eax}, {is->ebx, due->ebx}, {is->ecx, due->ecx}, {is->edx, due->edx}};

    for (unsigned i = 0; i < 4; i++)
        CHECK(judge, values[i][0] == values[i][1],
              "CPUID answers what KVM supports, and the vCPU's own numbers",
              "leaf %xh, subleaf %u: E%cX is to be %08xh, it is %08xh", due->function,
              due->index, "ABCD"[i], values[i][1], values[i][0]);
    CHECK(judge,
          is->function == due->function && is->index == due->index &&
              is->flags == due->flags,
          "function, index and flags of each entry stay", "those of leaf %xh changed",
          due->function);
}

static void cpuid_check(struct judge *judge, const struct calls *c,
                        const struct kvm_plan *plan, uint32_t id, bool deadline)
{
    const struct call *call = operation_call(judge, c->e, OP_CPUID, KVM_SET_CPUID2, 0);
    struct kvm_cpuid2 head;

    CHECK(judge, call && call->record->object == OBJECT_VCPU,
          "the vCPU is told what CPUID answers", "there is no KVM_SET_CPUID2 on it");
    memcpy(&head, call->payload, sizeof head);
    CHECK(judge, head.nent == plan->cpuid_count, "no leaf is lost",
          "KVM supports %u entries, the vCPU got %u", plan->cpuid_count, head.nent);
    for (uint32_t i = 0; i < PLAN_CPUID; i++) {
        const struct kvm_cpuid_entry2 due = entry_due(plan->cpuid[i], id, deadline);
        struct kvm_cpuid_entry2 is;

        memcpy(&is, (const uint8_t *)call->payload + sizeof head + i * sizeof is,
               sizeof is);
        entry_check(judge, &is, &due);
    }
}

static void cpuid_errors(struct judge *judge, struct kvm_plan plan,
                         const struct lab11_board *in)
{
    const unsigned long requests[] = {KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2};

    for (unsigned i = 0; i < 2; i++) {
        const int error = i ? EINVAL : EFAULT;

        plan.faults[0] = (struct plan_fault){.kind = CALL_IOCTL,
                                             .request = (uint32_t)requests[i],
                                             .error = error,
                                             .repeat = 1};
        returned(judge, board_run(judge, in, &plan).out->cpuid, -error, "board_cpuid()",
                 "after a call that failed");
    }
}

void cpuid_is_the_vcpus_own(struct judge *judge)
{
    struct lab11_board in = {.vcpu_id = (uint32_t)judge_random_below(judge, 255),
                             .entry = 0x1000000};
    struct kvm_plan plan = plan_make();
    static const uint32_t leaves[PLAN_CPUID][2] = {
        {0, 0},    {1, 0}, {0xb, 0},        {0xb, 1},
        {0x1f, 0}, {7, 0}, {0x40000000, 0}, {0x80000001, 0}};

    for (unsigned i = 0; i < PLAN_CPUID; i++)
        plan.cpuid[i] = entry_random(judge, leaves[i][0], leaves[i][1]);
    for (int deadline = 0; deadline < 2; deadline++) {
        plan.extensions[0].capability = KVM_CAP_TSC_DEADLINE_TIMER;
        plan.extensions[0].value = deadline;
        plan.cpuid_count = deadline ? 8 + (uint32_t)judge_random_below(judge, 25)
                                    : 65 + (uint32_t)judge_random_below(judge, 100);
        const struct calls c = board_run(judge, &in, &plan);

        returned(judge, c.out->cpuid, 0, "board_cpuid()",
                 deadline ? "with few leaves" : "with more leaves than its first room");
        cpuid_check(judge, &c, &plan, in.vcpu_id, deadline);
    }
    cpuid_errors(judge, plan, &in);
}

/* --- boot_vcpu_start() */

static void segment_check(struct judge *judge, const char *name,
                          const struct kvm_segment *is, const struct kvm_segment *due)
{
    CHECK(judge,
          is->base == due->base && is->limit == due->limit && is->selector == due->selector,
          "flat 32-bit segments, as the contract lists them",
          "%s is to have base 0, limit %xh, selector %xh; it has base %llxh, limit %xh, "
          "selector %xh",
          name, due->limit, due->selector, (unsigned long long)is->base, is->limit,
          is->selector);
    CHECK(judge,
          is->type == due->type && is->s == due->s && is->db == due->db &&
              is->g == due->g && is->present && is->dpl == 0 && is->l == 0 &&
              is->unusable == 0,
          "flat 32-bit segments, as the contract lists them",
          "%s: type %u, S %u, D/B %u, G %u, P %u, DPL %u, L %u, unusable %u; type is to be "
          "%u, S %u, D/B %u, G %u",
          name, is->type, is->s, is->db, is->g, is->present, is->dpl, is->l, is->unusable,
          due->type, due->s, due->db, due->g);
}

static void segments_check(struct judge *judge, const struct kvm_sregs *s)
{
    const struct kvm_segment data = {
        .limit = 0xffffffff, .selector = SELECTOR_DATA, .type = 3, .s = 1, .db = 1, .g = 1};
    struct kvm_segment code = data;
    const struct kvm_segment tss = {.limit = 0x67, .type = 11, .selector = s->tr.selector};

    code.selector = SELECTOR_CODE;
    code.type = 11;
    segment_check(judge, "CS", &s->cs, &code);
    segment_check(judge, "DS", &s->ds, &data);
    segment_check(judge, "ES", &s->es, &data);
    segment_check(judge, "FS", &s->fs, &data);
    segment_check(judge, "GS", &s->gs, &data);
    segment_check(judge, "SS", &s->ss, &data);
    segment_check(judge, "TR", &s->tr, &tss);
}

static void control_check(struct judge *judge, const struct kvm_sregs *s)
{
    CHECK(judge, (s->cr0 & CR0_PE) && !(s->cr0 & CR0_PG), "protected mode, no paging",
          "CR0 is %#llx", (unsigned long long)s->cr0);
    CHECK(judge, s->cr4 == 0 && s->efer == 0, "CR4 and EFER are 0",
          "CR4 is %#llx, EFER %#llx", (unsigned long long)s->cr4,
          (unsigned long long)s->efer);
    CHECK(judge, s->apic_base == 0xfee00900u && s->idt.base == 0x8000,
          "what the contract does not name keeps KVM's value",
          "APIC base was fee00900h, IDT base 8000h; now %llxh and %llxh",
          (unsigned long long)s->apic_base, (unsigned long long)s->idt.base);
}

static void registers_check(struct judge *judge, const struct kvm_regs *regs,
                            uint32_t entry)
{
    struct kvm_regs due = {.rip = entry, .rbx = BOOT_START_INFO_GPA, .rflags = 2};

    CHECK(judge, regs->rip == entry, "RIP is the entry", "it is %#llx, not %#x",
          (unsigned long long)regs->rip, entry);
    CHECK(judge, regs->rbx == BOOT_START_INFO_GPA, "EBX is where start_info lies",
          "it is %#llx, not %#llx", (unsigned long long)regs->rbx,
          (unsigned long long)BOOT_START_INFO_GPA);
    CHECK(judge, regs->rflags == 2, "RFLAGS is 2: no interrupts yet", "it is %#llx",
          (unsigned long long)regs->rflags);
    CHECK(judge, memcmp(regs, &due, sizeof due) == 0, "all other registers are 0",
          "one of them is not (RAX %#llx, RSI %#llx)", (unsigned long long)regs->rax,
          (unsigned long long)regs->rsi);
}

void vcpu_starts_as_pvh_wants(struct judge *judge)
{
    struct kvm_plan plan = plan_make();
    const struct lab11_board in = {.entry = 0x100000 +
                                            (uint32_t)judge_random_below(judge, 1 << 30)};
    const struct calls c = board_run(judge, &in, &plan);
    const struct call *sregs = operation_call(judge, c.e, OP_START, KVM_SET_SREGS, 0),
                      *regs = operation_call(judge, c.e, OP_START, KVM_SET_REGS, 0);
    struct kvm_sregs s;
    struct kvm_regs r;

    returned(judge, c.out->start, 0, "boot_vcpu_start()", "on a vCPU");
    CHECK(judge, sregs && regs, "both kinds of registers are set",
          "there is no KVM_SET_%sREGS", sregs ? "" : "S");
    memcpy(&s, sregs->payload, sizeof s);
    memcpy(&r, regs->payload, sizeof r);
    segments_check(judge, &s);
    control_check(judge, &s);
    registers_check(judge, &r, in.entry);
    plan.faults[0] = (struct plan_fault){.kind = CALL_IOCTL,
                                         .request = (uint32_t)KVM_SET_SREGS,
                                         .error = EINVAL,
                                         .repeat = 1};
    returned(judge, board_run(judge, &in, &plan).out->start, -EINVAL, "boot_vcpu_start()",
             "where KVM refuses the segments");
}
