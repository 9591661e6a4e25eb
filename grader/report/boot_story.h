/* boot_story.h - the boot of a Linux as the kernel recorded it: phases, and what each device was
 * asked. The page (boot_page.h) and the text form have it from here. */
#ifndef BOOT_STORY_H
#define BOOT_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/uart_watch.h"
#include "report/rounds.h"

/* A phase begins with the first exit that shows it:
 *   ENTRY   the first of all: 32-bit code at the entry; of a bzImage, it decompresses the kernel
 *   KERNEL  RIP in the upper half: the kernel runs where it was linked to
 *   INIT    RIP in the lower half, not in the kernel: a program runs, and the first is init
 *   TALK    a byte on the console after that: the prompt, or what a check waits for
 *   OFF     the write to PM1 that switches the machine off */
enum boot_phase {
    BOOT_PHASE_ENTRY,
    BOOT_PHASE_KERNEL,
    BOOT_PHASE_INIT,
    BOOT_PHASE_TALK,
    BOOT_PHASE_OFF,
    BOOT_PHASES
};

/* What an exit was about: a device at a port or an address, memory, or the processor itself. */
#define BOOT_SUBJECTS 13

struct boot_total {
    size_t exits, reads, writes;
    uint64_t ns; /* until the guest went on */
};

struct boot_story {
    uint64_t start_ns; /* the first entry */
    bool reached[BOOT_PHASES];
    uint64_t phase_ns[BOOT_PHASES]; /* when it begins, from start_ns on */
    size_t phase_exits[BOOT_PHASES];
    struct boot_total subjects[BOOT_SUBJECTS];
    size_t exits, to_vmm, console_bytes;
    enum boot_phase phase; /* the last one */
    struct uart_watch uart;
};

/* One exit of it. */
struct boot_step {
    int subject;
    bool is_console; /* it put this byte on the serial line: */
    char byte;
};

/* Round after round, in order. */
struct boot_story boot_story_begin(const struct kvm_events *events);
struct boot_step boot_story_add(struct boot_story *story, const struct round *round);

const char *boot_phase_name(enum boot_phase phase);
const char *boot_subject_name(int subject);
bool boot_subject_is_own(int subject); /* of those that a VMM's own parts answer */

/* The same as lines of text. */
void boot_story_print(const struct kvm_events *events);

#endif
