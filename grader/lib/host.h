/* host.h - what depends on the computer that the grader runs on. A subject, a guest and the agent are
 * always x86-64; grader and checks are the host's. On another host (arm64) the tools that make or
 * read x86-64 code are the cross compiler's, and a subject cannot run outside of the machine. */
#ifndef HOST_H
#define HOST_H

#if defined __x86_64__
#define HOST_RUNS_SUBJECTS 1
#define X86_TOOL(name)     name
#define HOST_AUDIT_ARCH    AUDIT_ARCH_X86_64 /* linux/audit.h */
#else
#define HOST_RUNS_SUBJECTS 0
#define X86_TOOL(name)     "x86_64-linux-gnu-" name
#define HOST_AUDIT_ARCH    AUDIT_ARCH_AARCH64
#endif

#endif
