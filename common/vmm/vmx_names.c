/* vmx_names.c - VMX in words: exit reasons, VMCS fields, events, qualifications, controls. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmx.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *vmx_exit_name(uint32_t basic_reason)
{
    static const char *const names[VMX_EXIT_REASON_COUNT] = {
#define NAME(name, number) [number] = #name,
        VMX_EXIT_REASONS(NAME)
#undef NAME
    };

    if (basic_reason >= COUNT(names) || !names[basic_reason])
        return "?";
    return names[basic_reason];
}

const char *vmcs_field_name(uint32_t field)
{
    static const struct {
        uint32_t field;
        const char *name;
    } names[] = {
#define NAME(name, number) {number, #name},
        VMCS_FIELDS(NAME)
#undef NAME
    };

    for (size_t i = 0; i < COUNT(names); i++)
        if (names[i].field == field)
            return names[i].name;
    return "?";
}

/* --- text that grows ----------------------------------------------------------------------- */

struct words {
    char *buffer;
    size_t size, length; /* length may pass size: the rest is cut off */
};

static struct words words_begin(char *buffer, size_t size)
{
    if (size > 0)
        buffer[0] = 0;
    return (struct words){buffer, size, 0};
}

__attribute__((format(printf, 2, 3))) static void words_add(struct words *words,
                                                            const char *format, ...)
{
    size_t room = words->length < words->size ? words->size - words->length : 0;
    va_list list;
    int length;

    va_start(list, format);
    length = vsnprintf(room ? words->buffer + words->length : NULL, room, format, list);
    va_end(list);
    if (length > 0)
        words->length += (size_t)length;
}

/* Bits [low, low + width) of a value. */
static unsigned bits(uint64_t value, unsigned low, unsigned width)
{
    return (unsigned)(value >> low & ((1ull << width) - 1));
}

/* --- events ---------------------------------------------------------------------------------- */

void vmx_event_describe(uint32_t info, char *buffer, size_t size)
{
    static const char *const types[] = {
        [VMX_EVENT_EXTERNAL_INTERRUPT] = "external interrupt",
        [1] = "event of reserved type 1,",
        [VMX_EVENT_NMI] = "NMI",
        [VMX_EVENT_HARDWARE_EXCEPTION] = "hardware exception",
        [VMX_EVENT_SOFTWARE_INTERRUPT] = "software interrupt",
        [VMX_EVENT_PRIVILEGED_SOFTWARE_EXCEPTION] = "privileged software exception",
        [VMX_EVENT_SOFTWARE_EXCEPTION] = "software exception",
        [VMX_EVENT_OTHER_EVENT] = "other event",
    };
    struct words words = words_begin(buffer, size);

    if (!(info & VMX_EVENT_VALID)) {
        words_add(&words, "no event");
        return;
    }
    words_add(&words, "%s %u", types[bits(info, VMX_EVENT_TYPE_SHIFT, 3)],
              info & VMX_EVENT_VECTOR);
    if (info & VMX_EVENT_ERROR_CODE)
        words_add(&words, ", error code");
}

/* --- exit qualifications (SDM 3C 28.2.1) ----------------------------------------------------- */

static const char *const general_registers[] = {
    "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
    "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15",
};

/* Table 28-2. */
static void task_switch_describe(struct words *words, uint64_t q)
{
    static const char *const sources[] = {"CALL", "IRET", "JMP", "a task gate in the IDT"};

    words_add(words, "to TSS selector %#x by %s", bits(q, 0, 16), sources[bits(q, 30, 2)]);
}

/* Table 28-3. */
static void cr_access_describe(struct words *words, uint64_t q)
{
    const char *reg = general_registers[bits(q, 8, 4)];

    switch (bits(q, 4, 2)) {
    case 0:
        words_add(words, "MOV to CR%u from %s", bits(q, 0, 4), reg);
        break;
    case 1:
        words_add(words, "MOV from CR%u to %s", bits(q, 0, 4), reg);
        break;
    case 2:
        words_add(words, "CLTS");
        break;
    default:
        words_add(words, "LMSW of %#x%s", bits(q, 16, 16),
                  bits(q, 6, 1) ? " from memory" : "");
        break;
    }
}

/* Table 28-4. */
static void mov_dr_describe(struct words *words, uint64_t q)
{
    const char *reg = general_registers[bits(q, 8, 4)];

    if (bits(q, 4, 1))
        words_add(words, "MOV from DR%u to %s", bits(q, 0, 3), reg);
    else
        words_add(words, "MOV to DR%u from %s", bits(q, 0, 3), reg);
}

/* Table 28-5. */
static void io_describe(struct words *words, uint64_t q)
{
    const unsigned size = bits(q, 0, 3) + 1;

    words_add(words, "%s%s%s of %u byte%s at port %#x (%s)", bits(q, 5, 1) ? "REP " : "",
              bits(q, 3, 1) ? "IN" : "OUT", bits(q, 4, 1) ? "S" : "", size,
              size == 1 ? "" : "s", bits(q, 16, 16), bits(q, 6, 1) ? "immediate" : "DX");
    if (size != 1 && size != 2 && size != 4)
        words_add(words, ", a reserved size");
}

/* Table 28-6. */
static void apic_access_describe(struct words *words, uint64_t q)
{
    static const char *const types[16] = {
        [0] = "read",
        [1] = "write",
        [2] = "fetch",
        [3] = "access while delivering an event",
        [10] = "guest-physical access while delivering an event",
        [15] = "guest-physical access",
    };
    const char *type = types[bits(q, 12, 4)];

    words_add(words, "%s at offset %#x", type ? type : "access of a reserved type",
              bits(q, 0, 12));
}

/* Table 28-7. Bits 2:0 what was tried, 5:3 what the entries allow together. */
static void ept_violation_describe(struct words *words, uint64_t q)
{
    const char *comma = "";

    for (unsigned i = 0; i < 3; i++)
        if (bits(q, i, 1)) {
            static const char *const tried[] = {"read", "write", "fetch"};

            words_add(words, "%s%s", comma, tried[i]);
            comma = " and ";
        }
    words_add(words, "%s, page allows %c%c%c", *comma ? "" : "no access",
              bits(q, 3, 1) ? 'r' : '-', bits(q, 4, 1) ? 'w' : '-',
              bits(q, 5, 1) ? 'x' : '-');
    if (bits(q, 7, 1))
        words_add(words, ", while %s a linear address",
                  bits(q, 8, 1) ? "accessing" : "translating");
    if (bits(q, 12, 1))
        words_add(words, ", NMI unblocked by IRET");
}

static void invalid_state_describe(struct words *words, uint64_t q)
{
    static const char *const reasons[] = {
        [2] = "PDPTEs", [3] = "NMI injection", [4] = "VMCS link pointer"};

    if (q < COUNT(reasons) && reasons[q])
        words_add(words, "%s", reasons[q]);
}

static void linear_address_describe(struct words *words, uint64_t q)
{
    words_add(words, "linear address %#" PRIx64, q);
}

static void msr_loading_describe(struct words *words, uint64_t q)
{
    words_add(words, "entry %" PRIu64 " of the MSR-load area", q);
}

static void eoi_describe(struct words *words, uint64_t q)
{
    words_add(words, "vector %u", bits(q, 0, 8));
}

static void apic_write_describe(struct words *words, uint64_t q)
{
    words_add(words, "write at offset %#x", bits(q, 0, 12));
}

/* Instructions with a memory operand: its displacement. */
static void displacement_describe(struct words *words, uint64_t q)
{
    words_add(words, "displacement %#" PRIx64, q);
}

void vmx_qualification_describe(uint32_t basic_reason, uint64_t qualification, char *buffer,
                                size_t size)
{
    static void (*const describe[VMX_EXIT_REASON_COUNT])(struct words *, uint64_t) = {
        [VMX_EXIT_TASK_SWITCH] = task_switch_describe,
        [VMX_EXIT_INVLPG] = linear_address_describe,
        [VMX_EXIT_VMCLEAR] = displacement_describe,
        [VMX_EXIT_VMPTRLD] = displacement_describe,
        [VMX_EXIT_VMPTRST] = displacement_describe,
        [VMX_EXIT_VMREAD] = displacement_describe,
        [VMX_EXIT_VMWRITE] = displacement_describe,
        [VMX_EXIT_VMXON] = displacement_describe,
        [VMX_EXIT_CR_ACCESS] = cr_access_describe,
        [VMX_EXIT_MOV_DR] = mov_dr_describe,
        [VMX_EXIT_IO_INSTRUCTION] = io_describe,
        [VMX_EXIT_INVALID_GUEST_STATE] = invalid_state_describe,
        [VMX_EXIT_MSR_LOADING] = msr_loading_describe,
        [VMX_EXIT_APIC_ACCESS] = apic_access_describe,
        [VMX_EXIT_VIRTUALIZED_EOI] = eoi_describe,
        [VMX_EXIT_GDTR_IDTR_ACCESS] = displacement_describe,
        [VMX_EXIT_LDTR_TR_ACCESS] = displacement_describe,
        [VMX_EXIT_EPT_VIOLATION] = ept_violation_describe,
        [VMX_EXIT_INVEPT] = displacement_describe,
        [VMX_EXIT_INVVPID] = displacement_describe,
        [VMX_EXIT_APIC_WRITE] = apic_write_describe,
    };
    struct words words = words_begin(buffer, size);

    if (basic_reason < COUNT(describe) && describe[basic_reason])
        describe[basic_reason](&words, qualification);
}

/* --- controls --------------------------------------------------------------------------------- */

struct control {
    uint32_t field, bit;
    const char *name;
};

#define PIN(name)                                                                          \
    {                                                                                      \
        VMCS_PIN_BASED_CONTROLS, PIN_##name, #name                                         \
    }
#define PRIMARY(name)                                                                      \
    {                                                                                      \
        VMCS_PRIMARY_PROCESSOR_CONTROLS, PRIMARY_##name, #name                             \
    }
#define SECONDARY(name)                                                                    \
    {                                                                                      \
        VMCS_SECONDARY_PROCESSOR_CONTROLS, SECONDARY_##name, #name                         \
    }
#define EXIT(name)                                                                         \
    {                                                                                      \
        VMCS_VM_EXIT_CONTROLS, EXIT_##name, #name                                          \
    }
#define ENTRY(name)                                                                        \
    {                                                                                      \
        VMCS_VM_ENTRY_CONTROLS, ENTRY_##name, #name                                        \
    }

static const struct control controls[] = {
    PIN(EXTERNAL_INTERRUPT_EXITING),
    PIN(NMI_EXITING),
    PIN(PREEMPTION_TIMER),
    PIN(POSTED_INTERRUPTS),
    PRIMARY(INTERRUPT_WINDOW_EXITING),
    PRIMARY(HLT_EXITING),
    PRIMARY(INVLPG_EXITING),
    PRIMARY(RDTSC_EXITING),
    PRIMARY(CR3_LOAD_EXITING),
    PRIMARY(CR3_STORE_EXITING),
    PRIMARY(USE_TPR_SHADOW),
    PRIMARY(MOV_DR_EXITING),
    PRIMARY(UNCONDITIONAL_IO_EXITING),
    PRIMARY(USE_IO_BITMAPS),
    PRIMARY(USE_MSR_BITMAPS),
    PRIMARY(PAUSE_EXITING),
    PRIMARY(SECONDARY_CONTROLS),
    SECONDARY(VIRTUALIZE_APIC_ACCESSES),
    SECONDARY(ENABLE_EPT),
    SECONDARY(VIRTUALIZE_X2APIC_MODE),
    SECONDARY(ENABLE_VPID),
    SECONDARY(UNRESTRICTED_GUEST),
    SECONDARY(APIC_REGISTER_VIRTUALIZATION),
    SECONDARY(VIRTUAL_INTERRUPT_DELIVERY),
    EXIT(HOST_ADDRESS_SPACE_SIZE),
    EXIT(ACKNOWLEDGE_INTERRUPT),
    EXIT(SAVE_EFER),
    EXIT(LOAD_EFER),
    ENTRY(IA32E_MODE_GUEST),
    ENTRY(LOAD_EFER),
};

/* A control without a name here is shown as its bit. */
void vmx_controls_describe(uint32_t field, uint32_t value, char *buffer, size_t size)
{
    struct words words = words_begin(buffer, size);

    for (unsigned i = 0; i < 32; i++) {
        const char *name = NULL;

        if (!bits(value, i, 1))
            continue;
        for (size_t c = 0; c < COUNT(controls); c++)
            if (controls[c].field == field && controls[c].bit == 1u << i)
                name = controls[c].name;
        words_add(&words, "%s", words.length ? " " : "");
        if (name)
            words_add(&words, "%s", name);
        else
            words_add(&words, "bit%u", i);
    }
}
