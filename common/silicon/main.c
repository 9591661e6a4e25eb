/* main.c - takes the job, enters the guest, notes and answers its exits, closes the log. */
#include "cpu.h"
#include "runtime.h"

#define LOG     ((struct silicon_log *)SILICON_LOG_HPA)
#define RECORDS ((struct silicon_record *)SILICON_RECORDS_HPA)
#define JOB     ((const struct silicon_job *)SILICON_JOB_HPA)

#define BREAK_PORT 0x8900 /* Bochs: 'D' hands over to the debugger, which ends the run */

/* What changes while the guest runs. */
struct run {
    uint64_t registers[16];
    uint32_t events_used, writes_used;
};

/* --- the end ---------------------------------------------------------------------------------- */

/* Closes the log. Nothing that comes after the checksum counts. */
_Noreturn static void run_end(enum silicon_end end, uint64_t detail, uint64_t extra)
{
    struct silicon_log *log = LOG;

    log->detail = detail;
    log->extra = extra;
    log->end_time = time_read();
    log->checksum = 0;

    uint64_t sum = silicon_checksum(JOB->nonce, &log->nonce, sizeof *log - 8);

    log->checksum =
        silicon_checksum(sum, RECORDS, log->record_count * sizeof(struct silicon_record));
    log->magic = SILICON_LOG_MAGIC;
    log->end = end;
    for (;;)
        out8(BREAK_PORT, 'D');
}

_Noreturn void host_fault(uint64_t vector, uint64_t rip)
{
    run_end(SILICON_HOST_FAULT, vector, rip);
}

#define JOB_REQUIRE(condition)                                                             \
    do {                                                                                   \
        if (!(condition))                                                                  \
            run_end(SILICON_BAD_JOB, __LINE__, 0);                                         \
    } while (0)

/* --- the runtime's own tables ----------------------------------------------------------------- */

struct host_tables host_tables __attribute__((aligned(16)));
extern const uint8_t exception_stubs[];

static void gate_set(uint64_t gate[2], uintptr_t handler)
{
    /* Interrupt gate, present, DPL 0 (SDM 3A 6.14.1). */
    gate[0] = (handler & 0xffff) | (uint64_t)SELECTOR_CODE64 << 16 | 0x8e00ull << 32 |
              (uint64_t)(handler >> 16 & 0xffff) << 48;
    gate[1] = handler >> 32;
}

void host_tables_load(void)
{
    struct host_tables *t = &host_tables;
    const uint64_t tss = (uintptr_t)t->tss;
    const struct table_register gdtr = {sizeof t->gdt - 1, (uintptr_t)t->gdt},
                                idtr = {sizeof t->idt - 1, (uintptr_t)t->idt};

    t->gdt[1] = 0x00af9b000000ffff; /* code, 64 bits */
    t->gdt[2] = 0x00cf93000000ffff; /* data */
    t->gdt[3] = (sizeof t->tss - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
                (tss >> 24 & 0xff) << 56;
    t->gdt[4] = tss >> 32;
    for (unsigned vector = 0; vector < 32; vector++)
        gate_set(&t->idt[2 * vector], (uintptr_t)exception_stubs + 16 * vector);
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %2\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovl %3, %%ds\n\t"
                     "movl %3, %%es\n\t"
                     "movl %3, %%ss\n\t"
                     "movl %3, %%fs\n\t"
                     "movl %3, %%gs\n\t"
                     "ltr %w4\n\t"
                     "lidt %1"
                     :
                     : "m"(gdtr), "m"(idtr), "i"(SELECTOR_CODE64), "r"(SELECTOR_DATA),
                       "r"(SELECTOR_TSS)
                     : "rax", "memory");
}

/* --- the job ---------------------------------------------------------------------------------- */

static void job_check(void)
{
    const struct silicon_job *job = JOB;

    JOB_REQUIRE(job->magic == SILICON_JOB_MAGIC);
    JOB_REQUIRE(job->size >= sizeof *job && job->size <= SILICON_JOB_MAX);
    JOB_REQUIRE(job->record_limit <= SILICON_RECORDS_MAX);
    JOB_REQUIRE(job->event_count <= SILICON_EVENTS_MAX);
    JOB_REQUIRE(job->write_count <= SILICON_WRITES_MAX);
    JOB_REQUIRE(job->segment_count <= SILICON_SEGMENTS_MAX);
    for (uint32_t i = 0; i < job->segment_count; i++) {
        const struct silicon_segment *s = &job->segments[i];

        JOB_REQUIRE(s->offset <= job->size && s->length <= job->size - s->offset);
        JOB_REQUIRE(s->hpa >= SILICON_TABLES_HPA && s->hpa < SILICON_RAM_END &&
                    s->length <= SILICON_RAM_END - s->hpa);
    }
}

static void memory_prepare(void)
{
    const struct silicon_job *job = JOB;
    const struct silicon_fill *fill = &job->fill;

    if (fill->step)
        for (uint64_t hpa = fill->from; hpa < fill->to; hpa += fill->step)
            *(uint64_t *)hpa = silicon_pattern(job->nonce, hpa);
    for (uint32_t i = 0; i < job->segment_count; i++) {
        const struct silicon_segment *s = &job->segments[i];

        __builtin_memcpy((void *)s->hpa, (const uint8_t *)job + s->offset, s->length);
    }
}

/* --- exits ------------------------------------------------------------------------------------ */

/* Notes the exit. Null: the log is full. */
static struct silicon_record *exit_note(const struct run *run)
{
    struct silicon_log *log = LOG;
    struct silicon_record *r = &RECORDS[log->record_count];

    if (log->record_count == JOB->record_limit)
        return NULL;
    log->record_count++;
    *r = (struct silicon_record){
        .exit_reason = (uint32_t)vmcs_read(VMCS_EXIT_REASON),
        .instruction_length = (uint32_t)vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH),
        .instruction_info = (uint32_t)vmcs_read(VMCS_EXIT_INSTRUCTION_INFO),
        .qualification = vmcs_read(VMCS_EXIT_QUALIFICATION),
        .guest_physical_address = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS),
        .guest_linear_address = vmcs_read(VMCS_GUEST_LINEAR_ADDRESS),
        .interruption_info = (uint32_t)vmcs_read(VMCS_EXIT_INTERRUPTION_INFO),
        .interruption_error_code = (uint32_t)vmcs_read(VMCS_EXIT_INTERRUPTION_ERROR_CODE),
        .idt_vectoring_info = (uint32_t)vmcs_read(VMCS_IDT_VECTORING_INFO),
        .idt_vectoring_error_code = (uint32_t)vmcs_read(VMCS_IDT_VECTORING_ERROR_CODE),
        .rip = vmcs_read(VMCS_GUEST_RIP),
        .rsp = vmcs_read(VMCS_GUEST_RSP),
        .rflags = vmcs_read(VMCS_GUEST_RFLAGS),
        .cs_selector = (uint32_t)vmcs_read(VMCS_GUEST_CS_SELECTOR),
        .rax = run->registers[SILICON_RAX],
        .rbx = run->registers[SILICON_RBX],
        .rcx = run->registers[SILICON_RCX],
        .time = time_read(),
    };
    return r;
}

static void event_inject(uint32_t info, uint32_t error_code, uint32_t length)
{
    vmcs_write(VMCS_VM_ENTRY_INTERRUPTION_INFO, info);
    vmcs_write(VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE, error_code);
    vmcs_write(VMCS_VM_ENTRY_INSTRUCTION_LENGTH, length);
}

/* The instruction is done: RIP behind it, and no longer in the shadow of STI or MOV SS. */
static void instruction_skip(const struct silicon_record *r)
{
    vmcs_write(VMCS_GUEST_RIP, r->rip + r->instruction_length);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY_STATE,
               vmcs_read(VMCS_GUEST_INTERRUPTIBILITY_STATE) & ~3ull);
}

/* A port without a device: reads give ones. (Qualification: SDM 3C table 28-5) */
static void port_read_ones(struct run *run, uint64_t qualification)
{
    const unsigned bytes = (unsigned)(qualification & 7) + 1;
    const bool in = qualification >> 3 & 1, string = qualification >> 4 & 1;
    uint64_t *rax = &run->registers[SILICON_RAX];

    if (!in || string)
        return;
    *rax = bytes == 4 ? 0xffffffff : *rax | ((1ull << 8 * bytes) - 1);
}

/* Gives the guest the exception that was intercepted. */
static void exception_reflect(const struct silicon_record *r)
{
    const uint32_t vector = r->interruption_info & VMX_EVENT_VECTOR;

    if (vector == 14) /* #PF: the address is ours to put where the handler looks for it */
        cr2_write(r->qualification);
    /* Bit 12 tells of NMIs; at VM entry it is reserved. */
    event_inject(r->interruption_info & ~(1u << 12), r->interruption_error_code,
                 r->instruction_length);
}

/* VMCALL: the guest speaks to us. False: it says that it is done. */
static bool call_answer(struct run *run, const struct silicon_record *r)
{
    const struct silicon_job *job = JOB;

    instruction_skip(r);
    switch (r->rax) {
    case SILICON_CALL_NOTE:
        return true;
    case SILICON_CALL_INVALIDATE:
        invept_all();
        return true;
    case SILICON_CALL_EVENT:
        if (run->events_used < job->event_count) {
            const struct silicon_event *e = &job->events[run->events_used++];

            event_inject(e->info, e->error_code, e->instruction_length);
        }
        return true;
    case SILICON_CALL_WRITE:
        if (run->writes_used < job->write_count) {
            const struct silicon_write *w = &job->writes[run->writes_used++];

            *(volatile uint64_t *)w->hpa = w->value;
        }
        return true;
    default:
        return false;
    }
}

/* Prepares the next entry. Or ends the run. */
static void exit_answer(struct run *run, const struct silicon_record *r)
{
    const uint32_t reason = r->exit_reason & VMX_EXIT_BASIC_REASON;

    if (reason == VMX_EXIT_VMCALL) {
        if (!call_answer(run, r))
            run_end(r->rax == SILICON_CALL_END ? SILICON_ENDED : SILICON_STOPPED, 0, 0);
        return;
    }
    switch (reason < VMX_EXIT_REASON_COUNT ? JOB->actions[reason] : SILICON_STOP) {
    case SILICON_SKIP:
        if (reason == VMX_EXIT_IO_INSTRUCTION)
            port_read_ones(run, r->qualification);
        instruction_skip(r);
        break;
    case SILICON_RECOVER:
        vmcs_write(VMCS_GUEST_RIP, run->registers[SILICON_R15]);
        break;
    case SILICON_REFLECT:
        exception_reflect(r);
        break;
    case SILICON_RESUME:
        break;
    default:
        run_end(SILICON_STOPPED, 0, 0);
    }
}

_Noreturn static void guest_run(struct run *run)
{
    for (bool launched = false;; launched = true) {
        int failure = vmx_enter(run->registers, launched);

        if (failure)
            run_end(SILICON_NOT_ENTERED,
                    failure == 2 ? vmcs_read(VMCS_VM_INSTRUCTION_ERROR) : 0, 0);

        const struct silicon_record *r = exit_note(run);

        __builtin_memcpy(LOG->final_registers, run->registers, sizeof run->registers);
        LOG->events_used = run->events_used;
        if (!r)
            run_end(SILICON_FULL, 0, 0);
        if (r->exit_reason & VMX_EXIT_ENTRY_FAILURE)
            run_end(SILICON_BAD_STATE, r->exit_reason, r->qualification);
        exit_answer(run, r);
    }
}

static void capabilities_note(const struct vmx_capabilities *c)
{
    struct silicon_log *log = LOG;

    log->vmx_basic = c->basic;
    log->ept_vpid_capabilities = c->ept_vpid;
    log->controls_offered[0] = c->pin;
    log->controls_offered[1] = c->primary;
    log->controls_offered[2] = c->secondary;
    log->controls_offered[3] = c->exit;
    log->controls_offered[4] = c->entry;
}

_Noreturn void runtime_main(void)
{
    struct vmx_capabilities capabilities;
    struct run run = {0};
    uint64_t missing;
    enum silicon_end end;

    LOG->nonce = JOB->nonce;
    LOG->start_time = time_read();
    host_tables_load();
    job_check();
    memory_prepare();
    end = vmx_start(&capabilities);
    if (end != SILICON_END_NONE)
        run_end(end, 0, 0);
    capabilities_note(&capabilities);
    if (!vmcs_fill(&JOB->guest, &JOB->controls, &capabilities, &missing))
        run_end(SILICON_NO_CONTROL, missing, 0);
    __builtin_memcpy(run.registers, JOB->registers, sizeof run.registers);
    guest_run(&run);
}
