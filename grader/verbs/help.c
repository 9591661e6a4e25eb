/* help.c - the verb help. */
#include <stdio.h>

#include "lib/lab.h"
#include "verbs/verbs.h"

/* What the Makefile does itself. */
static const char *const made[] = {
    [FOR_STUDENT] =
        "make slides [LAB=n]         the decks: HTML and PDF under build/slides\n"
        "make book                   handouts, contracts, decks, pictures: build/book\n",
    [FOR_INSTRUCTOR] = "",
    [FOR_MAINTAINER] =
        "make test [SUITE=name]      the kit's own tests\n"
        "make slides-watch [LAB=n]   the decks again whenever one is saved\n"
        "make starters               labs/ made anew from solutions/ (overwrites!)\n"
        "make format                 clang-format\n"
        "make clean, make distclean  what was built; also machine, kernel and results\n",
};

static void verbs_print(enum verb_user whom)
{
    for (const struct verb *const *v = verbs; *v; v++)
        if ((*v)->whom == whom && (*v)->help)
            fputs((*v)->help, stdout);
}

static void group_print(enum verb_user whom)
{
    verbs_print(whom);
    fputs(made[whom], stdout);
}

static int help_verb(const struct settings *s)
{
    (void)s;
    if (kit_is_handed_out()) { /* it has no more than that */
        verbs_print(FOR_STUDENT);
        return EXIT_ALL;
    }
    group_print(FOR_STUDENT);
    group_print(FOR_INSTRUCTOR);
    fputs("\nFor maintainers (CONTRIBUTING.md):\n", stdout);
    group_print(FOR_MAINTAINER);
    fputs(
        "\nmake says only \"0\" or \"2\" at its end. In scripts use build/bin/grader VERB\n"
        "NAME=value...: 0 all points, 1 points missing, 2 usage, 3 error of the grader.\n"
        "A kernel of your own: KERNEL=bzImage MODULES=/lib/modules/VERSION.\n",
        stdout);
    return EXIT_ALL;
}

const struct verb verb_help = {
    .name = "help",
    .run = help_verb,
    .whom = FOR_STUDENT,
};
