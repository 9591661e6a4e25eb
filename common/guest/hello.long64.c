/* hello.long64.c - the guest of `make run`: says hello, asks for a number, uses a device. */
#include "guest.h"

#define CONSOLE_PORT 0xe9
#define NUMBER_PORT  0x10
#define DEVICE_GPA   0x10000000u

static void print(const char *text)
{
    while (*text)
        out8(CONSOLE_PORT, (uint8_t)*text++);
}

void guest_main(void)
{
    uint32_t number;

    print("Hello from non-root mode.\n");
    number = in32(NUMBER_PORT);
    AT32(DEVICE_GPA) = number * number;
    print("I have squared the number that you gave me.\n");
}
