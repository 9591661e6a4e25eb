/* silicon.c - on silicon: the emulated Intel CPU runs I/O instructions on the student's
 * bitmaps.
 */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "judge/guest_image.h"
#include "silicon/silicon.h"

GUEST_IMAGE(drive_guest, "drive.bin");

#define LIST_GPA   0x20000u
#define BUFFER_GPA 0x100000u /* 1 MiB, for the data of string instructions */
#define STEPS_MAX  700u

/* As the guest has it (labs/06-io-bitmap/guests/drive.long64.c). */
struct step {
    uint8_t code[8];
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint64_t down;
    uint64_t rax_after, rcx_after, rsi_after, rdi_after;
};

/* What a step is about, for the judge. */
struct program {
    struct script *script; /* the devices, and one LAB06_ACCESS a step, in order */
    struct silicon *silicon;
    uint32_t io_controls;         /* PRIMARY_..., of the CPU and in each LAB06_ACCESS */
    uint32_t count, first_access; /* access of step 0, in the script's operations */
    struct lab06_io ios[STEPS_MAX];
    struct step steps[STEPS_MAX];
    const struct silicon_record *exits[STEPS_MAX]; /* or NULL */
    struct picture_access accesses[STEPS_MAX];
    const struct step *after;
};

/* Ports behind which Bochs has nothing, or a register that only stores a byte. What the judge
 * lets pass really gets there: 8900h, e9h, 92h, 64h would end or disturb the machine. */
static bool port_harmless(uint32_t port)
{
    return (port >= 0x80 && port <= 0x8f) || port == 0x70 || port == 0x71 || port <= 3 ||
           (port >= 0x2000 && port < 0x8100) || port >= 0xfff0;
}

static struct program *program_new(struct judge *judge, uint32_t io_controls,
                                   const char *asked)
{
    struct program *p = memory_get(judge, sizeof *p);

    p->io_controls = io_controls;
    p->silicon = silicon_new(judge);
    p->silicon->job.controls.primary |= io_controls;
    p->script = script_new(judge, asked);
    return p;
}

static void passed_put(struct program *p, uint32_t first, uint32_t count)
{
    for (uint32_t port = first; port < first + count; port++)
        if (!port_harmless(port))
            judge_error(p->script->judge, "port %#x is not to be passed", port);
    device_put(p->script, IO_DEVICE_PASSED, first, count);
}

/* All devices are there: from now on, steps. */
static void program_assign(struct program *p)
{
    assign_put(p->script, 0, true);
    save_put(p->script, 0);
    p->first_access = p->script->in.op_count;
}

/* Returns the instruction's length. */
static unsigned code_make(const struct lab06_io *io, bool rep, uint8_t *code)
{
    const uint8_t wide = io->size > 1;
    unsigned n = 0;

    if (io->string && io->address_size == 4)
        code[n++] = 0x67;
    if (rep)
        code[n++] = 0xf3;
    if (io->size == 2)
        code[n++] = 0x66;
    if (io->string)
        code[n++] = (uint8_t)((io->in ? 0x6c : 0x6e) | wide);
    else
        code[n++] = (uint8_t)((io->in ? 0xe4 : 0xe6) | (io->immediate ? 0 : 8) | wide);
    if (io->immediate)
        code[n++] = (uint8_t)io->port;
    code[n] = 0xc3; /* RET */
    return n;
}

/* io says which access; linear, count and length are filled in. rep_prefix: a REP before a
 * form that does not know it. */
static struct step *step_put(struct program *p, struct lab06_io io, bool rep_prefix)
{
    struct judge *judge = p->script->judge;
    struct step *step = &p->steps[p->count];
    const uint64_t upper = io.address_size == 4 ? judge_random(judge) << 32 : 0;

    if (p->count == STEPS_MAX)
        judge_error(judge, "the guest's program is too long");
    step->rax = judge_random(judge);
    step->rcx = io.rep ? io.count | upper : judge_random(judge);
    step->rdx =
        io.immediate ? judge_random(judge) : (judge_random(judge) & ~0xffffull) | io.port;
    step->rsi = upper | (BUFFER_GPA + 0x10000 + judge_random_below(judge, 0x1000));
    step->rdi = upper | (BUFFER_GPA + 0x40000 + judge_random_below(judge, 0x1000));
    step->down = judge_random(judge) & 1;
    io.length = code_make(&io, io.rep || rep_prefix, step->code);
    io.linear = !io.string ? 0 : (io.in ? step->rdi : step->rsi) & UINT32_MAX;
    p->ios[p->count++] = io;
    OP(p->script, .kind = LAB06_ACCESS, .primary = p->io_controls,
       .first = (uint32_t)io.port, .count = (uint32_t)io.size);
    return step;
}

static void step_describe(const struct program *p, uint32_t i, char *buffer, size_t size)
{
    vmx_qualification_describe(VMX_EXIT_IO_INSTRUCTION, qualification_due(&p->ios[i]),
                               buffer, size);
}

/* A bitmap that passes more than was asked for never gets to the CPU. */
static void bitmap_confined(const struct program *p)
{
    const struct script *s = p->script;

    for (uint32_t port = 0; port < IO_PORTS; port++) {
        bool wanted = page_bit(s->out->snapshots[0], port);

        for (uint32_t i = 0; !wanted && i < s->devices; i++)
            wanted = s->in.devices[i].kind == IO_DEVICE_PASSED &&
                     device_has(&s->in.devices[i], port);
        CHECK(s->judge, wanted, "your bitmap passes no port that was not asked for",
              "port %#x passes, which belongs to no passed device: the CPU was not given "
              "this "
              "bitmap",
              port);
    }
}

/* Which steps exited, from the CPU's records, in order. */
static void exits_find(struct program *p)
{
    const struct silicon *cpu = p->silicon;
    uint32_t step = 0;

    for (uint32_t i = 0; i + 1 < cpu->log.record_count; i++) {
        const struct silicon_record *r = &cpu->records[i];
        char words[200];

        while (step < p->count && r->rip != LIST_GPA + step * sizeof(struct step))
            step++;
        silicon_record_describe(r, words, sizeof words);
        if (step == p->count || r->exit_reason != VMX_EXIT_IO_INSTRUCTION)
            check_fail(p->script->judge, p->script->asked, "an exit that is no step's: %s",
                       words);
        p->exits[step++] = r;
    }
}

/* Of each step: what is due, what the student decided and, once it ran, what the CPU did. */
static void accesses_fill(struct program *p, bool ran)
{
    const struct script *s = p->script;
    static struct space due;

    memset(&due, 1, sizeof due);
    for (uint32_t i = 0; i < s->devices; i++)
        if (s->in.devices[i].kind == IO_DEVICE_PASSED)
            memset(&due.exits[s->in.devices[i].first], 0, s->in.devices[i].count);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct lab06_op *op = &s->in.ops[p->first_access + i];
        struct picture_access *a = &p->accesses[i];

        *a = (struct picture_access){
            .port = op->first,
            .size = op->count,
            .due = access_due(&due, op->primary, op->first, op->count),
            .decided = s->out->results[p->first_access + i],
            .ran = ran,
            .exited = p->exits[i],
        };
        step_describe(p, i, a->text, sizeof a->text);
    }
    picture_keep(s, p->accesses, p->count);
}

static void program_run(struct program *p)
{
    struct silicon *cpu = p->silicon;
    const uint64_t mailbox[2] = {LIST_GPA, p->count};
    const uint32_t size = p->count * (uint32_t)sizeof(struct step);
    unsigned window;

    script_run(p->script);
    accesses_fill(
        p, false); /* so that there is a picture of a bitmap that the CPU is not given */
    result_expect(p->script, p->first_access - 2, 0);
    bitmap_confined(p);
    silicon_guest(cpu, drive_guest, GUEST_IMAGE_SIZE(drive_guest), GUEST_LONG64);
    silicon_put(cpu, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, mailbox, sizeof mailbox);
    silicon_put(cpu, SILICON_RAM_HPA + LIST_GPA, p->steps, size);
    silicon_put(cpu, SILICON_IO_BITMAP_HPA, p->script->out->snapshots[0], LAB06_PAGES);
    cpu->job.actions[VMX_EXIT_IO_INSTRUCTION] = SILICON_SKIP;
    window = silicon_window(cpu, SILICON_RAM_HPA + LIST_GPA, size);
    silicon_run_to_end(cpu, p->script->asked);
    p->after = (const void *)cpu->windows[window].bytes;
    exits_find(p);
    accesses_fill(p, true);
}

/* CPU, student and manual agree about each step. */
static void exits_expect(const struct program *p)
{
    const struct script *s = p->script;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct picture_access *a = &p->accesses[i];

        judge_points_at(s->judge, "bitmap", i + 1);
        CHECK(s->judge, a->exited == a->due, s->asked,
              "with your bitmap the CPU %s at %s; that access %s",
              a->exited ? "exited" : "did not exit", a->text,
              a->due ? "has to be an exit" : "belongs to a passed device");
        CHECK(s->judge, a->exited == a->decided, s->asked,
              "io_access_exits() says %s for %s; the CPU %s",
              a->decided ? "exit" : "no exit", a->text,
              a->exited ? "exited" : "did not exit");
    }
    judge_points_at(s->judge, "", 0); /* what follows is not in the picture */
}

/* --- the checks: silicon ------------------------------------------------------------ */

static struct lab06_io byte_io(uint32_t port, bool in)
{
    return (struct lab06_io){
        .port = port, .size = 1, .in = in, .immediate = port < 0x100, .count = 1};
}

/* Writes value to the register (behind an index port, for the RTC's memory), and has it read
 * back later. */
static void byte_write_put(struct program *p, uint32_t port, uint32_t index, uint8_t value)
{
    if (port == 0x71)
        step_put(p, byte_io(0x70, false), false)->rax = index;
    step_put(p, byte_io(port, false), false)->rax = value;
}

static uint32_t byte_read_put(struct program *p, uint32_t port, uint32_t index)
{
    if (port == 0x71)
        step_put(p, byte_io(0x70, false), false)->rax = index;
    step_put(p, byte_io(port, true), false);
    return p->count - 1;
}

static void neighbours_put(struct program *p)
{
    static const struct {
        uint32_t port, size;
    } neighbours[] = {{0x6f, 1},   {0x72, 1},   {0x6f, 2},   {0x71, 2},   {0x7f, 1},
                      {0x90, 1},   {0x7e, 4},   {0x8f, 2},   {0x8d, 4},   {0x92, 1},
                      {0x7ff7, 1}, {0x8000, 1}, {0x7fff, 2}, {0x7ffd, 4}, {0x7ffe, 4}};

    for (unsigned i = 0; i < COUNT(neighbours); i++) {
        struct lab06_io io =
            byte_io(neighbours[i].port, judge_random(p->script->judge) & 1);

        io.size = neighbours[i].size;
        step_put(p, io, false);
    }
}

/* One more, of which nobody knows beforehand where it is. Bochs has nothing there. */
static void somewhere_put(struct program *p)
{
    struct judge *judge = p->script->judge;

    passed_put(p, 0x2000 + (uint32_t)judge_random_below(judge, 0x5000),
               1 + (uint32_t)judge_random_below(judge, 24));
}

/* It is driven, too, and so are the ports beside it. */
static void somewhere_drive(struct program *p)
{
    const struct script *s = p->script;
    const struct lab06_device *device = &s->in.devices[s->devices - 1];

    for (uint32_t port = device->first - 1; port <= device->first + device->count; port++)
        step_put(p, byte_io(port, judge_random(s->judge) & 1), false);
}

void passed_device_is_driven_without_an_exit(struct judge *judge)
{
    enum { BYTES = 12 };
    struct program *p = program_new(
        judge, PRIMARY_USE_IO_BITMAPS,
        "the guest drives the passed devices with no exit; their neighbours exit");
    uint8_t values[BYTES];
    uint32_t reads[BYTES];

    device_put(p->script, IO_DEVICE_EMULATED, 0x60, 8);
    passed_put(p, 0x70, 2);   /* the RTC's memory: index, data */
    passed_put(p, 0x80, 16);  /* page registers of the DMA controllers: a byte each */
    passed_put(p, 0x7ff8, 8); /* ends with bitmap A */
    device_put(p->script, IO_DEVICE_EMULATED, 0x90, 8);
    somewhere_put(p);
    program_assign(p);
    for (uint32_t i = 0; i < BYTES; i++) {
        values[i] = (uint8_t)judge_random(judge);
        byte_write_put(p, i % 2 ? 0x71 : 0x80 + i, 0x40 + i, values[i]);
    }
    neighbours_put(p);
    somewhere_drive(p);
    for (uint32_t i = 0; i < BYTES; i++)
        reads[i] = byte_read_put(p, i % 2 ? 0x71 : 0x80 + i, 0x40 + i);
    program_run(p);
    exits_expect(p);
    for (uint32_t i = 0; i < BYTES; i++)
        CHECK(judge, (uint8_t)p->after[reads[i]].rax_after == values[i], p->script->asked,
              "the guest wrote %#x into a register of the device and read %#x back",
              values[i], (uint8_t)p->after[reads[i]].rax_after);
    judge_figure(judge, "accesses of the guest to passed devices",
                 p->count - silicon_count(p->silicon, VMX_EXIT_IO_INSTRUCTION), "");
    judge_figure(judge, "their VM exits", 0, "exits");
    judge_figure(judge, "VM exits of accesses to neighbours",
                 silicon_count(p->silicon, VMX_EXIT_IO_INSTRUCTION), "exits");
}

static struct lab06_io walk_io_make(struct judge *judge, const struct script *s)
{
    struct lab06_io io = io_make(judge);
    const struct lab06_device *near = &s->in.devices[judge_random_below(judge, s->devices)];

    if (io.string)
        io.address_size = judge_random(judge) & 1 ? 4 : 8; /* no 16 bits in long mode */
    if (io.rep)
        io.count = 1 + judge_random_below(judge, 5);
    if (judge_random_below(judge, 4)) /* near the ends of what passes */
        io.port = near->first - 4 + judge_random_below(judge, near->count + 7);
    io.port &= io.immediate ? 0xff : 0xffff;
    return io;
}

/* Some hundred ports pass, in pieces, at all places that matter. */
static void walk_devices_put(struct program *p)
{
    struct judge *judge = p->script->judge;

    passed_put(p, 0x80 + (uint32_t)judge_random_below(judge, 4), 3);
    passed_put(p, 0x88 + (uint32_t)judge_random_below(judge, 3), 5);
    for (uint32_t i = 0; i < 14; i++)
        passed_put(p, 0x2000 + 0x500 * i + (uint32_t)judge_random_below(judge, 0x400),
                   1 + (uint32_t)judge_random_below(judge, 24));
    passed_put(p, 0x7ffb + (uint32_t)judge_random_below(judge, 4), 8); /* across A and B */
    passed_put(p, 0x8040, 1 + (uint32_t)judge_random_below(judge, 9));
    passed_put(p, 0x7100, 8); /* the bits of one byte */
    passed_put(p, 0xfff8, 8);
    passed_put(p, 0, 4); /* so that only the wrap itself can make an access exit */
}

/* The student's decode of each of the CPU's qualifications, against what the guest did. */
static void decodes_expect(const struct program *p)
{
    static const char asked[] =
        "io_exit_decode() of the CPU's own fields says what the guest has executed";
    struct calls *c = calls_new(p->script->judge);
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        const struct silicon_record *r = p->exits[i];
        struct lab06_call *call = r ? call_put(c, LAB06_DECODE) : NULL;

        if (call)
            *call = (struct lab06_call){.kind = LAB06_DECODE,
                                        .info = r->instruction_info,
                                        .qualification = r->qualification,
                                        .linear = r->guest_linear_address,
                                        .rcx = r->rcx,
                                        .length = r->instruction_length};
    }
    calls_run(c);
    for (uint32_t i = 0; i < p->count; i++) {
        char words[100], about[160];

        if (!p->exits[i])
            continue;
        step_describe(p, i, words, sizeof words);
        snprintf(about, sizeof about, "%s, qualification %#" PRIx64, words,
                 p->exits[i]->qualification);
        CHECK(c->judge, c->out->returns[n].result == 0, asked,
              "%s: io_exit_decode() returned %" PRId64 "; due: 0", about,
              c->out->returns[n].result);
        io_expect(c->judge, asked, about, &c->out->returns[n++].io, &p->ios[i]);
    }
}

/* Every run has these: across the end of a byte of the bitmap, and around the port space. */
static void walk_borders_put(struct program *p)
{
    static const uint32_t ports[] = {0x70ff, 0x7104, 0x7105, 0x7106, 0x7107,
                                     0xfffc, 0xfffd, 0xfffe, 0xffff};

    for (uint32_t i = 0; i < COUNT(ports); i++)
        for (uint32_t size = 1; size <= 4; size *= 2)
            step_put(p,
                     (struct lab06_io){.port = ports[i], .size = size, .in = 1, .count = 1},
                     false);
}

/* With both controls set: the second has no effect (SDM 3C 25.6.2), and the CPU shows it. */
void random_walk_exits_where_you_decided(struct judge *judge)
{
    struct program *p =
        program_new(judge, IO_CONTROLS,
                    "exactly the accesses exit that your bitmap and io_access_exits() say");

    walk_devices_put(p);
    program_assign(p);
    walk_borders_put(p);
    while (p->count < 500) {
        const struct lab06_io io = walk_io_make(judge, p->script);

        step_put(p, io, !io.string && judge_random_below(judge, 8) == 0);
    }
    program_run(p);
    exits_expect(p);
    decodes_expect(p);
}

/* Passed accesses: what did the CPU leave in the registers? */
static void moves_put(struct program *p)
{
    struct judge *judge = p->script->judge;

    while (p->count < 300) {
        struct lab06_io io = io_make(judge);

        io.immediate = 0;
        io.port = 0x3000 + judge_random_below(judge, 0x100);
        if (io.string)
            io.address_size = judge_random(judge) & 1 ? 4 : 8;
        if (io.rep)
            io.count = 1 + judge_random_below(judge, 300);
        step_put(p, io, false);
    }
}

static void move_call_put(struct calls *c, const struct program *p, uint32_t i,
                          uint64_t value)
{
    const struct step *step = &p->steps[i];
    const bool input = p->ios[i].in && !p->ios[i].string;
    struct lab06_call *call = call_put(c, input ? LAB06_INPUT : LAB06_ADVANCE);

    call->io = p->ios[i];
    call->done = input ? value : call->io.count;
    call->registers = (struct lab06_registers){.rip = LIST_GPA + i * sizeof *step,
                                               .rflags = 2 | step->down << 10,
                                               .rax = step->rax,
                                               .rcx = step->rcx,
                                               .rsi = step->rsi,
                                               .rdi = step->rdi};
}

static void move_expect(const struct program *p, uint32_t i, const struct lab06_call *call,
                        const struct lab06_returned *got)
{
    const struct step *after = &p->after[i];
    struct lab06_registers due = call->registers;
    char words[100], about[160];

    step_describe(p, i, words, sizeof words);
    snprintf(about, sizeof about,
             "%s, address size %" PRIu64 ", DF %" PRIu64 ", RCX %#" PRIx64, words,
             call->io.address_size, p->steps[i].down, p->steps[i].rcx);
    due.rax = after->rax_after, due.rcx = after->rcx_after;
    due.rsi = after->rsi_after, due.rdi = after->rdi_after;
    if (call->kind == LAB06_INPUT) {
        CHECK(p->script->judge, got->registers.rax == due.rax, p->script->asked,
              "%s: io_exit_input() makes RAX %#" PRIx64 "; the CPU: %#" PRIx64, about,
              got->registers.rax, due.rax);
        return;
    }
    due.rip += call->io.length;
    registers_expect(p->script->judge, p->script->asked, about, &got->registers, &due);
}

void registers_move_as_the_cpu_moves_them(struct judge *judge)
{
    struct program *p =
        program_new(judge, PRIMARY_USE_IO_BITMAPS,
                    "your registers after an access are those that the CPU itself leaves");
    struct calls *c = calls_new(judge);

    passed_put(p, 0x3000, 0x110);
    program_assign(p);
    moves_put(p);
    program_run(p);
    exits_expect(p);
    for (uint32_t i = 0; i < p->count; i++)
        move_call_put(c, p, i, UINT32_MAX); /* a port without a device reads as ones */
    calls_run(c);
    for (uint32_t i = 0; i < p->count; i++)
        move_expect(p, i, &c->in.calls[i], &c->out->returns[i]);
}
