/* boot_story.c - tells phases and devices of a boot from the kernel's records. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>

#include "linux_vm.h"
#include "report/boot_story.h"

#define UPPER_HALF     0xffff800000000000ull
#define KERNEL_GPA     0x1000000ull
#define KERNEL_GPA_END 0x4000000ull
#define LOCAL_APIC_GPA 0xfee00000ull
#define IO_APIC_GPA    0xfec00000ull
#define PM1_CONTROL    (PLATFORM_PM1 + 4u)
#define PM1_SLEEP      0x2000u

enum { OTHER_PORT = 9, OTHER_ADDRESS = 10, MEMORY = 11, PROCESSOR = 12 };

/* The first that fits. */
static const struct subject {
    const char *name;
    bool is_memory, is_own;
    uint64_t base, length;
} subjects[BOOT_SUBJECTS] = {
    {"UART", false, true, LINUX_UART_PORT, UART_PORTS},
    {"PCI bridge", false, true, 0xcf8, 8},
    {"CMOS", false, true, 0x70, 2},
    {"POST, keyboard", false, true, 0x80, 1},
    {"PM1 (power)", false, true, PLATFORM_PM1, 6},
    {"8259 (PIC)", false, false, 0x20, 2},
    {"8254 (PIT)", false, false, 0x40, 4},
    {"local APIC", true, false, LOCAL_APIC_GPA, 0x1000},
    {"I/O APIC", true, false, IO_APIC_GPA, 0x1000},
    [OTHER_PORT] = {"other ports", false, true, 0, 0x10000},
    [OTHER_ADDRESS] = {"device memory", true, true, 0xc0000000, 0x40000000},
    [MEMORY] = {"memory, first touch", true, false, 0, UINT64_MAX},
    [PROCESSOR] = {"processor", false, false, 0, 0},
};

/* Ports that belong to a device which is named by others. */
static uint64_t port_of(uint64_t port)
{
    if (port == 0xa0 || port == 0xa1)
        return 0x20;
    if (port == 0x61)
        return 0x40;
    return port >= 0x60 && port <= 0x64 ? 0x80 : port;
}

static int subject_find(bool is_memory, uint64_t address)
{
    int i = 0;

    while (i < PROCESSOR && (subjects[i].is_memory != is_memory ||
                             address - subjects[i].base >= subjects[i].length))
        i++;
    return i;
}

static int subject_of(const struct round *r)
{
    if (r->io)
        return subject_find(r->io->kind == EVENT_MMIO, r->io->kind == EVENT_MMIO
                                                           ? r->io->address
                                                           : port_of(r->io->address));
    if (r->exit->reason == SVM_EXIT_IOIO) /* info1: APM volume 2, 15.10.2 */
        return subject_find(false, port_of(r->exit->info1 >> 16 & 0xffff));
    return r->exit->reason == SVM_EXIT_NPF ? subject_find(true, r->exit->info2) : PROCESSOR;
}

const char *boot_subject_name(int subject)
{
    return subjects[subject].name;
}

bool boot_subject_is_own(int subject)
{
    return subjects[subject].is_own;
}

const char *boot_phase_name(enum boot_phase phase)
{
    static const char *const names[BOOT_PHASES] = {"entry", "kernel", "init", "console",
                                                   "power off"};

    return names[phase];
}

struct boot_story boot_story_begin(const struct kvm_events *events)
{
    struct boot_story story = {.start_ns = rounds_start_ns(events)};

    story.reached[BOOT_PHASE_ENTRY] = true;
    return story;
}

/* Not the kernel where it lies physically, which it executes for a moment on its way up; nor its
 * 16-bit code below 1 MiB that starts other CPUs. */
static bool is_program(uint64_t rip)
{
    return rip < UPPER_HALF && rip >= BOOT_HIGH_GPA &&
           (rip < KERNEL_GPA || rip >= KERNEL_GPA_END);
}

static bool is_power_off(const struct round *r)
{
    return r->io && r->io->kind == EVENT_PIO && r->io->write &&
           r->io->address == PM1_CONTROL && (r->io->value & PM1_SLEEP);
}

/* They come one after the other; none is skipped. */
static bool phase_follows(const struct boot_story *story, const struct round *r,
                          bool is_console)
{
    switch (story->phase) {
    case BOOT_PHASE_ENTRY:
        return r->exit->rip >= UPPER_HALF;
    case BOOT_PHASE_KERNEL:
        return is_program(r->exit->rip);
    case BOOT_PHASE_INIT:
        return is_console;
    case BOOT_PHASE_TALK:
        return is_power_off(r);
    default:
        return false;
    }
}

static void total_add(struct boot_total *total, const struct round *r)
{
    total->exits++;
    if (r->io)
        r->io->write ? total->writes++ : total->reads++;
    if (r->end_ns)
        total->ns += r->end_ns - r->exit->time_ns;
}

struct boot_step boot_story_add(struct boot_story *story, const struct round *r)
{
    struct boot_step step = {.subject = subject_of(r)};

    if (r->io && r->io->kind == EVENT_PIO && uart_watch_byte(&story->uart, r->io)) {
        step.is_console = true;
        step.byte = (char)r->io->value;
        story->console_bytes++;
    }
    if (phase_follows(story, r, step.is_console)) {
        story->phase++;
        story->reached[story->phase] = true;
        story->phase_ns[story->phase] = r->exit->time_ns - story->start_ns;
    }
    story->exits++;
    story->phase_exits[story->phase]++;
    story->to_vmm += round_is_users(r);
    total_add(&story->subjects[step.subject], r);
    return step;
}

static void phases_print(const struct boot_story *story)
{
    printf("%-20s %9s %7s\n", "Phase", "begins s", "exits");
    for (int i = 0; i < BOOT_PHASES; i++)
        if (story->reached[i])
            printf("%-20s %9.3f %7zu\n", boot_phase_name(i),
                   (double)story->phase_ns[i] / 1e9, story->phase_exits[i]);
        else
            printf("%-20s %9s\n", boot_phase_name(i), "never");
}

void boot_story_print(const struct kvm_events *events)
{
    struct boot_story story = boot_story_begin(events);
    struct rounds rounds = rounds_begin(events);
    struct round r;

    while (rounds_next(&rounds, &r))
        boot_story_add(&story, &r);
    printf("\nThe boot: %zu exits, %zu of them to the VMM, %zu bytes on the console.\n",
           story.exits, story.to_vmm, story.console_bytes);
    phases_print(&story);
    printf("%-20s %9s %7s %7s %7s\n", "What was asked", "answer ms", "exits", "reads",
           "writes");
    for (int i = 0; i < BOOT_SUBJECTS; i++)
        if (story.subjects[i].exits)
            printf("%-20s %9.1f %7zu %7zu %7zu\n", subjects[i].name,
                   (double)story.subjects[i].ns / 1e6, story.subjects[i].exits,
                   story.subjects[i].reads, story.subjects[i].writes);
}
