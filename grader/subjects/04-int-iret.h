/* 04-int-iret.h - what the checks of lab 04 and its dispatcher say to each other. */
#ifndef SUBJECT_04_INT_IRET_H
#define SUBJECT_04_INT_IRET_H

#include "cpu_state.h"
#include "event_injection.h"
#include "int_emulation.h"
#include "interrupt_tables.h"

enum {
    LAB04_ENCODE,  /* gates and TSS descriptors */
    LAB04_TABLES,  /* interrupt_tables_write() into a guest without KVM */
    LAB04_EMULATE, /* interrupt_deliver(), interrupt_return(), the same */
    LAB04_PATCH,   /* int_traps_install(), the same */
    LAB04_EVENTS,  /* entry_event_encode() */
    LAB04_EXITS,   /* exception_exits_set(), event_exits() */
    LAB04_GUEST, /* guests in the real KVM, and port accesses of a vCPU that is mere memory */
};

/* Guests without KVM: memory made of one slot a page; the last page is read-only. */
#define LAB04_RAM 0x10000u
#define LAB04_ROM 0xf000u

/* Where that memory begins, for LAB04_TABLES and LAB04_EMULATE and for port accesses: beyond 4 GiB,
 * where an address that was cut to 32 bits finds nothing. */
#define LAB04_AT 0x240000000ull

/* --- LAB04_ENCODE ------------------------------------------------------------------------ */

#define LAB04_ENCODINGS 64

struct lab04_encode_input {
    struct guest_gate gates[LAB04_ENCODINGS];
    uint64_t bases[LAB04_ENCODINGS];
};

struct lab04_encode_output {
    uint64_t gates[LAB04_ENCODINGS][2];
    uint64_t tss[LAB04_ENCODINGS][2];
};

/* --- LAB04_TABLES ------------------------------------------------------------------------ */

#define LAB04_GATES 320

/* struct interrupt_tables, the gates beside it. In LAB04_TABLES, GDT, TSS and IDT count from
 * LAB04_AT. */
struct lab04_tables {
    uint64_t gdt, tss, idt, rsp0, ist[7];
    uint32_t gate_count;
    uint32_t reserved;
    struct guest_gate gates[LAB04_GATES];
};

#define LAB04_TRIES 19
#define LAB04_KEPT  9 /* of the first of them the memory comes back */

struct lab04_tables_input {
    uint32_t count, reserved;
    uint8_t fill[LAB04_TRIES]; /* all memory has this before the call */
    struct lab04_tables tables[LAB04_TRIES];
};

struct lab04_tables_output {
    int32_t results[LAB04_TRIES];
    uint8_t ram[LAB04_KEPT][LAB04_RAM]; /* as many as there are tries, if they are fewer */
};

/* --- LAB04_EMULATE ----------------------------------------------------------------------- */

#define LAB04_CASES 320

struct lab04_case {
    uint32_t is_return; /* interrupt_return(), else interrupt_deliver() */
    uint32_t reserved;
    uint64_t write_at[2], write_value[2]; /* 8 bytes changed in ram first; 0: none */
    struct guest_event event;
    struct cpu_state cpu;
};

struct lab04_emulate_input {
    uint32_t count, reserved;
    uint8_t ram[LAB04_RAM]; /* at LAB04_AT, before each case */
    struct lab04_case cases[LAB04_CASES];
};

struct lab04_case_result {
    int32_t result;
    uint32_t changed_from, changed_to; /* the bytes of ram that differ lie in between */
    uint32_t reserved;
    uint8_t changed[64]; /* the first of them */
    struct guest_fault fault;
    struct cpu_state cpu;
};

struct lab04_emulate_output {
    struct lab04_case_result results[LAB04_CASES];
};

/* --- LAB04_PATCH --------------------------------------------------------------------------- */

#define LAB04_PATCHES 40
#define LAB04_TEXT    512u
#define LAB04_SITES   (TRAP_SITES_MAX + 2)

struct lab04_patch {
    uint32_t site_count;
    uint32_t occupied; /* devices on the bus: 1: at port 80h; more: at ports from 100h on */
    uint64_t text_at;  /* GPA; the guest has memory from LAB04_TEXT_SLOT on */
    uint64_t sites[LAB04_SITES];
    uint8_t text[LAB04_TEXT];
};

#define LAB04_TEXT_SLOT 0x340010000ull /* GPA of its LAB04_RAM bytes */

struct lab04_patch_input {
    uint32_t count, reserved;
    struct lab04_patch patches[LAB04_PATCHES];
};

struct lab04_patch_result {
    int32_t result;
    uint32_t site_count, devices;
    uint32_t elsewhere; /* bytes outside the text that have changed */
    struct trap_site sites[LAB04_SITES];
    uint64_t device_base, device_length;
    uint8_t text[LAB04_TEXT];
};

struct lab04_patch_output {
    struct lab04_patch_result results[LAB04_PATCHES];
};

/* --- LAB04_EVENTS, LAB04_EXITS ---------------------------------------------------------------- */

#define LAB04_EVENTS_MAX 1200

struct lab04_event {
    struct entry_event event;
    struct entry_guest guest;
};

struct lab04_events_input {
    uint32_t count, reserved;
    struct vmx_controls controls; /* before each */
    struct lab04_event events[LAB04_EVENTS_MAX];
};

struct lab04_event_result {
    int32_t result;
    uint32_t elsewhere; /* bytes of other controls that have changed */
    uint32_t info, error_code, instruction_length;
};

struct lab04_events_output {
    struct lab04_event_result results[LAB04_EVENTS_MAX];
};

#define LAB04_WISHES  64
#define LAB04_QUERIES 64

struct lab04_exits_input {
    uint32_t wish_count, query_count;
    struct vmx_controls controls[LAB04_WISHES]; /* before the call */
    struct exception_wish wishes[LAB04_WISHES];
    struct entry_event queries[LAB04_QUERIES]; /* asked of each result */
};

struct lab04_exits_output {
    int32_t results[LAB04_WISHES];
    uint32_t elsewhere[LAB04_WISHES];
    uint32_t bitmap[LAB04_WISHES], mask[LAB04_WISHES], match[LAB04_WISHES];
    uint8_t exits[LAB04_WISHES][LAB04_QUERIES];
};

/* --- LAB04_GUEST ------------------------------------------------------------------------------- */

#define LAB04_GUEST_RAM 0x40000u
#define LAB04_IMAGE     0x2000u
#define LAB04_SCRIPT    0x1000u
#define LAB04_RUNS      2

/* One life of the guest; each begins with the memory and the vCPU of a new one. */
struct lab04_guest_run {
    uint32_t patched, reserved;
    uint64_t mailbox[4];
    struct lab04_tables tables;
    uint8_t script[LAB04_SCRIPT];
};

/* A struct lab04_access_input may follow. */
struct lab04_guest_input {
    uint32_t run_count, image_size, site_count, iopl;
    uint64_t program, rsp; /* where it starts in ring 3 */
    uint64_t script_at;
    uint64_t sites[TRAP_SITES_MAX];
    uint8_t image[LAB04_IMAGE];
    struct lab04_guest_run runs[LAB04_RUNS];
};

struct lab04_guest_result {
    int32_t tables_result, install_result, start_result, run_result;
    uint32_t status;
    int32_t trap_error;
    uint32_t port_writes; /* of the device behind, at port 80h */
    uint32_t reserved;
    uint64_t ints, irets, faults;
    struct cpu_state loaded, started,
        ended; /* after guest_load(), guest_start_user(), the run */
};

#define LAB04_IOCTLS 4 /* that read and set all registers of struct cpu_state */

/* A struct lab04_access_output follows if its input did. Each run ends in a checkpoint. */
struct lab04_guest_output {
    int32_t ready; /* parts 01 to 03 have done their work */
    uint32_t reserved;
    struct lab04_guest_result runs[LAB04_RUNS];
    /* guest_start_user() on a vCPU that is mere memory; its ioctl number i fails with EINTR */
    struct cpu_state pretended; /* before */
    struct {
        int32_t result;
        uint32_t sets; /* ioctls that change registers, and that have not failed */
        struct cpu_state cpu;
    } starts[LAB04_IOCTLS + 1];
};

/* --- LAB04_GUEST, port accesses ------------------------------------------------------------------ */

#define LAB04_ACCESSES 16

struct lab04_access {
    uint32_t port, size, is_write;
    uint32_t failing; /* the ioctl that fails with EINTR, counted from 1; 0: none */
    uint8_t data[8];
    struct cpu_state cpu;                 /* the vCPU's registers */
    uint64_t write_at[2], write_value[2]; /* 8 bytes changed in ram first; 0: none */
};

struct lab04_access_input {
    uint32_t count, site_count;
    uint64_t sites[TRAP_SITES_MAX];
    uint8_t ram[LAB04_RAM]; /* at LAB04_AT, before each access */
    uint64_t other_site;    /* of another vCPU's traps, installed behind these */
    struct lab04_access accesses[LAB04_ACCESSES];
};

struct lab04_access_result {
    int32_t install_result, error;
    uint32_t kicked;
    uint32_t sets; /* as above */
    uint64_t ints, irets, faults;
    uint32_t behind, unclaimed; /* accesses that the device behind has seen; no device */
    struct bus_access seen;     /* the last of them; no pointer */
    uint8_t seen_data[8];       /* as the device found it; it answers with the complement */
    uint8_t data[8];            /* afterwards */
    struct cpu_state cpu;
};

struct lab04_access_output {
    struct lab04_access_result results[LAB04_ACCESSES];
};

#endif
