/* place_lost.c - why the place of a check went away, and whose fault that is. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "judge/judge.h"
#include "judge/text.h"

/* The kernel bug of TCG's code patching (CONTRIBUTING, "Traps of the machine"). */
#define MACHINE_FAULT "Oops: int3"

/* The device's buffer lies at 40000h of its own addresses and has 4096 bytes, and QEMU 7.2
 * refuses the last one; it ends itself (and the machine) rather than do such a transfer. */
#define DEVICE_ABORT "EDU: DMA range "

/* QEMU ended itself because of a DMA that the subject asked for: that is no error of ours. */
static bool device_abort_explain(const char *console, struct outcome *outcome)
{
    const char *at = strstr(console, DEVICE_ABORT);
    uint64_t from, last;

    if (!at || sscanf(at + strlen(DEVICE_ABORT), "%" SCNx64 "-%" SCNx64, &from, &last) != 2)
        return false;
    outcome->verdict = VERDICT_FAIL;
    snprintf(outcome->asked, sizeof outcome->asked,
             "a DMA stays inside the device's buffer: from 0x40000, at most 4095 bytes");
    snprintf(
        outcome->seen, sizeof outcome->seen,
        "your DMA of %" PRIu64 " bytes at 0x%" PRIx64 " runs past the device's buffer; the "
        "whole machine went down with it (it has been replaced; your other checks are not "
        "affected)",
        last - from + 1, from);
    return true;
}

bool place_lost_explain(struct targets *targets, const struct check *check,
                        struct outcome *outcome)
{
    struct machine *machine = &targets->machine.machine;
    int status = 0;

    if (place_of(targets, check) == TARGET_MODEL) {
        outcome->verdict = VERDICT_ERROR;
        snprintf(outcome->seen, sizeof outcome->seen,
                 "the sandbox went away during this check");
        return false;
    }
    bool ended = machine_ended(machine, &status);
    char *tail = machine_console_tail(machine, 16384);
    bool fault = tail && strstr(tail, MACHINE_FAULT);

    if (tail)
        text_clean(tail);

    if (ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && tail &&
        device_abort_explain(tail, outcome)) {
        /* all is said */
    } else if (ended && WIFSIGNALED(status)) {
        outcome->verdict = VERDICT_ERROR;
        snprintf(outcome->seen, sizeof outcome->seen, "QEMU was ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (ended && WEXITSTATUS(status) != 0) {
        outcome->verdict = VERDICT_ERROR;
        snprintf(outcome->seen, sizeof outcome->seen, "QEMU ended with status %d",
                 WEXITSTATUS(status));
    } else {
        size_t length = tail ? strlen(tail) : 0;

        outcome->verdict = VERDICT_FAIL;
        snprintf(outcome->asked, sizeof outcome->asked, "the machine survives the run");
        snprintf(
            outcome->seen, sizeof outcome->seen,
            "the whole machine %s while your code ran (it has been replaced; your other "
            "checks are not affected). Its console ends with:\n%s",
            ended ? "went down" : "stopped answering",
            length > 500 ? tail + length - 500
            : length     ? tail
                         : "(nothing)");
    }
    free(tail);
    return fault;
}
