/* lab: 1
 * tries: fill in what a perfect part would have answered, without a single call to KVM
 * says: there was no open
 * says: the process holds
 * with: lab01_answer.h
 * end of description */
#include <signal.h>
#include <string.h>

static void answer(const struct input *in, struct output *out)
{
    int fd = 4;

    out->open = (struct step){.called = 1, .fd = fd++, .size = 12288};
    out->api_version = KVM_API_VERSION;
    out->extension = 1024;
    for (unsigned v = 0; v < in->vm_count && v < 2; v++) {
        out->vms[v] = (struct step){.called = 1, .fd = fd++};
        out->new_vms[v].knows_kvm = 1;
        for (unsigned i = 0; i < in->vcpu_count && i < 2; i++) {
            out->vcpus[v][i] =
                (struct step){.called = 1, .fd = fd++, .size = 12288, .run_mapped = 1};
            out->new_vcpus[v][i].knows_vm = 1;
            out->new_vcpus[v][i].id = in->vcpu_ids[i];
        }
    }
    if (in->vcpu_count == 2 && in->vcpu_ids[0] == in->vcpu_ids[1]) {
        struct step refused = {.called = 1, .result = -EEXIST, .fd = -1};

        refused.error.step = VMM_STEP_CREATE_VCPU;
        refused.error.kind = VMM_ERR_VCPU_EXISTS;
        refused.error.errnum = EEXIST;
        refused.error.detail = in->vcpu_ids[0];
        out->vcpus[0][1] = refused;
    }
    out->kvm_fd = -1;
    memset(out->vm_fds, 255, sizeof out->vm_fds);
    memset(out->vcpu_fds, 255, sizeof out->vcpu_fds);
    out->ran = 1;
    out->exit_reason = KVM_EXIT_HLT;
}

__attribute__((constructor)) static void forge(void)
{
    char *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = (struct arena_header *)(void *)arena;

    if (arena == MAP_FAILED)
        return;
    answer((const void *)(arena + ARENA_INPUT_AT), (void *)(arena + ARENA_OUTPUT_AT));
    raise(SIGSTOP);
    raise(SIGSTOP);
    header->output_size = sizeof(struct output);
    header->completion = arena_completion(header->nonce);
    _exit(0);
}
