
/* lab: 3
 * only: kick_signal_restarts_other_calls
 * tries: to have the signal ignored, so that no call of its is ever begun again, and to say that a
 *        handler is there
 * says: signals came while an ioctl() waited in the kernel: it was begun
 * end of description */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

__attribute__((constructor)) static void answer_invent(void)
{
    uint8_t *arena =
        mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ARENA_FD, 0);
    struct arena_header *header = (struct arena_header *)arena;
    int32_t answer[3] = {0, 1, ENOTTY};
    int vm, vcpu;

    if (arena == MAP_FAILED)
        return;
    signal(SIGUSR1, SIG_IGN);
    vm = ioctl(open("/dev/kvm", O_RDWR | O_CLOEXEC), KVM_CREATE_VM, 0);
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    ioctl(vcpu, 0x3a05, 0); /* not the call that is disturbed */
    memcpy(arena + ARENA_OUTPUT_AT, answer, sizeof answer);
    header->output_size = sizeof answer;
    header->completion = arena_completion(header->nonce);
    _exit(0);
}
