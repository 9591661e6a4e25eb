/* bochs.c - runs a job: a ROM image in, memory dumps out, all of it in files that have no name.
 *
 * Bochs reads its configuration, the ROM and the debugger's commands from memfds, by way of
 * /proc/self/fd, and the debugger writes memory to others: nothing is left behind however
 * the run ends, and any number of runs can go on at once. What the emulator prints and its
 * exit status are for diagnosis only; the evidence is memory, as the debugger saw it from
 * outside the emulated machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "judge/guest_image.h"
#include "judge/text.h"
#include "lib/child.h"
#include "machine/own_time.h"
#include "silicon/bochs.h"

GUEST_IMAGE(silicon_runtime, "runtime.bin");
GUEST_IMAGE(silicon_reset, "reset.bin");

#define ROM_MAX    (2u << 20)
#define ROM_UNIT   (64u << 10)
#define RESET_SIZE 4096u
#define CPU_MS     20000 /* a run of the reference takes 120 */
#define FILE_MAX   (64u << 20)
#define LOOK_MS    100 /* between two looks at the CPU time */
#define LOG_PAGE   (SILICON_RECORDS_HPA - SILICON_LOG_HPA)

/* What the reset code wants to know (common/silicon/reset.S); lengths in units of 4 bytes. */
struct rom_header {
    uint32_t runtime_from, runtime_length;
    uint32_t job_from, job_length;
};

int bochs_file_new(struct judge *judge, const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0)
        judge_error(judge, "no memory file for Bochs: %s", strerror(errno));
    return fd;
}

static void file_put(struct judge *judge, int fd, const void *bytes, size_t size)
{
    if (write(fd, bytes, size) != (ssize_t)size)
        judge_error(judge, "could not write a file for Bochs: %s", strerror(errno));
}

/* --- what goes in ----------------------------------------------------------------------------- */

/* The ROM ends at 4 GiB: runtime, job, a gap, the reset code. */
void bochs_rom_write(struct judge *judge, const struct bochs_run *r,
                     const struct bochs_bytes *program, const struct bochs_bytes *job,
                     const struct bochs_bytes *more)
{
    const size_t runtime = (program->size + 15) & ~(size_t)15;
    const size_t jobs = (job->size + more->size + 3) & ~(size_t)3;
    const size_t size = (runtime + jobs + RESET_SIZE + ROM_UNIT - 1) / ROM_UNIT * ROM_UNIT;
    const uint32_t base = (uint32_t)(0x100000000ull - size);
    const struct rom_header header = {base, (uint32_t)runtime / 4, base + (uint32_t)runtime,
                                      (uint32_t)jobs / 4};
    uint8_t *rom = calloc(1, size);

    if (!rom || size > ROM_MAX)
        judge_error(judge, "a silicon job does not fit into a ROM");
    memcpy(rom, program->bytes, program->size);
    memcpy(rom + runtime, job->bytes, job->size);
    memcpy(rom + runtime + job->size, more->bytes, more->size);
    memcpy(rom + size - RESET_SIZE, silicon_reset, RESET_SIZE);
    memcpy(rom + size - RESET_SIZE, &header, sizeof header);
    file_put(judge, r->rom, rom, size);
    free(rom);
}

static void job_rom_write(struct silicon *s, const struct bochs_run *r)
{
    s->job.size = (uint32_t)(sizeof s->job + s->data_size);
    bochs_rom_write(
        s->judge, r,
        &(struct bochs_bytes){silicon_runtime, GUEST_IMAGE_SIZE(silicon_runtime)},
        &(struct bochs_bytes){&s->job, sizeof s->job},
        &(struct bochs_bytes){s->data, s->data_size});
}

/* No BIOS, no disk, no display, no sound, no clock that ties it to real time. */
static void config_write(const struct bochs_run *r, const struct bochs_machine *machine)
{
    dprintf(r->config,
            "megs: %u\n"
            "romimage: file=/proc/self/fd/%d\n"
            "cpu: model=%s, ips=50000000, reset_on_triple_fault=%d\n"
            "display_library: term\n"
            "log: /proc/self/fd/%d\n"
            "logprefix: %%t%%e%%d\n"
            "info: action=ignore\n"
            "error: action=report\n"
            "panic: action=fatal\n"
            "sound: driver=dummy\n"
            "vgaromimage: file=/proc/self/fd/%d\n"
            "pci: enabled=0\n",
            machine->megabytes, r->rom, machine->cpu, machine->resets, r->words,
            r->vga_rom);
}

static void commands_write(const struct silicon *s, const struct bochs_run *r)
{
    /* The runtime's last instruction breaks into the debugger; it goes on with the second. */
    dprintf(r->commands, "c\nwritemem \"/proc/self/fd/%d\" 0x%llx %llu\n", r->log,
            SILICON_LOG_HPA,
            LOG_PAGE + (unsigned long long)s->log_records * sizeof *s->records);
    for (unsigned i = 0; i < s->window_count; i++)
        dprintf(r->commands, "writemem \"/proc/self/fd/%d\" 0x%llx %u\n", r->windows[i],
                (unsigned long long)s->windows[i].hpa, s->windows[i].length);
    dprintf(r->commands, "quit\n");
}

/* --- the process -------------------------------------------------------------------------------- */

/* What it opens under /proc/self/fd; -1 ends the list. */
#define FILES_MAX (8 + SILICON_WINDOWS_MAX)

static void files_list(const struct bochs_run *r, int info, int list[FILES_MAX])
{
    int n = 0;

    for (const int *fd = (const int[]){r->rom, r->vga_rom, r->config, r->commands, r->log,
                                       r->words, info, -1};
         *fd >= 0; fd++)
        list[n++] = *fd;
    for (int i = 0; i < SILICON_WINDOWS_MAX; i++)
        if (r->windows[i] > 0)
            list[n++] = r->windows[i];
    list[n] = -1;
}

/* Where root grades, it runs as somebody else also in the cage that does not see to that itself. */
_Noreturn static void bochs_exec(const struct bochs_run *r, enum cage cage, int info,
                                 pid_t parent)
{
    struct command c = {.count = 0};
    const char *option = bochs_debugger_option();
    int files[FILES_MAX];

    if (cage != CAGE_LANDLOCK)
        root_drop();
    child_bind(parent);
    cage_begin(&c, cage, &(struct cage_wish){.emulator = true, .info = info});
    command_add_words(&c, (const char *const[]){"bochs", "-q", "-f", NULL});
    command_add(&c, "/proc/self/fd/%d", r->config);
    command_add(&c, "-rc");
    command_add(&c, "/proc/self/fd/%d", r->commands);
    if (option)
        command_add(&c, "%s", option);
    files_list(r, info, files);
    child_apart(-1, r->output, r->output, files);
    /* What it writes lies in memory: beyond this it writes no more. */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){FILE_MAX, FILE_MAX});
    execvp(c.argv[0], c.argv);
    _exit(127);
}

/* bubblewrap says which process is the command, whose CPU time counts: {"child-pid": N, ...}. The
 * others become it. */
static pid_t bochs_pid(int info, pid_t started)
{
    char text[400] = "";
    size_t size = 0;
    ssize_t n;
    const char *at;
    int pid;

    while (size < sizeof text - 1 && !strchr(text, '}') &&
           (n = read(info, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)n;
    at = strstr(text, "\"child-pid\": ");
    return at && sscanf(at, "\"child-pid\": %d", &pid) == 1 ? pid : started;
}

/* Waits until it ends, has used cpu_ms, or was left without CPU for too long: *starved. */
static bool bochs_wait(pid_t pid, pid_t emulator, int cpu_ms, int *status, bool *starved)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    int ready, used, left = BOCHS_PATIENCE * (cpu_ms / LOOK_MS);

    do {
        ready = poll(&end, 1, LOOK_MS);
        used = (int)(process_cpu_us(emulator) / 1000);
    } while (ready <= 0 && used < cpu_ms && left-- > 0);
    *starved = ready <= 0 && used < cpu_ms;
    if (ready <= 0)
        kill(pid, SIGKILL);
    close(end.fd);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    return ready > 0;
}

struct bochs_run bochs_run_new(struct judge *judge, const struct bochs_machine *machine)
{
    struct bochs_run r = {
        .rom = bochs_file_new(judge, "rom"),
        .vga_rom = bochs_file_new(judge, "vga-rom"),
        .config = bochs_file_new(judge, "bochsrc"),
        .commands = bochs_file_new(judge, "commands"),
        .output = bochs_file_new(judge, "output"),
        .log = bochs_file_new(judge, "log"),
        .words = bochs_file_new(judge, "words"),
    };

    file_put(judge, r.vga_rom, (const uint8_t[512]){0}, 512); /* never run; it has to be */
    config_write(&r, machine);
    return r;
}

bool bochs_execute(struct judge *judge, const struct bochs_run *r, int cpu_ms, int *status)
{
    bool starved, ended;
    int info[2];
    pid_t parent = getpid(), pid = pipe2(info, O_CLOEXEC) < 0 ? -1 : fork();

    if (pid == 0)
        bochs_exec(r, judge_cage(judge), info[1], parent);
    if (pid < 0)
        judge_error(judge, "Bochs could not be started: %s", strerror(errno));
    close(info[1]);
    ended = bochs_wait(pid, bochs_pid(info[0], pid), cpu_ms, status, &starved);
    close(info[0]);
    if (starved)
        judge_error(judge, "Bochs got less than %d s of CPU time in %d s", cpu_ms / 1000,
                    BOCHS_PATIENCE * cpu_ms / 1000);
    return ended;
}

void bochs_run_free(const struct bochs_run *r)
{
    for (const int *fd = (const int[]){r->rom, r->vga_rom, r->config, r->commands,
                                       r->output, r->log, r->words, -1};
         *fd >= 0; fd++)
        close(*fd);
}

/* --- what comes out ------------------------------------------------------------------------------ */

/* The last words of the emulator, in one line. */
static void output_tail(int fd, char *buffer, size_t size)
{
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
    ssize_t n = pread(fd, buffer, size - 1, from);

    buffer[n > 0 ? n : 0] = 0;
    text_clean(buffer);
}

/* Bytes of a dump; NULL if it is not all there. */
static void *dump_read(int fd, size_t offset, size_t size)
{
    void *bytes = malloc(size ? size : 1);

    if (bytes && pread(fd, bytes, size, (off_t)offset) != (ssize_t)size) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

_Noreturn void bochs_blame(struct judge *judge, const struct bochs_run *r, bool ended,
                           int status)
{
    char tail[400];

    output_tail(r->output, tail, sizeof tail);
    if (!ended)
        check_fail(
            judge, "the emulated processor comes to the end of its program",
            "it was still running after %d s of CPU time (the reference's takes 0.1), "
            "and wrote no record of VM exits: what it was given keeps it from coming "
            "back (an event that happens again and again, a table that leads into a "
            "loop)",
            CPU_MS / 1000);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        check_skip(judge, "Bochs is not installed: sudo apt install bochs bochs-term");
    if (strstr(tail, "'term' not"))
        check_skip(judge, "Bochs has no text display: sudo apt install bochs-term");
    judge_error(judge, "Bochs left no log (status %#x): %s", status, tail);
}

static bool log_whole(const struct silicon *s)
{
    struct silicon_log log = s->log;
    uint64_t sum;

    log.checksum = 0;
    sum = silicon_checksum(s->job.nonce, &log.nonce, sizeof log - 8);
    sum = silicon_checksum(sum, s->records, log.record_count * sizeof *s->records);
    return sum == s->log.checksum;
}

static void results_read(struct silicon *s, const struct bochs_run *r, bool ended,
                         int status)
{
    if (pread(r->log, &s->log, sizeof s->log, 0) != sizeof s->log ||
        s->log.magic != SILICON_LOG_MAGIC || s->log.end == SILICON_END_NONE)
        bochs_blame(s->judge, r, ended, status);
    if (s->log.nonce != s->job.nonce || s->log.record_count > s->log_records)
        judge_error(s->judge, "the log of the emulated CPU is of another run");
    s->records = dump_read(r->log, LOG_PAGE, s->log.record_count * sizeof *s->records);
    if (!s->records || !log_whole(s))
        judge_error(s->judge, "the log of the emulated CPU is damaged");
    for (unsigned i = 0; i < s->window_count; i++) {
        s->windows[i].bytes = dump_read(r->windows[i], 0, s->windows[i].length);
        if (!s->windows[i].bytes)
            judge_error(s->judge, "memory of the emulated machine is missing");
    }
}

/* What is neither the guest's nor the student's doing. */
static void log_judge(struct silicon *s)
{
    char text[200];

    switch (s->log.end) {
    case SILICON_NO_VMX:
        check_skip(s->judge, "this Bochs has no CPU with VMX (Debian's bochs has)");
    case SILICON_NO_CONTROL:
        snprintf(
            text, sizeof text,
            "this Bochs does not offer a VMX control that the check needs: bits %#x of "
            "%s",
            (uint32_t)s->log.detail, vmcs_field_name((uint32_t)(s->log.detail >> 32)));
        check_skip(s->judge, text);
    case SILICON_BAD_JOB:
        judge_error(s->judge, "the runtime refuses the job (main.c, line %d)",
                    (int)s->log.detail);
    case SILICON_HOST_FAULT:
        judge_error(s->judge, "exception %d in the runtime at %#llx", (int)s->log.detail,
                    (unsigned long long)s->log.extra);
    default:
        break;
    }
}

void silicon_run(struct silicon *s)
{
    const struct bochs_machine machine = {BOCHS_CPU, SILICON_RAM_END >> 20, false};
    struct bochs_run r = bochs_run_new(s->judge, &machine);
    int status = 0;
    bool ended;

    if (s->log_records < s->job.record_limit)
        s->log_records = s->job.record_limit;
    for (unsigned i = 0; i < s->window_count; i++)
        r.windows[i] = bochs_file_new(s->judge, "window");
    job_rom_write(s, &r);
    commands_write(s, &r);
    ended = bochs_execute(s->judge, &r, CPU_MS, &status);
    bochs_words_read(&s->words, r.words);
    results_read(s, &r, ended, status);
    log_judge(s);
    for (unsigned i = 0; i < s->window_count; i++)
        close(r.windows[i]);
    bochs_run_free(&r);
}

/* --- in words ------------------------------------------------------------------------------------- */

void silicon_record_describe(const struct silicon_record *r, char *buffer, size_t size)
{
    const uint32_t reason = r->exit_reason & VMX_EXIT_BASIC_REASON;
    char what[120] = "", where[64] = "", event[64] = "";

    vmx_qualification_describe(reason, r->qualification, what, sizeof what);
    if (reason == VMX_EXIT_EPT_VIOLATION || reason == VMX_EXIT_EPT_MISCONFIGURATION)
        snprintf(where, sizeof where, " at GPA %#llx",
                 (unsigned long long)r->guest_physical_address);
    if (reason == VMX_EXIT_EXCEPTION_OR_NMI)
        vmx_event_describe(r->interruption_info, event, sizeof event);
    snprintf(buffer, size, "%s%s%s%s%s%s, guest RIP %#llx", vmx_exit_name(reason), where,
             *event ? ": " : "", event, *what ? ": " : "", what,
             (unsigned long long)r->rip);
}

void silicon_run_to_end(struct silicon *s, const char *asked)
{
    char last[300] = "no VM exit at all", reason[300];

    silicon_run(s);
    if (s->log.record_count)
        silicon_record_describe(&s->records[s->log.record_count - 1], last, sizeof last);
    CHECK(s->judge, s->log.end != SILICON_NOT_ENTERED, asked,
          "VMLAUNCH failed with VM-instruction error %d (SDM 3C 31.4). %s",
          (int)s->log.detail,
          silicon_word_explain(silicon_word_find(&s->words, SILICON_REFUSED, 0, UINT64_MAX),
                               reason, sizeof reason));
    CHECK(
        s->judge, s->log.end != SILICON_BAD_STATE, asked,
        "the VM entry failed: exit reason 80000021h, the guest state is not allowed. %s",
        silicon_word_explain(silicon_word_find(&s->words, SILICON_BAD_GUEST, 0, UINT64_MAX),
                             reason, sizeof reason));
    CHECK(s->judge, s->log.end != SILICON_FULL, asked,
          "there were more than %u VM exits; the last: %s", s->job.record_limit, last);
    CHECK(s->judge, s->log.end == SILICON_ENDED, asked,
          "the guest did not get to its end; its last VM exit: %s", last);
}
