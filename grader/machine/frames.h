/* frames.h - sending and receiving the frames of protocol.h, on both sides. */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "machine/protocol.h"

/* Read or write exactly size bytes. 0, -errno, or -EPIPE at the end of the stream. A
 * descriptor with a receive time-out gives -EAGAIN. */
int read_exactly(int fd, void *buffer, size_t size);
int write_exactly(int fd, const void *buffer, size_t size);

/* Sends one frame made of a head and a body (either may be empty). 0 or -errno. */
int frame_send(int fd, uint32_t type, const void *head, size_t head_size, const void *body,
               size_t body_size);

/* Receives one frame into a new buffer (caller frees; NULL for an empty frame).
 * 0, -errno, or -EMSGSIZE for a frame that is too long to be one of ours. */
int frame_receive(int fd, struct frame_header *header, void **payload);

#endif
