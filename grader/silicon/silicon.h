/* silicon.h - how a check has the emulated Intel CPU execute what a student's code made.
 *
 *   struct silicon *s = silicon_new(judge);
 *   silicon_guest(s, probe, GUEST_IMAGE_SIZE(probe), GUEST_LONG64);
 *   silicon_put(s, SILICON_RAM_HPA + at, tables, size);       // data of the student's
 *   s->job.controls.ept_pointer = ...;
 *   s->job.actions[VMX_EXIT_EPT_VIOLATION] = SILICON_RECOVER;
 *   silicon_window(s, hpa, length);
 *   silicon_run(s);                                           // s->log, s->records, windows
 *
 * A new job has: the guest's RAM (SILICON_GUEST_SIZE bytes from GPA 0) at SILICON_RAM_HPA,
 * mapped by an EPT of ours with 2 MiB pages; all ports and MSRs of the guest's lead to an
 * exit, HLT as well; no exceptions do; a watchdog (preemption timer) of WATCHDOG_TICKS.
 *
 * The subject's bytes are data here, but tables among them decide what the guest reaches: a
 * check that gives the guest an EPT of the student's first makes sure that the tables lead
 * nowhere but into the memory that they are about (silicon_ept_confined()).
 */
#ifndef GRADER_SILICON_H
#define GRADER_SILICON_H

#include "guest_loader.h"
#include "judge/check.h"
#include "silicon_job.h"

/* Where our own tables are, for a check that wants to change them. */
#define SILICON_EPT_HPA        (SILICON_TABLES_HPA)           /* PML4, PDPT, PD */
#define SILICON_IO_BITMAP_HPA  (SILICON_TABLES_HPA + 0x4000)  /* A, B: all ones */
#define SILICON_MSR_BITMAP_HPA (SILICON_TABLES_HPA + 0x6000)  /* all ones */
#define SILICON_FREE_HPA       (SILICON_TABLES_HPA + 0x10000) /* up to SILICON_RAM_HPA */

#define SILICON_GUEST_SIZE  0x400000ull /* 4 MiB */
#define SILICON_WINDOWS_MAX 8

/* What the emulator says beside: for messages, never for a verdict (words.c). */
enum silicon_word_kind {
    SILICON_REFUSED, /* VMLAUNCH or VMRESUME failed: a VM-instruction error */
    SILICON_BAD_GUEST, /* the entry failed on the guest state: exit reason 80000021h, 80000022h */
    SILICON_SHUTDOWN, /* a third exception, and nobody to take it */
};

struct silicon_word {
    enum silicon_word_kind kind;
    uint64_t tick;   /* instructions since the start */
    unsigned vector; /* of the third exception */
    char line[128];
};

#define SILICON_WORDS_MAX 64

struct silicon_words {
    struct silicon_word list[SILICON_WORDS_MAX]; /* the first ones */
    unsigned count;
};

/* The first of that kind between two ticks, or NULL. */
const struct silicon_word *silicon_word_find(const struct silicon_words *words,
                                             enum silicon_word_kind kind, uint64_t from,
                                             uint64_t to);

/* "EPT_POINTER: memory type ... (SDM 3C 25.6.11)": the field, what it has to be, where that is said.
 * word may be NULL. Returns buffer. */
const char *silicon_word_explain(const struct silicon_word *word, char *buffer,
                                 size_t size);

struct silicon {
    struct judge *judge;
    struct silicon_job job;
    uint32_t log_records; /* how many records to fetch; default 4096 */
    /* after silicon_run() */
    struct silicon_log log;
    struct silicon_record *records; /* log.record_count of them */
    struct {
        uint64_t hpa;
        uint32_t length;
        uint8_t *bytes;
    } windows[SILICON_WINDOWS_MAX];
    uint32_t window_count;
    struct silicon_words words;
    /* inside */
    uint8_t *data; /* bytes of the segments */
    size_t data_size;
};

/* Lives until the check ends. SKIPs the check where there is no Bochs, or one that lacks a
 * control; the reason says how to get it. */
struct silicon *silicon_new(struct judge *judge);

/* SKIPs the check, for that reason, where Bochs is older than 3.0. What it offers is asked by
 * every run; but a run that only says no costs 0.1 s of each grading. */
void silicon_want_bochs_3(struct judge *judge, const char *reason);

/* The guest program and what a boot loader would have left for it (guest_loader.h), from GPA
 * 0 at SILICON_RAM_HPA; the guest state to start it. */
void silicon_guest(struct silicon *s, const void *image, size_t size, enum guest_mode mode);

/* Bytes for physical memory. Later ones win. */
void silicon_put(struct silicon *s, uint64_t hpa, const void *bytes, size_t length);

/* An event for SILICON_CALL_EVENT, a write for SILICON_CALL_WRITE, in their order. */
void silicon_event_add(struct silicon *s, uint32_t info, uint32_t error_code,
                       uint32_t instruction_length);
void silicon_write_add(struct silicon *s, uint64_t hpa, uint64_t value);

/* Memory to fetch when the run has ended; returns its index. */
unsigned silicon_window(struct silicon *s, uint64_t hpa, uint32_t length);

/* Runs it. ERROR if the emulator or the runtime failed in itself; what became of the guest
 * is in s->log.end and for the check to judge. */
void silicon_run(struct silicon *s);

/* The same, and FAIL (with the last exit in words) if the guest did not get to its end. */
void silicon_run_to_end(struct silicon *s, const char *asked);

/* One record in words: "EPT_VIOLATION at GPA 0x..: write, ...". */
void silicon_record_describe(const struct silicon_record *record, char *buffer,
                             size_t size);

/* How many records have that basic reason. */
uint32_t silicon_count(const struct silicon *s, uint32_t basic_reason);

/* --- a program that has the CPU for itself ---------------------------------------------------- */

/* Here the code is the student's: nothing of ours runs beside it, and what it leaves in memory
 * is its own word. What is seen from outside: the emulator's debugger stops at every VM exit,
 * and notes the general registers (a VM exit leaves them as the guest had them), and what the
 * processor keeps of the VMCS.
 *
 * A run costs little beside the emulator's start, so a program has several lives: when
 * hypervisor_main() comes back, it begins anew, as from the ROM, with the next life's job.
 * IA32_FEATURE_CONTROL stays as it was, and can be written but once; a life that wants another
 * value begins with a reset. So does one whose predecessor dies of an exception, or is not in
 * VMX operation at its end; and after a reset the debugger does not stop at VM exits. */

#define SILICON_PROGRAM_HPA                                                                \
    0x00100000ull                       /* where it is linked (common/silicon/runtime.ld) */
#define SILICON_PROGRAM_MAX 0x00080000u /* bytes */
#define SILICON_LIVES_MAX   10

/* One life (common/silicon/program.S). */
struct silicon_life {
    uint64_t job;             /* HPA: what hypervisor_main() is called with */
    uint64_t feature_control; /* what firmware writes there, after a reset; 0: nothing */
    uint64_t refused;         /* HPA of a byte of the program: silicon_entry_byte(), or 0 */
    uint64_t ended;           /* hypervisor_main() came back */
};

/* At the job's start. */
struct silicon_lives {
    uint64_t count, reserved[3];
    struct silicon_life lives[SILICON_LIVES_MAX];
};

struct silicon_exit {
    unsigned life;          /* from 0 */
    uint64_t tick;          /* instructions since the start, L2's too */
    uint64_t registers[16]; /* enum silicon_register; RSP is the host's already */
};

/* Of the VMCS that was current at the last VM exit; 0 where there was none. */
struct silicon_vmcs {
    uint64_t vmcs; /* its address */
    uint64_t ept_pointer, io_bitmap_a, io_bitmap_b, cr0_mask, cr4_mask;
    uint32_t pin, primary, secondary, exception_bitmap, page_fault_mask, page_fault_match;
    struct {
        uint64_t cr0, cr3, cr4, tr, tr_base, gdtr_base;
    } host;
};

struct silicon_program {
    struct judge *judge;
    const char *cpu;   /* Bochs' name of the model; NULL: the one that all checks use */
    const void *image; /* goes to SILICON_PROGRAM_HPA */
    size_t image_size;
    uint8_t *data; /* goes to SILICON_JOB_HPA, comes back as it was at the end */
    size_t data_size;
    unsigned exit_limit; /* at most; the run ends there */
    /* after silicon_program_run() */
    uint8_t
        *memory; /* SILICON_PROGRAM_MAX bytes from SILICON_PROGRAM_HPA; the last life's */
    struct silicon_exit *exits;
    unsigned exit_count; /* exit_limit + 1: there were more */
    struct silicon_vmcs vmcs;
    struct silicon_words words;
    bool hangs; /* it was stopped: a HLT that nothing ends, say; exits are incomplete */
};

/* What is in the data is struct silicon_lives. ERROR if the emulator failed in itself. */
void silicon_program_run(struct silicon_program *program);

/* Where the world switch's VMLAUNCH (or VMRESUME) ends, as HPA: a life may have it refused. */
uint64_t silicon_entry_byte(const struct silicon_program *program, bool resume);

/* True if each table and each page that the EPT (its root at root_hpa) leads to lies in one
 * of the ranges. memory: bytes that the job will have at [base, base + size), where all
 * tables have to be; *bad: an entry that leads elsewhere. */
struct silicon_range {
    uint64_t from, to;
};
bool silicon_ept_confined(const uint8_t *memory, uint64_t base, uint64_t size,
                          uint64_t root_hpa, const struct silicon_range *ranges,
                          unsigned range_count, uint64_t *bad);

#endif
