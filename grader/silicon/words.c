/* words.c - why the emulated CPU refused a VM entry, or shut down. A real one gives a number; the
 * emulator writes a line, and a check that fails has it in the kit's words: the VMCS field, what is
 * wanted of it, and where the manual says so. For messages alone: nothing is judged by it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge/text.h"
#include "silicon/bochs.h"

#define TEXT_MAX (256u << 10) /* of its log that is looked at */

/* What stands in a line of the emulator's, and what that means. The first that fits. */
static const struct meaning {
    const char *said, *means;
} meanings[] = {
    /* controls: VM-instruction error 7 */
    {"pin-based controls allowed 0",
     "PIN_BASED_CONTROLS: a bit is 0 that has to be 1 "
     "(IA32_VMX_TRUE_PINBASED_CTLS, low half; SDM 3C 27.2.1.1)"},
    {"pin-based controls allowed 1",
     "PIN_BASED_CONTROLS: a bit is 1 that this CPU has not got "
     "(IA32_VMX_TRUE_PINBASED_CTLS, high half; SDM 3C 27.2.1.1)"},
    {"secondary proc-based controls allowed 0",
     "SECONDARY_PROCESSOR_CONTROLS: a bit is 0 that has to be 1 (SDM 3C 27.2.1.1)"},
    {"secondary controls allowed 1",
     "SECONDARY_PROCESSOR_CONTROLS: a bit is 1 that this CPU has "
     "not got (IA32_VMX_PROCBASED_CTLS2, high half; SDM 3C "
     "27.2.1.1)"},
    {"proc-based controls allowed 0",
     "PRIMARY_PROCESSOR_CONTROLS: a bit is 0 that has to be 1 "
     "(IA32_VMX_TRUE_PROCBASED_CTLS, low half; SDM 3C 27.2.1.1)"},
    {"proc-based controls allowed 1",
     "PRIMARY_PROCESSOR_CONTROLS: a bit is 1 that this CPU has "
     "not got (IA32_VMX_TRUE_PROCBASED_CTLS, high half; SDM 3C "
     "27.2.1.1)"},
    {"vmexit controls allowed 0", "VM_EXIT_CONTROLS: a bit is 0 that has to be 1 "
                                  "(IA32_VMX_TRUE_EXIT_CTLS, low half; SDM 3C 27.2.1.2)"},
    {"vmexit controls allowed 1", "VM_EXIT_CONTROLS: a bit is 1 that this CPU has not got "
                                  "(IA32_VMX_TRUE_EXIT_CTLS, high half; SDM 3C 27.2.1.2)"},
    {"vmentry controls allowed 0", "VM_ENTRY_CONTROLS: a bit is 0 that has to be 1 "
                                   "(IA32_VMX_TRUE_ENTRY_CTLS, low half; SDM 3C 27.2.1.3)"},
    {"vmentry controls allowed 1",
     "VM_ENTRY_CONTROLS: a bit is 1 that this CPU has not got "
     "(IA32_VMX_TRUE_ENTRY_CTLS, high half; SDM 3C 27.2.1.3)"},
    {"invalid EPTPTR",
     "EPT_POINTER: memory type (bits 2:0), length of the walk less 1 (5:3), or "
     "a reserved bit (SDM 3C 25.6.11)"},
    {"I/O bitmap",
     "IO_BITMAP_A and IO_BITMAP_B: addresses of pages, within the CPU's physical "
     "address width (SDM 3C 27.2.1.1)"},
    {"MSR bitmap", "MSR_BITMAP: the address of a page (SDM 3C 27.2.1.1)"},
    {"VPID == 0",
     "VIRTUAL_PROCESSOR_ID: not 0 where \"enable VPID\" is set (SDM 3C 27.2.1.1)"},
    {"virtual NMI",
     "PIN_BASED_CONTROLS: \"virtual NMIs\" needs \"NMI exiting\" (SDM 3C 27.2.1.1)"},
    {"unrestricted guest without EPT", "SECONDARY_PROCESSOR_CONTROLS: \"unrestricted "
                                       "guest\" needs \"enable EPT\" (SDM 3C 27.2.1.1)"},
    {"Posted Interrupt Descriptor",
     "POSTED_INTERRUPT_DESCRIPTOR_ADDRESS: a multiple of 64 (SDM 3C "
     "27.2.1.1)"},
    {"posted interrupts",
     "\"process posted interrupts\" needs virtual-interrupt delivery, "
     "\"acknowledge interrupt on exit\", a vector below 256 (SDM 3C 27.2.1.1)"},
    {"virtual apic phy addr",
     "VIRTUAL_APIC_ADDRESS: the address of a page (SDM 3C 27.2.1.1)"},
    {"TPR threshold", "TPR_THRESHOLD (SDM 3C 27.2.1.1)"},
    {"too may CR3 targets", "CR3_TARGET_COUNT: 4 at most (SDM 3C 27.2.1.1)"},
    {"injected event vector",
     "VM_ENTRY_INTERRUPTION_INFO: this type of event cannot have this "
     "vector, or not this error-code bit (SDM 3C 27.2.1.3)"},
    {"injected event type",
     "VM_ENTRY_INTERRUPTION_INFO: bits 10:8, the type (SDM 3C 27.2.1.3)"},
    {"instr length",
     "VM_ENTRY_INSTRUCTION_LENGTH: 1 to 15 for software events (SDM 3C 27.2.1.3)"},
    {"bad error code", "VM_ENTRY_EXCEPTION_ERROR_CODE: bits 31:16 are 0 (SDM 3C 27.2.1.3)"},
    {"broken interruption info",
     "VM_ENTRY_INTERRUPTION_INFO: bits 30:12 are 0 (SDM 3C 27.2.1.3)"},
    {"non-launched VMCS",
     "VMRESUME of a VMCS that no VMLAUNCH has entered (SDM 3C 31.4, error 5)"},
    {"non-clear VMCS",
     "VMLAUNCH of a VMCS that is launched already, or was never given to VMCLEAR "
     "(SDM 3C 31.4, error 4)"},
    {"invalid VMCS ptr", "there is no current VMCS: VMPTRLD comes first (SDM 3C 31.2)"},
    /* host state: error 8 */
    {"host state invalid CR0",
     "HOST_CR0: bits that VMX fixes (IA32_VMX_CR0_FIXED0/1; SDM 3C "
     "27.2.2)"},
    {"host state invalid CR3",
     "HOST_CR3: bits above the physical address width (SDM 3C 27.2.2)"},
    {"host state invalid CR4", "HOST_CR4: bits that VMX fixes, VMXE among them "
                               "(IA32_VMX_CR4_FIXED0/1; SDM 3C 27.2.2)"},
    {"CR4.PAE=0 with x86-64 host", "HOST_CR4: PAE is 1 for a 64-bit host (SDM 3C 27.2.4)"},
    {"host TR selector", "HOST_TR_SELECTOR: not 0, with RPL and TI 0 (SDM 3C 27.2.3)"},
    {"host TR BASE", "HOST_TR_BASE is not canonical (SDM 3C 27.2.3)"},
    {"host CS selector", "HOST_CS_SELECTOR: not 0 (SDM 3C 27.2.3)"},
    {"host SS selector", "HOST_SS_SELECTOR: not 0 for a 32-bit host (SDM 3C 27.2.3)"},
    {"host segreg",
     "a HOST_..._SELECTOR: RPL (bits 1:0) and TI (bit 2) are 0 (SDM 3C 27.2.3)"},
    {"host GDTR BASE", "HOST_GDTR_BASE is not canonical (SDM 3C 27.2.3)"},
    {"host IDTR BASE", "HOST_IDTR_BASE is not canonical (SDM 3C 27.2.3)"},
    {"host FS BASE", "HOST_FS_BASE is not canonical (SDM 3C 27.2.3)"},
    {"host GS BASE", "HOST_GS_BASE is not canonical (SDM 3C 27.2.3)"},
    {"host RIP",
     "HOST_RIP is not canonical, or beyond 4 GiB for a 32-bit host (SDM 3C 27.2.4)"},
    {"host EFER",
     "HOST_IA32_EFER: LMA and LME both equal \"host address-space size\" (SDM 3C "
     "27.2.2)"},
    {"host MSR_PAT", "HOST_IA32_PAT: a memory type (SDM 3C 27.2.2)"},
    {"x86-64 host control invalid",
     "VM_EXIT_CONTROLS: \"host address-space size\" is 1 on a 64-bit CPU (SDM 3C 27.2.4)"},
    {"controls invalid on VMENTRY",
     "VM_ENTRY_CONTROLS' \"IA-32e mode guest\" and VM_EXIT_CONTROLS' "
     "\"host address-space size\" do not go together (SDM 3C "
     "27.2.4)"},
    /* guest state: exit reason 80000021h */
    {"guest invalid CR0", "GUEST_CR0: bits that VMX fixes, PE and PG among them "
                          "(IA32_VMX_CR0_FIXED0/1; SDM 3C 27.3.1.1)"},
    {"guest invalid CR3",
     "GUEST_CR3: bits above the physical address width (SDM 3C 27.3.1.1)"},
    {"guest invalid CR4",
     "GUEST_CR4: bits that VMX fixes, VMXE among them (IA32_VMX_CR4_FIXED0/1; "
     "SDM 3C 27.3.1.1)"},
    {"CR4.PAE=0 in x86-64",
     "GUEST_CR4: PAE is 1 for an IA-32e mode guest (SDM 3C 27.3.1.1)"},
    {"guest EFER",
     "GUEST_IA32_EFER: LMA equals \"IA-32e mode guest\", and LME as well if CR0.PG is "
     "1 (SDM 3C 27.3.1.1)"},
    {"guest invalid DR7", "GUEST_DR7: bits 63:32 are 0 (SDM 3C 27.3.1.1)"},
    {"RFLAGS[1] cleared", "GUEST_RFLAGS: bit 1 is always 1 (SDM 3C 27.3.1.4)"},
    {"RFLAGS reserved", "GUEST_RFLAGS: reserved bits are 0 (SDM 3C 27.3.1.4)"},
    {"RFLAGS", "GUEST_RFLAGS (SDM 3C 27.3.1.4)"},
    {"guest RIP", "GUEST_RIP: bits 63:32 are 0 outside of 64-bit mode (SDM 3C 27.3.1.4)"},
    {"link pointer",
     "VMCS_LINK_POINTER: all ones, where there is no shadow VMCS (SDM 3C 27.3.1.5)"},
    {"activity state", "GUEST_ACTIVITY_STATE (SDM 3C 27.3.1.5)"},
    {"interruptibility", "GUEST_INTERRUPTIBILITY_STATE (SDM 3C 27.3.1.5)"},
    {"interrupts blocked",
     "an event is injected that the guest has blocked: GUEST_RFLAGS.IF, "
     "GUEST_INTERRUPTIBILITY_STATE (SDM 3C 27.3.1.5)"},
    {"GDTR/IDTR limit",
     "GUEST_GDTR_LIMIT, GUEST_IDTR_LIMIT: bits 31:16 are 0 (SDM 3C 27.3.1.3)"},
    {"CS.D_B/L", "GUEST_CS_ACCESS_RIGHTS: D/B is 0 where L is 1 (SDM 3C 27.3.1.2)"},
    {"guest TR",
     "GUEST_TR_...: a busy TSS (type 11), present, S = 0, its selector with TI = 0 "
     "(SDM 3C 27.3.1.2)"},
    {"guest LDTR",
     "GUEST_LDTR_...: an LDT (type 2), or unusable (bit 16 of the access rights; SDM "
     "3C 27.3.1.2)"},
    {".BASE", "a GUEST_..._BASE (SDM 3C 27.3.1.2)"},
    {"AR/LIMIT", "a segment's GUEST_..._LIMIT and the G bit of its access rights (SDM 3C "
                 "27.3.1.2)"},
    {"VMENTER FAIL: VMCS guest CS",
     "GUEST_CS_ACCESS_RIGHTS: a code segment, accessed, present "
     "(SDM 3C 27.3.1.2)"},
    {"VMENTER FAIL: VMCS guest SS",
     "GUEST_SS_ACCESS_RIGHTS: writable data, accessed, DPL as CS's, "
     "or unusable (SDM 3C 27.3.1.2)"},
    {"VMENTER FAIL: VMCS guest", "a guest segment (SDM 3C 27.3.1.2)"},
    {"MSR_PAT", "GUEST_IA32_PAT: a memory type (SDM 3C 27.3.1.1)"},
};

/* "00000054433e[CPU0  ] text" */
static bool line_parse(struct silicon_word *word, const char *line, size_t length)
{
    char copy[200], *text;

    if (length >= sizeof copy)
        length = sizeof copy - 1;
    memcpy(copy, line, length);
    copy[length] = 0;
    text = strstr(copy, "[CPU0  ] ");
    if (!text)
        return false;
    text += strlen("[CPU0  ] ");
    *word = (struct silicon_word){.tick = strtoull(copy, NULL, 10)};
    snprintf(word->line, sizeof word->line, "%.*s", (int)sizeof word->line - 1, text);
    text_clean(word->line);
    if (sscanf(text, "exception(): 3rd (%u)", &word->vector) == 1)
        word->kind = SILICON_SHUTDOWN;
    else if (strstr(text, "Guest State Checks Failed"))
        word->kind = SILICON_BAD_GUEST;
    else if (strncmp(text, "VMFAIL", 6) == 0 || strncmp(text, "VMENTER", 7) == 0)
        word->kind = SILICON_REFUSED;
    else
        return false;
    return true;
}

/* A guest state that is refused has its reason in the line before. */
static void word_add(struct silicon_words *words, const struct silicon_word *word)
{
    struct silicon_word *last = words->count ? &words->list[words->count - 1] : NULL;

    if (word->kind == SILICON_BAD_GUEST && last && last->tick == word->tick)
        last->kind = SILICON_BAD_GUEST;
    else if (words->count < SILICON_WORDS_MAX)
        words->list[words->count++] = *word;
}

void bochs_words_read(struct silicon_words *words, int fd)
{
    char *text = calloc(1, TEXT_MAX + 1);
    struct silicon_word word;

    *words = (struct silicon_words){.count = 0};
    if (!text || pread(fd, text, TEXT_MAX, 0) < 0)
        text = (free(text), NULL);
    for (const char *line = text, *end; line && (end = strchr(line, '\n')); line = end + 1)
        if (line_parse(&word, line, (size_t)(end - line)))
            word_add(words, &word);
    free(text);
}

const struct silicon_word *silicon_word_find(const struct silicon_words *words,
                                             enum silicon_word_kind kind, uint64_t from,
                                             uint64_t to)
{
    for (unsigned i = 0; i < words->count; i++)
        if (words->list[i].kind == kind && words->list[i].tick >= from &&
            words->list[i].tick <= to)
            return &words->list[i];
    return NULL;
}

const char *silicon_word_explain(const struct silicon_word *word, char *buffer, size_t size)
{
    snprintf(buffer, size, "it gave no reason");
    for (size_t i = 0; word && i < sizeof meanings / sizeof meanings[0]; i++)
        if (strstr(word->line, meanings[i].said)) {
            snprintf(buffer, size, "%s", meanings[i].means);
            return buffer;
        }
    if (word)
        snprintf(buffer, size, "in the emulator's words: %s", word->line);
    return buffer;
}
