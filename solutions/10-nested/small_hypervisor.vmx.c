/* small_hypervisor.vmx.c - part 10: a hypervisor on the bare Intel CPU. A program.
 * The contract is in common/include/guest_hypervisor.h; what the program finds there in
 * common/silicon/program.h; the VMCS's fields in common/include/vmx.h. */
#include "devices.h"
#include "guest_hypervisor.h"
#include "program.h"
#include "x86.h"

#define PAGE      4096u
#define TABLES    16 /* pages for EPT tables: more than are needed */
#define EPT_RWX   7ull
#define EPT_WB    (6ull << 3) /* memory type of a page: write-back */
#define CPUID_VMX (1u << 5)   /* CPUID leaf 1, ECX */

struct region {
    uint32_t revision;
    uint8_t rest[PAGE - 4];
} __attribute__((aligned(4096)));

static struct region vmxon_region, vmcs_region;
static uint8_t io_bitmaps[2][PAGE] __attribute__((aligned(4096)));
static uint64_t tables[TABLES][512] __attribute__((aligned(4096)));
static unsigned tables_used = 1; /* the first is the root */

/* Maps one page of L2's to one of ours. */
static void page_map(uint64_t gpa, uint64_t to)
{
    //@begin
    //@ /* TODO 11: from the root down; a table that is missing is taken from tables[]. */
    //@ (void)gpa, (void)to, (void)tables, (void)tables_used;
    uint64_t *table = tables[0];

    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[gpa >> shift & 511];

        if (!*entry)
            *entry = (uintptr_t)tables[tables_used++] | EPT_RWX;
        table = (uint64_t *)(*entry & ~0xfffull);
    }
    table[gpa >> 12 & 511] = to | EPT_WB | EPT_RWX;
    //@end
}

/* VMX is switched on by three things: the firmware's permission (an MSR that stays locked until
 * the next reset; here you are the firmware), CR4.VMXE, and VMXON. Then a VMCS is made current.
 * (SDM 3C 24.7, 25.2, 25.11) */
static bool vmx_on(void)
{
    //@begin
    //@ /* TODO 12: is there VMX (CPUID)? Before that says yes, there are no MSRs of VMX to be
    //@  * read. Permission, CR0 and CR4 as MSR_VMX_CRn_FIXED0 demands, both regions' revision,
    //@  * VMXON, VMCLEAR, VMPTRLD. */
    //@ (void)vmxon_region, (void)vmcs_region;
    //@ return false;
    if (!(cpuid_ecx(1) & CPUID_VMX))
        return false;
    if (!(msr_read(MSR_IA32_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK))
        msr_write(MSR_IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    if (!(msr_read(MSR_IA32_FEATURE_CONTROL) & FEATURE_CONTROL_VMX))
        return false;
    cr0_write(cr0_read() | msr_read(MSR_VMX_CR0_FIXED0));
    cr4_write(cr4_read() | msr_read(MSR_VMX_CR4_FIXED0));
    vmxon_region.revision = (uint32_t)msr_read(MSR_VMX_BASIC) & 0x7fffffff;
    vmcs_region.revision = vmxon_region.revision;
    return vmxon((uintptr_t)&vmxon_region) && vmclear((uintptr_t)&vmcs_region) &&
           vmptrld((uintptr_t)&vmcs_region);
    //@end
}

/* Writes a set of controls: those that are wanted, and those that the CPU demands. False: it
 * does not offer one of them. (SDM 3D A.3 to A.5) */
static bool controls_set(enum vmcs_field field, uint32_t msr, uint32_t wanted)
{
    //@begin
    //@ /* TODO 13: the MSR's halves say what must and what may be 1. */
    //@ (void)field, (void)msr, (void)wanted;
    //@ return false;
    const uint64_t capability = msr_read(msr);
    const uint32_t must = (uint32_t)capability, may = (uint32_t)(capability >> 32);

    vmcs_write(field, wanted | must);
    return (wanted & ~may) == 0;
    //@end
}

/* Groups 3 to 5: what leads to an exit, how an exit and an entry are done. */
static bool controls_fill(const struct hypervisor_job *job)
{
    //@begin
    //@ /* TODO 14: which exits does the contract ask for? Everything has its control, and some
    //@  * a page beside it: the I/O bitmaps, the EPT. We run in 64-bit mode before and after. */
    //@ (void)job, (void)io_bitmaps;
    //@ return controls_set(VMCS_PIN_BASED_CONTROLS, MSR_VMX_TRUE_PIN, 0);
    io_bitmaps[job->port >> 15][(job->port & 0x7fff) / 8] |= (uint8_t)(1 << job->port % 8);
    vmcs_write(VMCS_IO_BITMAP_A, (uintptr_t)io_bitmaps[0]);
    vmcs_write(VMCS_IO_BITMAP_B, (uintptr_t)io_bitmaps[1]);
    vmcs_write(VMCS_EPT_POINTER, (uintptr_t)tables[0] | EPTP_WALK_4 | EPTP_WRITE_BACK);
    return controls_set(VMCS_PIN_BASED_CONTROLS, MSR_VMX_TRUE_PIN, 0) &&
           controls_set(VMCS_PRIMARY_PROCESSOR_CONTROLS, MSR_VMX_TRUE_PRIMARY,
                        PRIMARY_HLT_EXITING | PRIMARY_USE_IO_BITMAPS |
                            PRIMARY_SECONDARY_CONTROLS) &&
           controls_set(VMCS_SECONDARY_PROCESSOR_CONTROLS, MSR_VMX_SECONDARY,
                        SECONDARY_ENABLE_EPT) &&
           controls_set(VMCS_VM_EXIT_CONTROLS, MSR_VMX_TRUE_EXIT,
                        EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_EFER | EXIT_LOAD_EFER) &&
           controls_set(VMCS_VM_ENTRY_CONTROLS, MSR_VMX_TRUE_ENTRY,
                        ENTRY_IA32E_MODE_GUEST | ENTRY_LOAD_EFER);
    //@end
}

/* Group 1, the part that is the same for every flat 64-bit guest. */
static void guest_segments_fill(const struct hypervisor_job *job)
{
    static const struct vmx_segment segments[] = {
        [SEG_ES] = {PROGRAM_DATA, 0xffffffff, 0xc093, 0, 0},
        [SEG_CS] = {PROGRAM_CODE, 0xffffffff, 0xa09b, 0, 0},
        [SEG_SS] = {PROGRAM_DATA, 0xffffffff, 0xc093, 0, 0},
        [SEG_DS] = {PROGRAM_DATA, 0xffffffff, 0xc093, 0, 0},
        [SEG_FS] = {PROGRAM_DATA, 0xffffffff, 0xc093, 0, 0},
        [SEG_GS] = {PROGRAM_DATA, 0xffffffff, 0xc093, 0, 0},
        [SEG_LDTR] = {0, 0, SEGMENT_UNUSABLE, 0, 0},
        [SEG_TR] = {0, 0x67, 0x8b, 0, 0},
    };

    for (unsigned i = SEG_ES; i <= SEG_TR; i++) {
        vmcs_write(VMCS_GUEST_ES_SELECTOR + 2 * i, segments[i].selector);
        vmcs_write(VMCS_GUEST_ES_LIMIT + 2 * i, segments[i].limit);
        vmcs_write(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * i, segments[i].access_rights);
        vmcs_write(VMCS_GUEST_ES_BASE + 2 * i, segments[i].base);
    }
    vmcs_write(VMCS_GUEST_GDTR_BASE, job->l2_gdt);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, 3 * 8 - 1);
}

/* Group 1: the rest. */
static void guest_state_fill(const struct hypervisor_job *job)
{
    guest_segments_fill(job);
    //@begin
    //@ /* TODO 15: where L2 starts, and the mode: CR0, CR4 and EFER of 64-bit mode with paging,
    //@  * and what VMX operation fixes in them for the guest as well. No shadow VMCS:
    //@  * VMCS_VMCS_LINK_POINTER is all ones. */
    vmcs_write(VMCS_GUEST_CR0, CR0_PE | CR0_PG | msr_read(MSR_VMX_CR0_FIXED0));
    vmcs_write(VMCS_GUEST_CR4, CR4_PAE | msr_read(MSR_VMX_CR4_FIXED0));
    vmcs_write(VMCS_GUEST_CR3, job->l2_cr3);
    vmcs_write(VMCS_GUEST_IA32_EFER, EFER_LME | EFER_LMA);
    vmcs_write(VMCS_GUEST_RIP, job->l2_rip);
    vmcs_write(VMCS_GUEST_RSP, job->l2_rsp);
    vmcs_write(VMCS_GUEST_RFLAGS, RFLAGS_RESERVED);
    vmcs_write(VMCS_GUEST_DR7, 0x400);
    vmcs_write(VMCS_VMCS_LINK_POINTER, ~0ull);
    //@end
}

/* Group 2, the part that is the same as long as nobody loads other segments. There is no IDT:
 * HOST_IDTR_BASE stays 0, and so do the bases of FS and GS. */
static void host_segments_fill(void)
{
    static const enum vmcs_field data[] = {VMCS_HOST_ES_SELECTOR, VMCS_HOST_SS_SELECTOR,
                                           VMCS_HOST_DS_SELECTOR, VMCS_HOST_FS_SELECTOR,
                                           VMCS_HOST_GS_SELECTOR};

    for (unsigned i = 0; i < sizeof data / sizeof data[0]; i++)
        vmcs_write(data[i], PROGRAM_DATA);
    vmcs_write(VMCS_HOST_CS_SELECTOR, PROGRAM_CODE);
    vmcs_write(VMCS_HOST_TR_SELECTOR, PROGRAM_TSS);
    vmcs_write(VMCS_HOST_TR_BASE, (uintptr_t)program_tss);
    vmcs_write(VMCS_HOST_GDTR_BASE, (uintptr_t)program_gdt);
}

/* Group 2: the rest of the processor after a VM exit. */
static void host_state_fill(void)
{
    host_segments_fill();
    //@begin
    //@ /* TODO 16: control registers and EFER as they are now; where does an exit lead to? */
    vmcs_write(VMCS_HOST_CR0, cr0_read());
    vmcs_write(VMCS_HOST_CR3, cr3_read());
    vmcs_write(VMCS_HOST_CR4, cr4_read());
    vmcs_write(VMCS_HOST_IA32_EFER, msr_read(MSR_EFER));
    vmcs_write(VMCS_HOST_RIP, (uintptr_t)vmx_exit_arrive);
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
static bool instruction_done(struct hypervisor_job *job, enum hypervisor_exit kind)
{
    job->exits[kind]++;
    //@begin
    //@ /* TODO 17: RIP. */
    //@ return false;
    vmcs_write(VMCS_GUEST_RIP,
               vmcs_read(VMCS_GUEST_RIP) + vmcs_read(VMCS_EXIT_INSTRUCTION_LENGTH));
    return true;
    //@end
}

/* Qualification: 2:0 bytes - 1, 3 IN, 4 string, 31:16 port (SDM 3C table 28-5). */
static bool exit_port(struct hypervisor_job *job, uint64_t registers[L2_REGISTERS])
{
    //@begin
    //@ /* TODO 17: is it an access that the contract names? device_access() carries it out. */
    //@ (void)registers;
    //@ return end(job, HYPERVISOR_UNEXPECTED, VMX_EXIT_IO_INSTRUCTION);
    const uint64_t qualification = vmcs_read(VMCS_EXIT_QUALIFICATION);
    const unsigned bytes = (qualification & 7) + 1;

    if (qualification >> 16 != job->port || qualification >> 4 & 1 || bytes == 2)
        return end(job, HYPERVISOR_UNEXPECTED, VMX_EXIT_IO_INSTRUCTION);
    device_access(job, qualification >> 3 & 1, bytes, &registers[L2_RAX]);
    return instruction_done(job, HYPERVISOR_PORT);
    //@end
}

static bool exit_ept_violation(struct hypervisor_job *job)
{
    const uint64_t gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);

    //@begin
    //@ /* TODO 17: the late page is repaired, and counted; everything else is a hole. */
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
    const uint64_t reason = vmcs_read(VMCS_EXIT_REASON);

    switch (reason) {
    case VMX_EXIT_CPUID:
        device_cpuid(job, registers);
        return instruction_done(job, HYPERVISOR_CPUID);
    case VMX_EXIT_IO_INSTRUCTION:
        return exit_port(job, registers);
    case VMX_EXIT_EPT_VIOLATION:
        return exit_ept_violation(job);
    //@begin
    //@ /* TODO 17: the other exits of the contract. What if no L2 ran before this exit (bit
    //@  * 31)? */
    case VMX_EXIT_VMCALL:
        registers[L2_RAX] = registers[L2_RBX] ^ job->call_key;
        return instruction_done(job, HYPERVISOR_CALL);
    case VMX_EXIT_HLT:
        instruction_done(job, HYPERVISOR_HLT);
        return end(job, HYPERVISOR_HALTED, 0);
    case VMX_EXIT_INVALID_GUEST_STATE | VMX_EXIT_ENTRY_FAILURE:
        return end(job, HYPERVISOR_NOT_ENTERED, reason);
    //@end
    default:
        return end(job, HYPERVISOR_UNEXPECTED, reason);
    }
}

void hypervisor_main(struct hypervisor_job *job)
{
    uint64_t registers[L2_REGISTERS] = {0};
    bool launched = false, running = true;

    if (!vmx_on() || !controls_fill(job)) {
        end(job, HYPERVISOR_NO_SUPPORT, 0);
        return;
    }
    for (uint64_t at = 0; at < job->l2_size; at += PAGE)
        page_map(at, job->l2_base + at);
    guest_state_fill(job);
    host_state_fill();
    while (running) {
        //@begin
        //@ /* TODO 18: enter L2, answer its exit. Which entry is a launch? What if the CPU
        //@  * refuses? */
        //@ (void)launched;
        //@ running = exit_answer(job, registers) && false;
        if (vmx_enter(registers, launched) != 0)
            running =
                end(job, HYPERVISOR_NOT_ENTERED, vmcs_read(VMCS_VM_INSTRUCTION_ERROR));
        else
            running = exit_answer(job, registers);
        launched = true;
        //@end
    }
}
