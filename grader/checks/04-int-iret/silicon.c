/* silicon.c - an emulated Intel CPU runs on the part's tables, takes the events that the part has
 * encoded, and exits as the part's exception bitmap says. */
#include "silicon/silicon.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "guest_loader.h"
#include "judge/guest_image.h"
#include "rings.h"
#include "x86.h"

GUEST_IMAGE(events, "events.bin");

/* In events.long64.S: the pages that fault, and its operations. */
#define PAGE_TARGET 0x200000ull /* where those that are mapped lead */
#define EFER_NXE    (1ull << 11)
#define PTE_NX      (1ull << 63)

/* Ring 3 on the part's tables, as guest_start_user() makes it for KVM. */
static void silicon_ring_3(struct silicon *s, const struct lab04_tables *t, uint64_t rip)
{
    struct vmx_guest_state *g = &s->job.guest;
    const struct vmx_segment data = {
        .selector = USER_DATA_SELECTOR, .limit = 0xffffffff, .access_rights = 0xc0f3};

    for (int i = SEG_ES; i <= SEG_GS; i++)
        g->segments[i] = data;
    g->segments[SEG_CS] = (struct vmx_segment){
        .selector = USER_CODE_SELECTOR, .limit = 0xffffffff, .access_rights = 0xa0fb};
    g->segments[SEG_TR] = (struct vmx_segment){.selector = TSS_SELECTOR,
                                               .base = t->tss,
                                               .limit = TSS_BYTES - 1,
                                               .access_rights = 0x8b};
    g->gdtr_base = t->gdt;
    g->gdtr_limit = GDT_BYTES - 1;
    g->idtr_base = t->idt;
    g->idtr_limit = IDT_BYTES - 1;
    g->rip = rip;
    g->rsp = USER_STACK;
    g->rflags = 0x3202;
}

/* The bytes that the part makes of the tables go into the guest's memory. */
static void silicon_tables(struct silicon *s, const struct lab04_tables *t)
{
    static struct lab04_tables_input in;
    const struct lab04_tables_output *out;

    in.count = 1;
    in.tables[0] = *t;
    out = part_run(s->judge, LAB04_TABLES, &in, sizeof in,
                   offsetof(struct lab04_tables_output, ram[1]));
    CHECK(s->judge, out->results[0] == 0, "interrupt_tables_write() returns 0",
          "it returned %d", out->results[0]);
    silicon_put(s, SILICON_RAM_HPA + t->gdt, out->ram[0] + t->gdt, GDT_BYTES);
    silicon_put(s, SILICON_RAM_HPA + t->tss, out->ram[0] + t->tss, TSS_BYTES);
    silicon_put(s, SILICON_RAM_HPA + t->idt, out->ram[0] + t->idt, IDT_BYTES);
}

#define SILICON_PAIRS 1000u

static struct rings guest;

void tables_work_on_silicon(struct judge *judge)
{
    static const uint8_t operations[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11};
    struct silicon *s = silicon_new(judge);

    rings_begin(judge, &guest, SILICON_PAIRS, 64, operations, COUNT(operations));
    const uint64_t mailbox[4] = {guest.pairs, guest.nonce, guest.script_count, 1};
    silicon_guest(s, guest.image, guest.image_size, GUEST_LONG64);
    silicon_tables(s, &guest.tables);
    silicon_put(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, mailbox, sizeof mailbox);
    silicon_put(s, SILICON_RAM_HPA + SCRIPT_AT, guest.script, sizeof guest.script);
    silicon_ring_3(s, &guest.tables, guest.program);
    s->job.actions[VMX_EXIT_IO_INSTRUCTION] = SILICON_SKIP;
    const unsigned log = silicon_window(s, SILICON_RAM_HPA + LOG_AT, 0x8000);
    silicon_run_to_end(s, "an Intel CPU runs the guest on the part's tables");
    log_expect(judge, &guest, s->windows[log].bytes, "Intel CPU");
    CHECK(judge, s->log.record_count == 2 && silicon_count(s, VMX_EXIT_IO_INSTRUCTION) == 1,
          "1000 INT/IRET pairs need no VM exit",
          "%u exits; the guest's last OUT and its VMCALL are 2", s->log.record_count);
    CHECK(judge, (uint32_t)s->records[0].rax == rings_number(&guest),
          "every pair has gone through ring 0 and back",
          "the guest wrote %#x to port 3F0h, not %#x", (uint32_t)s->records[0].rax,
          rings_number(&guest));
    judge_figure(judge, "exits in 1000 pairs, emulated Intel CPU",
                 s->log.record_count - 2.0, "exits");
}

struct happenings {
    struct lab04_tables tables;
    uint64_t program, asked;
    uint64_t script[64];
    uint32_t count;
};

static struct happenings happenings;

/* A handler for every vector, any ring may use it. */
static void happenings_begin(struct judge *judge, struct happenings *h)
{
    const uint64_t *table = guest_table(judge, events, GUEST_IMAGE_SIZE(events));

    memset(h, 0, sizeof *h);
    h->program = table[0];
    h->asked = table[2];
    h->tables.gdt = 0x4800 + 8 * judge_random_below(judge, 64);
    h->tables.tss = 0x5000 + 8 * judge_random_below(judge, 64);
    h->tables.idt = 0x5800 + 16 * judge_random_below(judge, 64);
    h->tables.rsp0 = 0x24000 + judge_random_below(judge, 0x1000);
    for (h->tables.gate_count = 0; h->tables.gate_count < 256; h->tables.gate_count++)
        h->tables.gates[h->tables.gate_count] =
            (struct guest_gate){.handler = table[1] + 16 * h->tables.gate_count,
                                .selector = KERNEL_CODE_SELECTOR,
                                .vector = (uint8_t)h->tables.gate_count,
                                .type = random_bool(judge) ? GATE_TRAP : GATE_INTERRUPT,
                                .dpl = 3,
                                .present = 1};
}

/* Pages of 2 MiB that fault in one way each (see the guest). */
static void pages_spoil(struct silicon *s)
{
    const uint64_t user = PAGE_TARGET | PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_LARGE;
    const uint64_t entries[] = {0, user & ~PTE_WRITABLE, user & ~PTE_USER,
                                user | 1ull << 13, user | PTE_NX};

    silicon_put(s, SILICON_RAM_HPA + GUEST_PML4_GPA + 0x2000 + 8 * 2, entries,
                sizeof entries);
    s->job.guest.efer |= EFER_NXE;
}

static struct silicon *happenings_silicon(struct judge *judge, const struct happenings *h)
{
    struct silicon *s = silicon_new(judge);
    const uint64_t mailbox[3] = {0, 0, h->count};

    silicon_guest(s, events, GUEST_IMAGE_SIZE(events), GUEST_LONG64);
    pages_spoil(s);
    silicon_tables(s, &h->tables);
    silicon_put(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, mailbox, sizeof mailbox);
    silicon_put(s, SILICON_RAM_HPA + SCRIPT_AT, h->script, sizeof h->script);
    silicon_ring_3(s, &h->tables, h->program);
    silicon_window(s, SILICON_RAM_HPA + LOG_AT, 64 * 65);
    return s;
}

/* Note n of the guest: this event arrived, with this error code (-1: none). rip: 0, or what
 * the frame has to say. */
static void note_expect(struct judge *judge, const struct happenings *h,
                        const struct silicon *s, unsigned n,
                        const struct entry_event *event, uint64_t rip, const char *what)
{
    const uint8_t *note = s->windows[0].bytes + 64 * n;
    const unsigned words = event->has_error_code ? 6 : 5;
    const uint64_t rsp = h->tables.rsp0 / 16 * 16 - 8 * words;
    const uint8_t *frame = note + 16 + 8 * (words - 5);

    CHECK(judge, bytes_value(note, 8) == event->vector && bytes_value(note + 8, 8) == rsp,
          "the event arrives at its handler, on the stack of RSP0",
          "%s: note %u of the guest has vector %" PRIu64 ", RSP %#" PRIx64
          "; not %u, %#" PRIx64,
          what, n, bytes_value(note, 8), bytes_value(note + 8, 8), event->vector, rsp);
    CHECK(judge, !event->has_error_code || bytes_value(note + 16, 8) == event->error_code,
          "the error code lies on the handler's stack", "%s: %#" PRIx64 ", not %#x", what,
          bytes_value(note + 16, 8), event->error_code);
    CHECK(judge, rip == 0 || bytes_value(frame, 8) == rip,
          "the handler returns behind the instruction that the event stands for",
          "%s: the frame's RIP is %#" PRIx64 ", not %#" PRIx64, what, bytes_value(frame, 8),
          rip);
    CHECK(judge,
          bytes_value(frame + 8, 8) == USER_CODE_SELECTOR &&
              bytes_value(frame + 24, 8) == USER_STACK,
          "the event comes in ring 3", "%s: the frame's CS is %#" PRIx64 ", RSP %#" PRIx64,
          what, bytes_value(frame + 8, 8), bytes_value(frame + 24, 8));
}

#define INJECTED 60u

/* Hardware exceptions 0 to 20 first, each once; then all types but this. */
static struct lab04_event injected_make(struct judge *judge, uint32_t i)
{
    struct lab04_event e =
        event_good(judge, i <= 20 ? 3 : good_types[i % COUNT(good_types)]);

    if (i <= 20)
        e.event.vector = i;
    if (e.event.type == 3 && (i > 20 || i == 2))
        e = event_good(judge, 0);
    e.guest = (struct entry_guest){.cr0 = CR0_PE | CR0_PG, .rflags = 0x202};
    e.event.has_error_code = oracle_has_code(&e);
    e.event.error_code &= 0xffff;
    return e;
}

void events_arrive_on_silicon(struct judge *judge)
{
    static struct lab04_events_input in;
    char what[200];

    happenings_begin(judge, &happenings);
    for (; in.count < INJECTED; in.count++)
        in.events[in.count] = injected_make(judge, in.count);
    happenings.count = INJECTED; /* operation 0: ask for the next event */
    const struct lab04_events_output *out =
        part_run(judge, LAB04_EVENTS, &in, sizeof in, sizeof *out);
    struct silicon *s = happenings_silicon(judge, &happenings);
    for (uint32_t i = 0; i < INJECTED; i++) {
        const struct lab04_event_result *r = &out->results[i];

        event_describe(&in.events[i], what);
        CHECK(judge, r->result == 0, "good events are taken", "%s: returned %d", what,
              r->result);
        silicon_event_add(s, r->info, r->error_code, r->instruction_length);
    }
    silicon_run_to_end(s, "an Intel CPU takes the part's events at VM entry");
    for (uint32_t i = 0; i < INJECTED; i++) {
        event_describe(&in.events[i], what);
        note_expect(judge, &happenings, s, i, &in.events[i].event,
                    happenings.asked + in.events[i].event.instruction_length, what);
    }
    CHECK(judge, silicon_count(s, VMX_EXIT_VMCALL) == s->log.record_count,
          "events that are injected cause no exit themselves",
          "%u exits, %u of them the guest's VMCALLs", s->log.record_count,
          silicon_count(s, VMX_EXIT_VMCALL));
}

/* What the operations 1 to 17 of the guest raise. */
static const struct {
    const char *name;
    struct entry_event event;
} raised[] = {
    {"", {0}},
    {"#DE", {3, 0, false, 0, 0}},
    {"#DB by INT1", {5, 1, false, 0, 0}},
    {"#BP by INT3", {6, 3, false, 0, 0}},
    {"#UD", {3, 6, false, 0, 0}},
    {"#GP", {3, 13, true, 0, 0}},
    {"#SS", {3, 12, true, 0, 0}},
    {"#PF, read, not present", {3, 14, true, 4, 0}},
    {"#PF, write, not present", {3, 14, true, 6, 0}},
    {"#PF, read of a kernel page", {3, 14, true, 5, 0}},
    {"#PF, write to a read-only page", {3, 14, true, 7, 0}},
    {"#PF, reserved bit", {3, 14, true, 13, 0}},
    {"#PF, fetch, not present", {3, 14, true, 20, 0}},
    {"#PF, fetch from a no-execute page", {3, 14, true, 21, 0}},
    {"INT 6", {4, 6, false, 0, 0}},
    {"INT 13", {4, 13, false, 0, 0}},
    {"INT 14", {4, 14, false, 0, 0}},
    {"INT 64", {4, 64, false, 0, 0}},
};

/* Runs all of them under the part's fields, and says which should exit. */
static void silicon_exits_judge(struct judge *judge, const struct exception_wish *wish,
                                const struct lab04_exits_output *fields, uint32_t n)
{
    struct silicon *s = happenings_silicon(judge, &happenings);
    uint32_t exits = 0, notes = 0;

    s->job.controls.exception_bitmap = fields->bitmap[n];
    s->job.controls.page_fault_error_code_mask = fields->mask[n];
    s->job.controls.page_fault_error_code_match = fields->match[n];
    s->job.actions[VMX_EXIT_EXCEPTION_OR_NMI] = SILICON_RECOVER;
    silicon_run_to_end(s, "an Intel CPU runs the guest with the part's exception bitmap");
    for (uint32_t i = 0; i < happenings.count; i++) {
        const struct entry_event *event = &raised[happenings.script[i]].event;
        const char *name = raised[happenings.script[i]].name;
        const bool want = event->type != 4 &&
                          (event->vector == 14 ? wish_page_fault(wish, event->error_code)
                                               : wish->vectors >> event->vector & 1);
        const struct silicon_record *r = &s->records[exits];
        const bool seen =
            exits < s->log.record_count && r->exit_reason == VMX_EXIT_EXCEPTION_OR_NMI &&
            (r->interruption_info & 0x7ff) == (event->vector | event->type << 8) &&
            (!event->has_error_code || r->interruption_error_code == event->error_code);

        CHECK(judge, !want || seen, "what is wished to exit exits",
              "%s: wished to exit; vectors %#x, page faults %s, mask %#x, match %#x gave "
              "bitmap %#x, mask %#x, match %#x, and the CPU did not exit for it",
              name, wish->vectors, page_fault_names[wish->page_faults], wish->mask,
              wish->match, fields->bitmap[n], fields->mask[n], fields->match[n]);
        if (want)
            exits++;
        else
            note_expect(judge, &happenings, s, notes++, event, 0, name);
    }
    CHECK(judge, exits + 1 == s->log.record_count, "what is not wished to exit stays",
          "%u exits wished for, %u seen", exits, s->log.record_count - 1);
}

void exceptions_exit_on_silicon(struct judge *judge)
{
    static struct lab04_exits_input in;

    happenings_begin(judge, &happenings);
    for (happenings.count = 0; happenings.count < 40; happenings.count++)
        happenings.script[happenings.count] =
            happenings.count < COUNT(raised) - 1
                ? happenings.count + 1
                : 1 + judge_random_below(judge, COUNT(raised) - 1);
    /* One bit of the error code decides, or two. */
    in.wish_count = 2;
    in.wishes[0] =
        (struct exception_wish){.vectors = (uint32_t)judge_random(judge) & ~0x4004u,
                                .page_faults = PAGE_FAULTS_MATCHING,
                                .mask = random_bool(judge) ? 0x12 : 3,
                                .match = 2};
    in.wishes[1] = (struct exception_wish){.vectors = ~in.wishes[0].vectors & ~0x4004u,
                                           .page_faults = PAGE_FAULTS_OTHER,
                                           .mask = random_bool(judge) ? 5 : 0x11,
                                           .match = 1};
    const struct lab04_exits_output *out =
        part_run(judge, LAB04_EXITS, &in, sizeof in, sizeof *out);
    for (uint32_t n = 0; n < in.wish_count; n++) {
        CHECK(judge, out->results[n] == 0, "exception_exits_set() returns 0",
              "it returned %d", out->results[n]);
        silicon_exits_judge(judge, &in.wishes[n], out, n);
    }
}
