/* l2.c - what L2 does in the small hypervisor's hands: a random script for
 * labs/10-nested/guests/l2.long64.c, and an oracle that follows it step by step. Both programs,
 * on the Intel CPU and under the VMM, are judged by it. */
#include "l2.h"

#include <inttypes.h>
#include <string.h>

#include "guest_image.h"
#include "x86.h"

GUEST_IMAGE(l2, "l2.bin");

struct life life;

static void mailbox_set(uint32_t n, uint64_t value)
{
    memcpy(life.memory + MAILBOX_AT + n * 8, &value, sizeof value);
}

static uint64_t script_at(uint32_t n)
{
    uint64_t value;

    memcpy(&value, life.memory + MAILBOX_AT + (32 + n) * 8, sizeof value);
    return value;
}

/* Each kind of step, in random order; then some more; then the end. */
static void script_make(struct judge *judge, bool with_l0, enum step end)
{
    uint8_t steps[STEPS_MAX];
    uint32_t count = 0, at = 32;

    for (uint8_t kind = STEP_CALL; kind <= STEP_LATE_WRITE; kind++)
        steps[count++] = kind;
    for (uint32_t i = 0; i < 6; i++)
        steps[count++] = (uint8_t)(STEP_CALL + random_below(judge, STEP_IN8));
    for (uint32_t i = count - 1; i > 0; i--) {
        const uint32_t other = random_below(judge, i + 1);
        const uint8_t kept = steps[i];

        steps[i] = steps[other];
        steps[other] = kept;
    }
    if (with_l0)
        steps[count++] = STEP_CALLS;
    if (end == STEP_HOLE)
        steps[count++] = STEP_HOLE;
    if (with_l0) /* before any answer of L1's */
        mailbox_set(at++, STEP_L0);
    for (uint32_t i = 0; i < count; i++)
        mailbox_set(at++, steps[i]);
}

/* L2's memory as a boot loader would leave it. */
static void l2_load(void)
{
    static struct guest_page_tables tables;
    uint64_t gdt[GUEST_GDT_ENTRIES];

    memset(life.memory, 0, sizeof life.memory);
    guest_gdt_make(gdt, GUEST_LONG64);
    guest_page_tables_make(&tables);
    memcpy(life.memory + GUEST_GDT_GPA, gdt, sizeof gdt);
    memcpy(life.memory + GUEST_PML4_GPA, &tables, sizeof tables);
    memcpy(life.memory + GUEST_LOAD_GPA, l2, GUEST_IMAGE_SIZE(l2));
}

void life_begin(struct judge *judge, uint64_t l2_base, uint64_t late_to, bool vmcall,
                enum step end)
{
    struct hypervisor_job *job = &life.job;

    memset(&life, 0, sizeof life);
    l2_load();
    random_fill(judge, life.late, sizeof life.late);
    life.l0_port = 0x4000 + random_below(judge, 0x1000) * 4;
    life.hole = random_bool(judge) ? L2_SIZE : 3 * MB2 + random_below(judge, 0x2000) * PAGE;
    *job = (struct hypervisor_job){
        .l2_base = l2_base,
        .l2_size = L2_SIZE,
        .late_gpa = 0x10000000 + random_below(judge, 0x20000) * PAGE,
        .late_to = late_to,
        .l2_rip = GUEST_LOAD_GPA,
        .l2_rsp = GUEST_STACK_GPA,
        .l2_cr3 = GUEST_PML4_GPA,
        .l2_gdt = GUEST_GDT_GPA,
        .call_key = judge_random(judge),
        .cpuid_leaf = 0x40000000 + random_below(judge, 256),
        .port = (random_bool(judge) ? 0x8004 : 0x1004) + random_below(judge, 0x1000) * 4,
    };
    random_fill(judge, job->cpuid_answer, sizeof job->cpuid_answer);
    mailbox_set(0, judge_random(judge));
    mailbox_set(1, vmcall);
    mailbox_set(2, job->port);
    mailbox_set(3, job->cpuid_leaf);
    mailbox_set(4, job->late_gpa);
    mailbox_set(5, life.l0_port);
    mailbox_set(6, CALLS);
    mailbox_set(7, life.hole);
    script_make(judge, !vmcall, end);
}

static void mix(uint64_t value)
{
    life.number = (life.number ^ value) * 0x9e3779b97f4a7c15ull;
    life.number ^= life.number >> 32;
}

static void exit_note(enum hypervisor_exit kind, bool hole)
{
    life.exits[life.exit_count].kind = kind;
    life.exits[life.exit_count].hole = hole;
    life.exits[life.exit_count].place = life.place;
    life.exits[life.exit_count++].number = life.number;
    if (!hole)
        life.job.exits[kind]++;
}

static void late_touch(void)
{
    if (!life.touched)
        exit_note(HYPERVISOR_PAGE, false);
    life.touched = true;
}

static void call_follow(void)
{
    const uint64_t n = life.number;

    exit_note(HYPERVISOR_CALL, false);
    mix(n ^ life.job.call_key);
    mix(n);
    mix(n << 3);
    mix(~n);
}

static void port_follow(uint64_t kind)
{
    const uint64_t sum = life.job.port_sum, n = life.number;

    exit_note(HYPERVISOR_PORT, false);
    if (kind == STEP_OUT32)
        life.job.port_sum += n & 0xffffffff;
    else if (kind == STEP_OUT8)
        life.job.port_sum += n & 0xff;
    else
        mix(kind == STEP_IN32 ? sum & 0xffffffff : (n >> 8 << 8) | (sum & 0xff));
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
        exit_note(HYPERVISOR_CPUID, false);
        for (int i = 0; i < 4; i++)
            mix(life.job.cpuid_answer[i]);
        break;
    case STEP_NAME:
        exit_note(HYPERVISOR_CPUID, false);
        break;
    case STEP_LATE_READ:
        late_touch();
        mix(life.late[0]);
        break;
    case STEP_LATE_WRITE:
        late_touch();
        life.late[1] = life.number;
        break;
    case STEP_L0:
        life.l0_value = (uint32_t)life.number;
        life.l0_writes++;
        break;
    case STEP_HOLE:
        exit_note(HYPERVISOR_PAGE, true);
        break;
    default:
        port_follow(kind);
    }
}

void life_follow(void)
{
    memcpy(&life.number, life.memory + MAILBOX_AT, sizeof life.number);
    for (life.place = 0; script_at((uint32_t)life.place) != STEP_HALT; life.place++) {
        step_follow(script_at((uint32_t)life.place));
        if (script_at((uint32_t)life.place) == STEP_HOLE)
            return;
    }
    exit_note(HYPERVISOR_HLT, false);
}

const char *kind_name(uint32_t kind)
{
    static const char *const names[] = {"call", "CPUID", "port", "page", "HLT"};

    return kind < COUNT(names) ? names[kind] : "?";
}

void end_expect(struct judge *judge, const struct hypervisor_job *got, bool hole)
{
    const uint64_t end = hole ? HYPERVISOR_HOLE : HYPERVISOR_HALTED;

    CHECK(judge, got->end != 0,
          "hypervisor_main() runs L2 to its end and says how it ended",
          "job->end is 0: it did not come back");
    CHECK(judge, got->end == end, "job->end says how L2 ended",
          "L2 %s; end is %" PRIu64 ", not %" PRIu64 " (detail %#" PRIx64 ")",
          hole ? "touched a hole" : "executed HLT", got->end, end, got->end_detail);
    CHECK(judge, !hole || got->end_detail == life.hole,
          "a hole's address is the L2-physical one",
          "L2 touched %#" PRIx64 ", end_detail is %#" PRIx64, life.hole, got->end_detail);
}

void job_expect(struct judge *judge, const struct hypervisor_job *got)
{
    end_expect(judge, got, false);
    for (uint32_t i = 0; i < HYPERVISOR_EXITS; i++)
        CHECK(judge, got->exits[i] == life.job.exits[i],
              "each exit that is answered is counted",
              "%s: %" PRIu64 " counted, there were %" PRIu64, kind_name(i), got->exits[i],
              life.job.exits[i]);
    CHECK(judge, got->port_sum == life.job.port_sum,
          "the device adds up what L2 writes to it",
          "port_sum is %#" PRIx64 ", not %#" PRIx64, got->port_sum, life.job.port_sum);
}

void l2_expect(struct judge *judge, const uint64_t *mailbox, const char *cpu,
               const uint64_t *late)
{
    char name[13] = "";

    for (int i = 0; i < 3; i++) /* EBX, ECX, EDX; the name's order is EBX, EDX, ECX */
        memcpy(name + 4 * (i == 0 ? 0 : 3 - i), &mailbox[18 + i], 4);
    CHECK(judge, mailbox[17] == life.place, "L2 does every step of its script",
          "it came to step %" PRIu64 " of %" PRIu64, mailbox[17], life.place);
    CHECK(judge, mailbox[16] == life.number,
          "L2 sees what a hypervisor that keeps the contract would show it",
          "its number at the end is %#" PRIx64 ", not %#" PRIx64
          ": an answer was wrong, or a "
          "register was lost",
          mailbox[16], life.number);
    CHECK(judge, strcmp(name, cpu) == 0, "any other CPUID leaf is answered by the real CPU",
          "leaf 0 told L2 \"%.12s\", not \"%s\"", name, cpu);
    CHECK(judge, late[1] == life.late[1] && late[0] == life.late[0],
          "what L2 writes to the late page is in L1's page late_to",
          "its second word is %#" PRIx64 ", not %#" PRIx64, late[1], life.late[1]);
}
