/* program.c - a program that has the emulated CPU for itself, watched by the debugger.
 *
 * Nothing in the emulated machine is ours, so nothing in its memory is evidence by itself.
 * But the debugger, outside, stops at every VM exit ("vmexitbp"), and prints the general
 * registers, and what the processor keeps of the current VMCS: a processor that is not in VMX
 * operation, or did not enter a guest, has none of it.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "silicon/bochs.h"

#define CAUGHT     "Caught VMEXIT breakpoint"
#define OUTPUT_MAX (4u << 20)

/* Instructions: until the first exit, from one to the next (a new life, for which memory is
 * cleared, is 150,000). A processor that halts executes none, so there is a limit of
 * CPU time as well. */
#define STEPS_FIRST 4000000u
#define STEPS_NEXT  400000u
#define CPU_MS      10000

#define MEGABYTES 16u /* program, job: see common/include/silicon_job.h */

#define STARTS_HPA 0x7000u /* common/silicon/reset.S */

static void commands_write(const struct silicon_program *p, const struct bochs_run *r)
{
    /* "s": so many instructions at most, so that a program without an end has one. */
    dprintf(r->commands, "vmexitbp\ns %u\n", STEPS_FIRST);
    for (unsigned i = 0; i <= p->exit_limit; i++) /* one more: to see that it ends */
        dprintf(r->commands, "r\nxp /1wx 0x%x\nshow \"cpu0.VMX\"\ns %u\n", STARTS_HPA,
                STEPS_NEXT);
    dprintf(r->commands, "writemem \"/proc/self/fd/%d\" 0x%llx %zu\n", r->log,
            SILICON_JOB_HPA, p->data_size);
    dprintf(r->commands, "writemem \"/proc/self/fd/%d\" 0x%llx %u\nquit\n", r->windows[0],
            SILICON_PROGRAM_HPA, SILICON_PROGRAM_MAX);
}

/* "rax: 01234567_89abcdef", for each register from `text` on. */
static uint64_t register_parse(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    unsigned high = 0, low = 0;

    if (line)
        sscanf(line + strlen(name), "%x_%x", &high, &low);
    return (uint64_t)high << 32 | low;
}

/* "0x00007000 <bogus+       0>:	0x00000001": what xp prints. */
static uint32_t memory_word_parse(const char *text)
{
    const char *line = strstr(text, "<bogus+"), *at = line ? strchr(line, ':') : NULL;

    return at ? (uint32_t)strtoul(at + 1, NULL, 0) : 0;
}

/* "Next at t=54434", behind each stop. */
static uint64_t tick_parse(const char *text)
{
    const char *at = strstr(text, "Next at t=");

    return at ? strtoull(at + strlen("Next at t="), NULL, 10) : 0;
}

static void exit_parse(struct silicon_exit *exit, const char *text)
{
    static const char *const names[16] = {
        "rax: ", "rcx: ", "rdx: ", "rbx: ", "rsp: ", "rbp: ", "rsi: ", "rdi: ",
        "r8 : ", "r9 : ", "r10: ", "r11: ", "r12: ", "r13: ", "r14: ", "r15: "};

    for (unsigned i = 0; i < 16; i++)
        exit->registers[i] = register_parse(text, names[i]);
    exit->life = memory_word_parse(text) - 1;
    exit->tick = tick_parse(text);
}

/* "name = 0x..." among what the debugger shows of the VMCS; 0 where it is not. */
static uint64_t shown_parse(const char *text, const char *name)
{
    char line[64];
    const char *at;

    snprintf(line, sizeof line, "  %s = ", name);
    at = strstr(text, line);
    return at ? strtoull(at + strlen(line), NULL, 0) : 0;
}

/* Bochs 2.7 counts the controls from 1 (pin, primary, secondary); 3.0 has a name for pin's. */
static void vmcs_parse(struct silicon_program *p, const char *text)
{
    static const char *const names[2][3] = {
        {"vmexec_ctrls1", "vmexec_ctrls2", "vmexec_ctrls3"},
        {"pin_vmexec_ctrls", "vmexec_ctrls1", "vmexec_ctrls2"},
    };
    const char *const *controls = names[strstr(text, "  pin_vmexec_ctrls = ") != NULL];

    p->vmcs = (struct silicon_vmcs){
        .vmcs = shown_parse(text, "vmcsptr"),
        .ept_pointer = shown_parse(text, "eptptr"),
        .io_bitmap_a = shown_parse(text, "io_bitmap_addr1"),
        .io_bitmap_b = shown_parse(text, "io_bitmap_addr2"),
        .cr0_mask = shown_parse(text, "vm_cr0_mask"),
        .cr4_mask = shown_parse(text, "vm_cr4_mask"),
        .pin = (uint32_t)shown_parse(text, controls[0]),
        .primary = (uint32_t)shown_parse(text, controls[1]),
        .secondary = (uint32_t)shown_parse(text, controls[2]),
        .exception_bitmap = (uint32_t)shown_parse(text, "vm_exceptions_bitmap"),
        .page_fault_mask = (uint32_t)shown_parse(text, "vm_pf_mask"),
        .page_fault_match = (uint32_t)shown_parse(text, "vm_pf_match"),
        .host = {.cr0 = shown_parse(text, "CR0"),
                 .cr3 = shown_parse(text, "CR3"),
                 .cr4 = shown_parse(text, "CR4"),
                 .tr = shown_parse(text, "TR"),
                 .tr_base = shown_parse(text, "TR_BASE"),
                 .gdtr_base = shown_parse(text, "GDTR_BASE")},
    };
}

static void output_parse(struct silicon_program *p, char *text)
{
    p->exits = calloc(p->exit_limit + 1, sizeof *p->exits);
    if (!p->exits)
        judge_error(p->judge, "out of memory");
    for (char *at = strstr(text, CAUGHT); at && p->exit_count <= p->exit_limit;) {
        char *next = strstr(at + 1, CAUGHT), kept = 0;

        if (next) {
            kept = *next;
            *next = 0;
        }
        exit_parse(&p->exits[p->exit_count], at);
        vmcs_parse(p, at);
        p->exit_count++;
        if (next)
            *next = kept;
        at = next;
    }
}

static char *output_read(const struct bochs_run *r)
{
    char *text = calloc(1, OUTPUT_MAX + 1);

    if (text && pread(r->output, text, OUTPUT_MAX, 0) < 0)
        text[0] = 0;
    return text;
}

uint64_t silicon_entry_byte(const struct silicon_program *p, bool resume)
{
    const uint8_t code[] = {0x0f, 0x01, resume ? 0xc3 : 0xc2};
    const uint8_t *at = memmem(p->image, p->image_size, code, sizeof code);

    if (!at)
        judge_error(p->judge, "the world switch has no %s",
                    resume ? "VMRESUME" : "VMLAUNCH");
    return SILICON_PROGRAM_HPA + (uint64_t)(at - (const uint8_t *)p->image) + 2;
}

void silicon_program_run(struct silicon_program *p)
{
    const struct bochs_machine machine = {
        .cpu = p->cpu ? p->cpu : BOCHS_CPU, .megabytes = MEGABYTES, .resets = true};
    struct bochs_run r = bochs_run_new(p->judge, &machine);
    int status = 0;
    bool ended;
    char *text;

    r.windows[0] = bochs_file_new(p->judge, "memory");
    p->memory = calloc(1, SILICON_PROGRAM_MAX);
    bochs_rom_write(p->judge, &r, &(struct bochs_bytes){p->image, p->image_size},
                    &(struct bochs_bytes){p->data, p->data_size},
                    &(struct bochs_bytes){"", 0});
    commands_write(p, &r);
    ended = bochs_execute(p->judge, &r, CPU_MS, &status);
    text = output_read(&r);
    if (!text || !p->memory || !strstr(text, "vmexit switch break enabled"))
        bochs_blame(p->judge, &r, ended, status);
    output_parse(p, text);
    bochs_words_read(&p->words, r.words);
    p->hangs = !ended;
    if (pread(r.log, p->data, p->data_size, 0) != (ssize_t)p->data_size ||
        pread(r.windows[0], p->memory, SILICON_PROGRAM_MAX, 0) != SILICON_PROGRAM_MAX)
        p->hangs = true;
    free(text);
    close(r.windows[0]);
    bochs_run_free(&r);
}
