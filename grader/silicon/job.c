/* job.c - what a check wants the emulated CPU to do, put together. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "silicon/bochs.h"
#include "x86.h"

#define WATCHDOG_TICKS 40000000u
#define DEFAULT_LIMIT  4096u
#define LARGE_PAGE     (2ull << 20)

/* EPT entries (SDM 3C 29.3.2) */
#define EPT_RWX   7ull
#define EPT_LARGE (1ull << 7)
#define EPT_WB    (6ull << 3)

/* Access rights of a segment register (SDM 3C 25.4.1, table 25-2) */
#define RIGHTS_CODE64 0xa09bu
#define RIGHTS_CODE32 0xc09bu
#define RIGHTS_CODE16 0x009bu
#define RIGHTS_DATA32 0xc093u
#define RIGHTS_DATA16 0x0093u
#define RIGHTS_TSS    0x008bu

void silicon_put(struct silicon *s, uint64_t hpa, const void *bytes, size_t length)
{
    struct silicon_job *job = &s->job;

    if (length == 0)
        return;
    if (job->segment_count == SILICON_SEGMENTS_MAX ||
        length > SILICON_JOB_MAX - sizeof *job - s->data_size)
        judge_error(s->judge, "a silicon job has too many bytes or pieces");
    memcpy(s->data + s->data_size, bytes, length);
    job->segments[job->segment_count++] = (struct silicon_segment){
        .hpa = hpa,
        .offset = (uint32_t)(sizeof *job + s->data_size),
        .length = (uint32_t)length,
    };
    s->data_size += (length + 7) & ~(size_t)7;
}

/* The guest's RAM from GPA 0, in pages of 2 MiB. */
static void ept_put(struct silicon *s)
{
    uint64_t tables[3][512] = {{SILICON_EPT_HPA + 0x1000 + EPT_RWX},
                               {SILICON_EPT_HPA + 0x2000 + EPT_RWX}};

    for (uint64_t at = 0; at < SILICON_GUEST_SIZE; at += LARGE_PAGE)
        tables[2][at / LARGE_PAGE] = (SILICON_RAM_HPA + at) | EPT_LARGE | EPT_WB | EPT_RWX;
    silicon_put(s, SILICON_EPT_HPA, tables, sizeof tables);
}

static void bitmaps_put(struct silicon *s)
{
    uint8_t ones[0x3000]; /* I/O bitmaps A and B, MSR bitmap */

    memset(ones, 0xff, sizeof ones);
    silicon_put(s, SILICON_IO_BITMAP_HPA, ones, sizeof ones);
}

struct silicon *silicon_new(struct judge *judge)
{
    struct silicon *s = calloc(1, sizeof *s);

    if (!s || !(s->data = calloc(1, SILICON_JOB_MAX)))
        judge_error(judge, "out of memory");
    s->judge = judge;
    s->log_records = DEFAULT_LIMIT;
    s->job.magic = SILICON_JOB_MAGIC;
    s->job.nonce = judge_random(judge);
    s->job.record_limit = DEFAULT_LIMIT;
    s->job.controls = (struct vmx_controls){
        .pin = PIN_PREEMPTION_TIMER,
        .primary = PRIMARY_HLT_EXITING | PRIMARY_USE_IO_BITMAPS | PRIMARY_USE_MSR_BITMAPS,
        .secondary =
            SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_VPID | SECONDARY_UNRESTRICTED_GUEST,
        .preemption_timer = WATCHDOG_TICKS,
        .vpid = 1,
        .io_bitmap_a = SILICON_IO_BITMAP_HPA,
        .io_bitmap_b = SILICON_IO_BITMAP_HPA + 0x1000,
        .msr_bitmap = SILICON_MSR_BITMAP_HPA,
        .ept_pointer = SILICON_EPT_HPA | EPTP_WALK_4 | EPTP_WRITE_BACK,
    };
    ept_put(s);
    bitmaps_put(s);
    return s;
}

void silicon_want_bochs_3(struct judge *judge, const char *reason)
{
    if (!bochs_debugger_option()) /* 3.0 was the first to have it */
        check_skip(judge, reason);
}

/* --- the guest ----------------------------------------------------------------------------------- */

static void segments_set(struct vmx_guest_state *g, enum guest_mode mode)
{
    const bool real = mode == GUEST_REAL16;
    const struct vmx_segment code = {
        .selector = real ? GUEST_LOAD_GPA >> 4 : SELECTOR_CODE,
        .base = real ? GUEST_LOAD_GPA : 0,
        .limit = real ? 0xffff : 0xffffffff,
        .access_rights = real                   ? RIGHTS_CODE16
                         : mode == GUEST_LONG64 ? RIGHTS_CODE64
                                                : RIGHTS_CODE32,
    };
    const struct vmx_segment data = {
        .selector = real ? 0 : SELECTOR_DATA,
        .limit = code.limit,
        .access_rights = real ? RIGHTS_DATA16 : RIGHTS_DATA32,
    };

    for (int i = SEG_ES; i <= SEG_GS; i++)
        g->segments[i] = data;
    g->segments[SEG_CS] = code;
    g->segments[SEG_LDTR] = (struct vmx_segment){.access_rights = SEGMENT_UNUSABLE};
    g->segments[SEG_TR] = (struct vmx_segment){.limit = 0x67, .access_rights = RIGHTS_TSS};
}

static void state_set(struct vmx_guest_state *g, enum guest_mode mode)
{
    *g = (struct vmx_guest_state){
        .cr0 = CR0_ET | CR0_NE,
        .cr4 = 1ull << 13, /* VMXE has to be set in VMX operation, for the guest, too */
        .dr7 = 0x400,
        .rip = mode == GUEST_REAL16 ? 0 : GUEST_LOAD_GPA,
        .rsp = GUEST_STACK_GPA,
        .rflags = RFLAGS_RESERVED,
        .idtr_limit = mode == GUEST_REAL16 ? 0x3ff : 0,
    };
    segments_set(g, mode);
    if (mode != GUEST_REAL16) {
        g->cr0 |= CR0_PE;
        g->gdtr_base = GUEST_GDT_GPA;
        g->gdtr_limit = GUEST_GDT_ENTRIES * 8 - 1;
    }
    if (mode == GUEST_LONG64) {
        g->cr0 |= CR0_PG;
        g->cr3 = GUEST_PML4_GPA;
        g->cr4 |= CR4_PAE;
        g->efer = EFER_LME | EFER_LMA;
    }
}

void silicon_guest(struct silicon *s, const void *image, size_t size, enum guest_mode mode)
{
    if (mode != GUEST_REAL16) {
        uint64_t gdt[GUEST_GDT_ENTRIES];

        guest_gdt_make(gdt, mode);
        silicon_put(s, SILICON_RAM_HPA + GUEST_GDT_GPA, gdt, sizeof gdt);
    }
    if (mode == GUEST_LONG64) {
        static struct guest_page_tables tables;

        guest_page_tables_make(&tables);
        silicon_put(s, SILICON_RAM_HPA + GUEST_PML4_GPA, &tables, sizeof tables);
        s->job.controls.entry |= ENTRY_IA32E_MODE_GUEST;
    }
    silicon_put(s, SILICON_RAM_HPA + GUEST_LOAD_GPA, image, size);
    state_set(&s->job.guest, mode);
}

/* --- the rest --------------------------------------------------------------------------------------- */

void silicon_event_add(struct silicon *s, uint32_t info, uint32_t error_code,
                       uint32_t instruction_length)
{
    if (s->job.event_count == SILICON_EVENTS_MAX)
        judge_error(s->judge, "a silicon job has too many events");
    s->job.events[s->job.event_count++] = (struct silicon_event){
        .info = info, .error_code = error_code, .instruction_length = instruction_length};
}

void silicon_write_add(struct silicon *s, uint64_t hpa, uint64_t value)
{
    if (s->job.write_count == SILICON_WRITES_MAX)
        judge_error(s->judge, "a silicon job has too many writes");
    s->job.writes[s->job.write_count++] = (struct silicon_write){hpa, value};
}

unsigned silicon_window(struct silicon *s, uint64_t hpa, uint32_t length)
{
    if (s->window_count == SILICON_WINDOWS_MAX)
        judge_error(s->judge, "a silicon job has too many windows");
    s->windows[s->window_count].hpa = hpa;
    s->windows[s->window_count].length = length;
    return s->window_count++;
}

uint32_t silicon_count(const struct silicon *s, uint32_t basic_reason)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->log.record_count; i++)
        n += (s->records[i].exit_reason & VMX_EXIT_BASIC_REASON) == basic_reason;
    return n;
}
