/* subject_access.c - copying between the memory of a subject that waits in a call and ours. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/uio.h>

#include "machine/supervised_call.h"

bool subject_read(const struct supervised_call *call, uint64_t address, void *buffer,
                  size_t size)
{
    struct iovec local = {buffer, size};
    struct iovec remote = {(void *)(uintptr_t)address, size};

    return process_vm_readv((pid_t)call->request->pid, &local, 1, &remote, 1, 0) ==
           (ssize_t)size;
}

bool subject_write(const struct supervised_call *call, uint64_t address, const void *buffer,
                   size_t size)
{
    struct iovec local = {(void *)(uintptr_t)buffer, size};
    struct iovec remote = {(void *)(uintptr_t)address, size};

    return process_vm_writev((pid_t)call->request->pid, &local, 1, &remote, 1, 0) ==
           (ssize_t)size;
}

/* A path may end just before a page that is not there: read it page by page. */
void subject_read_string(const struct supervised_call *call, uint64_t address, char *buffer,
                         size_t size)
{
    size_t done = 0;

    while (done < size - 1) {
        size_t piece = 4096 - ((address + done) & 4095);

        if (piece > size - 1 - done)
            piece = size - 1 - done;
        if (!subject_read(call, address + done, buffer + done, piece))
            break;
        done += piece;
        if (memchr(buffer, 0, done))
            return;
    }
    buffer[done] = 0;
}
