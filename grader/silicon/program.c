/* program.c - a program that has the emulated CPU for itself, watched by the debugger.
 *
 * Nothing in the emulated machine is ours, so nothing in its memory is evidence by itself.
 * But the debugger, outside, stops at every VM exit ("vmexitbp"), and prints the general
 * registers: a processor that is not in VMX operation, or did not enter a guest, has none.
 * At the first exit it also prints what the processor keeps of the current VMCS.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bochs.h"

#define CAUGHT     "Caught VMEXIT breakpoint"
#define OUTPUT_MAX (4u << 20)

/* Instructions: until the first exit (the ROM's copying is 400,000), from one to the next. A
 * processor that halts executes none, so there is a deadline as well. */
#define STEPS_FIRST 4000000u
#define STEPS_NEXT  200000u
#define DEADLINE_MS 10000

static void commands_write(const struct silicon_program *p, const struct bochs_run *r)
{
    /* "s": so many instructions at most, so that a program without an end has one. */
    dprintf(r->commands, "vmexitbp\ns %u\nr\nshow \"cpu0.VMX\"\n", STEPS_FIRST);
    for (unsigned i = 1; i <= p->exit_limit; i++) /* one more: to see that it ends */
        dprintf(r->commands, "s %u\nr\n", STEPS_NEXT);
    dprintf(r->commands, "writemem \"/proc/self/fd/%d\" 0x%llx %zu\nquit\n", r->log,
            SILICON_JOB_HPA, p->data_size);
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

static void exit_parse(struct silicon_exit *exit, const char *text)
{
    static const char *const names[16] = {
        "rax: ", "rcx: ", "rdx: ", "rbx: ", "rsp: ", "rbp: ", "rsi: ", "rdi: ",
        "r8 : ", "r9 : ", "r10: ", "r11: ", "r12: ", "r13: ", "r14: ", "r15: "};

    for (unsigned i = 0; i < 16; i++)
        exit->registers[i] = register_parse(text, names[i]);
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
    const bool pin_named = strstr(text, "  pin_vmexec_ctrls = ");

    p->vmcs = (struct silicon_vmcs){
        .vmcs = shown_parse(text, "vmcsptr"),
        .ept_pointer = shown_parse(text, "eptptr"),
        .primary =
            (uint32_t)shown_parse(text, pin_named ? "vmexec_ctrls1" : "vmexec_ctrls2"),
        .secondary =
            (uint32_t)shown_parse(text, pin_named ? "vmexec_ctrls2" : "vmexec_ctrls3"),
        .io_bitmap_a = shown_parse(text, "io_bitmap_addr1"),
        .io_bitmap_b = shown_parse(text, "io_bitmap_addr2"),
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
        if (p->exit_count++ == 0)
            vmcs_parse(p, at);
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

/* A triple fault makes Bochs give up; that is the program's doing. */
void silicon_program_run(struct silicon_program *p)
{
    struct bochs_run r = bochs_run_new(p->judge);
    int status = 0;
    bool ended;
    char *text;

    bochs_rom_write(p->judge, &r, &(struct bochs_bytes){p->image, p->image_size},
                    &(struct bochs_bytes){p->data, p->data_size},
                    &(struct bochs_bytes){"", 0});
    commands_write(p, &r);
    ended = bochs_execute(p->judge, &r, DEADLINE_MS, &status);
    text = output_read(&r);
    if (!text || !strstr(text, "vmexit switch break enabled"))
        bochs_blame(p->judge, &r, ended, status);
    output_parse(p, text);
    p->hangs = !ended;
    p->ended = pread(r.log, p->data, p->data_size, 0) == (ssize_t)p->data_size &&
               p->exit_count <= p->exit_limit;
    p->shut_down = strstr(text, "triple fault") || strstr(text, "shutdown");
    free(text);
    bochs_run_free(&r);
}
