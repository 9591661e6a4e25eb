/* io_exit.h - contract of part 06, second half: what an I/O exit says, and what is to be done.
 *
 * After a VM exit with reason IO_INSTRUCTION the exit qualification describes the access:
 *
 *    63     32 31          16 15    7   6     5     4     3    2      0
 *   +---------+--------------+-------+-----+-----+-----+-----+---------+
 *   |  undef  |     port     | undef | imm | rep | str | in  | size -1 |
 *   +---------+--------------+-------+-----+-----+-----+-----+---------+
 *
 *   size - 1   0, 1 or 3: 1, 2 or 4 bytes. Other values are not used.
 *   in         1: IN or INS (port to guest), 0: OUT or OUTS
 *   str        1: INS or OUTS: the data is in memory, not in RAX
 *   rep        1: with a REP prefix: RCX elements
 *   imm        1: the port was an 8-bit immediate in the instruction, 0: it was in DX
 *   undef      not defined: a VMM ignores them
 *
 * For the string forms two more fields count: the guest-linear address of the memory operand
 * (ES:RDI for INS, DS:RSI for OUTS), and the VM-exit instruction information:
 *
 *    31  18 17   15 14  10 9      7 6    0
 *   | undef|segment| undef|addr size|undef |    address size 0: 16 bits, 1: 32, 2: 64
 *
 * Source: Intel SDM volume 3C, 28.2.1 table 28-5 (qualification), 28.2.5 table 28-8
 * (instruction information); volume 2, IN, INS, OUT, OUTS, REP; volume 1, 3.4.1.1.
 */
#ifndef IO_EXIT_H
#define IO_EXIT_H

#include <stdbool.h>
#include <stdint.h>

/* The fields of the VMCS and the register that say what was tried. */
struct io_exit_fields {
    uint64_t qualification;
    uint64_t linear_address;
    uint64_t rcx;
    uint32_t instruction_info;
    uint32_t instruction_length; /* bytes */
};

struct io_exit {
    uint16_t port;
    uint8_t size; /* bytes of an element: 1, 2 or 4 */
    uint8_t
        address_size; /* bytes of RSI, RDI, RCX that count: 2, 4 or 8; 0 if not string */
    bool in, string, rep, immediate;
    uint8_t length;  /* of the instruction, bytes */
    uint64_t count;  /* elements to move: 1 without REP */
    uint64_t linear; /* where the (first) element is in memory; 0 if not string */
};

/* A REP prefix means something only before a string instruction: otherwise rep is false and
 * count 1, whatever bit 5 says. With REP, count is RCX, ECX or CX, by the address size.
 * Returns 0, or -EINVAL, with *io unchanged, for what no instruction can have caused:
 *   a size that is not used; a string instruction with an immediate port; an immediate
 *   port above ffh; a string instruction with an address size that is none of the three */
int io_exit_decode(const struct io_exit_fields *fields, struct io_exit *io);

/* The qualification of such an access, undefined bits 0: for a VMM that has to tell a guest
 * hypervisor of an exit (lab 10). port, size, in, string, rep and immediate count; the
 * other members are not looked at.
 * Returns 0, or -EINVAL, with *qualification unchanged, for what no instruction can do (as
 * above), and for rep without string. */
int io_exit_encode(const struct io_exit *io, uint64_t *qualification);

/* Registers of the guest that an I/O instruction changes or uses. */
struct io_registers {
    uint64_t rip, rflags;
    uint64_t rax, rcx, rsi, rdi;
};

#define RFLAGS_DF (1ull << 10) /* string instructions go down instead of up */

/* The guest's registers after the VMM has moved `done` of the elements, so that a new VM
 * entry goes on behind the instruction, or within it if it is not done yet:
 *   string   RSI (OUTS) or RDI (INS) moves by done elements, down if DF is set; with REP,
 *            RCX loses done
 *   RIP      moves behind the instruction if done == count
 * A register with an address size of 2 changes only in its low 16 bits; with 4, bits 63:32
 * become 0 (as for any write to a 32-bit register). With done 0, RSI, RDI and RCX do not change
 * at all, not even bits 63:32; RIP moves all the same if count is 0 as well. io is one that
 * io_exit_decode() made; RCX may hold any number.
 * Returns 0, or -EINVAL, with nothing changed, if done > count. */
int io_exit_advance(const struct io_exit *io, uint64_t done,
                    struct io_registers *registers);

/* RAX after IN has read value: AL or AX leave the bits above as they were, EAX makes bits
 * 63:32 zero. Bits of value above size bytes do not count. For all but IN: rax itself. */
uint64_t io_exit_input(const struct io_exit *io, uint64_t rax, uint32_t value);

#endif
