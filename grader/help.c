/* help.c - the verb help. */
#include "grader.h"

int verb_help(const struct settings *s)
{
    (void)s;
    fputs(
        "make                        where you are, and the next step\n"
        "make grade [LAB=n]          grade all labs, or one\n"
        "      CHECK=id SEED=n         just this check; the same numbers again\n"
        "      FROM=solutions          grade the reference (or any folder) instead of "
        "labs/\n"
        "      OWN=1                   link your own earlier parts, not the reference's\n"
        "                              (LAB=11: OWN=0 the other way round)\n"
        "      TARGET=name             only one target: model, machine or silicon\n"
        "      SANITIZE=1              compile with ASan and UBSan (target model)\n"
        "make watch [LAB=n]          grade again whenever you save\n"
        "make hint LAB=n [CHECK=id]  the next of three hints; the explanation after "
        "passing\n"
        "      CHECK=list              which checks there are\n"
        "make progress               the board\n"
        "make reset LAB=n            the starter again (asks; keeps a backup)\n"
        "make run LAB=n              run the VMM with your part, in the machine\n"
        "make boot                   Linux in your VMM, on this terminal (the capstone)\n"
        "      DEVICE=edu CMDLINE=text  with the PCI device; more for the kernel\n"
        "make trace LAB=n [CHECK=id] the exits of your last graded run, as a page "
        "(TEXT=1:\n"
        "                            here)\n"
        "make shell                  a shell in the machine\n"
        "make slides [LAB=n]         the decks: HTML and PDF under build/slides\n"
        "make doctor                 what is installed, what is missing, how to mend it\n"
        "\n"
        "For maintainers (CONTRIBUTING.md):\n"
        "make test [SUITE=name]      the kit's own tests\n"
        "make mutants [LAB=n]        wrong solutions: each must lose what it names\n"
        "      NAMED=1                 only as many as it takes to fail every check once\n"
        "make attacks                hostile submissions: each must gain nothing\n"
        "make bench [TIMES=n]        measured figures beside their bounds\n"
        "make slides-watch [LAB=n]   the decks again whenever one is saved\n"
        "make starters               labs/ made anew from solutions/ (overwrites!)\n"
        "make format                 clang-format\n"
        "make clean, make distclean  what was built; also machine, kernel and results\n"
        "\n"
        "make says only \"0\" or \"2\" at its end. In scripts use build/bin/grader VERB\n"
        "NAME=value...: 0 all points, 1 points missing, 2 usage, 3 error of the grader.\n"
        "A kernel of your own: KERNEL=bzImage MODULES=/lib/modules/VERSION.\n",
        stdout);
    return EXIT_ALL;
}
