/* sandbox.h - bubblewrap cages on the host: for the agent of the `model` target, and for
 * the compiler. A submission is never compiled or run outside of one; one's own labs are,
 * where the system has no sandbox (submission.trusted). */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* True if bubblewrap is there and this system lets it make user namespaces; else *why. */
bool sandbox_usable(char *why, size_t why_size);

/* Starts the agent as process 1 of an empty sandbox (no files but /proc and /dev/null);
 * with runtime, the host's libraries can be read as well (for sanitizer builds).
 * *channel is the socket to it. The sandbox dies with the calling process.
 * Returns bubblewrap's pid or -errno. */
pid_t sandbox_agent_start(const char *agent, bool runtime, int *channel);

#endif
