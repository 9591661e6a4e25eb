/* lab: 2
 * tries: call a later lab's part, which its own dispatcher needs
 * says: undefined reference to `vcpu_run'
 * end of description */
#include "exit_loop.h"

__attribute__((constructor)) static void borrow(void)
{
    struct vcpu vcpu = {.fd = -1};
    struct run_stop stop;

    vcpu_run(&vcpu, &stop);
}
