/* kernel_calls.c - the system calls of core, dispatchers and reference parts, straight to the
 * kernel. The Makefile gives ioctl() and the others in their object files the names below
 * (kernel_calls.syms): a submission may define an ioctl() of its own, and only its own code calls
 * it. So what a dispatcher says about the kernel is the kernel's word. (This object is
 * named when a subject is linked: who defines the same names has defined them twice.) */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "kernel_calls.h"

#pragma weak kernel_ioctl_pretended /* in most subjects nobody pretends */

/* What the C library calls syscall(), with six arguments. */
long kernel_syscall(long number, long a, long b, long c, long d, long e, long f);
int kernel_ioctl(int fd, unsigned long request, long argument);
int kernel_open(const char *path, int flags, unsigned mode);
int kernel_close(int fd);
void *kernel_mmap(void *at, size_t size, int protection, int flags, int fd, long offset);
int kernel_munmap(void *at, size_t size);
int kernel_mprotect(void *at, size_t size, int protection);
long kernel_read(int fd, void *buffer, size_t size);
long kernel_write(int fd, const void *buffer, size_t size);
long kernel_pread(int fd, void *buffer, size_t size, long offset);
long kernel_pwrite(int fd, const void *buffer, size_t size, long offset);
int kernel_memfd_create(const char *name, unsigned flags);
int kernel_ftruncate(int fd, long size);
int kernel_eventfd(unsigned value, int flags);
int kernel_raise(int signal);

static long result_of(long r)
{
    if (r >= 0 || r < -4095)
        return r;
    errno = (int)-r;
    return -1;
}

long kernel_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long r;

    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result_of(r);
}

int kernel_ioctl(int fd, unsigned long request, long argument)
{
    if (fd == KERNEL_PRETENDED_FD && kernel_ioctl_pretended)
        return kernel_ioctl_pretended(request, argument);
    return (int)kernel_syscall(SYS_ioctl, fd, (long)request, argument, 0, 0, 0);
}

int kernel_open(const char *path, int flags, unsigned mode)
{
    return (int)kernel_syscall(SYS_openat, AT_FDCWD, (long)path, flags, mode, 0, 0);
}

int kernel_close(int fd)
{
    return (int)kernel_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

void *kernel_mmap(void *at, size_t size, int protection, int flags, int fd, long offset)
{
    return (void *)kernel_syscall(SYS_mmap, (long)at, (long)size, protection, flags, fd,
                                  offset);
}

int kernel_munmap(void *at, size_t size)
{
    return (int)kernel_syscall(SYS_munmap, (long)at, (long)size, 0, 0, 0, 0);
}

int kernel_mprotect(void *at, size_t size, int protection)
{
    return (int)kernel_syscall(SYS_mprotect, (long)at, (long)size, protection, 0, 0, 0);
}

long kernel_read(int fd, void *buffer, size_t size)
{
    return kernel_syscall(SYS_read, fd, (long)buffer, (long)size, 0, 0, 0);
}

long kernel_write(int fd, const void *buffer, size_t size)
{
    return kernel_syscall(SYS_write, fd, (long)buffer, (long)size, 0, 0, 0);
}

long kernel_pread(int fd, void *buffer, size_t size, long offset)
{
    return kernel_syscall(SYS_pread64, fd, (long)buffer, (long)size, offset, 0, 0);
}

long kernel_pwrite(int fd, const void *buffer, size_t size, long offset)
{
    return kernel_syscall(SYS_pwrite64, fd, (long)buffer, (long)size, offset, 0, 0);
}

int kernel_memfd_create(const char *name, unsigned flags)
{
    return (int)kernel_syscall(SYS_memfd_create, (long)name, flags, 0, 0, 0, 0);
}

int kernel_ftruncate(int fd, long size)
{
    return (int)kernel_syscall(SYS_ftruncate, fd, size, 0, 0, 0, 0);
}

int kernel_eventfd(unsigned value, int flags)
{
    return (int)kernel_syscall(SYS_eventfd2, value, flags, 0, 0, 0, 0);
}

int kernel_raise(int signal)
{
    const long process = kernel_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
    const long thread = kernel_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);

    return (int)kernel_syscall(SYS_tgkill, process, thread, signal, 0, 0, 0);
}
