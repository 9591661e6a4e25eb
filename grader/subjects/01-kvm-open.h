/* 01-kvm-open.h - what checks and dispatcher of lab 01 say to each other. */
#ifndef SUBJECT_01_H
#define SUBJECT_01_H

#include <stdint.h>

enum lab01_entry {
    LAB01_LIFE,  /* open, VM, vCPUs, checkpoint, destroy all (twice), checkpoint */
    LAB01_GUEST, /* the same, with memory and a guest that runs until it halts */
};

struct lab01_input {
    char path[64];
    uint32_t vm_count;   /* 0 to 2 */
    uint32_t vcpu_count; /* of each VM, 0 to 2 */
    uint32_t vcpu_ids[2];
    uint32_t extension;  /* asked with kvm_extension() if not 0 */
    uint32_t guest_size; /* LAB01_GUEST: real-mode code for GPA 0 */
    uint8_t guest[256];
};

/* What a function returned and left behind. */
struct lab01_step {
    int32_t called;
    int32_t result;
    int32_t fd;    /* of the object after the call */
    uint32_t size; /* run_size of the object */
    int32_t run_mapped;
    struct {
        int32_t step, kind, errnum;
        int64_t detail;
    } error;
};

struct lab01_output {
    struct lab01_step open, vms[2], vcpus[2][2];
    int32_t api_version;
    int32_t extension;
    /* after destroying everything, twice */
    int32_t kvm_fd, vm_fds[2], vcpu_fds[2][2];
    int32_t run_pointers; /* how many vCPUs still have one */
    int32_t halted;       /* LAB01_GUEST: KVM_RUN came back with KVM_EXIT_HLT */
};

#endif
