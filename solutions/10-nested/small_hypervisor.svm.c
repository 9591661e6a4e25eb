/* small_hypervisor.svm.c - part 10: a hypervisor that is a guest of yours. A program of its own.
 * The contract is in common/include/guest_hypervisor.h, the formats in common/include/svm.h. */
#include "devices.h"
#include "guest_hypervisor.h"
#include "svm.h"
#include "x86.h"

#define PAGE   4096u
#define TABLES 16 /* pages for nested page tables: more than are needed */

#define SEGMENT_CODE 0x0a9b /* attributes: 64-bit code; present, accessed */
#define SEGMENT_DATA 0x0c93

static struct vmcb vmcb;
static uint8_t host_save[PAGE] __attribute__((aligned(4096)));
static uint8_t io_permission_map[3 * PAGE] __attribute__((aligned(4096)));
static uint64_t tables[TABLES][512] __attribute__((aligned(4096)));
static unsigned tables_used = 1; /* the first is the root */

/* What an entry of a nested page table is: the table below it, or L1's page. */
static uint64_t entry_to(uint64_t address)
{
    //@begin
    //@ /* TODO 19: the processor makes these accesses as a user (svm.h). */
    //@ return address;
    return address | NPT_ALL;
    //@end
}

/* Maps one page of L2's to one of ours: as with an EPT. */
static void page_map(uint64_t gpa, uint64_t to)
{
    uint64_t *table = tables[0];

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[gpa >> shift & 511];

        if (!*entry)
            *entry = entry_to((uintptr_t)tables[tables_used++]);
        table = (uint64_t *)(*entry & ~0xfffull);
    }
    table[gpa >> 12 & 511] = entry_to(to);
}

/* (APM 2, 15.4 and 15.30.4) */
static bool svm_on(void)
{
    //@begin
    //@ /* TODO 20: is there SVM (CPUID)? EFER.SVME, and the page for the host's state. */
    //@ (void)host_save;
    //@ return false;
    uint32_t features[4];

    cpuid_read(CPUID_SVM_LEAF, 0, features);
    if (!(features[2] & CPUID_SVM))
        return false;
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
    msr_write(MSR_VM_HSAVE_PA, (uintptr_t)host_save);
    return true;
    //@end
}

/* What leads to an exit, and nested paging. */
static void control_area_fill(const struct hypervisor_job *job)
{
    //@begin
    //@ /* TODO 21: which exits does the contract ask for? VMRUN checks a few fields that must
    //@  * not be 0 (APM 2, 15.5.1). */
    //@ (void)job, (void)io_permission_map;
    vmcb.intercepts = INTERCEPT_CPUID | INTERCEPT_HLT | INTERCEPT_PORTS;
    vmcb.intercepts_svm = INTERCEPT_VMRUN | INTERCEPT_VMMCALL;
    io_permission_map[job->port / 8] |= (uint8_t)(1 << job->port % 8);
    vmcb.io_permission_map = (uintptr_t)io_permission_map;
    vmcb.asid = 1;
    vmcb.nested_control = 1;
    vmcb.nested_cr3 = (uintptr_t)tables[0];
    //@end
}

/* Where L2 starts. */
static void state_fill(const struct hypervisor_job *job)
{
    const struct vmcb_segment code = {SELECTOR_CODE, SEGMENT_CODE, 0xffffffff, 0};
    const struct vmcb_segment data = {SELECTOR_DATA, SEGMENT_DATA, 0xffffffff, 0};

    vmcb.cs = code;
    vmcb.es = vmcb.ss = vmcb.ds = vmcb.fs = vmcb.gs = data;
    vmcb.gdtr = (struct vmcb_segment){0, 0, 3 * 8 - 1, job->l2_gdt};
    vmcb.dr6 = 0xffff0ff0;
    vmcb.dr7 = 0x400;
    vmcb.pat = 0x0007040600070406ull; /* as after a reset */
    //@begin
    //@ /* TODO 22: CR0, CR4 and EFER of 64-bit mode with paging (and SVME: VMRUN wants to see it
    //@  * in the guest's EFER too); CR3, RIP, RSP, RFLAGS. */
    vmcb.cr0 = CR0_PE | CR0_PG | CR0_ET | CR0_NE;
    vmcb.cr4 = CR4_PAE;
    vmcb.efer = EFER_LME | EFER_LMA | EFER_SVME;
    vmcb.cr3 = job->l2_cr3;
    vmcb.rip = job->l2_rip;
    vmcb.rsp = job->l2_rsp;
    vmcb.rflags = RFLAGS_RESERVED;
    //@end
}

/* Ends the run. */
static bool end(struct hypervisor_job *job, enum hypervisor_end why, uint64_t detail)
{
    job->end = why;
    job->end_detail = detail;
    return false;
}

/* The instruction that exited is done: counts it, and L2 goes on behind it. */
static bool instruction_done(struct hypervisor_job *job, enum hypervisor_exit kind,
                             uint64_t next_rip)
{
    job->exits[kind]++;
    vmcb.rip = next_rip;
    return true;
}

static bool exit_port(struct hypervisor_job *job, uint64_t registers[L2_REGISTERS])
{
    //@begin
    //@ /* TODO 23: is it an access that the contract names? device_access() carries it out. */
    //@ (void)registers;
    //@ return end(job, HYPERVISOR_UNEXPECTED, VMEXIT_IOIO);
    const uint64_t info = vmcb.exit_info_1;

    if (info >> 16 != job->port || info & IOIO_STRING ||
        !(info & (IOIO_SIZE_1 | IOIO_SIZE_4)))
        return end(job, HYPERVISOR_UNEXPECTED, VMEXIT_IOIO);
    device_access(job, info & IOIO_IN, info & IOIO_SIZE_1 ? 1 : 4, &registers[L2_RAX]);
    return instruction_done(job, HYPERVISOR_PORT, vmcb.exit_info_2);
    //@end
}

static bool exit_nested_page_fault(struct hypervisor_job *job)
{
    const uint64_t gpa = vmcb.exit_info_2;

    //@begin
    //@ /* TODO 23: as an EPT violation. */
    //@ return end(job, HYPERVISOR_HOLE, gpa);
    if (gpa / PAGE != job->late_gpa / PAGE || job->exits[HYPERVISOR_PAGE])
        return end(job, HYPERVISOR_HOLE, gpa);
    job->exits[HYPERVISOR_PAGE]++;
    page_map(job->late_gpa, job->late_to);
    return true;
    //@end
}

/* Answers one exit. False: L2 has ended. */
static bool exit_answer(struct hypervisor_job *job, uint64_t registers[L2_REGISTERS])
{
    switch (vmcb.exit_code) {
    case VMEXIT_CPUID:
        device_cpuid(job, registers);
        return instruction_done(job, HYPERVISOR_CPUID, vmcb.rip + 2);
    case VMEXIT_IOIO:
        return exit_port(job, registers);
    case VMEXIT_NPF:
        return exit_nested_page_fault(job);
    //@begin
    //@ /* TODO 23: the other exits of the contract. Who knows where L2 goes on? */
    case VMEXIT_VMMCALL:
        registers[L2_RAX] = registers[L2_RBX] ^ job->call_key;
        return instruction_done(job, HYPERVISOR_CALL, vmcb.rip + 3);
    case VMEXIT_HLT:
        instruction_done(job, HYPERVISOR_HLT, vmcb.rip + 1);
        return end(job, HYPERVISOR_HALTED, 0);
    case VMEXIT_INVALID:
        return end(job, HYPERVISOR_NOT_ENTERED, vmcb.exit_code);
    //@end
    default:
        return end(job, HYPERVISOR_UNEXPECTED, vmcb.exit_code);
    }
}

void hypervisor_main(struct hypervisor_job *job)
{
    uint64_t registers[L2_REGISTERS] = {0};

    if (!svm_on()) {
        end(job, HYPERVISOR_NO_SUPPORT, 0);
        return;
    }
    for (uint64_t at = 0; at < job->l2_size; at += PAGE)
        page_map(at, job->l2_base + at);
    control_area_fill(job);
    state_fill(job);
    do
        svm_enter(&vmcb, registers);
    while (exit_answer(job, registers));
}
