/* child.h - how each process that the grader starts begins. One place, because each line of it
 * closes a gap: what dies with its parent must ask for it before it does anything else, and what
 * does not know of a descriptor cannot keep it open. (What is left of the gaps, the guard closes:
 * guard.h.) */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Who runs what others wrote where the grader is root: a user of nobody else's. */
#define APART_UID 61000

/* Are we a root who can become somebody else, and give him files? (One without capabilities, as in
 * some containers, is a user like others.) */
bool root_drops(void);

/* In a new process: becomes that user, if we are such a root. */
void root_drop(void);

/* First of all in a process that was just forked by `parent`: it dies with it, or now if it is too
 * late. A change of user undoes this: change it before. */
void child_bind(pid_t parent);

/* Before exec: what the program finds open. in, out and err become 0, 1 and 2 (-1: /dev/null);
 * `kept`, ended by -1, stay under their numbers, which are above 2; NULL: none. Everything else is
 * closed by exec. */
void child_files(int in, int out, int err, const int *kept);

/* The same, without the terminal: a session of its own, which is also a process group and, to the
 * scheduler, one competitor. For all that touches what somebody else wrote. */
void child_apart(int in, int out, int err, const int *kept);

/* How much address space this process may have; what it starts (child_files()) may have as much as
 * before. */
void memory_limit(unsigned long bytes);

/* At the start of a program: 0, 1 and 2 are open, and nothing else is. */
void files_settle(void);

#endif
