/* check.c - one check: its verdict and its figures; how cmocka executes it (check.h). */
#define _GNU_SOURCE
#include "judge/check.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#include "judge/judge.h"

/* --- verdicts ----------------------------------------------------------------------------- */

_Noreturn void check_end(struct judge *j, enum verdict verdict)
{
    j->outcome.verdict = verdict;
    fail();
    abort(); /* not reached: fail() jumps back to cmocka */
}

_Noreturn void check_fail(struct judge *j, const char *asked, const char *seen, ...)
{
    va_list list;

    va_start(list, seen);
    snprintf(j->outcome.asked, sizeof j->outcome.asked, "%s", asked);
    vsnprintf(j->outcome.seen, sizeof j->outcome.seen, seen, list);
    va_end(list);
    judge_point_settle(j);
    check_end(j, VERDICT_FAIL);
}

_Noreturn void check_skip(struct judge *j, const char *reason)
{
    snprintf(j->outcome.seen, sizeof j->outcome.seen, "%s", reason);
    check_end(j, VERDICT_SKIP);
}

_Noreturn void judge_error(struct judge *j, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(j->outcome.seen, sizeof j->outcome.seen, format, list);
    va_end(list);
    check_end(j, VERDICT_ERROR);
}

/* --- numbers for people --------------------------------------------------------------------- */

void judge_figure(struct judge *j, const char *name, double value, const char *unit)
{
    struct figure *figure = &j->outcome.figures[j->outcome.figure_count];

    if (j->outcome.figure_count == FIGURES_MAX)
        judge_error(j, "more than %d figures in one check", FIGURES_MAX);
    snprintf(figure->name, sizeof figure->name, "%s", name);
    snprintf(figure->unit, sizeof figure->unit, "%s", unit);
    figure->value = value;
    j->outcome.figure_count++;
}

/* --- under cmocka --------------------------------------------------------------------------- */

static void cmocka_body(void **state)
{
    struct judge *j = *state;

    j->check->run(j);
    j->outcome.verdict = VERDICT_PASS;
    j->outcome.asked[0] = j->outcome.seen[0] = 0;
}

void check_execute(struct judge *j)
{
    const struct CMUnitTest test = {
        .name = j->check->id, .test_func = cmocka_body, .initial_state = j};

    j->outcome.verdict = VERDICT_ERROR;
    snprintf(j->outcome.seen, sizeof j->outcome.seen, "the check itself crashed");
    _cmocka_run_group_tests(j->check->id, &test, 1, NULL, NULL);
}
