/* lab: 1
 * tries: answer every question with the one error that some check is waiting for
 * says: kvm_open() returned -13 (-EACCES)
 * with: lab01_answer.h
 * end of description */
#include <signal.h>
#include <string.h>

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
