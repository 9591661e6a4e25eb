/* io_exit.c - part 06, second half: what an I/O exit says, and what is to be done.
 * The contract of every function is in common/include/io_exit.h. */
#include "io_exit.h"

#include <errno.h>

//@begin
//@ /* TODO 8: give the fields of the qualification names, and write down once which accesses
//@  * no instruction can make: decoding and encoding both refuse them. */
//@
#define SIZE_FIELD 7u /* bytes - 1 */
#define IN_BIT     (1u << 3)
#define STRING_BIT (1u << 4)
#define REP_BIT    (1u << 5)
#define IMM_BIT    (1u << 6)
#define PORT_SHIFT 16

static bool access_possible(unsigned size, bool string, bool immediate, uint16_t port)
{
    if (size != 1 && size != 2 && size != 4)
        return false;
    return !immediate || (!string && port <= 0xff);
}

/* The low `bytes` of a register. */
static uint64_t low_bytes(uint64_t value, unsigned bytes)
{
    return bytes >= 8 ? value : value & ((1ull << 8 * bytes) - 1);
}

//@end
int io_exit_decode(const struct io_exit_fields *fields, struct io_exit *io)
{
    //@begin
    //@ /* TODO 9: refuse first, then fill in *io. */
    //@ (void)fields, (void)io;
    //@ return -ENOSYS;
    const uint64_t q = fields->qualification;
    const unsigned address = fields->instruction_info >> 7 & 7;
    struct io_exit seen = {
        .port = (uint16_t)(q >> PORT_SHIFT),
        .size = (uint8_t)((q & SIZE_FIELD) + 1),
        .in = q & IN_BIT,
        .string = q & STRING_BIT,
        .immediate = q & IMM_BIT,
        .length = (uint8_t)fields->instruction_length,
        .count = 1,
    };

    if (!access_possible(seen.size, seen.string, seen.immediate, seen.port) ||
        (seen.string && address > 2))
        return -EINVAL;
    if (seen.string) {
        seen.rep = q & REP_BIT;
        seen.address_size = (uint8_t)(2u << address);
        seen.linear = fields->linear_address;
    }
    if (seen.rep)
        seen.count = low_bytes(fields->rcx, seen.address_size);
    *io = seen;
    return 0;
    //@end
}

int io_exit_encode(const struct io_exit *io, uint64_t *qualification)
{
    //@begin
    //@ /* TODO 10: the way back. */
    //@ (void)io, (void)qualification;
    //@ return -ENOSYS;
    if (!access_possible(io->size, io->string, io->immediate, io->port) ||
        (io->rep && !io->string))
        return -EINVAL;
    *qualification = (uint64_t)io->port << PORT_SHIFT | (io->size - 1u) |
                     (io->in ? IN_BIT : 0) | (io->string ? STRING_BIT : 0) |
                     (io->rep ? REP_BIT : 0) | (io->immediate ? IMM_BIT : 0);
    return 0;
    //@end
}

//@begin
//@ /* TODO 11: how does a register look after an instruction of that address size wrote it? */
//@
static uint64_t register_written(uint64_t old, uint64_t value, unsigned bytes)
{
    return bytes == 2 ? (old & ~0xffffull) | (value & 0xffff) : low_bytes(value, bytes);
}

//@end
int io_exit_advance(const struct io_exit *io, uint64_t done, struct io_registers *registers)
{
    //@begin
    //@ /* TODO 12: which register, which way, how far; and is the instruction over? */
    //@ (void)io, (void)done, (void)registers;
    //@ return -ENOSYS;
    uint64_t *index = io->in ? &registers->rdi : &registers->rsi;
    const uint64_t bytes = done * io->size;

    if (done > io->count)
        return -EINVAL;
    if (io->string && done > 0) {
        const bool down = registers->rflags & RFLAGS_DF;

        *index = register_written(*index, down ? *index - bytes : *index + bytes,
                                  io->address_size);
    }
    if (io->rep && done > 0)
        registers->rcx =
            register_written(registers->rcx, registers->rcx - done, io->address_size);
    if (done == io->count)
        registers->rip += io->length;
    return 0;
    //@end
}

uint64_t io_exit_input(const struct io_exit *io, uint64_t rax, uint32_t value)
{
    //@begin
    //@ /* TODO 13: AL and AX are parts of RAX; EAX is special. */
    //@ (void)io, (void)rax, (void)value;
    //@ return 0;
    if (!io->in || io->string)
        return rax;
    if (io->size == 4)
        return value;
    return (rax & ~low_bytes(~0ull, io->size)) | low_bytes(value, io->size);
    //@end
}
