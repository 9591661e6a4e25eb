/* memory.c - what the compiler calls for by itself. Words first: to the emulator each step of
 * a REP is an instruction, and a job has half a MiB. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t count)
{
    void *at = to;
    size_t words = count / 8, bytes = count % 8;

    __asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

void *memset(void *to, int byte, size_t count)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(byte) : "memory");
    return to;
}
