/* cage.h - where what somebody else wrote is compiled, linked, looked at and emulated. One interface,
 * two cages: both show the system's programs, one folder that can be written, and nothing else.
 *
 *   bubblewrap   namespaces of its own: no other process, no network, an empty file system
 *   landlock     for where those are forbidden (docker's default profile, some desktops): the kernel
 *                refuses all files but those (Landlock, Linux 5.13), sockets, signals and tracing
 *                (seccomp); as root, another user too (grader/cage/cage.c)
 *
 * The first that works is taken, once in a run; CAGE= forces one; the report says which. Subjects run
 * in neither but under the agent: in bubblewrap (judge/sandbox.h), or in the QEMU machine. */
#ifndef CAGE_H
#define CAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/command.h"

enum cage {
    CAGE_NONE, /* for one's own labs only */
    CAGE_BUBBLEWRAP,
    CAGE_LANDLOCK,
};

struct cage_wish {
    const char
        *folder; /* of the host's: can be written, the command starts in it; NULL: none */
    const char *const *shown; /* pairs (file or folder of the host, name in the folder) */
    const char *file;         /* can be read, under cage_file()'s name; NULL: none */
    int file_fd;              /* the same, open; the command inherits it */
    bool
        emulator; /* the command opens a pseudo terminal, and its descriptors by /proc/self/fd */
    int info; /* bubblewrap: where it says the command's pid (--info-fd); 0: nowhere */
};

/* Does it work here? Else *why: what is missing, and what would help. */
bool cage_works(enum cage cage, char *why, size_t why_size);

/* "bubblewrap"; "Landlock ABI 4, uid 61000" */
void cage_describe(enum cage cage, char *text, size_t size);
/* For CAGE= and back. CAGE_NONE, NULL: there is no such. */
enum cage cage_named(const char *name);
const char *cage_name(enum cage cage);

/* The words that stand before the command's; what is shown is there until cage_end(). */
void cage_begin(struct command *command, enum cage cage, const struct cage_wish *wish);
void cage_end(enum cage cage, const struct cage_wish *wish);
/* What the command knows wish->file as. */
void cage_file(enum cage cage, const struct cage_wish *wish, char *name, size_t size);

#endif
