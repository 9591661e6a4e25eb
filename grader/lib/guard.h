/* guard.h - nothing that the grader starts outlives it, whenever and however it is ended.
 *
 *   caller
 *     grader      waits; the process that the caller knows, waits for, and kills
 *       guard     a session of its own, no descriptor of the caller's
 *         verb    the work; in the caller's session and group: Ctrl-C reaches it
 *           worker, compiler, judge, bwrap, QEMU, Bochs, ...
 *
 * PR_SET_PDEATHSIG (child.h) has gaps that no program of ours can close: bwrap, killed between its
 * clone() and its child's request to die with it, leaves a child that waits for ever. So somebody
 * has to know all descendants, and lists can be late. The kernel's is not: the guard is a
 * "subreaper", whoever loses his parent below it becomes its child. When the grader is gone (its
 * end of a socket closes, by SIGKILL too) or the verb has ended, the guard kills its children until
 * it has none; those of the killed become its own meanwhile. Sessions, groups, namespaces and names
 * make no difference. The verb begins only when the guard is out of the caller's group, so a
 * signal to the group cannot end the guard alone. Should somebody kill the guard itself, the grader,
 * a subreaper too, does the same. */
#ifndef GUARD_H
#define GUARD_H

/* A process of this name (PR_SET_NAME) is given two seconds to end by itself. */
#define GUARD_SPARED "terminal-keeper"

/* Calls work() in a process of its own and returns its exit status when that process and all that
 * it has started are gone, and the terminal is as it was. A signal that ended it ends the calling
 * process as well; SIGINT, SIGTERM and SIGHUP to the caller do so when all are gone. */
int guarded(int (*work)(int count, char **words), int count, char **words);

#endif
