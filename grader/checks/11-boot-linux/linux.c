/* linux.c - true boots in the machine. The console is not what the VMM wrote: it is put together
 * from the kernel's records of the guest's OUTs to the UART's port. Guest memory is compared with
 * the kernel's file. Two boots serve all checks here: one without device, one with it. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../labs/11-boot-linux/linux/answer.h"
#include "checks.h"
#include "judge/capstone_words.h"
#include "judge/judge.h"
#include "judge/text.h"
#include "judge/uart_watch.h"

#define COMMAND_LINE                                                                       \
    "console=ttyS0 quiet no_timer_check tsc=reliable lpj=4000000 panic=-1 reboot=t "       \
    "mitigations=off cryptomgr.notests random.trust_cpu=on ipv6.disable=1 "                \
    "nonce=%016" PRIx64
/* For a guest that spins. One that waits for an interrupt in vain is ended sooner: by the time
 * that the machine is idle (subject_watch.c). */
#define DEADLINE_MS  120000
#define CONSOLE_MAX  (64u << 10)
#define CONSOLE_TAIL 300

#define BOOT_PLAIN  1 /* struct run_spec.shared */
#define BOOT_DEVICE 2

/* Windows into guest memory at both checkpoints: before the first instruction, after the last. */
#define PIECES      12
#define PIECE_SIZE  0x10000u
#define PIECE_TRIES 40
#define SITES_MIN   64 /* of places that will be patched, in a piece */
#define AT_START    0
#define AT_END      1

#define EXIT_PLACES      200
#define OPCODE_OUT_DX_AL 0xee
#define PM1_CONTROL_PORT (PLATFORM_PM1 + 4)
#define PM1_SLEEP        0x2000u

/* The kernel's .text, in the file and for the guest. */
struct kernel_text {
    const uint8_t *file;
    size_t file_size;
    uint64_t offset, size, virtual, physical;
};

struct linux_boot {
    struct judge *judge;
    uint64_t nonce;
    const struct evidence *e;
    const struct lab11_boot_output *out;
    struct kernel_text text;
    uint64_t pieces[PIECES];   /* offsets in .text */
    char console[CONSOLE_MAX]; /* NUL at the end */
    size_t console_size;
    uint64_t console_rip; /* of the OUT that wrote most of it */
    size_t from_rip;      /* bytes that came from there */
    bool powered_off;
};

/* --- the kernel's file ------------------------------------------------------------------------ */

static const Elf64_Shdr *section_find(const uint8_t *file, const char *name)
{
    const Elf64_Ehdr *header = (const void *)file;
    const Elf64_Shdr *sections = (const void *)(file + header->e_shoff);
    const char *names = (const char *)file + sections[header->e_shstrndx].sh_offset;

    for (unsigned i = 0; i < header->e_shnum; i++)
        if (strcmp(names + sections[i].sh_name, name) == 0)
            return &sections[i];
    return NULL;
}

/* Physical address of a virtual one, by the program headers. */
static uint64_t physical_of(const uint8_t *file, uint64_t virtual)
{
    const Elf64_Ehdr *header = (const void *)file;
    const Elf64_Phdr *segments = (const void *)(file + header->e_phoff);

    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD && virtual >= segments[i].p_vaddr &&
            virtual - segments[i].p_vaddr < segments[i].p_memsz)
            return virtual - segments[i].p_vaddr + segments[i].p_paddr;
    return 0;
}

/* It is ours: the file that the machine was made with. */
static struct kernel_text kernel_text_find(struct judge *judge)
{
    struct kernel_text text = {.file = NULL};
    const Elf64_Shdr *section;
    char path[4200];
    struct stat s;
    int fd;

    snprintf(path, sizeof path, "%s/vmlinux", judge->targets->options->machine);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) < 0)
        judge_error(judge, "cannot read %s", path);
    text.file_size = (size_t)s.st_size;
    text.file = mmap(NULL, text.file_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    section = text.file == MAP_FAILED ? NULL : section_find(text.file, ".text");
    if (!section)
        judge_error(judge, "%s has no .text", path);
    text.offset = section->sh_offset;
    text.size = section->sh_size;
    while (text.size > PIECE_SIZE && text.file[text.offset + text.size - 1] == 0)
        text.size--; /* it is filled up to a large page */
    text.virtual = section->sh_addr;
    text.physical = physical_of(text.file, section->sh_addr);
    return text;
}

/* The kernel's own name for itself, as /proc/version has it. Another one in the file, without the
 * number of the build ("#1"), is from before the last link. */
static const char *version_find(const struct linux_boot *b, char *buffer, size_t size)
{
    static const char begin[] = "Linux version ";
    const char *at = (const char *)b->text.file, *end = at + b->text.file_size;

    while ((at = memmem(at, (size_t)(end - at), begin, sizeof begin - 1)) != NULL) {
        const char *number = strchr(at, '#');

        if (number && number[1] >= '0' && number[1] <= '9') {
            snprintf(buffer, size, "%s", at);
            return buffer;
        }
        at++;
    }
    judge_error(b->judge, "the kernel's file has no version in it");
}

/* --- the console, from the trace ------------------------------------------------------------------ */

/* The OUT that has written most of the bytes. */
static void rip_settle(struct linux_boot *b, const uint64_t *rips)
{
    for (size_t i = 0; i < b->console_size && b->from_rip <= b->console_size / 2; i++) {
        size_t n = 0;

        for (size_t k = 0; k < b->console_size; k++)
            n += rips[k] == rips[i];
        if (n > b->from_rip) {
            b->from_rip = n;
            b->console_rip = rips[i];
        }
    }
}

static void console_rebuild(struct linux_boot *b)
{
    static uint64_t rips[CONSOLE_MAX];
    struct uart_watch watch = {.dlab = false};
    uint64_t rip = 0;

    for (size_t i = 0; i < b->e->events.count; i++) {
        const struct kvm_event *event = &b->e->events.list[i];

        if (event->kind == EVENT_EXIT)
            rip = event->reason == SVM_EXIT_IOIO ? event->rip : 0;
        if (event->kind != EVENT_PIO || !event->write)
            continue;
        b->powered_off |= event->address == PM1_CONTROL_PORT && (event->value & PM1_SLEEP);
        if (!uart_watch_byte(&watch, event) || event->value == '\r' ||
            b->console_size == CONSOLE_MAX - 1)
            continue;
        rips[b->console_size] = rip;
        b->console[b->console_size++] = (char)event->value;
    }
    rip_settle(b, rips);
    text_clean(b->console);
}

/* How the console ends, for a message. */
static const char *console_tail(const struct linux_boot *b)
{
    const char *from = b->console_size > CONSOLE_TAIL
                           ? b->console + b->console_size - CONSOLE_TAIL
                           : b->console;

    return b->console_size ? from : "(nothing)";
}

/* --- a boot ------------------------------------------------------------------------------------------ */

/* How many places in a piece of the text a list of the file names. Its entries are 32-bit
 * distances from themselves. */
static size_t sites_of(const struct kernel_text *text, const char *list, uint64_t piece)
{
    const Elf64_Shdr *section = section_find(text->file, list);
    size_t count = 0;

    for (uint64_t at = 0; section && at + 4 <= section->sh_size; at += 4) {
        int32_t distance;

        memcpy(&distance, text->file + section->sh_offset + at, sizeof distance);
        count +=
            section->sh_addr + at + (uint64_t)(int64_t)distance - text->virtual - piece <
            PIECE_SIZE;
    }
    return count;
}

/* The kernel's own lists of what it will patch on a CPU such as this one. */
static bool will_be_patched(const struct kernel_text *text, uint64_t piece)
{
    return sites_of(text, ".return_sites", piece) + sites_of(text, ".smp_locks", piece) >=
           SITES_MIN;
}

static uint64_t piece_choose(const struct linux_boot *b, unsigned n)
{
    uint64_t piece = 0;

    for (unsigned i = 0; i < PIECE_TRIES && (i == 0 || !will_be_patched(&b->text, piece));
         i++)
        piece = judge_shared_random(b->judge, 100 + n * PIECE_TRIES + i) %
                ((b->text.size - PIECE_SIZE) / 4096) * 4096;
    return piece;
}

static void windows_make(struct linux_boot *b, struct window *windows)
{
    for (unsigned i = 0; i < PIECES; i++) {
        b->pieces[i] = piece_choose(b, i);
        windows[i] = (struct window){.name = "guest-ram",
                                     .offset = b->text.physical + b->pieces[i],
                                     .length = PIECE_SIZE};
    }
}

static void end_explain(const struct linux_boot *b)
{
    const struct lab11_boot_output *out = b->out;
    char number[40];

    CHECK(b->judge, out->result == 0, "all parts together make a PC that runs",
          "%s returned %s: %s", capstone_step(out->step),
          errno_text(out->result, number, sizeof number),
          capstone_error(out->step, -out->result));
}

static struct linux_boot *boot_linux_once(struct judge *judge, uint32_t which)
{
    static struct lab11_boot in;
    struct linux_boot *b = calloc(1, sizeof *b);
    struct window windows[PIECES];
    const bool device = which == BOOT_DEVICE;
    const struct run_spec spec = {.entry = LAB11_BOOT,
                                  .flags =
                                      RUN_TRACE | RUN_LINUX | (device ? RUN_DEVICE : 0),
                                  .input = &in,
                                  .input_size = sizeof in,
                                  .windows = windows,
                                  .window_count = PIECES,
                                  .deadline_ms = DEADLINE_MS,
                                  .shared = which};

    if (!b)
        judge_error(judge, "out of memory");
    b->judge = judge;
    b->nonce = judge_shared_random(judge, which);
    b->text = kernel_text_find(judge);
    windows_make(b, windows);
    in = (struct lab11_boot){.has_pci = device, .device = device, .ram_mib = LAB11_RAM_MIB};
    snprintf(in.command_line, sizeof in.command_line, COMMAND_LINE, b->nonce);
    b->e = judge_run_any_end(judge, &spec);
    console_rebuild(b);
    if (b->e->end.outcome == RUN_TIMED_OUT)
        check_fail(judge, "Linux boots, answers and switches the machine off",
                   "after %.0f s it had not; its console ends with:\n%s",
                   b->e->end.elapsed_us / 1e6, console_tail(b));
    b->e = judge_run(judge, &spec, sizeof *b->out); /* the same run: explains other ends */
    b->out = (const void *)b->e->answer;
    end_explain(b);
    return b;
}

/* --- what it says ---------------------------------------------------------------------------------- */

/* The rest of the line that begins with `begin`, or NULL. */
static const char *line_find(const struct linux_boot *b, const char *begin)
{
    const size_t length = strlen(begin);

    for (const char *line = b->console; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, begin, length) == 0)
            return line + length;
    }
    return NULL;
}

static bool line_has(const char *line, const char *word)
{
    const char *at = line ? strstr(line, word) : NULL;

    return at && at < strchrnul(line, '\n');
}

static void figures(const struct linux_boot *b)
{
    const struct kvm_events *events = &b->e->events;

    judge_figure(b->judge, "VM exits of a boot",
                 (double)kvm_events_count(events, EVENT_EXIT, KVM_EVENT_ANY), "exits");
    judge_figure(b->judge, "of them to the VMM",
                 (double)kvm_events_count(events, EVENT_USERSPACE_EXIT, KVM_EVENT_ANY),
                 "exits");
    judge_figure(b->judge, "nested page faults of a boot",
                 (double)kvm_events_count(events, EVENT_EXIT, SVM_EXIT_NPF), "exits");
    judge_figure(b->judge, "bytes on the console", (double)b->console_size, "");
    judge_figure(b->judge, "from start to power off", b->e->end.elapsed_us / 1e6, "s");
}

/* --- is it the kernel? ------------------------------------------------------------------------------ */

static size_t differences(const struct linux_boot *b, unsigned checkpoint, unsigned piece)
{
    const uint8_t *due = b->text.file + b->text.offset + b->pieces[piece];
    const uint8_t *bytes = b->e->windows[checkpoint][piece].bytes;
    size_t n = 0;

    if (b->e->windows[checkpoint][piece].length != PIECE_SIZE)
        return PIECE_SIZE;
    for (size_t i = 0; i < PIECE_SIZE; i++)
        n += bytes[i] != due[i];
    return n;
}

/* Before the first instruction: the file's bytes. Afterwards: nearly; a kernel changes its own
 * text while it starts (instructions that this CPU has, locks that one CPU does not need), in
 * most pieces of this size, and in few bytes of each. */
static void text_check(const struct linux_boot *b)
{
    static const char asked[] = "the kernel in guest memory is the file's";

    unsigned patched = 0;

    for (unsigned i = 0; i < PIECES; i++) {
        const size_t before = differences(b, AT_START, i),
                     after = differences(b, AT_END, i);
        const uint64_t gpa = b->text.physical + b->pieces[i];

        CHECK(b->judge, before == 0, asked,
              "before the first instruction, %zu of %u bytes from GPA %#" PRIx64
              " on are others",
              before, PIECE_SIZE, gpa);
        CHECK(b->judge, after < PIECE_SIZE / 4, asked,
              "after the run, %zu of %u bytes from GPA %#" PRIx64 " on are others", after,
              PIECE_SIZE, gpa);
        patched += after > 0;
    }
    CHECK(b->judge, patched >= PIECES / 2,
          "a kernel that has run has patched its own text here and there",
          "of %u pieces of 64 KiB, %u are not exactly the file's any more", PIECES,
          patched);
}

/* Places in the kernel's text at which the guest has left. */
static size_t exit_places(const struct linux_boot *b)
{
    static uint64_t places[EXIT_PLACES];
    size_t count = 0;

    for (size_t i = 0; i < b->e->events.count && count < EXIT_PLACES; i++) {
        const struct kvm_event *event = &b->e->events.list[i];
        size_t known = 0;

        if (event->kind != EVENT_EXIT || event->rip - b->text.virtual >= b->text.size)
            continue;
        while (known < count && places[known] != event->rip)
            known++;
        if (known == count)
            places[count++] = event->rip;
    }
    return count;
}

/* All that a boot is worth hangs on this: it was that kernel which ran and wrote. */
static void kernel_check(const struct linux_boot *b)
{
    static const char asked[] = "what is on the console was written by the kernel's driver";
    const uint64_t at = b->console_rip - b->text.virtual;
    const size_t places = exit_places(b);

    text_check(b);
    CHECK(b->judge, b->console_size > 0, asked, "nothing is on the console");
    CHECK(b->judge,
          at < b->text.size && b->text.file[b->text.offset + at] == OPCODE_OUT_DX_AL, asked,
          "%zu of %zu bytes come from RIP %#" PRIx64 ", where the kernel has no OUT",
          b->from_rip, b->console_size, b->console_rip);
    CHECK(b->judge, b->from_rip == b->console_size, asked,
          "%zu of %zu bytes come from other instructions than its OUT at %#" PRIx64,
          b->console_size - b->from_rip, b->console_size, b->console_rip);
    CHECK(b->judge, places == EXIT_PLACES, "a kernel that starts leaves the guest all over",
          "the VM exits come from %zu places in its text; a boot has more than %u", places,
          EXIT_PLACES);
}

static void answer_check(const struct linux_boot *b)
{
    char version[1024], due[40];
    uint64_t answer = answer_of(b->nonce, version_find(b, version, sizeof version));
    const char *said = line_find(b, "answer ");

    kernel_check(b);
    snprintf(due, sizeof due, "%016" PRIx64, answer);
    CHECK(b->judge, said != NULL, "the guest's program answers the nonce on the console",
          "no line of the console begins with \"answer\"; it ends with:\n%s",
          console_tail(b));
    CHECK(b->judge, strncmp(said, due, 16) == 0,
          "the guest's program answers the nonce on the console",
          "it is %s, the console has %.16s", due, said);
    CHECK(b->judge, b->powered_off, "the guest switches the machine off",
          "there is no write to port %#x with bit 13 (ACPI's S5)", PM1_CONTROL_PORT);
}

void linux_answers(struct judge *judge)
{
    const struct linux_boot *b = boot_linux_once(judge, BOOT_PLAIN);

    answer_check(b);
    figures(b);
}

void kernel_is_the_true_one(struct judge *judge)
{
    kernel_check(boot_linux_once(judge, BOOT_PLAIN));
}

/* --- what it found ------------------------------------------------------------------------------------ */

static unsigned interrupts_of(const struct linux_boot *b, const char *word)
{
    for (const char *line = line_find(b, "/proc/interrupts:"); line;) {
        unsigned n = 0;

        if (line_has(line, word))
            return sscanf(line, " %*[^:]: %u", &n) == 1 ? n : 0;
        line = strchr(line, '\n');
        line = line && strncmp(line + 1, "/proc/interrupts:", 17) == 0 ? line + 18 : NULL;
    }
    return 0;
}

static void memory_check(const struct linux_boot *b)
{
    char high[60];

    snprintf(high, sizeof high, "/proc/iomem: 00100000-%08x : System RAM",
             (LAB11_RAM_MIB << 20) - 1);
    CHECK(b->judge, line_find(b, "/proc/iomem: 00001000-0009fbff : System RAM"),
          "Linux uses the memory below 9FC00h",
          "its /proc/iomem has another region there; the console:\n%s", console_tail(b));
    CHECK(b->judge, line_find(b, high), "Linux uses the memory from 1 MiB to its end",
          "its /proc/iomem has no such region (%s)", high);
}

void linux_sees_the_board(struct judge *judge)
{
    const struct linux_boot *b = boot_linux_once(judge, BOOT_PLAIN);
    const char *flags;

    answer_check(b);
    memory_check(b);
    flags = line_find(b, "/proc/cpuinfo: flags");
    CHECK(judge, line_has(flags, " hypervisor"), "Linux knows that it is a guest",
          "its CPU has no flag \"hypervisor\" (leaf 1, ECX bit 31)");
    CHECK(judge, line_has(flags, " tsc_deadline_timer"),
          "Linux's timer is the local APIC's with TSC deadlines",
          "its CPU has no flag \"tsc_deadline_timer\" (leaf 1, ECX bit 24)");
    CHECK(judge, interrupts_of(b, "ttyS0") > 0, "the serial driver works by interrupts",
          "ttyS0 has had none");
    CHECK(judge, interrupts_of(b, "Local timer") > 0, "the local APIC's timer ticks",
          "it has had no interrupt");
    judge_figure(judge, "interrupts of the serial port", interrupts_of(b, "ttyS0"), "");
    judge_figure(judge, "interrupts of the local timer", interrupts_of(b, "Local timer"),
                 "");
}

/* --- the device ------------------------------------------------------------------------------------------ */

static uint32_t factorial(uint32_t n)
{
    return n < 2 ? 1 : n * factorial(n - 1);
}

/* Accesses to the BAR that had to be emulated. */
static size_t bar_exits(const struct linux_boot *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->e->events.count; i++)
        n += b->e->events.list[i].kind == EVENT_MMIO &&
             b->e->events.list[i].address - PCI_WINDOW_GPA < 0x10000000u;
    return n;
}

void linux_drives_the_device(struct judge *judge)
{
    static const char asked[] = "a program in the guest drives the device on its PCI bus";
    const struct linux_boot *b = boot_linux_once(judge, BOOT_DEVICE);
    const uint32_t number = answer_number(b->nonce);
    char due[80];
    const char *said;

    answer_check(b);
    said = line_find(b, "device: ");
    CHECK(judge, said, asked,
          "Linux has found no device 00:05.0; its console ends with:\n%s", console_tail(b));
    snprintf(due, sizeof due, "id 010000ed, factorial %u\n", factorial(number));
    CHECK(judge, strncmp(said, due, strlen(due)) == 0, asked,
          "asked for %u!, it is to say \"%.*s\"; it says \"%.*s\"", number,
          (int)strlen(due) - 1, due, (int)strcspn(said, "\n"), said);
    CHECK(judge, bar_exits(b) == 0, "the device's registers are memory to the guest",
          "%zu accesses to its BAR came to the VMM", bar_exits(b));
    said = line_find(b, "device: interrupts ");
    CHECK(judge, said && atoi(said) == ANSWER_INTERRUPTS,
          "each interrupt of the device reaches its driver once",
          "of %d raised one after the other, the driver has counted %d", ANSWER_INTERRUPTS,
          said ? atoi(said) : 0);
}

void device_reaches_guest_memory(struct judge *judge)
{
    static const char asked[] = "the device reads and writes the guest's memory by DMA";
    const struct linux_boot *b = boot_linux_once(judge, BOOT_DEVICE);
    const uint64_t due = answer_of(b->nonce, "dma");
    const char *said;
    uint64_t page = 0, value = 0;
    size_t translated = 0;

    answer_check(b);
    said = line_find(b, "device: page ");
    CHECK(judge, said && sscanf(said, "%" SCNx64 ", dma %" SCNx64, &page, &value) == 2,
          asked, "the guest's program says nothing of it; its console ends with:\n%s",
          console_tail(b));
    CHECK(judge, value == due, asked,
          "%016" PRIx64 " went into the device, %016" PRIx64 " came back", due, value);
    for (size_t i = 0; i < b->e->device.count; i++) {
        const struct device_event *event = &b->e->device.list[i];

        translated += event->kind == DEVICE_TRANSLATED &&
                      (event->iova & ~event->mask) == (page & ~event->mask);
    }
    CHECK(judge, translated >= 2, "the IOMMU translates both transfers at IOVA = GPA",
          "its trace has %zu accesses to %#" PRIx64, translated, page);
}
