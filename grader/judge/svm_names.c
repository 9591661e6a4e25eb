/* svm_names.c - AMD's exit codes in words (APM volume 2, appendix C). */
#include <stddef.h>

#include "judge/trace.h"

#define EXCEPTIONS 32

static const char *const exceptions[EXCEPTIONS] = {
    "#DE",      "#DB", "NMI", "#BP", "#OF",        "#BR",        "#UD",        "#NM", "#DF",
    "vector-9", "#TS", "#NP", "#SS", "#GP",        "#PF",        "vector-15",  "#MF", "#AC",
    "#MC",      "#XF", "#VE", "#CP", [28] = "#HV", [29] = "#VC", [30] = "#SX",
};

/* A page of them; 60h to A3h have no gap but A0h and A1h. */
static const char *const names[] = {
    [SVM_EXIT_INTR] = "interrupt",
    [0x061] = "nmi",
    [0x062] = "smi",
    [0x063] = "init",
    [SVM_EXIT_VINTR] = "vintr",
    [0x065] = "write-cr0",
    [0x066] = "sidt",
    [0x067] = "sgdt",
    [0x068] = "sldt",
    [0x069] = "str",
    [0x06a] = "lidt",
    [0x06b] = "lgdt",
    [0x06c] = "lldt",
    [0x06d] = "ltr",
    [0x06e] = "rdtsc",
    [0x06f] = "rdpmc",
    [0x070] = "pushf",
    [0x071] = "popf",
    [SVM_EXIT_CPUID] = "cpuid",
    [0x073] = "rsm",
    [0x074] = "iret",
    [0x075] = "int-n",
    [0x076] = "invd",
    [0x077] = "pause",
    [SVM_EXIT_HLT] = "hlt",
    [0x079] = "invlpg",
    [0x07a] = "invlpga",
    [SVM_EXIT_IOIO] = "io",
    [SVM_EXIT_MSR] = "msr",
    [0x07d] = "task",
    [0x07e] = "ferr",
    [SVM_EXIT_SHUTDOWN] = "shutdown",
    [SVM_EXIT_VMRUN] = "vmrun",
    [SVM_EXIT_VMMCALL] = "vmmcall",
    [SVM_EXIT_VMLOAD] = "vmload",
    [SVM_EXIT_VMSAVE] = "vmsave",
    [SVM_EXIT_STGI] = "stgi",
    [SVM_EXIT_CLGI] = "clgi",
    [0x086] = "skinit",
    [0x087] = "rdtscp",
    [0x088] = "icebp",
    [0x089] = "wbinvd",
    [0x08a] = "monitor",
    [0x08b] = "mwait",
    [0x08c] = "mwait",
    [0x08d] = "xsetbv",
    [0x08e] = "rdpru",
    [0x08f] = "efer-trap",
    [0x0a2] = "invpcid",
};

/* 000h to 03Fh: reads and writes of the control and the debug registers. */
static const char *register_name(uint32_t code)
{
    static const char *const kinds[] = {"read-crN", "write-crN", "read-drN", "write-drN"};

    return kinds[code >> 4];
}

static const char *nested_paging_name(uint32_t code)
{
    switch (code) {
    case SVM_EXIT_NPF:
        return "npf";
    case 0x401:
        return "avic-ipi";
    case 0x402:
        return "avic";
    case 0x403:
        return "vmgexit";
    default:
        return "?";
    }
}

const char *svm_exit_name(uint32_t code)
{
    if (code < SVM_EXIT_EXCEPTION)
        return register_name(code);
    if (code < SVM_EXIT_EXCEPTION + EXCEPTIONS)
        return exceptions[code - SVM_EXIT_EXCEPTION] ? exceptions[code - SVM_EXIT_EXCEPTION]
                                                     : "exception";
    if (code >= 0x090 && code < 0x0a0)
        return "cr-trap";
    if (code < sizeof names / sizeof names[0])
        return names[code] ? names[code] : "?";
    return nested_paging_name(code);
}
