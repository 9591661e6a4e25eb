/* shell.c - the verb shell: a look around the machine. */
#define _GNU_SOURCE
#include <stdio.h>

#include "judge/qemu.h"
#include "prepare/prepare.h"
#include "verbs/verbs.h"

static int shell_verb(const struct settings *s)
{
    char kernel[PATH_ROOM], vmlinux[PATH_ROOM], initramfs[PATH_ROOM];
    struct targets_found targets;
    int r;

    if (!targets_prepare(&targets, s))
        return EXIT_GRADER;
    if (targets.no_machine[0] || !kernel_prepare(kernel, s)) {
        fprintf(stderr, "grader: no machine: %s\n", targets.no_machine);
        return EXIT_GRADER;
    }
    path_make(vmlinux, "%s/vmlinux", kernel);
    path_make(initramfs, "%s/initramfs", targets.machine);
    fprintf(stderr, "A shell in the machine; `exit` ends it, Ctrl-A X kills it.\n");
    r = machine_interactive(vmlinux, initramfs);
    return r < 0 ? EXIT_GRADER : EXIT_ALL;
}

const struct verb verb_shell = {
    .name = "shell",
    .run = shell_verb,
    .whom = FOR_STUDENT,
    .help = "make shell                  a shell in the machine\n",
};
