/* forbidden_calls.h - what no subject may ask the kernel for.
 *
 * Most of the cage is made of other things: another user, limits, namespaces, descriptors
 * that are not there. This closes what they leave open: in the sandbox, agent and subject
 * have to be the same user, which lets the subject change the agent's limits and priority;
 * System V objects outlive every process; namespaces of its own would make it root again;
 * most families of sockets know no network namespace (AF_VSOCK leads to the hypervisor); a
 * descriptor under way in a message belongs to nobody whose memory could be counted; and calls in the 32-bit numbering, openat2() and io_uring pass by those that are
 * supervised (call_supervisor.h).
 */
#ifndef FORBIDDEN_CALLS_H
#define FORBIDDEN_CALLS_H

/* In the subject's process, after no_new_privs, before exec. 0 or -errno. A forbidden call
 * fails with EPERM; one in another numbering than that of x86-64 ends the process with
 * SIGSYS. */
int forbidden_calls_install(void);

#endif
