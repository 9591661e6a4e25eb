/* machine.c - the same guest on the real KVM twice: with the processor's own INT and IRET, and
 * with the part's. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "rings.h"

enum { WINDOW_MAILBOX, WINDOW_IMAGE, WINDOW_LOG };

/* Each guest stands at two checkpoints: before its first instruction, when it gets its number, and
 * after its last. */
#define BEFORE(n) (2 * (n))
#define AFTER(n)  (2 * (n) + 1)

static struct handover numbers[LAB04_RUNS];

static struct rings guest; /* one a process: each check has its own */

/* What the subject gets: guests, one after the other, and port accesses if there are some. */
static struct {
    struct lab04_guest_input guests;
    struct lab04_access_input accesses;
} input;

static void guest_add(const struct rings *g, bool patched)
{
    struct lab04_guest_input *in = &input.guests;
    struct lab04_guest_run *run = &in->runs[in->run_count++];

    numbers[in->run_count - 1] = (struct handover){.name = "guest-ram",
                                                   .offset = GUEST_MAILBOX_GPA + 8,
                                                   .checkpoint = BEFORE(in->run_count - 1),
                                                   .length = sizeof g->nonce,
                                                   .alone = !patched};
    memcpy(numbers[in->run_count - 1].bytes, &g->nonce, sizeof g->nonce);
    *run = (struct lab04_guest_run){.patched = patched,
                                    .mailbox = {g->pairs, 0, g->script_count, 0},
                                    .tables = g->tables};
    memcpy(run->script, g->script, sizeof g->script);
    in->image_size = (uint32_t)g->image_size;
    in->site_count = SITES;
    in->iopl = 3;
    in->program = g->program;
    in->rsp = USER_STACK;
    in->script_at = SCRIPT_AT;
    memcpy(in->sites, g->sites, sizeof g->sites);
    memcpy(in->image, g->image, in->image_size);
}

static const struct lab04_guest_output *guest_output(const struct evidence *e)
{
    return (const struct lab04_guest_output *)(const void *)e->answer;
}

static const struct lab04_access_output *access_output(const struct evidence *e)
{
    return (const struct lab04_access_output *)(const void *)(guest_output(e) + 1);
}

static void ready_expect(struct judge *judge, const struct lab04_guest_result *r)
{
    CHECK(judge, r->tables_result == 0, "interrupt_tables_write() returns 0",
          "it returned %d", r->tables_result);
    CHECK(judge, r->install_result == 0, "int_traps_install() returns 0",
          "it returned %d for the guest's %u sites", r->install_result, (unsigned)SITES);
    CHECK(judge, r->start_result == 0, "guest_start_user() returns 0", "it returned %d",
          r->start_result);
}

/* The first guest, if nothing in it is patched, is ours byte for byte, and begins with the program
 * that makes the pairs: nothing else computes its number. */
static void program_expect(struct judge *judge, const struct evidence *e)
{
    const struct lab04_guest_input *in = &input.guests;
    const uint8_t *image = e->windows[BEFORE(0)][WINDOW_IMAGE].bytes;
    size_t at = 0;

    if (in->runs[0].patched)
        return;
    CHECK(judge,
          e->windows[BEFORE(0)][WINDOW_IMAGE].length == in->image_size &&
              memcmp(image, in->image, in->image_size) == 0,
          "the guest's program is as it was loaded", "its bytes in memory are others");
    while (at < e->events.count && e->events.list[at].kind != EVENT_ENTRY)
        at++;
    CHECK(judge, at < e->events.count && e->events.list[at].rip == in->program,
          "the guest begins with its program",
          "the first VM entry that the kernel saw was at RIP %#" PRIx64 ", not %#" PRIx64,
          at < e->events.count ? e->events.list[at].rip : 0, in->program);
}

/* All guests that were added, and the accesses, in one run of the subject. log: with what the
 * guests have noted. */
static const struct evidence *guests_run(struct judge *judge, bool log)
{
    const struct window windows[] = {
        {.name = "guest-ram", .offset = GUEST_MAILBOX_GPA, .length = 128},
        {.name = "guest-ram", .offset = GUEST_LOAD_GPA, .length = input.guests.image_size},
        {.name = "guest-ram", .offset = LOG_AT, .length = LAB04_GUEST_RAM - LOG_AT}};
    const bool more = input.accesses.count > 0;
    const struct run_spec spec = {.entry = LAB04_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = &input,
                                  .input_size = more ? sizeof input : sizeof input.guests,
                                  .windows = windows,
                                  .window_count = log ? 3 : 2,
                                  .handovers = numbers,
                                  .handover_count = input.guests.run_count,
                                  .deadline_ms = 20000};
    const struct evidence *e =
        judge_run(judge, &spec,
                  sizeof(struct lab04_guest_output) +
                      (more ? sizeof(struct lab04_access_output) : 0));

    CHECK(judge, guest_output(e)->ready, "a guest can be loaded (parts 01 to 03)",
          "one of their functions failed");
    for (uint32_t i = 0; i < input.guests.run_count; i++)
        ready_expect(judge, &guest_output(e)->runs[i]);
    program_expect(judge, e);
    return e;
}

/* The last word of guest number n to its port, as the kernel saw it. A guest ends with HLT. */
static const struct kvm_event *final_word(const struct evidence *e, unsigned n)
{
    const struct kvm_event *final = NULL;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if (event->kind == EVENT_EXIT && event->reason == SVM_EXIT_HLT && n-- == 0)
            return final;
        if (event->kind == EVENT_PIO && event->write && event->address == FINAL_PORT &&
            n == 0)
            final = event;
    }
    return NULL;
}

/* Guest number n has got to its end. */
static void rings_end_expect(struct judge *judge, const struct rings *g,
                             const struct evidence *e, unsigned n)
{
    const struct lab04_guest_result *r = &guest_output(e)->runs[n];
    const struct kvm_event *final = final_word(e, n);
    const uint64_t pairs = window_u64(e, AFTER(n), WINDOW_MAILBOX, 64);
    const uint32_t want = rings_number(g);

    CHECK(judge, r->trap_error == 0, "traps->error stays 0",
          "it is %d (%s): the emulation gave up", r->trap_error,
          result_name(r->trap_error));
    CHECK(
        judge, final && r->run_result == 0 && r->status == RUN_HALTED,
        "the guest runs to its end and halts",
        "vcpu_run() returned %d, status %u (1 is a halt, 2 a triple fault); RIP %#llx, CS "
        "%#x%s",
        r->run_result, r->status, (unsigned long long)r->ended.regs.rip,
        r->ended.sregs.cs.selector, final ? "" : "; nothing was written to port 3F0h");
    CHECK(judge, (uint32_t) final->value == want,
          "every pair has gone through ring 0, on the stack of RSP0, and back",
          "%" PRIu64 " pairs: the guest wrote %#x to port 3F0h, not %#x", g->pairs,
          (uint32_t) final->value, want);
    CHECK(judge, pairs == g->pairs, "the handler in ring 0 has run once a pair",
          "%" PRIu64 " times, not %" PRIu64, pairs, g->pairs);
}

static size_t exits_of(const struct evidence *e, uint32_t reason)
{
    return kvm_events_count(&e->events, EVENT_EXIT, reason);
}

/* By the kernel's clock, from the first VM entry to the last OUT. */
static double span_us(const struct evidence *e)
{
    uint64_t from = 0, to = 0;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if (event->kind == EVENT_ENTRY && !from)
            from = event->time_ns;
        if (event->kind == EVENT_EXIT && event->reason == SVM_EXIT_IOIO)
            to = event->time_ns;
    }
    return (double)(to - from) / 1e3;
}

#define HARDWARE_PAIRS 100000u
#define PATCHED_PAIRS  300u /* one is like another; no counter of 8 bits has as many */

static void pairs_figures(struct judge *judge, const struct evidence *e, const char *exits,
                          const char *time, uint64_t pairs)
{
    const size_t all = exits_of(e, KVM_EVENT_ANY);

    judge_figure(judge, exits, (double)(all - 2) / (double)pairs, "exits");
    judge_figure(judge, time, span_us(e) / (double)pairs, "us");
}

void hardware_way_needs_no_exit(struct judge *judge)
{
    rings_begin(judge, &guest, HARDWARE_PAIRS, 0, NULL, 0);
    guest_add(&guest, false);
    const struct evidence *e = guests_run(judge, false);
    rings_end_expect(judge, &guest, e, 0);
    const size_t all = exits_of(e, KVM_EVENT_ANY), ticks = exits_of(e, SVM_EXIT_INTR),
                 faults = exits_of(e, SVM_EXIT_NPF), io = exits_of(e, SVM_EXIT_IOIO),
                 halts = exits_of(e, SVM_EXIT_HLT);
    CHECK(judge,
          io == 1 && halts == 1 && all == io + halts + ticks + faults && faults < 100,
          "INT and IRET cause no VM exit",
          "%u pairs: %zu exits, of them %zu host interrupts, %zu first touches of a page, "
          "%zu "
          "port accesses (1 is the guest's last), %zu halts",
          HARDWARE_PAIRS, all, ticks, faults, io, halts);
    pairs_figures(judge, e, "exits per INT/IRET pair, hardware way",
                  "time per INT/IRET pair, hardware way", HARDWARE_PAIRS);
}

/* The port accesses of the pairs come from the two sites in turn. */
static void pair_exits_expect(struct judge *judge, const struct evidence *e)
{
    uint64_t n = 0;

    for (size_t i = 0; i < e->events.count && n < 2 * PATCHED_PAIRS; i++) {
        const struct kvm_event *event = &e->events.list[i];
        const uint64_t want = guest.sites[n % 2 ? S_PAIR_IRET : S_PAIR];

        if (event->kind != EVENT_EXIT || event->reason != SVM_EXIT_IOIO)
            continue;
        judge_points_at_event(judge, e, event);
        CHECK(judge, event->rip == want, "INT and IRET exit in turn, each once a pair",
              "port exit %" PRIu64 " came from RIP %#" PRIx64 ", not %#" PRIx64 " (%s)",
              n + 1, event->rip, want, n % 2 ? "the IRET" : "the INT");
        n++;
    }
}

void patched_way_exits_twice(struct judge *judge)
{
    rings_begin(judge, &guest, PATCHED_PAIRS, 0, NULL, 0);
    guest_add(&guest, true);
    const struct evidence *e = guests_run(judge, false);
    const struct lab04_guest_result *out = &guest_output(e)->runs[0];
    rings_end_expect(judge, &guest, e, 0);
    pair_exits_expect(judge, e);
    CHECK(judge, exits_of(e, SVM_EXIT_IOIO) == 2 * PATCHED_PAIRS + 2,
          "two exits a pair, no more and no less",
          "%u pairs, INT 81h and one OUT at the end: %zu port exits, not %u", PATCHED_PAIRS,
          exits_of(e, SVM_EXIT_IOIO), 2 * PATCHED_PAIRS + 2);
    CHECK(judge,
          out->ints == PATCHED_PAIRS + 1 && out->irets == PATCHED_PAIRS && out->faults == 0,
          "traps counts what it has emulated",
          "ints %" PRIu64 ", irets %" PRIu64 ", faults %" PRIu64 "; it was %u, %u and 0",
          out->ints, out->irets, out->faults, PATCHED_PAIRS + 1, PATCHED_PAIRS);
    pairs_figures(judge, e, "exits per INT/IRET pair, patched way",
                  "time per INT/IRET pair, patched way", PATCHED_PAIRS);
}

/* What is at port 80h saw each OUT of the guest's own, and nothing else. */
static void port_writes_expect(struct judge *judge, uint32_t got, const char *way)
{
    uint32_t want = 0;

    for (uint64_t i = 0; i < guest.script_count; i++)
        want += guest.script[i].operation == 8;
    CHECK(judge, got == want, "an OUT that is no patched site reaches its device",
          "%s: the guest wrote %u times to port 80h, its device saw %u", way, want, got);
}

static void both_ways_add(struct judge *judge, const uint8_t *operations, unsigned count)
{
    rings_begin(judge, &guest, 2, COUNT(guest.script), operations, count);
    guest_add(&guest, false);
    guest_add(&guest, true);
}

/* Both ways leave the same log, and it is the right one. */
static void both_ways_expect(struct judge *judge, const struct evidence *e)
{
    static const char *const ways[] = {"hardware way", "patched way"};
    uint8_t *logs[2];

    for (unsigned n = 0; n < 2; n++) {
        rings_end_expect(judge, &guest, e, n);
        logs[n] = e->windows[AFTER(n)][WINDOW_LOG].bytes;
        if (!logs[n] || e->windows[AFTER(n)][WINDOW_LOG].length < LAB04_GUEST_RAM - LOG_AT)
            check_fail(judge, "the guest's memory is there when it has run",
                       "%s: of its memfd guest-ram %u bytes can be read", ways[n],
                       e->windows[AFTER(n)][WINDOW_LOG].length);
        if (n == 0)
            log_correct(&guest, logs[n]);
        log_expect(judge, &guest, logs[n], ways[n]);
    }
    for (uint32_t at = 0; at < LAB04_GUEST_RAM - LOG_AT; at++)
        CHECK(judge, logs[0][at] == logs[1][at],
              "both ways leave the same in memory, bit for bit",
              "note %u of the guest, byte %u: hardware way %02x, patched way %02x",
              at / 128, at % 128, logs[0][at], logs[1][at]);
    for (unsigned n = 0; n < 2; n++)
        port_writes_expect(judge, guest_output(e)->runs[n].port_writes, ways[n]);
}

void frames_are_the_processors(struct judge *judge)
{
    static const uint8_t operations[] = {0, 1, 2, 3, 4, 8, 10, 11};

    both_ways_add(judge, operations, COUNT(operations));
    behind_make(judge, &input.accesses);
    const struct evidence *e = guests_run(judge, true);
    both_ways_expect(judge, e);
    behind_expect(judge, &input.accesses, access_output(e));
}

void violations_reach_the_guest(struct judge *judge)
{
    static const uint8_t operations[] = {5, 6, 7, 9, 0};

    both_ways_add(judge, operations, COUNT(operations));
    both_ways_expect(judge, guests_run(judge, true));
}

/* What guest_start_user() says to KVM, register by register; KVM would put some of it right. */
static void start_words_expect(struct judge *judge, const struct lab04_guest_output *out)
{
    const struct kvm_sregs *s = &out->starts[0].cpu.sregs, *was = &out->pretended.sregs;
    const struct kvm_segment *const flat[] = {&s->cs, &s->ds, &s->es,
                                              &s->fs, &s->gs, &s->ss};
    static const char *const names[] = {"CS", "DS", "ES", "FS", "GS", "SS"};

    for (unsigned i = 0; i < COUNT(flat); i++)
        CHECK(judge,
              flat[i]->base == 0 && flat[i]->limit == 0xffffffff && flat[i]->g &&
                  flat[i]->type == (i ? 3 : 11) && flat[i]->s && flat[i]->present &&
                  flat[i]->dpl == 3 && !flat[i]->unusable,
              "segments are flat, in the form of kvm_segment",
              "%s: base %#llx, limit %#x, g %u, type %u, s %u, dpl %u, present %u",
              names[i], flat[i]->base, flat[i]->limit, flat[i]->g, flat[i]->type,
              flat[i]->s, flat[i]->dpl, flat[i]->present);
    CHECK(
        judge,
        s->tr.type == TSS_BUSY && !s->tr.s && !s->tr.g && s->tr.present && !s->tr.unusable,
        "TR is the TSS, busy", "KVM was told: type %u, s %u, g %u, present %u, unusable %u",
        s->tr.type, s->tr.s, s->tr.g, s->tr.present, s->tr.unusable);
    CHECK(judge, memcmp(&s->ldt, &was->ldt, sizeof s->ldt) == 0, "LDTR keeps its value",
          "selector %#x became %#x, limit %#x became %#x", was->ldt.selector,
          s->ldt.selector, was->ldt.limit, s->ldt.limit);
    CHECK(judge, out->starts[0].cpu.regs.rflags == 0x3202,
          "RFLAGS has bit 1, IF and IOPL, and nothing of what was there",
          "RFLAGS was %#llx, KVM was told %#llx, not 0x3202", out->pretended.regs.rflags,
          out->starts[0].cpu.regs.rflags);
}

static void start_errors_expect(struct judge *judge, const struct lab04_guest_output *out)
{
    for (unsigned i = 1; i <= LAB04_IOCTLS; i++) {
        CHECK(judge, out->starts[i].result == -EINTR,
              "an ioctl that fails makes guest_start_user() fail",
              "its ioctl number %u failed with EINTR: it returned %d", i,
              out->starts[i].result);
        CHECK(judge, i > 2 || out->starts[i].sets == 0,
              "registers that could not be read are not set",
              "ioctl number %u, which reads them, failed; %u others set them", i,
              out->starts[i].sets);
    }
}

/* KVM's own view of the segment registers, before the guest runs. */
static void start_segments_expect(struct judge *judge, const struct kvm_sregs *s)
{
    const struct kvm_segment *const segments[] = {&s->ss, &s->ds, &s->es, &s->fs, &s->gs};
    static const char *const names[] = {"SS", "DS", "ES", "FS", "GS"};

    CHECK(judge,
          s->cs.selector == USER_CODE_SELECTOR && s->cs.dpl == 3 && s->cs.l && !s->cs.db,
          "CS is the user's 64-bit code", "selector %#x, dpl %u, l %u, db %u",
          s->cs.selector, s->cs.dpl, s->cs.l, s->cs.db);
    for (unsigned i = 0; i < COUNT(segments); i++)
        CHECK(judge,
              segments[i]->selector == USER_DATA_SELECTOR && segments[i]->dpl == 3 &&
                  segments[i]->type == 3 && segments[i]->present,
              "SS, DS, ES, FS and GS are the user's data",
              "%s: selector %#x, dpl %u, type %u, present %u", names[i],
              segments[i]->selector, segments[i]->dpl, segments[i]->type,
              segments[i]->present);
    CHECK(judge,
          s->tr.selector == TSS_SELECTOR && s->tr.base == guest.tables.tss &&
              s->tr.limit == TSS_BYTES - 1 && s->tr.type == TSS_BUSY && s->tr.present,
          "TR is the TSS, busy", "selector %#x, base %#llx, limit %#x, type %u, present %u",
          s->tr.selector, s->tr.base, s->tr.limit, s->tr.type, s->tr.present);
    CHECK(judge,
          s->gdt.base == guest.tables.gdt && s->gdt.limit == GDT_BYTES - 1 &&
              s->idt.base == guest.tables.idt && s->idt.limit == IDT_BYTES - 1,
          "GDTR and IDTR have the tables", "GDT %#llx, limit %#x; IDT %#llx, limit %#x",
          s->gdt.base, s->gdt.limit, s->idt.base, s->idt.limit);
}

/* The same of the others: what was set, and what was kept. */
static void start_registers_expect(struct judge *judge, const struct cpu_state *loaded,
                                   const struct cpu_state *started)
{
    const struct kvm_sregs *was = &loaded->sregs, *s = &started->sregs;
    struct kvm_regs want = loaded->regs;

    want.rip = guest.program;
    want.rsp = USER_STACK;
    want.rflags = 0x3202;
    CHECK(judge, memcmp(&want, &started->regs, sizeof want) == 0,
          "RIP, RSP and RFLAGS are set, the other registers are kept",
          "RIP %#llx, RSP %#llx, RFLAGS %#llx (should be %#llx, %#llx, %#llx)",
          started->regs.rip, started->regs.rsp, started->regs.rflags, want.rip, want.rsp,
          want.rflags);
    CHECK(judge,
          s->cr0 == was->cr0 && s->cr3 == was->cr3 && s->cr4 == was->cr4 &&
              s->efer == was->efer,
          "control registers are kept", "CR0 %#llx, CR3 %#llx, CR4 %#llx, EFER %#llx",
          s->cr0, s->cr3, s->cr4, s->efer);
}

void program_starts_in_ring_3(struct judge *judge)
{
    rings_begin(judge, &guest, 1, 0, NULL, 0);
    guest_add(&guest, false);
    const struct evidence *e = guests_run(judge, false);
    const struct lab04_guest_result *r = &guest_output(e)->runs[0];

    start_segments_expect(judge, &r->started.sregs);
    start_registers_expect(judge, &r->loaded, &r->started);
    start_words_expect(judge, guest_output(e));
    start_errors_expect(judge, guest_output(e));
    rings_end_expect(judge, &guest, e, 0);
}

/* Guests for which nothing more can be done. */
static const struct hopeless {
    uint8_t operation;
    int error;
    const char *what;
} hopeless[LAB04_RUNS] = {{5, -ELOOP, "a #GP, and no gate for it"},
                          {1, -EFAULT, "INT 82h with an RSP0 outside of memory"}};

static void hopeless_add(struct judge *judge, const struct hopeless *h)
{
    rings_begin(judge, &guest, 0, 1, &h->operation, 1);
    if (h->error == -ELOOP)
        guest.tables.gate_count--; /* the last one is #GP's */
    else
        guest.tables.rsp0 = LAB04_GUEST_RAM + 0x1000;
    guest_add(&guest, true);
}

static void hopeless_expect(struct judge *judge, const struct hopeless *h,
                            const struct lab04_guest_result *r)
{
    const uint64_t site = guest.sites[S_OPS + h->operation];

    CHECK(judge, r->trap_error == h->error, "traps->error says why it gave up",
          "%s: it is %d, not -%s", h->what, r->trap_error, result_name(h->error));
    CHECK(judge, r->run_result == 0 && r->status == RUN_KICKED,
          "a kick ends the run when the emulation gives up",
          "%s: vcpu_run() returned %d, status %u", h->what, r->run_result, r->status);
    CHECK(judge, (r->ended.sregs.cs.selector & 3) == 3 && r->ended.regs.rip == site + 2,
          "the guest's registers are as they were",
          "%s: RIP %#llx, CS %#x; the patched OUT is at %#" PRIx64 " (KVM has finished it)",
          h->what, r->ended.regs.rip, r->ended.sregs.cs.selector, site);
}

/* The kernel saw the patched OUT of this site: the guest was there. */
static void site_reached_expect(struct judge *judge, const struct hopeless *h,
                                const struct evidence *e)
{
    const uint64_t site = guest.sites[S_OPS + h->operation];
    size_t n = 0;

    for (size_t i = 0; i < e->events.count; i++)
        n += e->events.list[i].kind == EVENT_EXIT &&
             e->events.list[i].reason == SVM_EXIT_IOIO && e->events.list[i].rip == site;
    CHECK(judge, n == 1, "the guest gets to the INT or IRET that cannot be emulated",
          "%s: the kernel saw %zu port exits at %#" PRIx64 ", where the patched OUT is",
          h->what, n, site);
}

void emulation_gives_up(struct judge *judge)
{
    for (unsigned i = 0; i < LAB04_RUNS; i++)
        hopeless_add(judge, &hopeless[i]);
    ends_make(judge, &input.accesses);
    const struct evidence *e = guests_run(judge, false);
    for (unsigned i = 0; i < LAB04_RUNS; i++) {
        hopeless_expect(judge, &hopeless[i], &guest_output(e)->runs[i]);
        site_reached_expect(judge, &hopeless[i], e);
    }
    ends_expect(judge, access_output(e));
}
