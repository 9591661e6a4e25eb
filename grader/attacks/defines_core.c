/* lab: 1
 * tries: replace functions of the core and of libc by its own
 * says: kvm_open() returned -38
 * says: it ended before answering
 * says: multiple definition
 * end of description */
#include <signal.h>

int vmm_error_set(struct vmm_error *error, enum vmm_step step, enum vmm_error_kind kind,
                  int errnum, int64_t detail)
{
    (void)step, (void)kind, (void)errnum, (void)detail;
    if (error)
        *error = (struct vmm_error){0};
    return 0;
}

/* subject_checkpoint() is made of it. */
int raise(int number)
{
    (void)number;
    return 0;
}

void *memset(void *at, int byte, unsigned long size)
{
    for (volatile char *c = at; size > 0; size--)
        *c++ = (char)byte;
    return at;
}
