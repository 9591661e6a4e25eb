/* kernel_calls.h - a dispatcher that pretends to be KVM for a descriptor that is none. */
#ifndef KERNEL_CALLS_H
#define KERNEL_CALLS_H

#define KERNEL_PRETENDED_FD 0x40000000 /* more than a subject can have */

/* Defined by who pretends: answers the core's ioctls on that descriptor, as ioctl() does. */
int kernel_ioctl_pretended(unsigned long request, long argument);

#endif
