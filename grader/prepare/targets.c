/* targets.c - what can be graded here, and why the rest cannot. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/command.h"
#include "lib/host.h"
#include "lib/settings.h"
#include "prepare/prepare.h"

#define PREPARE_LOCK "build/prepare.lock"
#define HOUR         3600
#define NOT_X86      "this computer is no x86: all that is x86 code runs in the machine"

static void target_refuse(char *why, size_t size, const char *name,
                          const struct settings *s)
{
    if (s->sanitize && !HOST_RUNS_SUBJECTS)
        snprintf(why, size, "SANITIZE=1 needs an x86 host");
    else if (s->sanitize && strcmp(name, "model") != 0)
        snprintf(why, size, "SANITIZE=1 works on target model only");
    else if (s->target && strcmp(s->target, name) != 0)
        snprintf(why, size, "TARGET=%s was asked for", s->target);
}

/* Is one missing that TARGET= and SANITIZE= leave to be asked for? */
static bool target_missing(const char *why, const char *name, const struct settings *s)
{
    char refused[100] = "";

    target_refuse(refused, sizeof refused, name, s);
    return why[0] && !refused[0];
}

/* Without a sandbox, or on a host of another kind, subjects of the model and silicon checks run in
 * the machine; without both, nowhere. */
static void model_settle(struct targets_found *found)
{
    const char *why = HOST_RUNS_SUBJECTS ? found->no_sandbox : NOT_X86;

    if (!why[0] || !found->no_machine[0])
        return;
    if (!found->no_model[0])
        snprintf(found->no_model, sizeof found->no_model, "%s", why);
    if (!found->no_silicon[0])
        snprintf(found->no_silicon, sizeof found->no_silicon, "%s", why);
}

/* What was not asked for, and what is not installed. */
static void targets_choose(struct targets_found *found, const struct settings *s)
{
    target_refuse(found->no_model, sizeof found->no_model, "model", s);
    target_refuse(found->no_machine, sizeof found->no_machine, "machine", s);
    target_refuse(found->no_silicon, sizeof found->no_silicon, "silicon", s);
    if (!found->no_machine[0] && !program_there("qemu-system-x86_64"))
        snprintf(found->no_machine, sizeof found->no_machine,
                 "QEMU is not installed: sudo apt install qemu-system-x86");
    if (!found->no_silicon[0] && !program_there("bochs"))
        snprintf(found->no_silicon, sizeof found->no_silicon,
                 "Bochs is not installed: sudo apt install bochs bochs-term");
}

/* bubblewrap, where it works: it is where subjects can run too. Else Landlock. */
static void cage_choose(struct targets_found *found, const struct settings *s)
{
    enum cage forced = s->cage ? cage_named(s->cage) : CAGE_NONE;
    char why[400] = "";

    if (forced == CAGE_LANDLOCK)
        snprintf(found->no_sandbox, sizeof found->no_sandbox,
                 "CAGE=landlock was asked for, and subjects do not run in that one");
    else if (cage_works(CAGE_BUBBLEWRAP, found->no_sandbox, sizeof found->no_sandbox))
        found->cage = CAGE_BUBBLEWRAP;
    if (found->cage == CAGE_NONE && forced != CAGE_BUBBLEWRAP &&
        cage_works(CAGE_LANDLOCK, why, sizeof why))
        found->cage = CAGE_LANDLOCK;
    if (found->cage == CAGE_NONE)
        snprintf(found->no_cage, sizeof found->no_cage, "%s%s%s", found->no_sandbox,
                 why[0] ? "; and " : "", why);
}

/* When it is known what is there. */
static void targets_settle(struct targets_found *found, const struct settings *s)
{
    model_settle(found);
    found->incomplete = target_missing(found->no_model, "model", s) ||
                        target_missing(found->no_machine, "machine", s) ||
                        target_missing(found->no_silicon, "silicon", s);
}

bool targets_prepare(struct targets_found *found, const struct settings *s)
{
    char why[300];
    int lock;
    bool ok;

    if (!build_is_ours(why, sizeof why)) {
        fprintf(stderr, "grader: %s\n", why);
        return false;
    }
    *found = (struct targets_found){.machine = ""};
    cage_choose(found, s);
    targets_choose(found, s);
    if (found->no_machine[0]) {
        targets_settle(found, s);
        return true;
    }
    if (!folder_make("build") || (lock = lock_take(PREPARE_LOCK)) < 0) {
        fprintf(stderr, "grader: cannot write to build/: %s\n", strerror(errno));
        return false;
    }
    folder_prune("build/tmp", NULL, HOUR); /* of runs that were killed */
    folder_prune("build/cache", NULL, 12 * HOUR);
    ok = machine_prepare(found->machine, s, false);
    if (!ok && !kernel_there(s)) {
        ok = true;
        snprintf(found->no_machine, sizeof found->no_machine,
                 "there is no kernel for the machine (see above; a kernel of your own: "
                 "KERNEL=bzImage MODULES=/lib/modules/VERSION)");
    }
    targets_settle(found, s);
    lock_drop(lock);
    return ok;
}

bool boot_machine_prepare(struct targets_found *found, const struct settings *s)
{
    int lock;
    bool ok;

    if (found->no_machine[0] || found->boot_machine[0])
        return true;
    lock = lock_take(PREPARE_LOCK);
    if (lock < 0) {
        fprintf(stderr, "grader: cannot write to build/: %s\n", strerror(errno));
        return false;
    }
    ok = machine_prepare(found->boot_machine, s, true);
    lock_drop(lock);
    return ok;
}

bool others_graded(const struct targets_found *found, const char *verb)
{
    if (found->cage != CAGE_NONE)
        return true;
    printf("SKIP  %s: no cage works here: %s\n%s: 0 passed, 0 failed, 1 skipped\n", verb,
           found->no_cage, verb);
    return false;
}
