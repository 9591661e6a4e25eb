/* debug.c - the verb debug: gdb on one's own part, in the run of a check that failed.
 *
 * The check is graded once with its seed, and the last run that it asked for is kept: the one
 * that it found wrong. gdb then starts the same subject with the same input and stops where the
 * verdict says: "ept_walk(gpa 0x1000, read): ..." becomes a breakpoint at ept_walk() if gpa is
 * 0x1000. What has no debugger of ours is said to have none.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"
#include "grading/grading.h"
#include "lib/command.h"
#include "lib/files.h"
#include "lib/json.h"
#include "machine/protocol.h"
#include "report/report.h"
#include "verbs/lab_verb.h"
#include "verbs/verbs.h"

#define KEPT      "build/debug/run"
#define NAME_ROOM 64

/* Where gdb is to stop: in this function, if this parameter has this value. "": not known. */
struct stop {
    char function[NAME_ROOM], parameter[NAME_ROOM], value[NAME_ROOM];
};

/* --- what cannot be debugged -------------------------------------------------------------------- */

static const char *refusal(const cJSON *check)
{
    const char *target = json_text(check, "target");

    if (strcmp(target, "machine") == 0)
        return "This check runs in the machine, under its own kernel: gdb cannot stop "
               "there. "
               "What\nhappened is in its trace: make trace. (For a guest's own code, QEMU "
               "has a "
               "gdbstub, but\nit stops the whole machine, VMM and kernel too.)";
    if (strcmp(target, "silicon") == 0)
        return "This check's verdict is that of the emulated Intel CPU about bytes that "
               "your part "
               "made;\nthe same functions can be debugged in the checks of target model.";
    if (!program_there("gdb"))
        return "gdb is not installed (mend it: sudo apt install gdb)";
    return NULL;
}

/* --- the run that failed -------------------------------------------------------------------------- */

static void check_grade(struct grading *g, const struct labs *labs,
                        const struct targets_found *targets)
{
    unlink(KEPT);
    gradings_run(g, 1, labs, targets, 1, NULL);
}

/* The arena as the agent would have made it, at the descriptor where the subject looks for it. */
static bool arena_make(const struct run_request *request, const uint8_t *input)
{
    int fd = memfd_create("arena", 0);
    uint8_t *arena = NULL;

    if (fd >= 0 && ftruncate(fd, ARENA_SIZE) == 0)
        arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!arena || arena == MAP_FAILED)
        return false;
    *(struct arena_header *)(void *)arena = (struct arena_header){
        .magic = ARENA_MAGIC,
        .entry = request->entry,
        .input_size = request->input_size,
        .nonce = request->nonce,
    };
    memcpy(arena + ARENA_INPUT_AT, input, request->input_size);
    return fd == ARENA_FD || dup2(fd, ARENA_FD) == ARENA_FD;
}

/* Takes the request apart that the check had kept. False: said why. */
static bool run_prepare(void)
{
    size_t size;
    uint8_t *kept = (uint8_t *)file_read(KEPT, SIZE_MAX, &size);
    const struct run_request *request = (const void *)kept;
    bool ok = false;

    if (!kept || size < sizeof *request || request->input_size > size - sizeof *request)
        fprintf(stderr, "grader: the check did not get as far as a run in the sandbox\n");
    else if (request->flags & RUN_PRETEND_KVM)
        fprintf(
            stderr,
            "grader: this run needs the pretended KVM that only the grader's agent has; "
            "under gdb\nopen(\"/dev/kvm\") would be the host's own. The verdict above has "
            "the "
            "calls that were made.\n");
    else if (!(ok = arena_make(request, kept + size - request->input_size)))
        fprintf(stderr, "grader: no arena for the subject: %s\n", strerror(errno));
    free(kept);
    return ok;
}

/* --- where to stop -------------------------------------------------------------------------------- */

static size_t word_copy(char word[NAME_ROOM], const char *from)
{
    size_t n = 0;

    while (n < NAME_ROOM - 1 && (isalnum((unsigned char)from[n]) || from[n] == '_')) {
        word[n] = from[n];
        n++;
    }
    word[n] = 0;
    return n;
}

/* "name(parameter 0x12, ..." or "name(): ..."; false: there is none in the text. */
static bool stop_read(struct stop *stop, const char *text)
{
    const char *open = strchr(text, '('), *from = open;

    while (open && from > text && (isalnum((unsigned char)from[-1]) || from[-1] == '_'))
        from--;
    if (!open || from == open || isdigit((unsigned char)*from))
        return open && stop_read(stop, open + 1);
    word_copy(stop->function, from);
    open += 1 + word_copy(stop->parameter, open + 1);
    if (*open == ' ' && isdigit((unsigned char)open[1]))
        word_copy(stop->value, open + 1);
    return true;
}

static struct stop stop_find(const cJSON *verdict)
{
    struct stop stop = {.function = ""};

    if (!stop_read(&stop, json_text(verdict, "seen")))
        stop_read(&stop, json_text(verdict, "asked"));
    return stop;
}

/* --- gdb ------------------------------------------------------------------------------------------ */

/* A parameter that the function does not have leaves the breakpoint without a condition. */
static void commands_write(FILE *file, const struct stop *stop, bool by_hand)
{
    fprintf(file, "set startup-with-shell off\nset confirm off\nset breakpoint pending on\n"
                  "set print pretty on\nhandle SIGSTOP nostop noprint nopass\n");
    fprintf(file, "break %s\n", stop->function[0] ? stop->function : "main");
    if (stop->value[0])
        fprintf(file, "condition 1 %s == %s\n", stop->parameter, stop->value);
    fprintf(file, "run\n%s", by_hand ? "" : "backtrace 3\ninfo args\nkill\nquit\n");
}

static int gdb_run(const char *subject, const struct stop *stop)
{
    const bool by_hand = isatty(0);
    FILE *file = fopen("build/debug/commands", "we");
    char *argv[] = {"gdb",
                    "-q",
                    by_hand ? "-nh" : "-batch",
                    "-x",
                    "build/debug/commands",
                    (char *)(uintptr_t)subject,
                    NULL};

    if (!file) {
        fprintf(stderr, "grader: cannot write to build/debug: %s\n", strerror(errno));
        return EXIT_GRADER;
    }
    commands_write(file, stop, by_hand);
    if (fclose(file) != 0)
        return EXIT_GRADER;
    if (stop->value[0])
        printf("\ngdb stops at %s() where %s is %s (see the verdict above).\n",
               stop->function, stop->parameter, stop->value);
    else
        printf(
            "\ngdb stops at each call of %s(); which one failed, the verdict above says.\n",
            stop->function[0] ? stop->function : "main");
    printf("A part that stops itself (SIGSTOP) only lets the grader look: gdb passes over "
           "it.\n\n");
    fflush(stdout);
    execvp("gdb", argv);
    fprintf(stderr, "grader: cannot start gdb: %s\n", strerror(errno));
    return EXIT_GRADER;
}

static int check_debug(struct grading *g, const struct labs *labs,
                       const struct targets_found *targets, const struct settings *s)
{
    const cJSON *verdict = cJSON_GetObjectItemCaseSensitive(g->checks, s->check);
    struct submission submission = g->submission;
    struct stop stop = stop_find(verdict);
    struct built built;

    report_print(g, s);
    fflush(stdout);
    if (!g->built)
        return EXIT_POINTS;
    if (strcmp(json_text(verdict, "verdict"), "pass") == 0)
        printf("\nIt passes; its last run is debugged all the same.\n");
    submission.debug = true;
    submission.cage = targets->cage;
    submission.no_cage = targets->no_cage;
    subject_build(&built, g->lab, labs, &submission, g->lab->name);
    if (!built.ok) {
        fprintf(stderr, "grader: it cannot be compiled for gdb:\n%s\n", built.messages);
        return EXIT_GRADER;
    }
    if (!run_prepare())
        return EXIT_GRADER;
    return gdb_run(built.subject, &stop);
}

static int lab_debug(const struct lab *lab, const struct labs *labs,
                     const struct settings *s)
{
    const cJSON *check = s->check ? lab_check(lab, s->check) : NULL;
    struct grading g = {.lab = lab,
                        .submission = submission_from(s),
                        .only = s->check,
                        .keep = KEPT,
                        .no_machine = true,
                        .no_silicon = true,
                        .seed = s->seed};
    struct targets_found targets;

    if (!check) {
        fprintf(stderr,
                "grader: debug which check? `make hint LAB=%d CHECK=list` lists them\n",
                lab->number);
        return EXIT_USAGE;
    }
    if (refusal(check)) {
        fprintf(stderr, "grader: %s\n", refusal(check));
        return EXIT_POINTS;
    }
    if (!g.submission.trusted) {
        fprintf(stderr,
                "grader: gdb has no sandbox: only labs/ and solutions/ are debugged\n");
        return EXIT_USAGE;
    }
    if (!folder_make("build/debug") || !targets_prepare(&targets, s) ||
        (lab_is_capstone(lab) && !boot_machine_prepare(&targets, s)))
        return EXIT_GRADER;
    check_grade(&g, labs, &targets);
    return check_debug(&g, labs, &targets, s);
}

static int debug_verb(const struct settings *s)
{
    return lab_verb(s, "debug what? make debug LAB=5 CHECK=id [SEED=n]", lab_debug);
}

const struct verb verb_debug = {
    .name = "debug",
    .run = debug_verb,
    .whom = FOR_STUDENT,
    .help = "make debug LAB=n CHECK=id   gdb at the call that failed (target model)\n",
};
