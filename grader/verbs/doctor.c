/* doctor.c - the verb doctor: what is here, what is missing, and the command that mends it. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/cage.h"
#include "lib/command.h"
#include "lib/host.h"
#include "prepare/prepare.h"
#include "report/terminal.h"
#include "verbs/verbs.h"

#define BUILD_MB 195 /* build/ with kernel, machine and everything compiled */

static void line(bool ok, const char *name, const char *found, const char *fix)
{
    printf("  %s%-4s%s %-22s ", paint(ok ? "green" : "yellow"), ok ? "ok" : "--",
           paint("off"), name);
    print_wrapped(ok ? found : fix, 30, 80);
}

/* Asks a tool for its version. */
static bool tool(const char *name, const char *argument, const char *fix)
{
    char *argv[] = {(char *)(uintptr_t)name, (char *)(uintptr_t)argument, NULL},
         *output = NULL;
    bool ok = command_run(argv, &output, 20) == 0;

    if (output)
        output[strcspn(output, "\n")] = 0;
    line(ok, name, output ? output : "", fix);
    free(output);
    return ok;
}

static bool tools_check(bool *qemu, bool *bochs)
{
    bool ok = tool(X86_TOOL("gcc"), "--version",
                   HOST_RUNS_SUBJECTS ? "sudo apt install gcc libc6-dev"
                                      : "sudo apt install gcc-x86-64-linux-gnu");

    *qemu = tool("qemu-system-x86_64", "--version", "sudo apt install qemu-system-x86");
    *bochs = program_there("bochs");
    line(*bochs, "bochs", "here", "sudo apt install bochs bochs-term");
    tool("clang-format", "--version",
         "sudo apt install clang-format (only for make format and make test)");
    tool("bats", "--version", "sudo apt install bats (only for make test)");
    return ok;
}

/* Where what others wrote is compiled: one of the two has to work. */
static bool cages_check(bool *bubblewrap)
{
    char why[500] = "", found[80];
    bool landlock;

    *bubblewrap = cage_works(CAGE_BUBBLEWRAP, why, sizeof why);
    line(*bubblewrap, "cage bubblewrap", "works; it is the one that is used", why);
    landlock = cage_works(CAGE_LANDLOCK, why, sizeof why);
    cage_describe(CAGE_LANDLOCK, found, sizeof found);
    strcat(found, *bubblewrap ? " works (CAGE=landlock)" : " works, and is used");
    line(landlock, "cage landlock", found, why);
    return *bubblewrap || landlock;
}

static bool targets_check(const struct settings *s, bool qemu, bool bochs)
{
    bool sandbox, cage = cages_check(&sandbox);

    line(sandbox || qemu, "target model",
         sandbox ? "subjects run under bubblewrap, with a pretended KVM"
                 : "subjects run in the machine, with a pretended KVM",
         "needs bubblewrap, or QEMU");
    line(qemu, "target machine",
         machine_made(s) ? "QEMU (TCG) with a true /dev/kvm; its snapshot is ready"
                         : "QEMU is here; the first make grade builds the machine (10 s)",
         "sudo apt install qemu-system-x86");
    line(bochs, "target silicon", "Bochs as an Intel CPU with VMX and EPT",
         "sudo apt install bochs bochs-term");
    line(access("/dev/kvm", F_OK) < 0, "host's /dev/kvm", "none; none is needed",
         "there is one; it is never used (some are emulated, a thousand times too slow)");
    return cage && qemu && bochs;
}

static bool room_check(const struct settings *s)
{
    struct statvfs disk;
    struct sysinfo memory;
    char text[80];
    bool ok = true;

    if (statvfs(".", &disk) == 0) {
        double free_mb = (double)disk.f_bavail * (double)disk.f_frsize / 1e6;

        snprintf(text, sizeof text, "%.0f MB free here; build/ takes %d", free_mb,
                 BUILD_MB);
        ok = free_mb > BUILD_MB || machine_made(s);
        line(ok, "disk", text, text);
    }
    if (sysinfo(&memory) == 0) {
        double total = (double)memory.totalram * memory.mem_unit / 1e9;

        snprintf(text, sizeof text, "%.1f GB (a machine takes 0.1, its guest RAM 0.5)",
                 total);
        line(total > 1.5, "memory", text, text);
    }
    return ok;
}

static bool build_check(void)
{
    char why[300];
    bool ok = build_is_ours(why, sizeof why);

    line(ok, "build folder", "yours, with all that is in it", why);
    return ok;
}

static int doctor_verb(const struct settings *s)
{
    bool ok, qemu, bochs;

    printf("%sWhat the kit needs, and what is here%s\n", paint("bold"), paint("off"));
    ok = tools_check(&qemu, &bochs);
    ok &= room_check(s);
    ok &= build_check();
    ok &= targets_check(s, qemu, bochs);
    printf("\n%s\n", ok ? "Everything that the labs need is here."
                        : "Mend the lines marked -- above, then try again: make doctor");
    return ok ? EXIT_ALL : EXIT_GRADER;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .run = doctor_verb,
    .whom = FOR_STUDENT,
    .help =
        "make doctor                 what is installed, what is missing, how to mend it\n",
};
