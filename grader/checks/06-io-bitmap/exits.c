/* exits.c - an exit decoded and completed: qualification, instruction information,
 * registers.
 */
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io_exit.h"
#include "silicon/silicon.h"

struct calls *calls_new(struct judge *judge)
{
    struct calls *c = memory_get(judge, sizeof *c);

    c->judge = judge;
    return c;
}

struct lab06_call *call_put(struct calls *c, enum lab06_call_kind kind)
{
    struct lab06_call *call = &c->in.calls[c->in.count++];

    if (c->in.count > LAB06_CALLS)
        judge_error(c->judge, "the check has too many calls");
    call->kind = kind;
    return call;
}

void calls_run(struct calls *c)
{
    c->out =
        part_run(c->judge, LAB06_EXITS, &c->in,
                 offsetof(struct lab06_calls, calls) + c->in.count * sizeof c->in.calls[0],
                 c->in.count * sizeof(struct lab06_returned));
}

/* Compares two structs of uint64_t and names the first field that differs. */
static void numbers_expect(struct judge *judge, const char *asked, const char *about,
                           const char *const *names, size_t count, const void *got,
                           const void *due)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t g, d;

        memcpy(&g, (const uint8_t *)got + 8 * i, 8);
        memcpy(&d, (const uint8_t *)due + 8 * i, 8);
        CHECK(judge, g == d, asked, "%s: %s is %#" PRIx64 "; due: %#" PRIx64, about,
              names[i], g, d);
    }
}

void io_expect(struct judge *judge, const char *asked, const char *about,
               const struct lab06_io *got, const struct lab06_io *due)
{
    static const char *const names[] = {"port",   "size",  "address_size", "in",
                                        "string", "rep",   "immediate",    "length",
                                        "count",  "linear"};

    numbers_expect(judge, asked, about, names, COUNT(names), got, due);
}

void registers_expect(struct judge *judge, const char *asked, const char *about,
                      const struct lab06_registers *got, const struct lab06_registers *due)
{
    static const char *const names[] = {"RIP", "RFLAGS", "RAX", "RCX", "RSI", "RDI"};

    numbers_expect(judge, asked, about, names, COUNT(names), got, due);
}

static uint64_t mask_due(unsigned bytes)
{
    return bytes == 8 ? UINT64_MAX : (1ull << (8 * bytes)) - 1;
}

/* An access that an instruction can make; fields that the caller of io_exit_decode() gives. */
struct lab06_io io_make(struct judge *judge)
{
    struct lab06_io io = {
        .port = judge_random_below(judge, IO_PORTS),
        .size = 1ull << judge_random_below(judge, 3),
        .in = judge_random(judge) & 1,
        .string = judge_random(judge) & 1,
        .length = 1 + judge_random_below(judge, 15),
        .count = 1,
    };

    if (io.string) {
        io.rep = judge_random(judge) & 1;
        io.address_size = 2ull << judge_random_below(judge, 3);
        io.linear = judge_random(judge);
    } else if (judge_random(judge) & 1) {
        io.immediate = 1;
        io.port &= 0xff;
    }
    return io;
}

uint64_t qualification_due(const struct lab06_io *io)
{
    return (io->size - 1) + 8 * io->in + 16 * io->string + 32 * io->rep +
           64 * io->immediate + 65536 * io->port;
}

/* The fields of the VMCS for io, and rubbish where nothing is defined. */
static void decode_put(struct calls *c, const struct lab06_io *io)
{
    struct lab06_call *call = call_put(c, LAB06_DECODE);
    const uint64_t rubbish = judge_random(c->judge);

    call->io = io_make(c->judge); /* what *io holds before */
    call->qualification = qualification_due(io) | (rubbish & 0xffffffff0000ff80);
    call->linear = io->string ? io->linear : judge_random(c->judge);
    call->rcx = judge_random(c->judge);
    if (rubbish % 4 == 0) /* small, and 0; in the part that counts, or as a whole */
        call->rcx = judge_random_below(c->judge, 3) | (rubbish % 8 ? call->rcx << 32 : 0);
    call->length = io->length;
    /* The address size is defined for string instructions only. */
    call->info =
        ((uint32_t)rubbish & ~0x380u) |
        (uint32_t)(io->string ? io->address_size / 4 << 7 : (rubbish >> 32 & 0x380));
}

static struct lab06_io decoded_due(const struct lab06_call *call)
{
    static const unsigned bytes[] = {2, 4, 8};
    const uint64_t q = call->qualification;
    struct lab06_io io = {.port = q / 65536 % 65536,
                          .size = q % 8 + 1,
                          .in = q / 8 % 2,
                          .string = q / 16 % 2,
                          .immediate = q / 64 % 2,
                          .length = call->length,
                          .count = 1};

    if (io.string) {
        io.rep = q / 32 % 2;
        io.address_size = bytes[call->info / 128 % 8 % 3];
        io.linear = call->linear;
    }
    if (io.rep)
        io.count = call->rcx & mask_due((unsigned)io.address_size);
    return io;
}

static void decoded_expect(const struct calls *c, uint32_t i, const char *asked)
{
    const struct lab06_call *call = &c->in.calls[i];
    const struct lab06_returned *got = &c->out->returns[i];
    const struct lab06_io due = decoded_due(call);
    char about[200], words[100];

    vmx_qualification_describe(VMX_EXIT_IO_INSTRUCTION, call->qualification, words,
                               sizeof words);
    snprintf(about, sizeof about,
             "qualification %#" PRIx64 " (%s), info %#x, RCX %#" PRIx64,
             call->qualification, words, call->info, call->rcx);
    CHECK(c->judge, got->result == 0, asked,
          "%s: io_exit_decode() returned %" PRId64 "; due: 0", about, got->result);
    io_expect(c->judge, asked, about, &got->io, &due);
}

void qualification_is_decoded(struct judge *judge)
{
    static const char asked[] = "every field of struct io_exit says what the CPU reported";
    struct calls *c = calls_new(judge);

    for (unsigned i = 0; i < 600; i++) {
        const struct lab06_io io = io_make(judge);

        decode_put(c, &io);
        if (!io.string && i % 4 == 0) /* a REP prefix that means nothing */
            c->in.calls[c->in.count - 1].qualification |= 1u << 5;
    }
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++)
        decoded_expect(c, i, asked);
}

/* --- what no instruction can do ----------------------------------------------------- */

static void impossible_put(struct calls *c, const struct lab06_io *io)
{
    struct lab06_call *encode;

    decode_put(c, io);
    encode = call_put(c, LAB06_ENCODE);
    encode->io = *io;
    encode->qualification = judge_random(c->judge);
}

static void sizes_not_used_put(struct calls *c)
{
    static const unsigned sizes[] = {3, 5, 6, 7, 8};

    for (unsigned i = 0; i < 20; i++) {
        struct lab06_io io = io_make(c->judge);

        io.size = sizes[i % COUNT(sizes)];
        impossible_put(c, &io);
    }
}

static void immediates_put(struct calls *c)
{
    for (unsigned i = 0; i < 20; i++) {
        struct lab06_io io = io_make(c->judge);

        io.immediate = 1;
        io.string = i % 2;
        io.rep = io.string && i % 4 == 1;
        io.address_size = io.string ? 4 : 0;
        io.port = io.string ? i : 0x100ull << (i / 2 % 8);
        impossible_put(c, &io);
    }
}

static void refused_expect(const struct calls *c, uint32_t i)
{
    static const char asked[] =
        "what no instruction can have caused is refused (-EINVAL), and nothing is written";
    const struct lab06_call *call = &c->in.calls[i];
    const struct lab06_returned *got = &c->out->returns[i];
    char about[160], result[30];

    if (call->kind == LAB06_DECODE)
        snprintf(about, sizeof about,
                 "io_exit_decode(qualification %#" PRIx64 ", info %#x)",
                 call->qualification, call->info);
    else
        snprintf(about, sizeof about,
                 "io_exit_encode(port %#" PRIx64 ", size %" PRIu64 ", string %" PRIu64
                 ", rep %" PRIu64 ", immediate %" PRIu64 ")",
                 call->io.port, call->io.size, call->io.string, call->io.rep,
                 call->io.immediate);
    errno_text(got->result, result, sizeof result);
    CHECK(c->judge, got->result == -EINVAL, asked, "%s returned %s; due: -EINVAL", about,
          result);
    if (call->kind == LAB06_DECODE)
        io_expect(c->judge, asked, about, &got->io, &call->io);
    else
        CHECK(c->judge, got->qualification == call->qualification, asked,
              "%s changed *qualification", about);
}

void impossible_accesses_are_refused(struct judge *judge)
{
    struct calls *c = calls_new(judge);

    sizes_not_used_put(c);
    immediates_put(c);
    for (unsigned i = 0; i < 12; i++) { /* address sizes 3 to 7 */
        struct lab06_io io = io_make(judge);

        io.string = 1, io.immediate = 0, io.address_size = 4 * (3 + i % 5);
        decode_put(c, &io);
    }
    for (unsigned i = 0; i < 6; i++) {
        struct lab06_call *call = call_put(c, LAB06_ENCODE);

        call->io = io_make(judge);
        call->io.string = 0, call->io.immediate = 0, call->io.rep = 1;
        call->qualification = judge_random(judge);
    }
    for (unsigned i = 0; i < 2; i++) { /* size 0 and 256: not visible in the lowest bits */
        struct lab06_call *call = call_put(c, LAB06_ENCODE);

        call->io = io_make(judge);
        call->io.size = i ? 255 : 0;
        call->qualification = judge_random(judge);
    }
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++)
        refused_expect(c, i);
}

void encoding_is_the_way_back(struct judge *judge)
{
    static const char asked[] = "the qualification is the one that the CPU would report";
    struct calls *c = calls_new(judge);

    for (unsigned i = 0; i < 600; i++) {
        struct lab06_call *call = call_put(c, LAB06_ENCODE);

        call->io = io_make(judge);
        call->qualification = judge_random(judge);
    }
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++) {
        const struct lab06_returned *got = &c->out->returns[i];
        const uint64_t due = qualification_due(&c->in.calls[i].io);
        char words[100];

        vmx_qualification_describe(VMX_EXIT_IO_INSTRUCTION, due, words, sizeof words);
        CHECK(judge, got->result == 0 && got->qualification == due, asked,
              "%s: result %" PRId64 ", qualification %#" PRIx64 "; due: 0 and %#" PRIx64,
              words, got->result, got->qualification, due);
    }
}

/* --- what an instruction does to the registers -------------------------------------- */

static void part_write(uint64_t *reg, uint64_t value, uint64_t bytes)
{
    const uint64_t kept = bytes == 2 ? *reg >> 16 << 16 : 0; /* SDM 1, 3.4.1.1 */

    *reg = kept | (value & mask_due((unsigned)bytes));
}

#define MANY 5000u /* elements: more are not counted one by one */

/* Element by element, as the CPU goes (SDM 2, INS, OUTS, REP). */
static struct lab06_registers advanced_due(const struct lab06_call *call)
{
    struct lab06_registers r = call->registers;
    const struct lab06_io *io = &call->io;
    uint64_t *index = io->in ? &r.rdi : &r.rsi;

    if (io->string && call->done > MANY) { /* the same, all at once */
        const uint64_t way = call->done * io->size;

        part_write(index, r.rflags & RFLAGS_DF ? *index - way : *index + way,
                   io->address_size);
        part_write(&r.rcx, r.rcx - call->done, io->address_size);
    }
    for (uint64_t i = 0; io->string && call->done <= MANY && i < call->done; i++) {
        part_write(index, r.rflags & RFLAGS_DF ? *index - io->size : *index + io->size,
                   io->address_size);
        if (io->rep)
            part_write(&r.rcx, r.rcx - 1, io->address_size);
    }
    if (call->done == io->count)
        r.rip += io->length;
    return r;
}

static struct lab06_registers registers_make(struct judge *judge)
{
    return (struct lab06_registers){
        .rip = judge_random(judge) >> 17,
        .rflags = judge_random(judge) & 0xcd7,
        .rax = judge_random(judge),
        .rcx = judge_random(judge),
        .rsi = judge_random(judge),
        .rdi = judge_random(judge),
    };
}

static void advance_put(struct calls *c)
{
    struct lab06_call *call = call_put(c, LAB06_ADVANCE);
    const uint64_t how = judge_random_below(c->judge, 6);

    call->io = io_make(c->judge);
    call->registers = registers_make(c->judge);
    if (call->io.rep) {
        call->io.count = judge_random_below(c->judge, how == 0 ? 2 : 3000);
        part_write(&call->registers.rcx, call->io.count, call->io.address_size);
        if (call->io.address_size == 4) /* bits 63:32 are somebody else's until it writes */
            call->registers.rcx |= judge_random(c->judge) << 32;
    }
    if (call->io.rep && call->io.address_size == 8 && how % 2) { /* more than 32 bits */
        call->io.count = (judge_random(c->judge) >> 28) + MANY;
        call->registers.rcx = call->io.count;
    }
    if (call->io.rep && judge_random_below(c->judge, 3) == 0)
        call->registers.rcx = judge_random(c->judge); /* it may hold any number */
    call->done =
        how < 3 ? call->io.count : judge_random_below(c->judge, call->io.count + 1);
    if (how == 5)
        call->done = call->io.count + 1 +
                     (judge_random_below(c->judge, 3) << judge_random_below(c->judge, 34));
}

void registers_move_with_the_elements(struct judge *judge)
{
    static const char asked[] =
        "RSI or RDI, RCX and RIP are as the instruction would leave them";
    struct calls *c = calls_new(judge);

    for (unsigned i = 0; i < 700; i++)
        advance_put(c);
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++) {
        const struct lab06_call *call = &c->in.calls[i];
        const bool refused = call->done > call->io.count;
        const struct lab06_registers due = refused ? call->registers : advanced_due(call);
        char about[200], result[30];

        snprintf(about, sizeof about,
                 "%s%s%s, size %" PRIu64 ", address size %" PRIu64 ", DF %d, %" PRIu64
                 " of %" PRIu64 " elements done",
                 call->io.rep ? "REP " : "", call->io.in ? "IN" : "OUT",
                 call->io.string ? "S" : "", call->io.size, call->io.address_size,
                 (call->registers.rflags & RFLAGS_DF) != 0, call->done, call->io.count);
        errno_text(c->out->returns[i].result, result, sizeof result);
        CHECK(judge, c->out->returns[i].result == (refused ? -EINVAL : 0), asked,
              "%s: io_exit_advance() returned %s; due: %s", about, result,
              refused ? "-EINVAL" : "0");
        registers_expect(judge, asked, about, &c->out->returns[i].registers, &due);
    }
}

static uint64_t input_due(const struct lab06_io *io, uint64_t rax, uint64_t value)
{
    if (io->string || !io->in)
        return rax;
    if (io->size == 4)
        return value;
    return rax - (rax & mask_due((unsigned)io->size)) +
           (value & mask_due((unsigned)io->size));
}

void input_changes_its_part_of_rax(struct judge *judge)
{
    struct calls *c = calls_new(judge);

    for (unsigned i = 0; i < 200; i++) {
        struct lab06_call *call = call_put(c, LAB06_INPUT);

        call->io = io_make(judge);
        call->io.in |= i % 2;
        call->registers.rax = judge_random(judge);
        call->done = judge_random(judge) >> 32;
    }
    calls_run(c);
    for (uint32_t i = 0; i < c->in.count; i++) {
        const struct lab06_call *call = &c->in.calls[i];
        const uint64_t got = c->out->returns[i].registers.rax;
        const uint64_t due = input_due(&call->io, call->registers.rax, call->done);

        CHECK(judge, got == due,
              "IN changes AL, AX or all of RAX, and nothing else changes it",
              "%s%s of %" PRIu64 " bytes, RAX %#" PRIx64 ", value %#" PRIx64
              ": RAX becomes %#" PRIx64 "; due: %#" PRIx64,
              call->io.in ? "IN" : "OUT", call->io.string ? "S" : "", call->io.size,
              call->registers.rax, call->done, got, due);
    }
}
