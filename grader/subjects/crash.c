/* crash.c - where a subject was when it crashed, for the message to the student. No verdict needs
 * it: that a signal ended the subject is seen from outside. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unwind.h>

#include "arena.h"
#include "subject.h"

static struct arena_crash *crash;
static bool
    reached; /* unwinding begins in the handler; what counts begins where it crashed */

static _Unwind_Reason_Code frame_take(struct _Unwind_Context *context, void *unused)
{
    int exact = 0;
    const uint64_t at = _Unwind_GetIPInfo(context, &exact);

    (void)unused;
    if (reached && crash->frame_count < ARENA_FRAMES)
        crash->frames[crash->frame_count++] = exact ? at : at - 1; /* in the call */
    reached |= at == crash->frames[0];
    return _URC_NO_REASON;
}

extern const char __executable_start, etext; /* the linker's */

static bool is_code(uint64_t address)
{
    return address >= (uintptr_t)&__executable_start && address < (uintptr_t)&etext;
}

/* What can be lost is noted first: unwinding a damaged stack may crash in its turn, and then the
 * kernel ends the subject, since the signal is blocked here. */
static void crash_note(int number, siginfo_t *info, void *context)
{
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    crash->address = (uint64_t)(uintptr_t)info->si_addr;
    crash->code = info->si_code;
    crash->frames[0] = (uint64_t)registers[REG_RIP];
    crash->frame_count = 1;
    crash->signal = (uint32_t)number;
    reached = false;
    if (is_code(crash->frames[0])) {
        _Unwind_Backtrace(frame_take, NULL);
    } else { /* a call to where no code is: who called is on the stack */
        crash->frames[1] = *(const uint64_t *)registers[REG_RSP] - 1;
        crash->frame_count = 2;
    }
    if (info->si_code <= 0)
        raise(number); /* somebody sent it: it would not come again by itself */
}

void subject_crash_watch(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, HANG_SIGNAL};
    static uint8_t stack[65536];
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    const struct sigaction action = {.sa_sigaction = crash_note,
                                     .sa_flags =
                                         SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};

    if (!crash)
        return;
    sigaltstack(&own, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

void subject_crash_begin(struct arena_header *header)
{
    struct sigaction before;

    /* Where AddressSanitizer waits for it already, it says more than we could. */
    if (sigaction(SIGSEGV, NULL, &before) < 0 || before.sa_handler != SIG_DFL)
        return;
    crash = &header->crash;
    subject_crash_watch();
}
