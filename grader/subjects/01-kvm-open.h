/* 01-kvm-open.h - what checks and dispatcher of lab 01 say to each other. */
#ifndef SUBJECT_01_H
#define SUBJECT_01_H

#include <stdint.h>

enum lab01_entry {
    LAB01_LIFE,  /* open, VMs, vCPUs, checkpoint, destroy all (twice), checkpoint */
    LAB01_GUEST, /* the same, with memory and a guest that runs until it halts */
};

/* Which object is to get descriptor 0: stdin is closed before it is made. */
enum lab01_zero { LAB01_ZERO_NONE, LAB01_ZERO_KVM, LAB01_ZERO_VM, LAB01_ZERO_VCPU };

struct lab01_input {
    char path[64];
    uint32_t
        kvm_count; /* 1 or 2, all opened first; VM i belongs to kvm i, if there are two */
    uint32_t zero; /* enum lab01_zero */
    uint32_t vm_count;   /* 0 to 2 */
    uint32_t vcpu_count; /* of each VM, 0 to 2 */
    uint32_t vcpu_ids[2];
    uint32_t extension;  /* asked of the first kvm with kvm_extension() if not 0 */
    uint32_t no_error;   /* pass NULL as error: the caller does not want to know */
    uint32_t guest_at;   /* LAB01_GUEST: where its first instruction stands, ... */
    uint32_t guest_size; /* ...of real-mode code */
    uint8_t guest[256];
};

/* What a function returned and left behind. */
struct lab01_step {
    int32_t called;
    int32_t result;
    int32_t fd;    /* of the object after the call */
    uint32_t size; /* run_size of the object */
    int32_t run_mapped;
    int32_t error_changed; /* *error is no longer what it was before the call */
    struct {
        int32_t step, kind, errnum;
        int64_t detail;
    } error;
};

/* What a new object holds beside its descriptor. Before the call every byte of it is 0x5a,
 * as memory may be that nobody has cleared. */
struct lab01_new_vm {
    int32_t knows_kvm; /* vm->kvm is the one that was handed in */
    uint32_t slots_used, pio_devices, mmio_devices;
};

struct lab01_new_vcpu {
    int32_t knows_vm;
    uint32_t id;
    uint32_t counters_set; /* how many of exits[] and interrupted are not 0 */
    uint32_t kick_requested;
    int32_t thread;
    int32_t traced; /* trace is not NULL */
};

struct lab01_output {
    struct lab01_step open, open_second, vms[2], vcpus[2][2];
    struct lab01_new_vm new_vms[2];
    struct lab01_new_vcpu new_vcpus[2][2];
    int32_t api_version;
    int32_t extension;
    /* after destroying everything, twice */
    int32_t kvm_fd, second_kvm_fd, vm_fds[2], vcpu_fds[2][2];
    int32_t run_pointers; /* how many vCPUs still have one */
    int32_t ran;          /* LAB01_GUEST: KVM_RUN returned 0, ... */
    uint32_t exit_reason; /* ... and this is in the part's kvm_run */
};

#endif
