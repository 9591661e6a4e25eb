/* cpu.h - instructions that C has no words for. */
#ifndef CPU_H
#define CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "vmx.h"

/* Descriptor-table register: what LGDT and LIDT load (SDM 3A 2.4). */
struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t time_read(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}

/* EAX, EBX, ECX, EDX of a CPUID leaf. */
static inline void cpuid_read(uint32_t leaf, uint32_t subleaf, uint32_t answer[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(answer[0]), "=b"(answer[1]), "=c"(answer[2]), "=d"(answer[3])
                     : "a"(leaf), "c"(subleaf));
}

static inline uint32_t cpuid_ecx(uint32_t leaf)
{
    uint32_t answer[4];

    cpuid_read(leaf, 0, answer);
    return answer[2];
}

#define CONTROL_REGISTER(n)                                                                \
    static inline uint64_t cr##n##_read(void)                                              \
    {                                                                                      \
        uint64_t value;                                                                    \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value));                              \
        return value;                                                                      \
    }                                                                                      \
    static inline void cr##n##_write(uint64_t value)                                       \
    {                                                                                      \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");                     \
    }
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)

/* VMX instructions report failure in RFLAGS: CF "invalid" (there is no current VMCS), ZF
 * "valid" (VM_INSTRUCTION_ERROR has a number). (SDM 3C 31.2) */

static inline uint64_t vmcs_read(enum vmcs_field field)
{
    uint64_t value = 0;

    __asm__ volatile("vmread %1, %0" : "=rm"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

static inline void vmcs_write(enum vmcs_field field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "rm"(value) : "cc");
}

/* The three that take the physical address of a VMXON region or a VMCS. False: failed. */
#define VMX_ADDRESS_INSTRUCTION(name)                                                      \
    static inline bool name(uint64_t address)                                              \
    {                                                                                      \
        bool failed;                                                                       \
        __asm__ volatile(#name " %1"                                                       \
                         : "=@ccbe"(failed) /* CF or ZF */                                 \
                         : "m"(address)                                                    \
                         : "memory");                                                      \
        return !failed;                                                                    \
    }
VMX_ADDRESS_INSTRUCTION(vmxon)
VMX_ADDRESS_INSTRUCTION(vmclear)
VMX_ADDRESS_INSTRUCTION(vmptrld)

/* Forgets all translations that came from any EPT (type 2: global). (SDM 3C 31.3, INVEPT) */
static inline void invept_all(void)
{
    const uint64_t descriptor[2] = {0, 0};

    __asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"(2ull) : "cc", "memory");
}

#endif
