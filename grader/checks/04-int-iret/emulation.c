/* emulation.c - INT and IRET by hand: cases that go well, cases with one thing spoilt, and what
 * the part made of them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "x86.h"

/* A stack of which not all is memory, or not all can be written. */
static uint64_t stack_bad(struct judge *judge)
{
    switch (judge_random_below(judge, 3)) {
    case 0:
        return LAB04_AT + judge_random_below(judge, 32);
    case 1:
        return LAB04_AT + LAB04_RAM + 16 * judge_random_below(judge, 9) + 16;
    default:
        return LAB04_AT + LAB04_ROM + 16 +
               judge_random_below(judge, LAB04_RAM - LAB04_ROM - 16);
    }
}

/* Steps 6 to 8, and what is not asked for: the segment that the gate names. */
static void handler_segment_spoil(struct judge *judge, struct lab04_case *c,
                                  struct guest_gate *gate, unsigned step)
{
    static const uint8_t no_code[] = {D_KERNEL_DATA, D_USER_DATA, D_SYSTEM, D_DATA_1};
    static const uint8_t conforming[] = {D_CONFORMING_0, D_CONFORMING_3,
                                         D_CONFORMING_0_ABSENT, D_CONFORMING_3_ABSENT};
    const unsigned cpl = c->cpu.sregs.cs.selector % 4;

    switch (step) {
    case 6:
        gate->selector = selector_make(no_code[judge_random_below(judge, 4)],
                                       (unsigned)judge_random_below(judge, 4));
        if (judge_random_below(judge, 3) == 0)
            gate->selector = selector_make(D_KERNEL_CODE, 4); /* of an LDT */
        else if (random_bool(judge)) /* one byte is past the limit */
            c->cpu.sregs.gdt.limit = (uint16_t)((gate->selector & 0xfff8) + 6);
        else if (cpl < 3)
            gate->selector = selector_make(code_of_ring[cpl + 1], 0);
        break;
    case 7:
        gate->selector =
            selector_make(D_KERNEL_CODE_ABSENT, (unsigned)judge_random_below(judge, 4));
        break;
    case 8:
        gate->selector = selector_make(random_bool(judge) ? D_CODE32_0 : D_CODE_LD, 0);
        break;
    default:
        gate->selector = selector_make(conforming[judge_random_below(judge, 4)],
                                       (unsigned)judge_random_below(judge, 4));
    }
}

/* Spoils one thing so that this step of interrupt_deliver() cannot go well; 11 and 12 are what
 * has no number there: a bad stack, and a conforming segment. */
static void deliver_spoil(struct judge *judge, struct lab04_case *c,
                          struct guest_gate *gate, unsigned step)
{
    const unsigned cpl = c->cpu.sregs.cs.selector % 4;
    const unsigned stack = gate->ist ? 28u + 8 * gate->ist : 4u;

    switch (step) {
    case 1:
        c->cpu.sregs.idt.limit =
            (uint16_t)(c->event.vector * 16 + judge_random_below(judge, 15));
        break;
    case 2:
        do
            gate->type = (uint8_t)judge_random_below(judge, 32);
        while (gate->type == GATE_INTERRUPT || gate->type == GATE_TRAP);
        break;
    case 3:
        c->event.software = true;
        c->event.has_error_code = false;
        gate->dpl = (uint8_t)judge_random_below(judge, cpl ? cpl : 1);
        break;
    case 4:
        gate->present = 0;
        break;
    case 5:
        gate->selector = (uint16_t)judge_random_below(judge, 4);
        break;
    case 9:
        c->cpu.sregs.tr.limit = stack + (uint32_t)judge_random_below(judge, 7);
        break;
    case 10:
        gate->handler ^= 1ull << (47 + judge_random_below(judge, 17));
        break;
    case 11:
        c->write_at[0] = TSS_AT + stack;
        c->write_value[0] = stack_bad(judge);
        break;
    default:
        handler_segment_spoil(judge, c, gate, step);
    }
}

#define DELIVER_STEPS 12

/* Limits that are exactly enough. */
static void deliver_tighten(struct judge *judge, struct lab04_case *c,
                            const struct guest_gate *gate)
{
    c->cpu.sregs.idt.limit = (uint16_t)(c->event.vector * 16 + 15);
    if (random_bool(judge))
        c->cpu.sregs.gdt.limit = (uint16_t)((gate->selector & 0xfff8) + 7);
    if (gate->ist)
        c->cpu.sregs.tr.limit = 28u + 8 * gate->ist + 7;
    else
        c->cpu.sregs.tr.limit = 4 + 8 * 2 + 7;
}

static void gate_place(uint8_t *ram, const struct lab04_case *c,
                       const struct guest_gate *gate)
{
    gate_draw(gate, ram + IDT_AT + 16u * c->event.vector);
    /* Type 16 to 31 has bit 4 of the byte, which is always 0 in a good gate. */
}

/* One case a vector: the gates do not get in each other's way. spoil: 0, or the step. */
static void deliver_make(struct judge *judge, struct lab04_emulate_input *in, unsigned i,
                         unsigned spoil)
{
    struct lab04_case *c = &in->cases[i];
    /* Steps 3, 9 and 11 only happen to programs in an outer ring; what comes of a conforming
     * segment of ring 3 (12) can only be seen in an inner one. */
    const unsigned cpl =
        (spoil != 12 && random_bool(judge)) || spoil == 3 || spoil == 9 || spoil == 11
            ? 3
            : (unsigned)judge_random_below(judge, spoil == 12 ? 3 : 4);
    struct guest_gate gate = {
        .handler = random_canonical(judge),
        .type = random_bool(judge) ? GATE_TRAP : GATE_INTERRUPT,
        .ist = (uint8_t)(random_bool(judge) ? judge_random_below(judge, 8) : 0),
        .present = 1};
    unsigned target = random_bool(judge) ? 0 : (unsigned)judge_random_below(judge, cpl + 1);
    const unsigned nth = i / DELIVER_STEPS;

    case_begin(judge, c, cpl);
    c->cpu.regs.rflags |=
        random_bool(judge) ? RFLAGS_VM : 0; /* to be cleared, whatever it says */
    gate.selector = selector_make(target == 0 && random_bool(judge) ? D_CODE_EXECUTE_ONLY
                                                                    : code_of_ring[target],
                                  (unsigned)judge_random_below(judge, 4));
    c->event.vector = (uint8_t)i;
    c->event.software = random_bool(judge);
    c->event.has_error_code = !c->event.software && random_bool(judge);
    c->event.error_code = (uint32_t)judge_random(judge);
    c->event.return_rip = judge_random(judge);
    gate.dpl = (uint8_t)(c->event.software ? cpl + judge_random_below(judge, 4 - cpl)
                                           : judge_random_below(judge, 4));
    if (spoil == 0 && random_bool(judge))
        deliver_tighten(judge, c, &gate);
    if (spoil == 9 || spoil == 11)
        gate.selector = selector_make(D_KERNEL_CODE, 0);
    if (spoil)
        deliver_spoil(judge, c, &gate, spoil);
    /* What comes later may be wrong as well: the first one counts. Every pair comes up. */
    if (spoil && spoil < 10 && nth % 2)
        deliver_spoil(judge, c, &gate, spoil + 1 + nth / 2 % (10 - spoil));
    gate_place(in->ram, c, &gate);
}

static void return_frame_put(struct lab04_emulate_input *in, const struct lab04_case *c,
                             const uint64_t frame[5])
{
    for (unsigned i = 0; i < 5 && oracle_memory(c->cpu.regs.rsp, 40); i++)
        bytes_set(in->ram + (c->cpu.regs.rsp - LAB04_AT) + 8 * i, frame[i], 8);
}

/* Spoils the frame's CS: steps 2 to 4. */
static void return_code_spoil(struct judge *judge, unsigned cpl, uint64_t frame[5],
                              unsigned how)
{
    static const uint8_t not_ours[] = {D_CODE32_3, D_CONFORMING_0, D_CONFORMING_3,
                                       D_CONFORMING_0_ABSENT, D_CONFORMING_3_ABSENT};
    const unsigned rpl = frame[1] % 4;

    switch (how) {
    case 2:
        frame[1] = judge_random_below(judge, 4);
        break;
    case 3: /* to a more privileged ring */
        frame[1] = cpl ? selector_make(code_of_ring[cpl - 1], cpl - 1)
                       : selector_make(D_KERNEL_DATA, rpl);
        break;
    case 4: /* RPL is not DPL */
        frame[1] = rpl == 3 ? selector_make(D_CODE_2, 3)
                            : selector_make(code_of_ring[rpl], rpl + 1);
        break;
    case 5:
        frame[1] = random_bool(judge) ? selector_make(D_USER_CODE, 4 + 3)
                                      : selector_make(DESCRIPTORS, 3);
        break;
    case 6:
        frame[1] =
            selector_make(random_bool(judge) ? D_USER_CODE_ABSENT : D_CODE32_3_ABSENT, 3);
        break;
    default:
        frame[1] =
            selector_make(not_ours[judge_random_below(judge, COUNT(not_ours))],
                          random_bool(judge) ? 3 : (unsigned)judge_random_below(judge, 4));
    }
}

/* Spoils the frame's SS: step 5. */
static void return_stack_spoil(struct judge *judge, uint64_t frame[5], unsigned how)
{
    static const uint8_t no_stack[] = {D_USER_READONLY, D_USER_CODE, D_KERNEL_READONLY,
                                       D_SYSTEM, D_KERNEL_CODE};
    const unsigned rpl = frame[1] % 4;

    switch (how) {
    case 7:
        frame[4] = rpl == 3 ? (random_bool(judge) ? 3 : judge_random_below(judge, 3))
                            : (rpl + 1) % 4;
        break;
    case 8:
        frame[4] = selector_make(random_bool(judge)
                                     ? D_USER_READONLY_ABSENT
                                     : no_stack[judge_random_below(judge, COUNT(no_stack))],
                                 rpl);
        break;
    case 9: /* a stack of another ring, or asked for with another RPL */
        frame[4] = random_bool(judge) ? selector_make(data_of_ring[(rpl + 1) % 4], rpl)
                                      : selector_make(data_of_ring[rpl], (rpl + 1) % 4);
        break;
    case 10:
        frame[1] = selector_make(D_USER_CODE, 3);
        frame[4] = selector_make(D_USER_DATA_ABSENT, 3);
        break;
    default:
        frame[4] = random_bool(judge) ? selector_make(DESCRIPTORS + 3, rpl)
                                      : selector_make(data_of_ring[rpl], 4 + rpl);
    }
}

/* Spoils a frame; kinds as the steps of interrupt_return() has them, several a step. */
static void return_spoil(struct judge *judge, struct lab04_case *c, uint64_t frame[5],
                         unsigned how)
{
    switch (how) {
    case 1:
        c->cpu.regs.rflags |= RFLAGS_NT;
        if (random_bool(judge)) /* seen before the stack is */
            c->cpu.regs.rsp = LAB04_AT + LAB04_RAM - judge_random_below(judge, 40);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 12:
        return_code_spoil(judge, c->cpu.sregs.cs.selector % 4, frame, how);
        break;
    case 11:
        frame[0] ^= 1ull << (47 + judge_random_below(judge, 17));
        break;
    case 13:
        c->cpu.regs.rsp = LAB04_AT + LAB04_RAM - 39 + judge_random_below(judge, 100);
        break;
    default:
        return_stack_spoil(judge, frame, how);
    }
}

#define RETURN_SPOILS 14

/* Each case has its own place for the frame. */
static void return_make(struct judge *judge, struct lab04_emulate_input *in, unsigned i,
                        unsigned spoil)
{
    struct lab04_case *c = &in->cases[i];
    const unsigned cpl = random_bool(judge) ? 0 : (unsigned)judge_random_below(judge, 4);
    const unsigned to =
        random_bool(judge) ? 3 : cpl + (unsigned)judge_random_below(judge, 4 - cpl);
    const unsigned nth = i / RETURN_SPOILS;
    uint64_t frame[5] = {random_canonical(judge), selector_make(code_of_ring[to], to),
                         judge_random(judge), judge_random(judge),
                         selector_make(data_of_ring[to], to)};

    case_begin(judge, c, cpl);
    c->is_return = 1;
    c->cpu.regs.rflags &= ~RFLAGS_NT;
    c->cpu.regs.rsp = LAB04_AT + 0x8000 + i * 48 + judge_random_below(judge, 8);
    if (to == 3 && random_bool(judge))
        frame[4] = selector_make(D_USER_DOWN, 3);
    if (to != 3 && random_bool(judge))
        frame[4] = to; /* null */
    if (spoil)
        return_spoil(judge, c, frame, spoil);
    if (spoil && spoil < 9 && nth % 3 == 0)
        return_spoil(judge, c, frame, nth % 2 ? 11 : 9);
    /* Only the lower half of a selector's 8 bytes counts. */
    frame[1] |= judge_random(judge) << 16;
    frame[4] |= judge_random(judge) << 16;
    return_frame_put(in, c, frame);
}

static void situation_describe(const struct lab04_case *c, char text[160])
{
    const unsigned cpl = c->cpu.sregs.cs.selector % 4;

    if (c->is_return)
        snprintf(text, 160, "IRET in ring %u", cpl);
    else
        snprintf(text, 160, "%s %u%s in ring %u", c->event.software ? "INT" : "exception",
                 c->event.vector, c->event.has_error_code ? " (error code)" : "", cpl);
}

/* " (IF, NT differ)" for two values of RFLAGS. */
static void flags_describe(uint64_t got, uint64_t want, char *buffer, size_t size)
{
    static const char *const names[] = {
        "CF", "bit 1", "PF",   "bit 3", "AF",     "bit 5", "ZF", "SF", "TF",  "IF",  "DF",
        "OF", "IOPL",  "IOPL", "NT",    "bit 15", "RF",    "VM", "AC", "VIF", "VIP", "ID"};
    size_t length = 0;

    buffer[0] = 0;
    for (unsigned i = 0; i < COUNT(names); i++)
        if ((got ^ want) >> i & 1)
            length += (size_t)snprintf(buffer + length, size - length, "%s%s %s",
                                       length ? ", " : " (", names[i],
                                       got >> i & 1 ? "set" : "clear");
    if (length)
        snprintf(buffer + length, size - length, ")");
}

/* The registers that INT and IRET change, by name. */
static void registers_expect(struct judge *judge, const struct cpu_state *got,
                             const struct cpu_state *want, const char *asked,
                             const char *what)
{
    const struct {
        const char *name;
        uint64_t got, want;
    } fields[] = {
        {"RIP", got->regs.rip, want->regs.rip},
        {"RSP", got->regs.rsp, want->regs.rsp},
        {"RFLAGS", got->regs.rflags, want->regs.rflags},
        {"CS's selector", got->sregs.cs.selector, want->sregs.cs.selector},
        {"SS's selector", got->sregs.ss.selector, want->sregs.ss.selector},
        {"SS's dpl", got->sregs.ss.dpl, want->sregs.ss.dpl},
        {"SS's unusable", got->sregs.ss.unusable, want->sregs.ss.unusable},
    };
    char flags[240] = "";

    for (unsigned i = 0; i < COUNT(fields); i++) {
        if (strcmp(fields[i].name, "RFLAGS") == 0)
            flags_describe(fields[i].got, fields[i].want, flags, sizeof flags);
        CHECK(judge, fields[i].got == fields[i].want, asked,
              "%s: %s is %#" PRIx64 ", not %#" PRIx64 "%s", what, fields[i].name,
              fields[i].got, fields[i].want, flags);
        flags[0] = 0;
    }
    CHECK(judge, memcmp(&got->sregs.cs, &want->sregs.cs, sizeof got->sregs.cs) == 0, asked,
          "%s: CS's hidden part (base, limit, type, dpl, l, ...) is not its descriptor's",
          what);
    CHECK(judge, memcmp(&got->sregs.ss, &want->sregs.ss, sizeof got->sregs.ss) == 0, asked,
          "%s: SS's hidden part is not what it should be", what);
    CHECK(judge, memcmp(got, want, sizeof *got) == 0, asked,
          "%s: some other register has changed", what);
}

static void frame_expect(struct judge *judge, const struct lab04_case_result *r,
                         const struct outcome_wanted *w, const uint8_t *ram,
                         const char *what)
{
    static const char *const names[] = {"error code", "RIP", "CS", "RFLAGS", "RSP", "SS"};
    const uint64_t from = w->frame_words ? w->frame_at - LAB04_AT : 0; /* in ram */
    uint8_t got[48];

    memcpy(got, ram + from, 8 * w->frame_words);
    for (uint32_t at = r->changed_from; at < r->changed_to; at++)
        if (at >= from && at < from + 8 * w->frame_words &&
            at - r->changed_from < sizeof r->changed)
            got[at - from] = r->changed[at - r->changed_from];
    for (unsigned i = 0; i < w->frame_words; i++) {
        const char *name = names[6 - w->frame_words + i];
        const uint64_t word = bytes_value(got + 8 * i, 8);
        char flags[240] = "";

        if (strcmp(name, "RFLAGS") == 0)
            flags_describe(word, w->frame[i], flags, sizeof flags);
        CHECK(judge, word == w->frame[i], "the frame as the processor pushes it",
              "%s: the word of %s (at GPA %#" PRIx64 ") is %#" PRIx64 ", not %#" PRIx64
              "%s",
              what, name, w->frame_at + 8 * i, word, w->frame[i], flags);
    }
    CHECK(judge,
          r->changed_from == r->changed_to ||
              (r->changed_from >= from && r->changed_to <= from + 8 * w->frame_words),
          "nothing but the frame is written",
          "%s: bytes between GPA %#llx and %#llx have changed; the frame is %u words at "
          "%#" PRIx64,
          what, LAB04_AT + r->changed_from, LAB04_AT + r->changed_to, w->frame_words,
          w->frame_at);
}

/* The memory that the part has found: as it was made, but for what the case changes. */
static const uint8_t *case_memory(const struct lab04_emulate_input *in,
                                  const struct lab04_case *c)
{
    static uint8_t changed[LAB04_RAM];

    if (!c->write_at[0] && !c->write_at[1])
        return in->ram;
    memcpy(changed, in->ram, sizeof changed);
    for (unsigned n = 0; n < 2; n++)
        if (c->write_at[n])
            bytes_set(changed + c->write_at[n], c->write_value[n], 8);
    return changed;
}

static void case_expect(struct judge *judge, const struct lab04_emulate_input *in,
                        uint32_t i, const struct lab04_case_result *r)
{
    const struct lab04_case *c = &in->cases[i];
    const uint8_t *ram = case_memory(in, c);
    struct outcome_wanted w;
    char what[160];

    if (c->is_return)
        oracle_return(c, ram, &w);
    else
        oracle_deliver(c, ram, &w);
    situation_describe(c, what);
    char fault[80] = "";

    if (r->result == GUEST_FAULTS)
        snprintf(fault, sizeof fault, "; your *fault is vector %u, error code %#x",
                 r->fault.vector, r->fault.error_code);
    CHECK(judge, r->result == w.result, "each step in the header's order, and its result",
          "%s, step %d: returned %s (%d), not %s%s", what, w.step, result_name(r->result),
          r->result, result_name(w.result), fault);
    CHECK(judge,
          w.result != GUEST_FAULTS || (r->fault.vector == w.fault.vector &&
                                       r->fault.error_code == w.fault.error_code),
          "a fault has the vector and the error code of the header",
          "%s, step %d: vector %u, error code %#x; not vector %u, error code %#x", what,
          w.step, r->fault.vector, r->fault.error_code, w.fault.vector, w.fault.error_code);
    registers_expect(judge, &r->cpu, &w.cpu,
                     w.result ? "what fails changes no register"
                              : "registers as the processor leaves them",
                     what);
    frame_expect(judge, r, &w, ram, what);
}

static void cases_judge(struct judge *judge, struct lab04_emulate_input *in)
{
    const struct lab04_emulate_output *out =
        part_run(judge, LAB04_EMULATE, in, sizeof *in, sizeof *out);

    for (uint32_t i = 0; i < in->count; i++)
        case_expect(judge, in, i, &out->results[i]);
}

static struct lab04_emulate_input emulate_in; /* one a process: each check has its own */

void int_pushes_the_frame(struct judge *judge)
{
    emulate_memory_make(judge, emulate_in.ram);
    for (; emulate_in.count < 256; emulate_in.count++)
        deliver_make(judge, &emulate_in, emulate_in.count, 0);
    cases_judge(judge, &emulate_in);
}

void int_faults_in_order(struct judge *judge)
{
    emulate_memory_make(judge, emulate_in.ram);
    for (; emulate_in.count < 256; emulate_in.count++)
        deliver_make(judge, &emulate_in, emulate_in.count,
                     1 + emulate_in.count % DELIVER_STEPS);
    cases_judge(judge, &emulate_in);
}

void iret_goes_back(struct judge *judge)
{
    emulate_memory_make(judge, emulate_in.ram);
    for (; emulate_in.count < 256; emulate_in.count++)
        return_make(judge, &emulate_in, emulate_in.count, 0);
    cases_judge(judge, &emulate_in);
}

void iret_trusts_no_frame(struct judge *judge)
{
    emulate_memory_make(judge, emulate_in.ram);
    for (; emulate_in.count < 280; emulate_in.count++)
        return_make(judge, &emulate_in, emulate_in.count,
                    1 + emulate_in.count % RETURN_SPOILS);
    cases_judge(judge, &emulate_in);
}
