/* l2.c - what L2 does in the small hypervisor's hands: a random script for
 * labs/10-nested/guests/l2.long64.c, and an oracle that follows it step by step. Both programs,
 * on the Intel CPU and under the VMM, are judged by it. */
#include "l2.h"

#include <inttypes.h>
#include <string.h>

#include "judge/guest_image.h"
#include "judge/trace.h"
#include "svm.h"
#include "vmx.h"
#include "x86.h"

GUEST_IMAGE(l2, "l2.bin");

#define BAD_CR3 (1ull << 60)
/* VM_INSTRUCTION_ERROR: "VMLAUNCH with non-clear VMCS", "VMRESUME with non-launched VMCS" */
#define VMLAUNCH_NOT_CLEAR    4u
#define VMRESUME_NOT_LAUNCHED 5u

struct life lives[LIVES], *life = lives;

static void mailbox_set(uint32_t n, uint64_t value)
{
    memcpy(life->memory + MAILBOX_AT + n * 8, &value, sizeof value);
}

static uint64_t script_at(uint32_t n)
{
    uint64_t value;

    memcpy(&value, life->memory + MAILBOX_AT + (32 + n) * 8, sizeof value);
    return value;
}

static const enum step last_steps[] = {
    [ENDS_BELOW] = STEP_HOLE,      [ENDS_BEHIND] = STEP_HOLE,
    [ENDS_OUT16] = STEP_OUT16,     [ENDS_OUT_BESIDE] = STEP_OUT_BESIDE,
    [ENDS_OUTS] = STEP_OUTS,       [ENDS_FORBIDDEN] = STEP_FORBIDDEN,
    [ENDS_NO_SUPPORT] = STEP_HALT,
};

/* Each kind of step, in random order; then some more; then the end. */
static void script_make(struct judge *judge)
{
    uint8_t steps[STEPS_MAX];
    uint32_t count = 0, at = 32;

    for (uint8_t kind = STEP_CALL; kind <= STEP_SUBLEAF; kind++)
        if (life->ending != ENDS_BEHIND || kind < STEP_LATE_READ || kind > STEP_LATE_RUN)
            steps[count++] = kind;
    steps[count++] = STEP_OUT32;
    for (uint32_t i = 0; i < 5; i++)
        steps[count++] = (uint8_t)(STEP_CALL + random_below(judge, STEP_IN8));
    for (uint32_t i = count - 1; i > 0; i--) {
        const uint32_t other = random_below(judge, i + 1);
        const uint8_t kept = steps[i];

        steps[i] = steps[other];
        steps[other] = kept;
    }
    if (!life->intel && life->ending == ENDS_BY_HLT)
        steps[count++] = STEP_CALLS;
    if (last_steps[life->ending] != STEP_HALT)
        steps[count++] = (uint8_t)last_steps[life->ending];
    if (!life->intel) /* before any answer of L1's */
        mailbox_set(at++, STEP_L0);
    for (uint32_t i = 0; i < count; i++)
        mailbox_set(at++, steps[i]);
}

/* L2's memory as a boot loader would leave it. */
static void l2_load(void)
{
    static struct guest_page_tables tables;
    uint64_t gdt[GUEST_GDT_ENTRIES];

    memset(life->memory, 0, sizeof life->memory);
    guest_gdt_make(gdt, GUEST_LONG64);
    guest_page_tables_make(&tables);
    memcpy(life->memory + GUEST_GDT_GPA, gdt, sizeof gdt);
    memcpy(life->memory + GUEST_PML4_GPA, &tables, sizeof tables);
    memcpy(life->memory + GUEST_LOAD_GPA, l2, GUEST_IMAGE_SIZE(l2));
}

/* A word in a page that is not L2's. */
static uint64_t hole_choose(struct judge *judge)
{
    const uint64_t word = 8 * random_below(judge, 512);

    if (life->ending == ENDS_BEHIND)
        return life->job.late_gpa + PAGE + word;
    return word +
           (random_bool(judge) ? L2_SIZE : 3 * MB2 + random_below(judge, 0x2000) * PAGE);
}

static struct hypervisor_job job_make(struct judge *judge)
{
    struct hypervisor_job job = {
        .l2_size = L2_SIZE,
        .late_gpa = 0x10000000 + random_below(judge, 0x20000) * PAGE,
        .l2_rip = GUEST_LOAD_GPA,
        .l2_rsp = GUEST_STACK_GPA,
        .l2_cr3 = GUEST_PML4_GPA,
        .l2_gdt = GUEST_GDT_GPA,
        .call_key = judge_random(judge),
        .cpuid_leaf = 0x40000000 + random_below(judge, 256),
        .port = (random_bool(judge) ? 0x8004 : 0x1004) + random_below(judge, 0x1000) * 4,
    };

    if (life->ending == ENDS_BAD_STATE)
        job.l2_cr3 |= BAD_CR3;
    random_fill(judge, job.cpuid_answer, sizeof job.cpuid_answer);
    return job;
}

/* The late page: two words to be read and written, then a function that only returns. */
static void late_make(struct judge *judge)
{
    random_fill(judge, life->late, sizeof life->late);
    life->late[2] = (life->late[2] & ~0xffull) | 0xc3;
}

void life_begin(struct judge *judge, uint32_t n, uint64_t l2_base, uint64_t late_to,
                bool intel, enum ending ending)
{
    life = &lives[n];
    memset(life, 0, sizeof *life);
    life->intel = intel;
    life->ending = ending;
    life->l0_port = 0x4000 + random_below(judge, 0x1000) * 4;
    life->job = job_make(judge);
    life->job.l2_base = l2_base;
    life->job.late_to = late_to;
    life->hole = hole_choose(judge);
    l2_load();
    late_make(judge);
    mailbox_set(0, judge_random(judge));
    mailbox_set(1, intel);
    mailbox_set(2, life->job.port);
    mailbox_set(3, life->job.cpuid_leaf);
    mailbox_set(4, life->job.late_gpa);
    mailbox_set(5, life->l0_port);
    mailbox_set(6, CALLS);
    mailbox_set(7, life->hole);
    mailbox_set(8, L2_SIZE - 8);
    script_make(judge);
}

static void mix(uint64_t value)
{
    life->number = (life->number ^ value) * 0x9e3779b97f4a7c15ull;
    life->number ^= life->number >> 32;
}

/* One whose VMRESUME is refused does not get further than to its first exit. */
static void exit_note(enum hypervisor_exit kind)
{
    if (life->over)
        return;
    life->exits[life->exit_count].kind = kind;
    life->exits[life->exit_count].place = life->place;
    life->exits[life->exit_count++].number = life->number;
    if (kind < HYPERVISOR_EXITS)
        life->job.exits[kind]++;
    life->over = kind >= HYPERVISOR_HLT || life->ending == ENDS_REFUSED;
}

static void call_follow(void)
{
    const uint64_t n = life->number;

    exit_note(HYPERVISOR_CALL);
    mix(n ^ life->job.call_key);
    mix(n);
    mix(n << 3);
    mix(~n);
}

static void port_follow(uint64_t kind)
{
    const uint64_t sum = life->job.port_sum, n = life->number;

    exit_note(HYPERVISOR_PORT);
    if (kind == STEP_OUT32)
        life->job.port_sum += (n & 0xffffffff) | 1u << 31;
    else if (kind == STEP_OUT8)
        life->job.port_sum += n & 0xff;
    else
        mix(kind == STEP_IN32 ? sum & 0xffffffff : (n >> 8 << 8) | (sum & 0xff));
}

/* Steps that do not exit, or by an access to memory only. */
static void memory_follow(uint64_t kind)
{
    if (kind >= STEP_LATE_READ && kind <= STEP_LATE_RUN && !life->touched) {
        exit_note(HYPERVISOR_PAGE);
        life->touched = true;
    }
    if (kind == STEP_LATE_READ)
        mix(life->late[0]);
    else if (kind == STEP_LATE_WRITE)
        life->late[1] = life->number;
    else if (kind == STEP_LAST)
        mix(life->number);
    else if (kind == STEP_FLAGS)
        mix(RFLAGS_RESERVED);
}

/* CPUID: the leaf that is L1's, and subleafs 0 and 1 of one that is the CPU's. */
static void cpuid_follow(uint64_t kind)
{
    const unsigned count = kind == STEP_SUBLEAF ? 2 : 1;

    for (unsigned i = 0; i < count; i++) {
        exit_note(HYPERVISOR_CPUID);
        if (kind == STEP_SUBLEAF)
            mix(i == 0);
    }
    for (unsigned i = 0; kind == STEP_CPUID && i < 4; i++)
        mix(life->job.cpuid_answer[i]);
}

/* The oracle: one step of L2, with a hypervisor that keeps its contract. */
static void step_follow(uint64_t kind)
{
    switch (kind) {
    case STEP_CALL:
        call_follow();
        break;
    case STEP_CALLS:
        for (uint32_t i = 0; i < CALLS; i++)
            call_follow();
        break;
    case STEP_CPUID:
    case STEP_NAME:
    case STEP_SUBLEAF:
        cpuid_follow(kind);
        break;
    case STEP_OUT32:
    case STEP_OUT8:
    case STEP_IN32:
    case STEP_IN8:
        port_follow(kind);
        break;
    case STEP_L0:
        life->l0_value = (uint32_t)life->number;
        life->l0_writes++;
        break;
    case STEP_HOLE:
    case STEP_OUT16:
    case STEP_OUT_BESIDE:
    case STEP_OUTS:
    case STEP_FORBIDDEN:
        exit_note(HYPERVISOR_EXITS);
        break;
    default:
        memory_follow(kind);
    }
}

void life_follow(void)
{
    if (life->ending == ENDS_NO_SUPPORT || life->ending == ENDS_REFUSED_LAUNCH)
        return;
    memcpy(&life->number, life->memory + MAILBOX_AT, sizeof life->number);
    if (life->ending == ENDS_BAD_STATE) { /* no L2, but an exit that says so */
        life->number = 0;
        exit_note(HYPERVISOR_EXITS);
        return;
    }
    for (; script_at((uint32_t)life->place) != STEP_HALT; life->place++) {
        step_follow(script_at((uint32_t)life->place));
        if (life->over)
            return;
    }
    exit_note(HYPERVISOR_HLT);
}

const char *kind_name(uint32_t kind)
{
    static const char *const names[] = {"call", "CPUID", "port",
                                        "page", "HLT",   "hole, or something else"};

    return kind < COUNT(names) ? names[kind] : "?";
}

const char *ending_name(enum ending ending)
{
    static const char *const names[] = {
        [ENDS_BY_HLT] = "L2 executed HLT",
        [ENDS_BELOW] = "L2 touched a hole below late_gpa",
        [ENDS_BEHIND] = "L2 touched the page behind late_gpa, and not late_gpa",
        [ENDS_OUT16] = "L2 executed OUT DX, AX at job->port",
        [ENDS_OUT_BESIDE] = "L2 executed OUT DX, EAX at job->port - 2",
        [ENDS_OUTS] = "L2 executed OUTSB at job->port",
        [ENDS_FORBIDDEN] =
            "L2 executed an instruction that is not in the list (INVD, VMRUN)",
        [ENDS_BAD_STATE] = "L2's CR3 has bits that the CPU does not allow",
        [ENDS_REFUSED] = "the CPU refused VMRESUME, after L2's first exit",
        [ENDS_REFUSED_LAUNCH] = "the CPU refused VMLAUNCH",
        [ENDS_NO_SUPPORT] = "the CPU does not offer what is needed, or may not",
    };

    return names[ending];
}

/* Why the life ended, and the detail. */
static struct hypervisor_job end_of_life(void)
{
    const uint64_t bad_entry = 1ull << 31 | VMX_EXIT_INVALID_GUEST_STATE;
    const bool intel = life->intel;

    switch (life->ending) {
    case ENDS_BELOW:
    case ENDS_BEHIND:
        return (struct hypervisor_job){.end = HYPERVISOR_HOLE, .end_detail = life->hole};
    case ENDS_OUT16:
    case ENDS_OUT_BESIDE:
    case ENDS_OUTS:
        return (struct hypervisor_job){.end = HYPERVISOR_UNEXPECTED,
                                       .end_detail =
                                           intel ? VMX_EXIT_IO_INSTRUCTION : VMEXIT_IOIO};
    case ENDS_FORBIDDEN:
        return (struct hypervisor_job){.end = HYPERVISOR_UNEXPECTED,
                                       .end_detail =
                                           intel ? VMX_EXIT_INVD : SVM_EXIT_VMRUN};
    case ENDS_BAD_STATE:
        return (struct hypervisor_job){.end = HYPERVISOR_NOT_ENTERED,
                                       .end_detail = intel ? bad_entry : VMEXIT_INVALID};
    case ENDS_REFUSED:
        return (struct hypervisor_job){.end = HYPERVISOR_NOT_ENTERED,
                                       .end_detail = VMLAUNCH_NOT_CLEAR};
    case ENDS_REFUSED_LAUNCH:
        return (struct hypervisor_job){.end = HYPERVISOR_NOT_ENTERED,
                                       .end_detail = VMRESUME_NOT_LAUNCHED};
    case ENDS_NO_SUPPORT:
        return (struct hypervisor_job){.end = HYPERVISOR_NO_SUPPORT};
    default:
        return (struct hypervisor_job){.end = HYPERVISOR_HALTED};
    }
}

void end_expect(struct judge *judge, const struct hypervisor_job *got)
{
    const struct hypervisor_job want = end_of_life();

    CHECK(judge, got->end != 0,
          "hypervisor_main() runs L2 to its end and says how it ended",
          "%s; job->end is 0: it did not come back", ending_name(life->ending));
    CHECK(judge, got->end == want.end, "job->end says how L2 ended",
          "%s; end is %" PRIu64 ", not %" PRIu64 " (detail %#" PRIx64 ")",
          ending_name(life->ending), got->end, want.end, got->end_detail);
    CHECK(judge, want.end == HYPERVISOR_NO_SUPPORT || got->end_detail == want.end_detail,
          "end_detail is a hole's L2-physical address, an exit's reason, an error number",
          "%s: it is %#" PRIx64 ", not %#" PRIx64, ending_name(life->ending),
          got->end_detail, want.end_detail);
}

void job_expect(struct judge *judge, const struct hypervisor_job *got)
{
    end_expect(judge, got);
    for (uint32_t i = 0; i < HYPERVISOR_EXITS; i++)
        CHECK(judge, got->exits[i] == life->job.exits[i],
              "each exit that is answered is counted",
              "%s: %" PRIu64 " counted, there were %" PRIu64, kind_name(i), got->exits[i],
              life->job.exits[i]);
    CHECK(judge, got->port_sum == life->job.port_sum,
          "the device adds up what L2 writes to it",
          "port_sum is %#" PRIx64 ", not %#" PRIx64, got->port_sum, life->job.port_sum);
}

void l2_expect(struct judge *judge, const uint64_t *mailbox, const char *cpu,
               const uint64_t *late)
{
    char name[13] = "";

    for (int i = 0; i < 3; i++) /* EBX, ECX, EDX; the name's order is EBX, EDX, ECX */
        memcpy(name + 4 * (i == 0 ? 0 : 3 - i), &mailbox[18 + i], 4);
    CHECK(judge, mailbox[17] == life->place, "L2 does every step of its script",
          "it came to step %" PRIu64 " of %" PRIu64, mailbox[17], life->place);
    CHECK(judge, mailbox[16] == life->number,
          "L2 sees what a hypervisor that keeps the contract would show it",
          "its number at the end is %#" PRIx64 ", not %#" PRIx64
          ": an answer was wrong, or a "
          "register was lost",
          mailbox[16], life->number);
    CHECK(judge, strcmp(name, cpu) == 0, "any other CPUID leaf is answered by the real CPU",
          "leaf 0 told L2 \"%.12s\", not \"%s\"", name, cpu);
    CHECK(judge, late[1] == life->late[1] && late[0] == life->late[0],
          "what L2 writes to the late page is in L1's page late_to",
          "its second word is %#" PRIx64 ", not %#" PRIx64, late[1], life->late[1]);
}
