/* run_end.c - a run that ended before it answered: how, where, and what it printed last. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "judge/crash.h"
#include "judge/judge.h"
#include "judge/text.h"

/* What the subject printed last, for people; never for verdicts. */
static void printed_tail(const struct evidence *e, char *buffer, size_t size)
{
    const char *text = e->output ? e->output : "";
    size_t length = strlen(text);

    while (length > 0 && text[length - 1] == '\n')
        length--;
    const char *from = length > 300 ? text + length - 300 : text;
    if (length == 0)
        buffer[0] = 0;
    else
        snprintf(buffer, size, "\nIt printed: %.*s", (int)(text + length - from), from);
    text_clean(buffer);
}

/* Where it was; and if that is not known: a wild access is found by the sanitizers, line and
 * all. */
static const char *crash_advice(const struct judge *j, const struct evidence *e)
{
    static char where[600];
    const int signal = e->end.status;

    if (e->header.crash.signal == (uint32_t)signal &&
        crash_describe(&e->header.crash, j->targets->options->subject, lab_checks.name,
                       j->targets->options->cage, where, sizeof where))
        return where;
    if (j->check->target == TARGET_MACHINE || judge_sanitized(j) ||
        (signal != SIGSEGV && signal != SIGBUS && signal != SIGABRT))
        return where;
    return "\nWhich line? The command below with SANITIZE=1 says it.";
}

/* Where it was when it was stopped; it noted that itself, as for a crash. */
static const char *hang_place(const struct judge *j, const struct evidence *e)
{
    static char where[600];

    if (e->header.crash.signal == HANG_SIGNAL &&
        crash_describe(&e->header.crash, j->targets->options->subject, lab_checks.name,
                       j->targets->options->cage, where, sizeof where))
        return where;
    return "";
}

/* Who could have read a number before the guest did. */
static const char *company_text(int status)
{
    static char text[80];

    switch (status) {
    case HANDOVER_THREADS:
        return "a second thread is there";
    case HANDOVER_PROCESSES:
        return "another process is there";
    case HANDOVER_NO_MEMORY:
        return "the guest's memory (a memfd) is not there, or there are two of its name";
    default:
        snprintf(text, sizeof text, "signal %d (%s) has a handler", status,
                 strsignal(status));
        return text;
    }
}

_Noreturn void run_end_explain(struct judge *j, const struct evidence *e)
{
    static const char asked[] = "the part answers and returns";
    char printed[400];

    printed_tail(e, printed, sizeof printed);
    switch (e->end.outcome) {
    case RUN_TIMED_OUT:
        j->outcome.timed_out = true;
        check_fail(j, asked, "it still ran after %.1f s and was stopped%s%s",
                   e->end.elapsed_us / 1e6, hang_place(j, e), printed);
    case RUN_TOO_STOPPED:
        check_fail(j, asked, "it stopped itself more than %d times%s", RUN_CHECKPOINTS_MAX,
                   printed);
    case RUN_TOO_LARGE:
        check_fail(j, asked, "it used more than 512 MiB of memory and was stopped%s",
                   printed);
    case RUN_NOT_ALONE:
        check_fail(
            j, "when the guest is given its number, nothing of the part can run before it",
            "%s%s", company_text(e->end.status), printed);
    case RUN_SIGNALLED:
        check_fail(j, asked, "it was ended by signal %d (%s)%s%s", e->end.status,
                   strsignal(e->end.status), crash_advice(j, e), printed);
    default:
        check_fail(j, asked, "it ended before answering, with exit status %d%s",
                   e->end.status, printed);
    }
}
