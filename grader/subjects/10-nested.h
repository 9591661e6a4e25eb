/* 10-nested.h - what checks and dispatcher of lab 10 say to each other. */
#ifndef SUBJECT_10_H
#define SUBJECT_10_H

#include <stdint.h>

#include "nested_controls.h"
#include "nested_ept.h"

enum lab10_entry {
    LAB10_OWNERS,  /* nested_exit_owner(), exit after exit */
    LAB10_BITMAPS, /* nested_bitmaps_merge() */
    LAB10_ENTER,   /* nested_enter() */
    LAB10_REFLECT, /* nested_reflect() */
    LAB10_EPT,     /* operations on one struct nested_ept */
    LAB10_GUEST,   /* the VMM runs the small hypervisor */
};

struct lab10_bitmaps {
    uint8_t io_a[BITMAP_BYTES], io_b[BITMAP_BYTES], msr[BITMAP_BYTES];
};

#define LAB10_LEVELS 8
#define LAB10_EXITS  1024

struct lab10_owners_input {
    uint32_t exit_count, reserved;
    struct vmx_controls controls[LAB10_LEVELS];
    struct lab10_bitmaps bitmaps[LAB10_LEVELS];
    struct {
        struct nested_exit exit;
        uint32_t level; /* whose controls and bitmaps */
        uint32_t reserved;
    } exits[LAB10_EXITS];
};

struct lab10_owners_output {
    uint32_t owners[LAB10_EXITS];
};

struct lab10_bitmaps_input {
    uint32_t case_count, reserved;
    struct {
        struct vmx_controls controls01, controls12;
        struct lab10_bitmaps bitmaps01, bitmaps12;
    } cases[LAB10_LEVELS];
};

struct lab10_bitmaps_output {
    struct lab10_bitmaps bitmaps02[LAB10_LEVELS];
};

#define LAB10_CASES 64

struct lab10_vmcs_case {
    struct nested_vmcs vmcs01, vmcs12, vmcs02;
    struct nested_pages pages;
};

/* ENTER: vmcs02 is what lay there before. REFLECT: pages is not looked at. */
struct lab10_vmcs_input {
    uint32_t case_count, reserved;
    struct lab10_vmcs_case cases[LAB10_CASES];
};

struct lab10_vmcs_output {
    int32_t results[LAB10_CASES];
    struct lab10_vmcs_case cases[LAB10_CASES]; /* as they are afterwards */
};

#define LAB10_MEMORY 0xa0000u
#define LAB10_OPS    1024

enum lab10_op_kind { LAB10_VIOLATION, LAB10_FILL, LAB10_FORGET, LAB10_WRITE };

struct lab10_op {
    uint32_t kind, reserved;
    uint64_t a; /* VIOLATION: gpa. FILL: from. WRITE: HPA */
    uint64_t b; /* VIOLATION: qualification. FILL: to. WRITE: value of 8 bytes */
};

struct lab10_ept_input {
    struct nested_ept ept; /* hva is the dispatcher's to fill in */
    uint32_t op_count, reserved;
    struct lab10_op ops[LAB10_OPS];
    uint8_t memory[LAB10_MEMORY];
};

struct lab10_ept_output {
    struct nested_ept_answer answers[LAB10_OPS]; /* VIOLATION */
    int64_t results[LAB10_OPS];                  /* FILL */
    uint32_t pool_used, reserved;
    uint8_t memory[LAB10_MEMORY];
};

/* --- LAB10_GUEST ------------------------------------------------------------------------------ */

#define LAB10_LIVES  8
#define LAB10_RAM    0x400000u /* of L1 in one life; the lives' memories follow each other */
#define LAB10_PIECES 4
#define LAB10_BYTES  0xc0000u

/* L1 runs several times, each time in a VM of its own. */
struct lab10_life {
    uint32_t port;        /* of a device in L0 that notes what it gets */
    uint32_t without_svm; /* L1's CPUID does not offer SVM */
    struct {
        uint64_t gpa;
        uint32_t at, length; /* in bytes */
    } pieces[LAB10_PIECES];
};

struct lab10_guest_input {
    uint32_t image_size; /* of the program, at the start of bytes */
    uint32_t life_count;
    struct lab10_life lives[LAB10_LIVES];
    uint8_t bytes[LAB10_BYTES]; /* as many as are needed */
};

struct lab10_guest_output {
    struct {
        int32_t ready; /* the VM is there and loaded */
        int32_t result;
        uint32_t status; /* enum run_status */
        uint32_t writes; /* to the device of L0 */
        uint64_t detail;
        uint64_t written; /* the last one */
    } lives[LAB10_LIVES];
};

#endif
