/* guest.h - the freestanding runtime of guests in C (protected and long mode).
 *
 * There is no operating system below, only the loader's tables (guest_loader.h). A guest
 * starts in guest_main(). It has two ways to the outside: I/O instructions, and the mailbox,
 * a page of its memory that the checks fill before and read after the run.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdint.h>

#define MAILBOX_GPA 0x8000u /* GUEST_MAILBOX_GPA */

/* Slot n of the mailbox: 8 bytes. */
#define MAILBOX(n) (((volatile uint64_t *)(uintptr_t)MAILBOX_GPA)[n])

/* A guest-physical address as a pointer (paging is off, or one to one). */
#define AT8(gpa)  (*(volatile uint8_t *)(uintptr_t)(gpa))
#define AT16(gpa) (*(volatile uint16_t *)(uintptr_t)(gpa))
#define AT32(gpa) (*(volatile uint32_t *)(uintptr_t)(gpa))
#define AT64(gpa) (*(volatile uint64_t *)(uintptr_t)(gpa))

void guest_main(void);

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

/* String forms: count elements from or to memory, one instruction. */
static inline void outs8(uint16_t port, const void *from, unsigned long count)
{
    __asm__ volatile("cld; rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline void outs32(uint16_t port, const void *from, unsigned long count)
{
    __asm__ volatile("cld; rep outsl" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline void ins8(uint16_t port, void *to, unsigned long count)
{
    __asm__ volatile("cld; rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void ins32(uint16_t port, void *to, unsigned long count)
{
    __asm__ volatile("cld; rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void halt(void)
{
    __asm__ volatile("hlt" : : : "memory");
}

#endif
