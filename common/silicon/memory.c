/* memory.c - what the compiler calls for by itself. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t count)
{
    void *at = to;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(count) : : "memory");
    return to;
}

void *memset(void *to, int byte, size_t count)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(byte) : "memory");
    return to;
}
