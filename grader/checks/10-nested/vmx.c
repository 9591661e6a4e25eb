/* vmx.c - small_hypervisor.vmx.c has the emulated Intel CPU for itself; the emulator is asked, at
 * each VM exit, what L2 had in its registers. */
#include "l2.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapping.h"
#include "silicon/silicon.h"

#define FEATURE_LOCKED 1u /* in IA32_FEATURE_CONTROL */
#define FEATURE_VMX    4u
/* common/silicon/program.h */
#define PROGRAM_TSS      0x18u
#define PROGRAM_TSS_SIZE 104u

#define LIFE_ROOM 0x28000u /* for one life's data */
#define VMX_EXITS 24u      /* of one life: more than any has */

static struct silicon_program program;

static uint8_t *life_data(uint64_t hpa)
{
    return program.data + (hpa - SILICON_JOB_HPA);
}

static struct hypervisor_job *job_of(uint32_t n)
{
    return (void *)(program.data + PAGE + n * LIFE_ROOM);
}

static void vmx_life_add(struct judge *judge, uint32_t n, enum ending ending)
{
    struct silicon_life *l = &((struct silicon_lives *)(void *)program.data)->lives[n];
    const uint64_t room = SILICON_JOB_HPA + PAGE + n * LIFE_ROOM;

    life_begin(judge, n, room + (1 + random_below(judge, 8)) * PAGE,
               room + (0x1e + random_below(judge, 8)) * PAGE, true, ending);
    l->job = room;
    if (ending == ENDS_NO_SUPPORT && !program.cpu)
        l->feature_control = FEATURE_LOCKED;
    if (ending == ENDS_REFUSED || ending == ENDS_REFUSED_LAUNCH)
        l->refused = silicon_entry_byte(&program, ending == ENDS_REFUSED);
    memcpy(job_of(n), &life->job, sizeof life->job);
    memcpy(life_data(life->job.l2_base), life->memory, L2_SIZE);
    memcpy(life_data(life->job.late_to), life->late, sizeof life->late);
}

/* The lives of a program that ends as `endings` say, one after the other. */
static void vmx_run(struct judge *judge, const char *cpu, const enum ending *endings,
                    uint32_t count)
{
    if (silicon_new(judge)->judge != judge) /* SKIPs where there is no Bochs */
        return;
    program = (struct silicon_program){.judge = judge,
                                       .cpu = cpu,
                                       .data_size = PAGE + count * LIFE_ROOM,
                                       .exit_limit = count * VMX_EXITS};
    program.image = judge_program(judge, "small_hypervisor.vmx", SILICON_PROGRAM_MAX,
                                  &program.image_size);
    program.data = calloc(1, program.data_size);
    ((struct silicon_lives *)(void *)program.data)->count = count;
    for (uint32_t i = 0; i < count; i++)
        vmx_life_add(judge, i, endings[i]);
    silicon_program_run(&program);
    for (uint32_t i = 0; i < count; i++) {
        life = &lives[i];
        life_follow();
    }
    CHECK(judge, !program.hangs, "the program comes to its end",
          "it was still there after 10 seconds, after %u VM exits: somebody executed HLT, "
          "and nothing wakes the processor (HLT of L2 has to exit)",
          program.exit_count);
}

/* --- what the processor says of an entry that failed, or of its shutdown --------------------------- */

/* The number of the first exit of life n, or of a later one. */
static uint32_t life_first(uint32_t n)
{
    uint32_t first = 0;

    while (first < program.exit_count && program.exits[first].life < n)
        first++;
    return first;
}

/* The first word of that kind in life n. */
static const struct silicon_word *life_word(uint32_t n, enum silicon_word_kind kind)
{
    const uint32_t first = life_first(n), behind = life_first(n + 1);

    return silicon_word_find(
        &program.words, kind, first ? program.exits[first - 1].tick : 0,
        behind < program.exit_count ? program.exits[behind].tick : UINT64_MAX);
}

/* How a life ended that did not: behind which exit, and what was going on. */
static const char *shutdown_text(uint32_t n, char *buffer, size_t size)
{
    const struct silicon_word *word = life_word(n, SILICON_SHUTDOWN);
    const uint32_t first = life_first(n);
    uint32_t exits = 0;

    if (!word) {
        snprintf(buffer, size, "L1 went on without an end");
        return buffer;
    }
    while (first + exits < program.exit_count &&
           program.exits[first + exits].tick <= word->tick)
        exits++;
    const uint64_t later =
        exits ? word->tick - program.exits[first + exits - 1].tick : UINT64_MAX;

    if (later <= 2)
        snprintf(
            buffer, size,
            "after VM exit %u the CPU shut down before it had executed an instruction "
            "of L1 (exception %u, and no way to take it): the host state that it had "
            "loaded leads nowhere. HOST_RIP, HOST_CR3, HOST_CR4, HOST_IA32_EFER, HOST_CS?",
            exits, word->vector);
    else if (exits)
        snprintf(
            buffer, size,
            "after VM exit %u the CPU shut down, %" PRIu64
            " instructions of L1 later (exception %u: a fault in L1's code, and no IDT to "
            "take it). HOST_RSP, HOST_FS and GS, or what L1 did?",
            exits, later, word->vector);
    else
        snprintf(
            buffer, size,
            "the CPU shut down before L2 ran (exception %u in L1's code, and no IDT to "
            "take it; 6 = #UD: an instruction of VMX out of place, 13 = #GP: an MSR or a "
            "control register)",
            word->vector);
    return buffer;
}

/* Was this exit an entry that failed? Then L2 did not run. */
static const struct silicon_word *failed_entry(uint32_t n)
{
    const uint64_t tick = program.exits[n].tick;

    return silicon_word_find(&program.words, SILICON_BAD_GUEST, tick > 2 ? tick - 2 : 0,
                             tick);
}

/* hypervisor_main() came back; its exits begin at the returned number. */
static uint32_t life_choose(struct judge *judge, uint32_t n)
{
    const struct silicon_lives *all = (void *)program.data;
    char text[400];

    life = &lives[n];
    CHECK(judge, all->lives[n].ended, "the program comes to its end", "%s; %s",
          ending_name(life->ending), shutdown_text(n, text, sizeof text));
    return life_first(n);
}

/* No VM exit: why? */
static const char *no_exit_text(char *buffer, size_t size)
{
    const struct silicon_lives *all = (void *)program.data;
    const struct silicon_word *refused = life_word(0, SILICON_REFUSED);
    char reason[300];

    if (refused)
        snprintf(buffer, size, "VMLAUNCH failed: %s",
                 silicon_word_explain(refused, reason, sizeof reason));
    else if (!all->lives[0].ended)
        shutdown_text(0, buffer, size);
    else
        snprintf(buffer, size, "the emulator saw no VM exit");
    return buffer;
}

static void vmx_run_one(struct judge *judge, enum ending ending)
{
    char text[400];

    vmx_run(judge, NULL, &ending, 1);
    CHECK(judge, program.exit_count > 0,
          "L2 runs on the processor, and comes back by a VM exit",
          "%s; job->end is %u, detail %#" PRIx64
          " (2 = a hole, 4 = no support, 5 = not entered: an error number of SDM 3C 31.4)",
          no_exit_text(text, sizeof text), (unsigned)job_of(0)->end, job_of(0)->end_detail);
}

/* R14 and R15 are L2's, still in the processor when the emulator stopped at the exit. */
static void exit_witness(struct judge *judge, uint32_t first, uint32_t i)
{
    const uint64_t *registers = program.exits[first + i].registers;
    const struct silicon_word *failed = failed_entry(first + i);
    const bool right = registers[SILICON_R14] == life->exits[i].place &&
                       registers[SILICON_R15] == life->exits[i].number;
    char reason[300];

    CHECK(
        judge, right || !failed, "VMLAUNCH and VMRESUME enter L2",
        "the VM entry behind %u VM exits failed: exit reason 80000021h, the guest state is "
        "not allowed. %s",
        i, silicon_word_explain(failed, reason, sizeof reason));
    CHECK(judge, right, "the VM exits are those of L2's steps, in order",
          "VM exit %u: L2 was at step %" PRIu64 " with %#" PRIx64
          " in R15; expected the exit for a %s of step %" PRIu64 " with %#" PRIx64,
          i + 1, registers[SILICON_R14], registers[SILICON_R15],
          kind_name(life->exits[i].kind), life->exits[i].place, life->exits[i].number);
}

/* All exits of a life, as the emulator saw them. */
static void exits_expect(struct judge *judge, uint32_t n)
{
    const uint32_t first = life_choose(judge, n);
    uint32_t count = 0;

    while (first + count < program.exit_count && program.exits[first + count].life == n)
        count++;
    for (uint32_t i = 0; i < life->exit_count && i < count; i++)
        exit_witness(judge, first, i);
    CHECK(judge, count == life->exit_count,
          "L2 exits as often as its script says, not more and not less",
          "%s: the emulator saw %u VM exits, not %u; job->end is %" PRIu64
          ", detail %#" PRIx64,
          ending_name(life->ending), count, life->exit_count, job_of(n)->end,
          job_of(n)->end_detail);
}

/* --- what is in the VMCS ------------------------------------------------------------------------ */

/* Bits that are 1 on every CPU (SDM 3D A.3.1, A.3.2: the TRUE MSRs). */
#define PIN_ALWAYS     0x16u
#define PRIMARY_ALWAYS 0x04006172u
/* Not one of these leads to an exit: VPID, unrestricted guest; RDTSCP, INVPCID, XSAVES allowed. */
#define SECONDARY_WITHOUT_EXITS                                                            \
    (SECONDARY_ENABLE_VPID | SECONDARY_UNRESTRICTED_GUEST | 1u << 3 | 1u << 12 | 1u << 20)

/* A set of controls: what the contract asks for, and nothing that leads to more exits. */
static void controls_expect(struct judge *judge, const char *name, uint32_t got,
                            uint32_t wanted, uint32_t allowed)
{
    CHECK(judge, (got & wanted) == wanted,
          "HLT and the port of L1's device exit; L2's memory is behind an EPT",
          "the processor's %s controls are %#x, %#x are missing", name, got, wanted & ~got);
    CHECK(judge, (got & ~(wanted | allowed)) == 0,
          "L2 exits for what the contract names, and for nothing else that the CPU leaves "
          "to you",
          "the processor's %s controls are %#x: nobody asked for %#x", name, got,
          got & ~(wanted | allowed));
}

static void exiting_expect(struct judge *judge)
{
    const struct silicon_vmcs *v = &program.vmcs;

    controls_expect(judge, "pin-based", v->pin, 0, PIN_ALWAYS);
    controls_expect(
        judge, "primary processor-based", v->primary,
        PRIMARY_HLT_EXITING | PRIMARY_USE_IO_BITMAPS | PRIMARY_SECONDARY_CONTROLS,
        PRIMARY_ALWAYS | PRIMARY_USE_MSR_BITMAPS | PRIMARY_UNCONDITIONAL_IO_EXITING);
    controls_expect(judge, "secondary processor-based", v->secondary, SECONDARY_ENABLE_EPT,
                    SECONDARY_WITHOUT_EXITS);
    CHECK(judge,
          (v->exception_bitmap | v->page_fault_mask | v->page_fault_match) == 0 &&
              (v->cr0_mask | v->cr4_mask) == 0,
          "L2's exceptions and control registers are its own",
          "exception bitmap %#x, #PF mask %#x and match %#x, CR0 and CR4 guest/host masks "
          "%#" PRIx64 " and %#" PRIx64 "; all were to be 0",
          v->exception_bitmap, v->page_fault_mask, v->page_fault_match, v->cr0_mask,
          v->cr4_mask);
}

/* Bytes of the program's memory as it was at the end; NULL: not all of them are there. */
static const void *program_memory(uint64_t hpa, uint64_t size)
{
    const bool inside = hpa >= SILICON_PROGRAM_HPA &&
                        hpa + size <= SILICON_PROGRAM_HPA + SILICON_PROGRAM_MAX;

    return inside ? program.memory + (hpa - SILICON_PROGRAM_HPA) : NULL;
}

static void io_bitmaps_expect(struct judge *judge)
{
    const uint8_t *pages[2] = {program_memory(program.vmcs.io_bitmap_a, PAGE),
                               program_memory(program.vmcs.io_bitmap_b, PAGE)};

    CHECK(judge, pages[0] && pages[1], "the I/O bitmaps are pages of the program",
          "the processor has %#" PRIx64 " and %#" PRIx64, program.vmcs.io_bitmap_a,
          program.vmcs.io_bitmap_b);
    for (uint32_t port = 0; port < 0x10000; port++) {
        const bool bit = pages[port >> 15][(port & 0x7fff) / 8] >> port % 8 & 1;

        CHECK(judge, bit == (port == life->job.port),
              "of all ports, job->port exits and no other",
              "job->port is %#x; the bit of port %#x is %d", life->job.port, port, bit);
    }
}

/* As the processor is after every exit: see common/silicon/program.h. */
static void host_state_expect(struct judge *judge)
{
    const struct silicon_vmcs *v = &program.vmcs;

    CHECK(judge,
          v->host.tr == PROGRAM_TSS && program_memory(v->host.tr_base, PROGRAM_TSS_SIZE),
          "the host's TR is program_tss", "selector %#" PRIx64 ", base %#" PRIx64,
          v->host.tr, v->host.tr_base);
    CHECK(judge, program_memory(v->host.gdtr_base, 8), "the host's GDT is program_gdt",
          "the base is %#" PRIx64, v->host.gdtr_base);
}

void l2_is_launched_by_vmx(struct judge *judge)
{
    char text[400];

    vmx_run_one(judge, ENDS_BY_HLT);
    life = &lives[0];
    exit_witness(judge, 0, 0);
    /* (The reset that follows a shutdown begins the program anew: its memory says nothing more.) */
    CHECK(judge, !life_word(0, SILICON_SHUTDOWN), "L1 goes on after a VM exit", "%s",
          shutdown_text(0, text, sizeof text));
    exiting_expect(judge);
    io_bitmaps_expect(judge);
    host_state_expect(judge);
    CHECK(judge, (program.vmcs.ept_pointer & 0x3f) == (EPTP_WALK_4 | EPTP_WRITE_BACK),
          "the EPT pointer names 4 levels, tables in write-back memory",
          "the processor's EPT pointer is %#" PRIx64, program.vmcs.ept_pointer);
}

void vmx_exits_are_answered(struct judge *judge)
{
    vmx_run_one(judge, ENDS_BY_HLT);
    exits_expect(judge, 0);
    job_expect(judge, job_of(0));
    l2_expect(judge, (void *)(life_data(life->job.l2_base) + MAILBOX_AT), "GenuineIntel",
              (void *)life_data(life->job.late_to));
    mapping_expect(judge, &(struct mapping){.root = program.vmcs.ept_pointer & ~0xfffull,
                                            .memory = program.memory,
                                            .base = SILICON_PROGRAM_HPA,
                                            .size = SILICON_PROGRAM_MAX,
                                            .ept = true});
}

/* One of before VMX, one of before EPT. */
static const char *const older_cpus[] = {"p4_prescott_celeron_336", "core2_penryn_t9600"};

void vmx_ends_are_told(struct judge *judge)
{
    static const enum ending endings[] = {
        ENDS_BELOW,     ENDS_BEHIND,    ENDS_OUT16,   ENDS_OUT_BESIDE,     ENDS_OUTS,
        ENDS_FORBIDDEN, ENDS_BAD_STATE, ENDS_REFUSED, ENDS_REFUSED_LAUNCH, ENDS_NO_SUPPORT};

    vmx_run(judge, NULL, endings, COUNT(endings));
    for (uint32_t i = 0; i < COUNT(endings); i++) {
        life_choose(judge, i);
        job_expect(judge, job_of(i));
        exits_expect(judge, i);
    }
    for (uint32_t i = 0; i < COUNT(older_cpus); i++) {
        vmx_run(judge, older_cpus[i], (const enum ending[]){ENDS_NO_SUPPORT}, 1);
        life_choose(judge, 0);
        job_expect(judge, job_of(0));
    }
}
