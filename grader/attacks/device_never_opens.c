
/* lab: 8 9
 * tries: to have the grader believe that its device is broken: nothing in this program can be
 *        opened or asked any more, if it goes through the C library
 * says: ENOSYS
 * end of description */
#include <errno.h>
#include <sys/types.h>

int ioctl(int fd, unsigned long request, ...);
int open(const char *path, int flags, ...);
ssize_t pread(int fd, void *buffer, size_t size, off_t offset);

int ioctl(int fd, unsigned long request, ...)
{
    (void)fd, (void)request;
    errno = EIO;
    return -1;
}

int open(const char *path, int flags, ...)
{
    (void)path, (void)flags;
    errno = ENODEV;
    return -1;
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    (void)fd, (void)buffer, (void)size, (void)offset;
    errno = EIO;
    return -1;
}
