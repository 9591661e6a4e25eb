/* lab01_answer.h - what the dispatcher of lab 01 is asked and answers, for attacks that forge it:
 * as in grader/subjects/01-kvm-open.h, which everybody can read. */
#include "arena.h"

struct input {
    char path[64];
    unsigned kvm_count, zero, vm_count, vcpu_count, vcpu_ids[2], extension, no_error,
        guest_at, guest_size;
};

struct step {
    int called, result, fd;
    unsigned size;
    int run_mapped, error_changed;
    struct {
        int step, kind, errnum;
        long detail;
    } error;
};

struct output {
    struct step open, open_second, vms[2], vcpus[2][2];
    struct {
        int knows_kvm;
        unsigned slots_used, pio_devices, mmio_devices;
    } new_vms[2];
    struct {
        int knows_vm;
        unsigned id, counters_set, kick_requested;
        int thread, traced;
    } new_vcpus[2][2];
    int api_version, extension;
    int kvm_fd, second_kvm_fd, vm_fds[2], vcpu_fds[2][2];
    int run_pointers, ran;
    unsigned exit_reason;
};
