/* lab: 1
 * tries: answer every question with the one error that some check is waiting for
 * says: not -2 (-ENOENT)
 * end of description */
#include <signal.h>
#include <string.h>

#include "arena.h"

/* From grader/subjects/01-kvm-open.h, which everybody can read. */
struct input {
    char path[64];
    unsigned vm_count, vcpu_count, vcpu_ids[2], extension, no_error, guest_size;
};

struct step {
    int called, result, fd;
    unsigned size;
    int run_mapped;
    struct {
        int step, kind, errnum;
        long detail;
    } error;
};

struct output {
    struct step open, vms[2], vcpus[2][2];
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
    int kvm_fd, vm_fds[2], vcpu_fds[2][2];
    int run_pointers, ran;
    unsigned exit_reason;
};

__attribute__((constructor)) static void forge(void)
{
    char *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = (struct arena_header *)(void *)arena;
    struct output *out = (void *)(arena + ARENA_OUTPUT_AT);

    if (arena == MAP_FAILED)
        return;
    out->open = (struct step){.called = 1, .result = -EACCES, .fd = -1};
    out->open.error.step = VMM_STEP_OPEN_DEVICE;
    out->open.error.kind = VMM_ERR_NO_PERMISSION;
    out->open.error.errnum = EACCES;
    raise(SIGSTOP);
    raise(SIGSTOP);
    header->output_size = sizeof *out;
    header->completion = arena_completion(header->nonce);
    _exit(0);
}
