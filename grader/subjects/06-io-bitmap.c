/* 06-io-bitmap.c - dispatcher of lab 06: carries out what the checks order. */
#include "06-io-bitmap.h"

#include <string.h>

#include "io_bitmap.h"
#include "io_exit.h"
#include "subject.h"

_Static_assert(sizeof(struct io_bitmap) == LAB06_PAGES, "two pages");

/* --- bitmaps ----------------------------------------------------------------------------- */

static struct io_bitmap *bitmap_of(struct lab06_answer *out, uint32_t index)
{
    return index == LAB06_NO_BITMAP ? NULL : (void *)out->bitmaps[index].pages;
}

static int32_t access_decide(struct lab06_answer *out, const struct lab06_op *op)
{
    const struct io_controls controls = {op->primary, bitmap_of(out, op->bitmap)};

    return io_access_exits(&controls, (uint16_t)op->first, op->count);
}

static int32_t merge(const struct lab06_script *in, struct lab06_answer *out,
                     const struct lab06_op *op)
{
    struct io_controls parties[LAB06_PARTIES];

    for (uint32_t i = 0; i < op->count; i++)
        parties[i] = (struct io_controls){in->parties[op->at + i].primary,
                                          bitmap_of(out, in->parties[op->at + i].bitmap)};
    io_bitmap_merge(bitmap_of(out, op->bitmap), parties, op->count);
    return 0;
}

static int32_t assign(const struct lab06_script *in, struct lab06_answer *out,
                      const struct lab06_op *op)
{
    static struct io_device devices[LAB06_DEVICES];
    struct io_conflict conflict;
    int result;

    for (uint32_t i = 0; i < op->count; i++) {
        const struct lab06_device *device = &in->devices[op->at + i];

        devices[i] = (struct io_device){(enum io_device_kind)device->kind, device->first,
                                        device->count};
    }
    memset(&conflict, (int)in->fill, sizeof conflict);
    result = io_bitmap_assign(bitmap_of(out, op->bitmap), devices, op->count,
                              op->first == LAB06_NO_CONFLICT ? NULL : &conflict);
    if (op->first != LAB06_NO_CONFLICT)
        out->conflicts[op->first] = (struct lab06_conflict){
            .device = conflict.device, .with = conflict.with, .port = conflict.port};
    return result;
}

static int32_t decide_all(struct lab06_answer *out, const struct lab06_op *op)
{
    const struct io_controls controls = {op->primary, bitmap_of(out, op->bitmap)};

    for (unsigned power = 0; power < 3; power++)
        for (uint32_t port = 0; port < IO_PORTS; port++)
            if (io_access_exits(&controls, (uint16_t)port, 1u << power))
                out->decisions[op->at][power][port / 8] |= (uint8_t)(1u << port % 8);
    return 0;
}

static int32_t op_run(const struct lab06_script *in, struct lab06_answer *out,
                      const struct lab06_op *op)
{
    struct io_bitmap *bitmap = bitmap_of(out, op->bitmap);

    switch (op->kind) {
    case LAB06_INIT:
        io_bitmap_init(bitmap);
        return 0;
    case LAB06_PASS:
        return io_bitmap_pass(bitmap, op->first, op->count);
    case LAB06_INTERCEPT:
        return io_bitmap_intercept(bitmap, op->first, op->count);
    case LAB06_ACCESS:
        return access_decide(out, op);
    case LAB06_MERGE:
        return merge(in, out, op);
    case LAB06_ASSIGN:
        return assign(in, out, op);
    case LAB06_SAVE:
        memcpy(out->snapshots[op->at], bitmap, LAB06_PAGES);
        return 0;
    default:
        return decide_all(out, op);
    }
}

static void script_run(struct subject *subject)
{
    const struct lab06_script *in = subject->input;
    struct lab06_answer *out = subject->output;

    subject->output_size = sizeof *out;
    memset(out->bitmaps, (int)in->fill, sizeof out->bitmaps);
    for (uint32_t i = 0; i < in->op_count; i++)
        out->results[i] = op_run(in, out, &in->ops[i]);
}

/* --- exits ------------------------------------------------------------------------------- */

static struct io_exit io_of(const struct lab06_io *io)
{
    return (struct io_exit){
        .port = (uint16_t)io->port,
        .size = (uint8_t)io->size,
        .address_size = (uint8_t)io->address_size,
        .in = io->in,
        .string = io->string,
        .rep = io->rep,
        .immediate = io->immediate,
        .length = (uint8_t)io->length,
        .count = io->count,
        .linear = io->linear,
    };
}

static int64_t decode(const struct lab06_call *call, struct lab06_returned *back)
{
    const struct io_exit_fields fields = {
        .qualification = call->qualification,
        .linear_address = call->linear,
        .rcx = call->rcx,
        .instruction_info = call->info,
        .instruction_length = (uint32_t)call->length,
    };
    struct io_exit io = io_of(&call->io);
    int result = io_exit_decode(&fields, &io);

    back->io =
        (struct lab06_io){io.port, io.size,      io.address_size, io.in,    io.string,
                          io.rep,  io.immediate, io.length,       io.count, io.linear};
    return result;
}

static int64_t advance(const struct io_exit *io, const struct lab06_call *call,
                       struct lab06_returned *back)
{
    const struct lab06_registers *before = &call->registers;
    struct io_registers r = {before->rip, before->rflags, before->rax,
                             before->rcx, before->rsi,    before->rdi};
    int result = io_exit_advance(io, call->done, &r);

    back->registers = (struct lab06_registers){r.rip, r.rflags, r.rax, r.rcx, r.rsi, r.rdi};
    return result;
}

static void call_run(const struct lab06_call *call, struct lab06_returned *back)
{
    const struct io_exit io = io_of(&call->io);

    switch (call->kind) {
    case LAB06_DECODE:
        back->result = decode(call, back);
        break;
    case LAB06_ENCODE:
        back->qualification = call->qualification;
        back->result = io_exit_encode(&io, &back->qualification);
        break;
    case LAB06_ADVANCE:
        back->result = advance(&io, call, back);
        break;
    default:
        back->registers.rax = io_exit_input(&io, call->registers.rax, (uint32_t)call->done);
        break;
    }
}

static void exits_run(struct subject *subject)
{
    const struct lab06_calls *in = subject->input;
    struct lab06_returns *out = subject->output;

    subject->output_size = in->count * sizeof out->returns[0];
    for (uint32_t i = 0; i < in->count; i++)
        call_run(&in->calls[i], &out->returns[i]);
}

const subject_entry subject_entries[] = {
    [LAB06_SCRIPT] = script_run,
    [LAB06_EXITS] = exits_run,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
