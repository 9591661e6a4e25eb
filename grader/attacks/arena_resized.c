/* lab: 1
 * tries: take the arena away from under its readers: shrink, grow, punch, seal, hold leases
 * says: kvm_open() returned -38
 * says: it was ended by signal
 * end of description */
#include <sys/file.h>
#include <sys/syscall.h>

#include "arena.h"

__attribute__((constructor)) static void resize(void)
{
    long ignored = ftruncate(ARENA_FD, 0);

    ignored += ftruncate(ARENA_FD, 1L << 40);
    ignored += syscall(SYS_fallocate, ARENA_FD, 3, 4096L, 4096L); /* punch a hole */
    ignored += fcntl(ARENA_FD, 1033 /* F_ADD_SEALS */, 0x3f);
    ignored += fcntl(ARENA_FD, 1024 /* F_SETLEASE */, F_WRLCK);
    ignored += flock(ARENA_FD, LOCK_EX);
    ignored += lseek(ARENA_FD, -1, SEEK_END);
    (void)ignored;
}
