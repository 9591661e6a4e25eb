/* vmx.c - VMX operation: permission, VMXON, a current VMCS. */
#include "cpu.h"
#include "runtime.h"

#define MSR_IA32_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_LOCK     (1ull << 0)
#define FEATURE_CONTROL_VMX      (1ull << 2) /* VMXON outside of SMX */

#define MSR_VMX_BASIC       0x480
#define MSR_VMX_PIN         0x481 /* + 12: the TRUE variant */
#define MSR_VMX_PRIMARY     0x482
#define MSR_VMX_EXIT        0x483
#define MSR_VMX_ENTRY       0x484
#define MSR_VMX_CR0_FIXED0  0x486
#define MSR_VMX_CR0_FIXED1  0x487
#define MSR_VMX_CR4_FIXED0  0x488
#define MSR_VMX_CR4_FIXED1  0x489
#define MSR_VMX_SECONDARY   0x48b
#define MSR_VMX_EPT_VPID    0x48c
#define VMX_BASIC_TRUE_MSRS (1ull << 55)
#define VMX_BASIC_REVISION  0x7fffffffu
#define TRUE_MSR_DISTANCE   12u
#define CPUID_1_ECX_VMX     (1u << 5)
#define CR4_VMXE            (1ull << 13)

/* Both regions are the processor's own; all that software writes is the revision they have
 * to have. (SDM 3C 25.2, 3D 25.11.5) */
static struct vmx_region {
    uint32_t revision;
    uint8_t rest[4092];
} __attribute__((aligned(4096))) vmxon_region, vmcs_region;

/* The firmware's decision, locked until the next reset. Here we are the firmware. */
static bool vmx_permitted(void)
{
    uint64_t feature = msr_read(MSR_IA32_FEATURE_CONTROL);

    if (!(feature & FEATURE_CONTROL_LOCK)) {
        feature |= FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX;
        msr_write(MSR_IA32_FEATURE_CONTROL, feature);
    }
    return feature & FEATURE_CONTROL_VMX;
}

/* The TRUE variants tell which of the bits that once had to be 1 may be 0 now. */
static void capabilities_read(struct vmx_capabilities *c)
{
    c->basic = msr_read(MSR_VMX_BASIC);

    uint32_t distance = c->basic & VMX_BASIC_TRUE_MSRS ? TRUE_MSR_DISTANCE : 0;

    c->pin = msr_read(MSR_VMX_PIN + distance);
    c->primary = msr_read(MSR_VMX_PRIMARY + distance);
    c->exit = msr_read(MSR_VMX_EXIT + distance);
    c->entry = msr_read(MSR_VMX_ENTRY + distance);
    c->secondary = 0;
    c->ept_vpid = 0;
    if (c->primary >> 32 & PRIMARY_SECONDARY_CONTROLS)
        c->secondary = msr_read(MSR_VMX_SECONDARY);
    if (c->secondary >> 32 & (SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_VPID))
        c->ept_vpid = msr_read(MSR_VMX_EPT_VPID);
}

/* In VMX operation some bits of CR0 and CR4 are fixed (SDM 3D A.7, A.8). */
static void control_registers_fix(void)
{
    cr0_write((cr0_read() | msr_read(MSR_VMX_CR0_FIXED0)) & msr_read(MSR_VMX_CR0_FIXED1));
    cr4_write((cr4_read() | msr_read(MSR_VMX_CR4_FIXED0) | CR4_VMXE) &
              msr_read(MSR_VMX_CR4_FIXED1));
}

enum silicon_end vmx_start(struct vmx_capabilities *capabilities)
{
    if (!(cpuid_ecx(1) & CPUID_1_ECX_VMX) || !vmx_permitted())
        return SILICON_NO_VMX;
    capabilities_read(capabilities);
    control_registers_fix();
    vmxon_region.revision = capabilities->basic & VMX_BASIC_REVISION;
    vmcs_region.revision = capabilities->basic & VMX_BASIC_REVISION;
    if (!vmxon((uintptr_t)&vmxon_region) || !vmclear((uintptr_t)&vmcs_region) ||
        !vmptrld((uintptr_t)&vmcs_region))
        return SILICON_NO_VMX;
    return SILICON_END_NONE;
}
