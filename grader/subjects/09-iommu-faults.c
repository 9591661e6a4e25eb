/* 09-iommu-faults.c - dispatcher of lab 09: carries out scripts on the student's part. */
#define _GNU_SOURCE
#include "09-iommu-faults.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "dma_device.h"
#include "guest_ram.h"
#include "subject.h"

static struct lab09_fault fault_out(const struct vtd_fault *f)
{
    return (struct lab09_fault){
        .page = f->page, .source = f->source, .reason = f->reason, .write = f->write};
}

static struct vtd_fault fault_in(const struct lab09_fault *f)
{
    return (struct vtd_fault){
        .page = f->page, .source = f->source, .reason = f->reason, .write = f->write != 0};
}

/* === the model ======================================================================= */

struct model {
    const struct lab09_model_input *in;
    struct lab09_model_output *out;
    uint8_t (*pages)[4096];
    struct table_pool pool;
    struct iommu iommu;
    struct iommu_domain domains[LAB09_DOMAINS];
    uint32_t reads;
    uint64_t hole;           /* the word that cannot be read; 0: none */
    bool held[LAB09_PAGES];  /* pages of the pool that POOL took */
    struct lab09_op witness; /* its id is 0: there is none */
    uint32_t witnessed;
    bool guarded[LAB09_PAGES]; /* pages of the pool that cannot be written at present */
    uint8_t *open;             /* the one that a single instruction may write */
};

static struct model model;

/* The word at a physical address, or NULL. */
static uint64_t *word_at(struct model *m, uint64_t address)
{
    for (uint32_t i = 0; i < m->in->page_count; i++)
        if (address - m->in->address[i] < VTD_PAGE)
            return (uint64_t *)(void *)(m->pages[i] +
                                        (address - m->in->address[i]) / 8 * 8);
    return NULL;
}

static bool memory_read(void *owner, uint64_t address, uint64_t *value)
{
    struct model *m = owner;
    const uint64_t *word = address == m->hole ? NULL : word_at(m, address);

    m->reads++;
    if (word)
        *value = *word;
    return word != NULL;
}

static void op_translate(struct model *m, const struct lab09_op *op, struct lab09_result *r)
{
    const struct vtd_memory memory = {.owner = m, .read = memory_read};
    const struct vtd_request request = {
        .source = op->source, .write = op->write != 0, .iova = op->iova};

    m->reads = 0;
    r->physical = ~0ull; /* what is not written is not right by chance */
    r->value = iommu_translate(&m->iommu, &memory, &request, &r->physical);
    r->reads = m->reads;
}

/* --- a device that looks while tables are written ------------------------------------ */

/* A write to a guarded table has trapped: first the device reads, then that one instruction
 * is let through. */
static void guard_trap(int number, siginfo_t *info, void *context)
{
    struct model *m = &model;
    ucontext_t *at = context;
    size_t n = ((uintptr_t)info->si_addr - (uintptr_t)m->pages) / VTD_PAGE;
    struct lab09_result seen = {0};

    if (n >= m->pool.page_count || !m->guarded[n]) { /* the part's own mistake */
        signal(number, SIG_DFL);
        subject_crash_watch();
        return;
    }
    op_translate(m, &m->witness, &seen);
    m->witnessed |= 1u << (seen.value & 31);
    m->open = m->pages[n];
    mprotect(m->open, VTD_PAGE, PROT_READ | PROT_WRITE);
    at->uc_mcontext.gregs[REG_EFL] |= 0x100; /* TF */
}

static void guard_step(int number, siginfo_t *info, void *context)
{
    ucontext_t *at = context;

    (void)number, (void)info;
    at->uc_mcontext.gregs[REG_EFL] &= ~0x100;
    mprotect(model.open, VTD_PAGE, PROT_READ);
}

/* Guards the tables that there are, or none any more. What an operation takes from the pool
 * is its own until it is linked from one of these. */
static void guard_set(struct model *m, bool on)
{
    struct sigaction trap = {.sa_sigaction = guard_trap, .sa_flags = SA_SIGINFO},
                     step = {.sa_sigaction = guard_step, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, on ? &trap : &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    if (!on)
        subject_crash_watch();
    sigaction(SIGTRAP, on ? &step : &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    for (unsigned i = 0; i < m->pool.page_count; i++) {
        m->guarded[i] = on && m->pool.taken[i] && !m->held[i];
        mprotect(m->pages[i], VTD_PAGE, m->guarded[i] ? PROT_READ : PROT_READ | PROT_WRITE);
    }
}

static void op_decode(const struct lab09_op *op, struct lab09_result *r)
{
    const struct vtd_frcd record = {.low = op->low, .high = op->high};
    struct vtd_fault fault = {0};

    r->value = vtd_fault_decode(&record, &fault);
    r->fault = fault_out(&fault);
}

static void op_take(struct model *m, struct lab09_result *r)
{
    struct vtd_fault fault = {.page = ~0ull, .reason = 0xee};
    bool lost = true;

    r->value = vtd_fault_log_take(&m->iommu.faults, &fault, &lost);
    r->fault = fault_out(&fault);
    r->lost = lost;
}

static void op_encode(const struct lab09_op *op, struct lab09_result *r)
{
    const struct vtd_fault fault = fault_in(&op->fault);
    struct vtd_frcd record = vtd_fault_encode(&fault);

    r->low = record.low;
    r->high = record.high;
}

/* Holds free pages back, or gives such pages free again, until so many are free. */
static void pool_limit(struct model *m, uint64_t free_pages)
{
    for (unsigned i = 0; i < m->pool.page_count; i++) {
        if (m->pool.taken[i] && !m->held[i])
            continue;
        m->held[i] = m->pool.taken[i] = free_pages == 0;
        free_pages -= free_pages > 0;
    }
}

static void op_registers(struct model *m, const struct lab09_op *op, struct lab09_result *r)
{
    struct vtd_fault_log *log = &m->iommu.faults;

    if (op->kind == LAB09_LOG_SET)
        *log = (struct vtd_fault_log){{.low = op->low, .high = op->high}, op->status};
    r->low = log->record.low;
    r->high = log->record.high;
    r->status = log->status;
}

/* Software's side: what writes tables. */
static int tables_op(struct model *m, const struct lab09_op *op)
{
    struct iommu_domain *domain = &m->domains[op->domain];

    switch (op->kind) {
    case LAB09_ATTACH:
        return iommu_attach(domain, op->source);
    case LAB09_DETACH:
        return iommu_detach(domain, op->source);
    case LAB09_MAP:
        return iommu_map(domain, op->iova, op->physical, op->size, op->rights);
    default:
        return iommu_unmap(domain, op->iova, op->size);
    }
}

/* Fault records and their log. */
static void faults_op(struct model *m, const struct lab09_op *op, struct lab09_result *r)
{
    const struct vtd_fault fault = fault_in(&op->fault);

    switch (op->kind) {
    case LAB09_ENCODE:
        op_encode(op, r);
        break;
    case LAB09_DECODE:
        op_decode(op, r);
        break;
    case LAB09_LOG_ADD:
        vtd_fault_log_add(&m->iommu.faults, &fault);
        break;
    case LAB09_LOG_TAKE:
        op_take(m, r);
        break;
    default:
        op_registers(m, op, r);
        break;
    }
}

static void model_op(struct model *m, const struct lab09_op *op, struct lab09_result *r)
{
    switch (op->kind) {
    case LAB09_ATTACH:
    case LAB09_DETACH:
    case LAB09_MAP:
    case LAB09_UNMAP:
        r->value = tables_op(m, op);
        break;
    case LAB09_TRANSLATE:
        op_translate(m, op, r);
        break;
    case LAB09_INVALIDATE:
        iotlb_invalidate(&m->iommu, op->id, op->iova, op->size);
        break;
    case LAB09_POKE:
        *word_at(m, op->physical) = op->size;
        break;
    case LAB09_WITNESS:
        m->witness = *op;
        break;
    case LAB09_HOLE:
        m->hole = op->physical;
        break;
    case LAB09_POOL:
        pool_limit(m, op->size);
        break;
    default:
        faults_op(m, op, r);
        break;
    }
}

/* The operation, with the witness looking on. */
static void model_op_watched(struct model *m, const struct lab09_op *op,
                             struct lab09_result *r)
{
    bool tables = op->kind <= LAB09_UNMAP && m->witness.id;

    m->witnessed = 0;
    if (tables)
        guard_set(m, true);
    model_op(m, op, r);
    if (tables)
        guard_set(m, false);
    r->witnessed = m->witnessed;
}

static void model_make(struct model *m)
{
    const struct lab09_model_input *in = m->in;

    m->pool = (struct table_pool){
        .hva = m->pages[0], .base = in->pool_base, .page_count = in->pool_pages};
    for (unsigned i = 0; i < in->pool_pages; i++)
        m->pool.taken[i] = in->taken[i] != 0;
    m->iommu = (struct iommu){.pool = &m->pool,
                              .root_table = in->root_table,
                              .haw = in->haw,
                              .mgaw = in->mgaw,
                              .sagaw = in->sagaw};
    for (unsigned i = 0; i < LAB09_DOMAINS; i++)
        m->domains[i] = (struct iommu_domain){.iommu = &m->iommu,
                                              .id = in->domains[i].id,
                                              .levels = in->domains[i].levels,
                                              .table = in->domains[i].table};
}

static void model_run(struct subject *subject)
{
    struct model *m = &model;
    size_t size;

    m->in = subject->input;
    m->out = subject->output;
    size = m->in->page_count * sizeof m->in->pages[0];
    m->pages = aligned_alloc(4096, sizeof m->in->pages);
    if (!m->pages)
        return;
    memcpy(m->pages, m->in->pages, size);
    model_make(m);
    for (uint32_t i = 0; i < m->in->op_count; i++)
        model_op_watched(m, &m->in->ops[i], &m->out->results[i]);
    for (unsigned i = 0; i < m->in->pool_pages; i++)
        m->out->taken[i] = m->pool.taken[i];
    memcpy(m->out->pages, m->pages, size);
    subject->output_size = offsetof(struct lab09_model_output, pages) + size;
    free(m->pages);
}

/* === DMA ============================================================================= */

struct dma {
    const struct lab09_dma_input *in;
    struct lab09_dma_output *out;
    struct guest_ram ram;
    struct dma_device device;
    struct dma_engine engine;
    struct dma_buffer buffers[LAB09_BUFFERS];
    uint32_t op, maps;
    struct lab09_turn turn; /* what is left of it */
    uint32_t turns;
};

/* --- the pretended engine ------------------------------------------------------------ */

static int call_note(struct dma *d, struct lab09_call call)
{
    call.op = d->op;
    if (d->out->call_count == LAB09_CALLS)
        return -ELOOP;
    d->out->calls[d->out->call_count++] = call;
    return call.result;
}

static int pretend_transfer(void *owner, const struct dma_transfer *t)
{
    struct dma *d = owner;
    uint32_t unread = d->turn.line_count;

    d->turn = d->turns < d->in->turn_count
                  ? d->in->turns[d->turns++]
                  : (struct lab09_turn){.result = -ELOOP}; /* the script has ended */
    return call_note(d, (struct lab09_call){.kind = LAB09_CALL_TRANSFER,
                                            .iova = t->iova,
                                            .size = t->length,
                                            .rights = t->to_memory,
                                            .hva = t->offset,
                                            .lines_unread = unread,
                                            .result = d->turn.result});
}

static int pretend_report(void *owner, char *line, size_t size)
{
    struct dma *d = owner;

    if (d->turn.line_count == 0)
        return d->turn.report_result;
    d->turn.line_count--;
    snprintf(line, size, "%s", d->in->lines[d->turn.first_line++]);
    return 1;
}

static int pretend_map(void *owner, uint64_t iova, void *hva, uint64_t size,
                       uint64_t rights)
{
    struct dma *d = owner;
    int result = ++d->maps == d->in->map_fails_at ? d->in->map_error : 0;

    return call_note(d, (struct lab09_call){.kind = LAB09_CALL_MAP,
                                            .iova = iova,
                                            .size = size,
                                            .rights = rights,
                                            .hva = (uint8_t *)hva - d->ram.hva,
                                            .result = result});
}

static int pretend_unmap(void *owner, uint64_t iova, uint64_t size)
{
    return call_note(
        owner, (struct lab09_call){.kind = LAB09_CALL_UNMAP, .iova = iova, .size = size});
}

/* --- operations ---------------------------------------------------------------------- */

static void op_parse(const char *line, struct lab09_dma_result *r)
{
    struct vtd_fault fault = {.page = ~0ull, .reason = 0xee};

    r->value = dmar_report_parse(line, &fault);
    r->fault = fault_out(&fault);
}

/* A transfer as it is, and what the kernel says about it. */
static int op_move(struct dma *d, const struct dma_transfer *transfer)
{
    char line[DMA_LINE_MAX];
    struct vtd_fault fault;
    int r = d->engine.transfer(d->engine.owner, transfer);

    while (r == 0 && (r = d->engine.report(d->engine.owner, line, sizeof line)) > 0) {
        if (dmar_report_parse(line, &fault) && d->out->report_count < LAB09_REPORTS)
            d->out->reports[d->out->report_count++] = fault_out(&fault);
        r = 0;
    }
    return r;
}

static void dma_op(struct dma *d, const struct lab09_dma_op *op, struct lab09_dma_result *r)
{
    struct dma_buffer *buffer = &d->buffers[op->buffer];
    const struct dma_transfer transfer = {.to_memory = op->to_memory != 0,
                                          .offset = op->offset,
                                          .length = op->length,
                                          .iova = op->iova};

    switch (op->kind) {
    case LAB09_PARSE:
        op_parse(d->in->lines[op->line], r);
        break;
    case LAB09_PREMAP:
        r->value = dma_buffer_map(buffer, op->first, op->count);
        break;
    case LAB09_RELEASE:
        r->value = dma_buffer_unmap(buffer, op->first, op->count);
        break;
    case LAB09_MOVE:
        r->value = op_move(d, &transfer);
        break;
    case LAB09_DEMAND:
        r->value = dma_demand_transfer(buffer, &transfer);
        break;
    default:
        subject_checkpoint();
        break;
    }
    r->mapped = buffer->mapped;
    r->faults = buffer->faults;
    r->reports = d->out->report_count;
}

static int dma_make(struct dma *d)
{
    int r = guest_ram_create(&d->ram, "ram", d->in->ram_pages * VTD_PAGE);

    if (r < 0)
        return r;
    memcpy(d->ram.hva, d->in->ram, d->ram.size);
    d->engine = (struct dma_engine){.owner = d,
                                    .transfer = pretend_transfer,
                                    .report = pretend_report,
                                    .map = pretend_map,
                                    .unmap = pretend_unmap};
    if (d->in->real) {
        r = dma_device_open(&d->device);
        d->engine = dma_device_engine(&d->device);
    }
    for (unsigned i = 0; i < LAB09_BUFFERS; i++)
        d->buffers[i] =
            (struct dma_buffer){.engine = &d->engine,
                                .source = (uint16_t)d->in->buffers[i].source,
                                .hva = d->ram.hva + d->in->buffers[i].ram_page * VTD_PAGE,
                                .iova = d->in->buffers[i].iova,
                                .pages = d->in->buffers[i].pages,
                                .rights = d->in->buffers[i].rights};
    return r;
}

static void dma_run(struct subject *subject)
{
    static struct dma d;

    d.in = subject->input;
    d.out = subject->output;
    subject->output_size = sizeof *d.out;
    d.out->opened = dma_make(&d);
    if (d.out->opened < 0)
        return;
    for (d.op = 0; d.op < d.in->op_count; d.op++)
        dma_op(&d, &d.in->ops[d.op], &d.out->results[d.op]);
    d.out->lines_unread = d.turn.line_count;
    if (d.in->real)
        dma_device_close(&d.device);
}

const subject_entry subject_entries[] = {
    [LAB09_MODEL] = model_run,
    [LAB09_DMA] = dma_run,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
