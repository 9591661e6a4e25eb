/* sandbox.h - bubblewrap cages on the host: for the agent of the `model` target, and for
 * the compiler. A submission is never compiled or run outside of one; one's own labs are,
 * where the system has no sandbox (submission.trusted). */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/cage.h"

/* Starts the agent as process 1 of an empty sandbox (no files but /proc and /dev/null);
 * with runtime, the host's libraries can be read as well (for sanitizer builds).
 * *channel is the socket to it. The sandbox dies with the calling process.
 * Returns bubblewrap's pid or -errno. */
pid_t sandbox_agent_start(const char *agent, bool runtime, int *channel);

/* Runs a tool of /usr/bin on a file that a submission had a hand in: in a cage, with
 * little time and memory. In `words`,
 * which end with NULL, "FILE" stands for the file. What it prints goes to output, cut off at size.
 * False: it did not work. */
bool sandbox_tool_run(enum cage cage, const char *file, const char *const *words,
                      char *output, size_t size);

#endif
