/* uart.c - the serial port (target model): random scripts of accesses beside a model of our own,
 * and what KVM was told about the interrupt line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "checks.h"

/* The 16550A as the data sheet describes it, kept as a list of waiting bytes. */
struct model {
    uint8_t ier, fcr, lcr, mcr, scr, low, high;
    bool empty_said; /* IIR has named "THR empty" since it became so */
    uint8_t waiting[UART_FIFO];
    unsigned count;
    bool line;
    uint8_t sent[LAB11_SENT];
    unsigned sent_count;
};

static unsigned model_room(const struct model *m)
{
    return (m->fcr ? UART_FIFO : 1) - m->count;
}

static bool model_receive(struct model *m, uint8_t byte)
{
    if (model_room(m) == 0)
        return false;
    m->waiting[m->count++] = byte;
    return true;
}

static uint8_t model_reason(const struct model *m)
{
    if (m->count && (m->ier & 1))
        return 4;
    return !m->empty_said && (m->ier & 2) ? 2 : 1;
}

static uint8_t model_take(struct model *m)
{
    uint8_t byte = m->count ? m->waiting[0] : 0;

    if (m->count)
        memmove(m->waiting, m->waiting + 1, --m->count);
    return byte;
}

static uint8_t model_read(struct model *m, unsigned reg)
{
    const bool dlab = m->lcr & 0x80;
    uint8_t value;

    switch (reg) {
    case 0:
        return dlab ? m->low : model_take(m);
    case 1:
        return dlab ? m->high : m->ier;
    case 2:
        value = model_reason(m);
        if (value == 2)
            m->empty_said = true;
        return value | (m->fcr ? 0xc0 : 0);
    case 3:
        return m->lcr;
    case 4:
        return m->mcr;
    case 5:
        return 0x60 | (m->count ? 1 : 0);
    case 6:
        value = (uint8_t)((m->mcr & 1 ? 0x20 : 0) | (m->mcr & 2 ? 0x10 : 0) |
                          (m->mcr & 4 ? 0x40 : 0) | (m->mcr & 8 ? 0x80 : 0));
        return m->mcr & 0x10 ? value : 0xb0;
    default:
        return m->scr;
    }
}

static void model_send(struct model *m, uint8_t byte)
{
    if (m->mcr & 0x10)
        model_receive(m, byte);
    else
        m->sent[m->sent_count++ % LAB11_SENT] = byte;
    m->empty_said = false;
}

static void model_write(struct model *m, unsigned reg, uint8_t value)
{
    const bool dlab = m->lcr & 0x80;

    switch (reg) {
    case 0:
        if (dlab)
            m->low = value;
        else
            model_send(m, value);
        break;
    case 1:
        if (!dlab && (value & 2) && !(m->ier & 2))
            m->empty_said = false;
        if (dlab)
            m->high = value;
        else
            m->ier = value & 15;
        break;
    case 2:
        if ((value & 2) || (value & 1) != m->fcr)
            m->count = 0;
        m->fcr = value & 1;
        break;
    case 3:
        m->lcr = value;
        break;
    case 4:
        m->mcr = value & 0x1f;
        break;
    case 7:
        m->scr = value;
        break;
    default:
        break;
    }
}

/* --- a script beside the model ------------------------------------------------------------------- */

struct session {
    struct judge *judge;
    struct lab11_uart in;
    const struct evidence *e;
    const struct lab11_uart_output *out;
};

static struct session *session_new(struct judge *judge)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s)
        judge_error(judge, "out of memory");
    s->judge = judge;
    s->in.base = 0x100 + judge_random_below(judge, 0xf000) / 8 * 8;
    s->in.gsi = 3 + (uint32_t)judge_random_below(judge, 20);
    return s;
}

static void op_add(struct session *s, uint32_t kind, uint32_t offset, uint32_t size,
                   uint32_t data)
{
    struct lab11_uart_op *op = &s->in.ops[s->in.op_count++];

    if (s->in.op_count > LAB11_OPS)
        judge_error(s->judge, "the check's script is too long");
    *op = (struct lab11_uart_op){.kind = kind, .offset = offset, .size = size};
    memcpy(op->data, &data, sizeof op->data);
}

static void write_add(struct session *s, uint32_t reg, uint8_t value)
{
    op_add(s, LAB11_WRITE, reg, 1, value);
}

static void read_add(struct session *s, uint32_t reg)
{
    op_add(s, LAB11_READ, reg, 1, 0);
}

static void receive_add(struct session *s)
{
    op_add(s, LAB11_RECEIVE, 0, 0, (uint32_t)judge_random(s->judge));
}

static void session_run(struct session *s)
{
    struct kvm_plan plan = plan_make();
    const struct run_spec spec = {
        .entry = LAB11_UART, .input = &s->in, .input_size = sizeof s->in, .plan = &plan};
    char number[40];

    s->e = judge_run(s->judge, &spec, sizeof *s->out);
    s->out = (const void *)s->e->answer;
    CHECK(s->judge, s->out->ready, "the earlier parts open KVM and create a VM",
          "they did not (lab 01)");
    CHECK(s->judge, s->out->init == 0, "uart_init() puts the device on the port bus",
          "it returned %s", errno_text(s->out->init, number, sizeof number));
    CHECK(s->judge, s->out->again < 0, "uart_init() says it where the ports are taken",
          "a second one at the last of its %u ports returned %d", UART_PORTS,
          s->out->again);
}

static const char *op_text(const struct session *s, uint32_t n, char *buffer, size_t size)
{
    static const char *const read[] = {"RBR", "IER", "IIR", "LCR",
                                       "MCR", "LSR", "MSR", "SCR"};
    const struct lab11_uart_op *op = &s->in.ops[n];
    uint32_t data;

    memcpy(&data, op->data, sizeof data);
    if (op->kind == LAB11_RECEIVE)
        snprintf(buffer, size, "operation %u, uart_receive(%02Xh)", n, op->data[0]);
    else if (op->kind == LAB11_READ)
        snprintf(buffer, size, "operation %u, a read of %u byte%s from %s on", n, op->size,
                 op->size == 1 ? "" : "s", read[op->offset]);
    else
        snprintf(buffer, size, "operation %u, a write of %02Xh (%u byte%s) to %s", n,
                 op->size == 1 ? data & 0xff : data, op->size, op->size == 1 ? "" : "s",
                 op->offset == 0   ? "THR"
                 : op->offset == 2 ? "FCR"
                                   : read[op->offset]);
    return buffer;
}

/* One operation of the model; the bytes that it reads in data. Returns "taken". */
static bool model_step(struct model *m, const struct lab11_uart_op *op, uint8_t *data)
{
    if (op->kind == LAB11_RECEIVE)
        return model_receive(m, op->data[0]);
    for (uint32_t i = 0; i < op->size; i++)
        if (op->kind == LAB11_WRITE)
            model_write(m, op->offset + i, op->data[i]);
        else
            data[i] = model_read(m, op->offset + i);
    return false;
}

static void data_check(const struct session *s, uint32_t n, const uint8_t *due)
{
    const struct lab11_uart_op *op = &s->in.ops[n];
    char text[120];

    for (uint32_t i = 0; op->kind == LAB11_READ && i < op->size; i++)
        CHECK(s->judge, s->out->results[n].data[i] == due[i],
              "each register reads as the contract says",
              "%s: byte %u is to be %02Xh, it is %02Xh", op_text(s, n, text, sizeof text),
              i, due[i], s->out->results[n].data[i]);
}

/* The levels that KVM was told within one operation. */
static void line_check(const struct session *s, uint32_t n, bool before, bool now)
{
    static const char asked[] = "KVM is told of the line, and only when it has changed";
    const unsigned changes = before != now;
    struct kvm_irq_level level;
    char text[120];
    const struct call *call = operation_call(s->judge, s->e, n, KVM_IRQ_LINE, 0);

    op_text(s, n, text, sizeof text);
    CHECK(s->judge, !call == !changes, asked,
          changes ? "%s: the line goes %s, and there is no KVM_IRQ_LINE"
                  : "%s: the line stays %s, but there is a KVM_IRQ_LINE",
          text, now ? "up" : "down");
    if (!call)
        return;
    memcpy(&level, call->payload, sizeof level);
    CHECK(s->judge, level.irq == s->in.gsi && level.level == now, asked,
          "%s: GSI %u is to be %d; KVM was told GSI %u, %u", text, s->in.gsi, now,
          level.irq, level.level);
    CHECK(s->judge, !operation_call(s->judge, s->e, n, KVM_IRQ_LINE, 1), asked,
          "%s: KVM was told twice", text);
}

#define WITH_LINE 1u /* what session_compare() looks at beside data */

static void session_compare(struct session *s, unsigned what)
{
    struct model m = {.empty_said = true};
    char text[120];

    for (uint32_t n = 0; n < s->in.op_count; n++) {
        uint8_t due[4] = {0};
        const bool taken = model_step(&m, &s->in.ops[n], due), line = model_reason(&m) != 1;

        data_check(s, n, due);
        CHECK(s->judge,
              s->in.ops[n].kind != LAB11_RECEIVE || !s->out->results[n].taken == !taken,
              "uart_receive() takes a byte exactly if there is room",
              "%s: with %u bytes waiting it returned %s", op_text(s, n, text, sizeof text),
              taken ? m.count - 1 : m.count, s->out->results[n].taken ? "true" : "false");
        CHECK(s->judge, s->out->results[n].sent_count == m.sent_count,
              "what is written to THR is sent, but not in loop-back mode",
              "%s: %u bytes have been sent, it are to be %u",
              op_text(s, n, text, sizeof text), s->out->results[n].sent_count,
              m.sent_count);
        if (what & WITH_LINE)
            line_check(s, n, m.line, line);
        m.line = line;
    }
    CHECK(s->judge, memcmp(m.sent, s->out->sent, m.sent_count) == 0,
          "bytes are sent as they were written", "one of %u is another", m.sent_count);
}

/* --- the checks ----------------------------------------------------------------------------------- */

/* Any access; more often than by chance one that changes the mode. */
static void random_op(struct session *s)
{
    static const uint8_t registers[] = {0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 7};
    struct judge *judge = s->judge;
    uint32_t reg = registers[judge_random_below(judge, sizeof registers)];
    uint32_t size = judge_random_below(judge, 4) ? 1 : 1u << judge_random_below(judge, 3);

    if (judge_random_below(judge, 6) == 0)
        receive_add(s);
    else
        op_add(s, random_bool(judge) ? LAB11_WRITE : LAB11_READ,
               reg + size > UART_PORTS ? UART_PORTS - size : reg, size,
               (uint32_t)judge_random(judge));
}

/* The way to each rule on purpose: DLAB hides RBR and IER; MCR loops back. */
static void registers_tour(struct session *s)
{
    write_add(s, UART_LCR, 0x83);
    write_add(s, UART_RBR_THR, 0x0c);
    write_add(s, UART_IER, 0xff);
    read_add(s, UART_RBR_THR);
    read_add(s, UART_IER);
    write_add(s, UART_LCR, 0x03);
    read_add(s, UART_IER);
    read_add(s, UART_RBR_THR);
    write_add(s, UART_IER, 0xff);
    read_add(s, UART_IER);
    read_add(s, UART_MSR);
    for (uint8_t mcr = 0; mcr < 32; mcr++) {
        write_add(s, UART_MCR, mcr | 0xe0);
        read_add(s, UART_MCR);
        read_add(s, UART_MSR);
    }
    write_add(s, UART_RBR_THR, 0xa5); /* in loop-back mode */
    read_add(s, UART_LSR);
    read_add(s, UART_RBR_THR);
    read_add(s, UART_LSR);
    write_add(s, UART_MCR, 0);
    write_add(s, UART_LSR, 0xff);
    write_add(s, UART_MSR, 0);
    read_add(s, UART_LSR);
    read_add(s, UART_MSR);
    op_add(s, LAB11_WRITE, 4, 4, 0x5affff0b); /* MCR to SCR at once */
    op_add(s, LAB11_READ, 4, 4, 0);
}

void uart_registers_answer(struct judge *judge)
{
    struct session *s = session_new(judge);

    registers_tour(s);
    while (s->in.op_count < LAB11_OPS)
        random_op(s);
    session_run(s);
    session_compare(s, 0);
}

/* Fills it up to the brim, and past it. */
static void fifo_fill(struct session *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        receive_add(s);
    read_add(s, UART_LSR);
}

static void fifo_drain(struct session *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        read_add(s, UART_RBR_THR);
    read_add(s, UART_LSR);
}

void uart_fifo_keeps_order(struct judge *judge)
{
    struct session *s = session_new(judge);

    fifo_fill(s, 3); /* off: one byte */
    fifo_drain(s, 2);
    write_add(s, UART_IIR_FCR, 1);
    read_add(s, UART_IIR_FCR);
    fifo_fill(s, UART_FIFO + 2);
    fifo_drain(s, 5);
    fifo_fill(s, 7); /* past the end of the array */
    fifo_drain(s, UART_FIFO + 1);
    fifo_fill(s, 4);
    write_add(s, UART_IIR_FCR, 3); /* cleared; stays on */
    fifo_drain(s, 1);
    fifo_fill(s, 4);
    write_add(s, UART_IIR_FCR, 1); /* no change: kept */
    fifo_drain(s, 1);
    write_add(s, UART_IIR_FCR, 0); /* off: emptied */
    read_add(s, UART_IIR_FCR);
    fifo_drain(s, 1);
    write_add(s, UART_MCR, UART_MCR_LOOP);
    write_add(s, UART_RBR_THR, 0x11);
    write_add(s, UART_RBR_THR, 0x22); /* lost */
    fifo_drain(s, 2);
    while (s->in.op_count < LAB11_OPS / 2)
        random_op(s);
    session_run(s);
    session_compare(s, 0);
}

/* As a driver does it: THR empty, received, both at once; and switched on late. */
static void interrupts_tour(struct session *s)
{
    write_add(s, UART_IIR_FCR, 1);
    write_add(s, UART_IER, UART_IER_EMPTY); /* THR is empty already: up */
    read_add(s, UART_IIR_FCR);              /* said: down */
    read_add(s, UART_IIR_FCR);
    write_add(s, UART_RBR_THR, 'a'); /* up */
    write_add(s, UART_RBR_THR, 'b'); /* stays up */
    read_add(s, UART_IIR_FCR);
    write_add(s, UART_IER, UART_IER_EMPTY | UART_IER_RECEIVED); /* it was on: nothing */
    read_add(s, UART_IIR_FCR);
    receive_add(s);
    write_add(s, UART_RBR_THR, 'c');
    read_add(s, UART_IIR_FCR); /* received goes first, and is not taken back */
    read_add(s, UART_IIR_FCR);
    read_add(s, UART_RBR_THR);
    read_add(s, UART_IIR_FCR); /* now THR empty */
    read_add(s, UART_IIR_FCR);
    write_add(s, UART_IER, 0);
    receive_add(s); /* nobody wants to know */
    write_add(s, UART_RBR_THR, 'd');
    write_add(s, UART_IER, UART_IER_RECEIVED);
    write_add(s, UART_IIR_FCR, 3); /* cleared: down */
    write_add(s, UART_IER, UART_IER_EMPTY);
    write_add(s, UART_IER, 0); /* down */
    write_add(s, UART_MCR, UART_MCR_LOOP);
    write_add(s, UART_IER, UART_IER_RECEIVED);
    write_add(s, UART_RBR_THR, 'e'); /* to ourselves: up */
    read_add(s, UART_RBR_THR);
    write_add(s, UART_MCR, 0);
}

void uart_line_follows_reasons(struct judge *judge)
{
    struct session *s = session_new(judge);

    interrupts_tour(s);
    while (s->in.op_count < LAB11_OPS)
        random_op(s);
    session_run(s);
    session_compare(s, WITH_LINE);
}
