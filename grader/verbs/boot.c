/* boot.c - the verb boot: Linux in one's own VMM, on this terminal.
 *
 *   terminal <--> this process <-- frames --> agent <-- pipes --> subject: UART --> guest
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "exit_names.h"
#include "grading/capstone.h"
#include "judge/capstone_words.h"
#include "judge/qemu.h"
#include "lib/command.h"
#include "lib/files.h"
#include "lib/process_cpu.h"
#include "lib/raw_terminal.h"
#include "machine/frames.h"
#include "prepare/prepare.h"
#include "verbs/boot_kernel.h"
#include "verbs/lab_verb.h"
#include "verbs/linux_boot.h"
#include "verbs/verbs.h"
#include "vfio_error.h"

#define COMMAND_LINE                                                                       \
    "console=ttyS0 quiet no_timer_check tsc=reliable lpj=4000000 panic=-1 reboot=t "       \
    "mitigations=off cryptomgr.notests random.trust_cpu=on ipv6.disable=1"
#define PROMPT "guest# "

/* What goes on between this terminal and the guest. */
struct session {
    int channel;
    pid_t machine;
    double cpu_start, cpu_prompt; /* its CPU time; cpu_prompt 0: there was none */
    bool terminal;                /* keys come from one */
    bool quiet;                   /* nobody wants to see the console */
    bool prefix, end;
    bool typing; /* keys are taken (from a pipe: not before there is a prompt) */
    bool has_prompt;
    char tail[sizeof PROMPT];
    bool ended; /* END has come */
    struct run_end how;
    struct lab11_boot_output out;
    bool answered;
};

static void tail_add(struct session *session, const char *text, size_t size)
{
    const size_t room = sizeof session->tail - 1;

    for (size_t i = 0; i < size; i++) {
        memmove(session->tail, session->tail + 1, room - 1);
        session->tail[room - 1] = text[i];
        session->has_prompt |= strcmp(session->tail, PROMPT) == 0;
    }
}

/* The first prompt: a typist may have it, and that is what a boot costs. */
static void prompt_note(struct session *session)
{
    session->typing |= session->has_prompt;
    if (!session->has_prompt || session->cpu_prompt > 0 || session->machine <= 0)
        return;
    session->cpu_prompt = process_cpu(session->machine) - session->cpu_start;
}

static void frame_take(struct session *session, const struct frame_header *header,
                       const void *payload)
{
    const size_t head = sizeof(struct arena_header);

    switch (header->type) {
    case FRAME_CONSOLE:
        if (!session->quiet && write(STDOUT_FILENO, payload, header->length) < 0)
            session->end = true;
        tail_add(session, payload, header->length);
        prompt_note(session);
        break;
    case FRAME_ANSWER:
        session->answered = header->length == head + sizeof session->out;
        if (session->answered)
            memcpy(&session->out, (const char *)payload + head, sizeof session->out);
        break;
    case FRAME_END:
        session->ended = header->length == sizeof session->how;
        if (session->ended)
            memcpy(&session->how, payload, sizeof session->how);
        break;
    default: /* evidence, which nobody judges here */
        break;
    }
}

/* False: nobody types any more. */
static bool keys_pass(struct session *session)
{
    char keys[256];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
    size_t size;

    if (n <= 0)
        return n < 0 && errno == EINTR;
    size = session->terminal
               ? raw_terminal_keys(keys, (size_t)n, &session->prefix, &session->end)
               : (size_t)n;
    if (session->end)
        frame_send(session->channel, FRAME_STOP, NULL, 0, NULL, 0);
    else if (size > 0)
        frame_send(session->channel, FRAME_KEYS, NULL, 0, keys, size);
    return true;
}

/* Until the run has ended. False: the machine has gone. */
static bool session_run(struct session *session)
{
    struct pollfd events[2] = {{.fd = session->channel, .events = POLLIN},
                               {.fd = STDIN_FILENO, .events = POLLIN}};

    while (!session->ended) {
        struct frame_header header;
        void *payload;

        events[1].events = session->typing ? POLLIN : 0;
        if (poll(events, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        if (session->typing && events[1].revents && !keys_pass(session))
            events[1].fd = -1;
        if (!events[0].revents)
            continue;
        if (frame_receive(session->channel, &header, &payload) < 0)
            return false;
        frame_take(session, &header, payload);
        free(payload);
    }
    return true;
}

/* --- what came of it ---------------------------------------------------------------------------- */

static const char *end_text(const struct lab11_boot_output *out)
{
    if (out->powered_off)
        return "the guest switched itself off";
    if (out->reset)
        return "the guest reset itself";
    switch (out->status) {
    case RUN_SHUTDOWN:
        return "the guest ended by a triple fault (reboot=t does so, too)";
    case RUN_HALTED:
        return "the guest halted, and nobody waits for an interrupt: no "
               "KVM_CREATE_IRQCHIP?";
    case RUN_INTERNAL_ERROR:
        return "KVM could not go on (KVM_EXIT_INTERNAL_ERROR)";
    case RUN_FAIL_ENTRY:
        return "the processor refused the guest's state (KVM_EXIT_FAIL_ENTRY)";
    default:
        return "the run ended";
    }
}

static void failure_print(const struct lab11_boot_output *out)
{
    const int error = -out->result;

    fprintf(stderr, "\nThe VMM got as far as %s, which returned %d (%s).\n",
            capstone_step(out->step), out->result,
            error == ENOSYS ? "not written yet" : capstone_error(out->step, error));
    if (out->device_error.kind != VFIO_OK) {
        char words[300];

        vfio_error_describe(&out->device_error, words, sizeof words);
        fprintf(stderr, "%s\n", words);
    }
}

static void prompt_print(const struct session *session)
{
    if (session->cpu_prompt > 0)
        fprintf(stderr, "\nFrom start to prompt: %.1f s of the machine's CPU time.",
                session->cpu_prompt);
}

static int session_report(const struct session *session, double seconds)
{
    const struct lab11_boot_output *out = &session->out;
    uint64_t all = 0;

    if (session->end) {
        prompt_print(session);
        fprintf(stderr, "\nEnded (Ctrl-A x) after %.1f s.\n", seconds);
        return EXIT_ALL;
    }
    if (session->how.outcome == RUN_SIGNALLED) {
        fprintf(stderr, "\nYour VMM was ended by signal %d (%s).\n", session->how.status,
                strsignal(session->how.status));
        return EXIT_POINTS;
    }
    if (!session->answered || out->result < 0) {
        failure_print(out);
        return EXIT_POINTS;
    }
    prompt_print(session);
    fprintf(stderr, "\nAfter %.1f s %s. Exits that reached the VMM:", seconds,
            end_text(out));
    for (uint32_t reason = 0; reason < VCPU_EXIT_REASONS; reason++) {
        all += out->exits[reason];
        if (out->exits[reason])
            fprintf(stderr, " %s %" PRIu64, exit_name(reason), out->exits[reason]);
    }
    fprintf(stderr, "\n%" PRIu64 " in all; %" PRIu64 " port accesses found no device.\n",
            all, out->unclaimed);
    return EXIT_ALL;
}

/* --- together --------------------------------------------------------------------------------- */

bool linux_boot_start(int channel, const char *subject, const struct lab11_boot *boot)
{
    const struct run_request request = {.flags = RUN_TERMINAL | RUN_LINUX |
                                                 RUN_NO_DEADLINE |
                                                 (boot->device ? RUN_DEVICE : 0),
                                        .entry = LAB11_BOOT,
                                        .input_size = sizeof *boot,
                                        .nonce = 1};
    size_t size;
    char *image = file_read(subject, SIZE_MAX, &size);
    bool ok =
        image && frame_send(channel, FRAME_SUBJECT, NULL, 0, image, size) == 0 &&
        frame_send(channel, FRAME_RUN, &request, sizeof request, boot, sizeof *boot) == 0;

    free(image);
    return ok;
}

/* The kernel that somebody brought goes before. */
static bool kernel_send(int channel, const struct boot_file *kernel)
{
    return kernel->size == 0 ||
           frame_send(channel, FRAME_KERNEL, NULL, 0, kernel->bytes, kernel->size) == 0;
}

static int machine_session(const char *subject, const char *folder,
                           const struct lab11_boot *boot, const struct boot_file *kernel)
{
    struct session session = {.channel = -1};
    struct machine machine;
    char why[1000];
    double start = now_seconds();
    int status = EXIT_GRADER;

    if (machine_restore(&machine, folder, why, sizeof why) < 0) {
        fprintf(stderr, "grader: %s\n", why);
        return EXIT_GRADER;
    }
    session.channel = machine.channel;
    session.machine = machine.pid;
    session.cpu_start = process_cpu(machine.pid);
    session.terminal = raw_terminal_take();
    session.typing = session.terminal;
    fprintf(stderr, session.terminal
                        ? "Your VMM boots Linux; Ctrl-A x ends it.\n"
                        : "Standard input is no terminal: what comes from it is typed at "
                          "the guest's prompt.\n");
    if (kernel_send(machine.channel, kernel) &&
        linux_boot_start(machine.channel, subject, boot) && session_run(&session)) {
        raw_terminal_restore();
        status = session_report(&session, now_seconds() - start);
    } else {
        raw_terminal_restore();
        fprintf(stderr, "\ngrader: the machine went away while your VMM ran\n");
    }
    machine_stop(&machine);
    close(machine.console);
    return status;
}

/* Nothing is typed. */
bool linux_boot_prompt(int channel)
{
    struct session session = {.channel = channel, .quiet = true};

    while (!session.typing && !session.ended) {
        struct frame_header header;
        void *payload;

        if (frame_receive(channel, &header, &payload) < 0)
            return false;
        frame_take(&session, &header, payload);
        free(payload);
    }
    return session.typing;
}

bool linux_boot_request(struct lab11_boot *boot, const char *command_line,
                        const char *device)
{
    const char *more = command_line ? command_line : "";
    int length = snprintf(boot->command_line, sizeof boot->command_line,
                          COMMAND_LINE "%s%s", *more ? " " : "", more);

    if (length < 0 || (size_t)length > BOOT_COMMAND_LINE_MAX) {
        fprintf(stderr,
                "grader: CMDLINE= makes a command line of %d characters; a kernel "
                "takes %u\n",
                length, BOOT_COMMAND_LINE_MAX);
        return false;
    }
    if (device && strcmp(device, "edu") != 0) {
        fprintf(stderr, "grader: there is no DEVICE=%s in the machine; there is: edu\n",
                device);
        return false;
    }
    boot->terminal = 1;
    boot->ram_mib = LAB11_RAM_MIB;
    boot->device = boot->has_pci = device != NULL;
    return true;
}

static bool cpus_take(struct lab11_boot *boot, const char *text)
{
    char *end = NULL;
    const unsigned long n = text ? strtoul(text, &end, 10) : 1;

    if (text && (end == text || *end || n < 1 || n > LINUX_CPUS_MAX)) {
        fprintf(stderr, "grader: CPUS=%s: the board has 1 to %u processors\n", text,
                LINUX_CPUS_MAX);
        return false;
    }
    boot->cpus = (uint32_t)n;
    return true;
}

/* Together with MODULES=, KERNEL= is the machine's own, as for every other verb. */
static bool is_guests_kernel(const struct settings *s)
{
    return s->kernel && !s->modules;
}

static int linux_boot(const struct lab *lab, const struct labs *labs,
                      const struct settings *s)
{
    struct submission submission = submission_from(s);
    char note[CAPSTONE_NOTE];
    static struct lab11_boot boot;
    struct boot_file kernel = {.size = 0};
    struct settings machine = *s;
    struct targets_found targets;
    struct built built;
    int status;

    if (!linux_boot_request(&boot, s->command_line, s->device) ||
        !cpus_take(&boot, s->cpus))
        return EXIT_USAGE;
    if (is_guests_kernel(s)) {
        machine.kernel = NULL;
        boot.other = 1;
        if (!boot_kernel_read(&kernel, s->kernel, (uint64_t)boot.ram_mib << 20))
            return EXIT_USAGE;
    }
    if (!targets_prepare(&targets, &machine) || !boot_machine_prepare(&targets, &machine))
        return EXIT_GRADER;
    if (targets.no_machine[0]) {
        fprintf(stderr, "grader: no machine to run it in: %s\n", targets.no_machine);
        return EXIT_GRADER;
    }
    submission.cage = targets.cage;
    submission.no_cage = targets.no_cage;
    capstone_submission(&submission, labs, s, note);
    if (note[0])
        fprintf(stderr, "%s\n", note);
    subject_build(&built, lab, labs, &submission, lab->name);
    if (built.messages && built.messages[0])
        fprintf(stderr, "%s\n", built.messages);
    status = built.ok ? machine_session(built.subject, targets.boot_machine, &boot, &kernel)
                      : EXIT_POINTS;
    built_free(&built);
    free((void *)(uintptr_t)kernel.bytes);
    return status;
}

static int boot_verb(const struct settings *s)
{
    struct settings capstone = *s;

    capstone.lab = CAPSTONE_LAB;
    return lab_verb(&capstone, "", linux_boot);
}

const struct verb verb_boot = {
    .name = "boot",
    .run = boot_verb,
    .whom = FOR_STUDENT,
    .guest_kernel = true,
    .help =
        "make boot                   Linux in your VMM, on this terminal (the capstone)\n"
        "      DEVICE=edu CMDLINE=text  with the PCI device; more for the kernel\n"
        "      KERNEL=file              another kernel: vmlinux, bzImage, multiboot "
        "image\n"
        "      CPUS=2                   so many processors, up to 4\n",
};
