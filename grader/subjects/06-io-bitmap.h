/* 06-io-bitmap.h - what checks and dispatcher of lab 06 say to each other.
 *
 * LAB06_SCRIPT is a list of operations on a few bitmaps, each with one result. All bitmaps
 * lie in the answer, between bytes that nobody has a reason to change. LAB06_EXITS is a list
 * of single calls of io_exit.h's functions.
 */
#ifndef SUBJECT_06_H
#define SUBJECT_06_H

#include <stdint.h>

#define LAB06_BITMAPS   5
#define LAB06_OPS       1000
#define LAB06_SNAPSHOTS 40
#define LAB06_DECISIONS 5
#define LAB06_DEVICES   1000
#define LAB06_PARTIES   100
#define LAB06_CALLS     1500
#define LAB06_PAGES     8192 /* both bitmaps, or one bit for each port */
#define LAB06_BORDER    64

#define LAB06_NO_BITMAP   UINT32_MAX /* a party's bitmap is NULL */
#define LAB06_NO_CONFLICT UINT32_MAX /* conflict is NULL */

enum lab06_entry { LAB06_SCRIPT, LAB06_EXITS };

/* Which fields of struct lab06_op count; `bitmap` always does. */
enum lab06_kind {
    LAB06_INIT,
    LAB06_PASS,      /* first, count: the result */
    LAB06_INTERCEPT, /* first, count: the result */
    LAB06_ACCESS,    /* primary, first = port, count = size: 1 if it exits */
    LAB06_MERGE,     /* parties[at, at + count) */
    LAB06_ASSIGN, /* devices[at, at + count), first = index of the conflict: the result */
    LAB06_SAVE,   /* the bitmap into snapshots[at] */
    LAB06_DECIDE, /* primary: all ports, sizes 1, 2, 4, into decisions[at] */
};

struct lab06_op {
    uint32_t kind, bitmap, first, count, primary, at;
};

struct lab06_party {
    uint32_t primary, bitmap;
};

struct lab06_device {
    uint32_t kind, first, count;
};

struct lab06_conflict {
    uint64_t device, with;
    uint32_t port, reserved;
};

struct lab06_script {
    uint32_t op_count;
    uint32_t fill; /* a byte: what is in bitmaps and conflicts before */
    struct lab06_op ops[LAB06_OPS];
    struct lab06_party parties[LAB06_PARTIES];
    struct lab06_device devices[LAB06_DEVICES];
};

struct lab06_answer {
    int32_t results[LAB06_OPS];
    struct lab06_conflict conflicts[LAB06_OPS];
    struct {
        uint8_t before[LAB06_BORDER];
        uint8_t pages[LAB06_PAGES];
        uint8_t after[LAB06_BORDER];
    } bitmaps[LAB06_BITMAPS];
    uint8_t snapshots[LAB06_SNAPSHOTS][LAB06_PAGES];
    uint8_t decisions[LAB06_DECISIONS][3][LAB06_PAGES]; /* port's bit: 1 exits */
};

/* struct io_exit without bools: what comes back may be any bytes. */
struct lab06_io {
    uint64_t port, size, address_size, in, string, rep, immediate, length, count, linear;
};

struct lab06_registers {
    uint64_t rip, rflags, rax, rcx, rsi, rdi;
};

enum lab06_call_kind {
    LAB06_DECODE,  /* qualification, linear, rcx, info, length; io as it is before */
    LAB06_ENCODE,  /* io; qualification as it is before */
    LAB06_ADVANCE, /* io, done, registers */
    LAB06_INPUT,   /* io, registers.rax, done = value: registers.rax */
};

struct lab06_call {
    uint32_t kind, info;
    uint64_t qualification, linear, rcx, length, done;
    struct lab06_io io;
    struct lab06_registers registers;
};

struct lab06_returned {
    int64_t result;
    uint64_t qualification;
    struct lab06_io io;
    struct lab06_registers registers;
};

struct lab06_calls {
    uint32_t count, reserved;
    struct lab06_call calls[LAB06_CALLS];
};

struct lab06_returns {
    struct lab06_returned returns[LAB06_CALLS];
};

#endif
