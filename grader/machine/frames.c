/* frames.c - length-prefixed frames over a byte stream. */
#include "machine/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int read_exactly(int fd, void *buffer, size_t size)
{
    char *at = buffer;

    while (size > 0) {
        ssize_t n = read(fd, at, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EPIPE;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int write_exactly(int fd, const void *buffer, size_t size)
{
    const char *at = buffer;

    while (size > 0) {
        ssize_t n = write(fd, at, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

int frame_send(int fd, uint32_t type, const void *head, size_t head_size, const void *body,
               size_t body_size)
{
    struct frame_header header = {.type = type,
                                  .length = (uint32_t)(head_size + body_size)};
    int r;

    if (head_size + body_size > FRAME_MAX)
        return -EMSGSIZE;
    r = write_exactly(fd, &header, sizeof header);
    if (r == 0 && head_size > 0)
        r = write_exactly(fd, head, head_size);
    if (r == 0 && body_size > 0)
        r = write_exactly(fd, body, body_size);
    return r;
}

int frame_receive(int fd, struct frame_header *header, void **payload)
{
    int r = read_exactly(fd, header, sizeof *header);

    *payload = NULL;
    if (r < 0 || header->length == 0)
        return r;
    if (header->length > FRAME_MAX)
        return -EMSGSIZE;
    *payload = malloc(header->length);
    if (!*payload)
        return -ENOMEM;
    r = read_exactly(fd, *payload, header->length);
    if (r < 0) {
        free(*payload);
        *payload = NULL;
    }
    return r;
}
