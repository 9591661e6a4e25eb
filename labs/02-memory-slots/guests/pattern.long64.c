/* pattern.long64.c - fills memory with numbers that follow from a nonce.
 *
 * Mailbox:  0 first GPA   1 how many 8-byte numbers   2 nonce
 * Each number is the next of a simple generator. Their sum is told through port 0x2a0,
 * low half first, so that what was computed can be compared with what was stored.
 */
#include "guest.h"

#define PORT_SUM 0x2a0

void guest_main(void)
{
    uint64_t gpa = MAILBOX(0), count = MAILBOX(1), number = MAILBOX(2), sum = 0;

    for (uint64_t i = 0; i < count; i++) {
        number = number * 6364136223846793005u + 1442695040888963407u;
        AT64(gpa + 8 * i) = number;
        sum += number;
    }
    out32(PORT_SUM, (uint32_t)sum);
    out32(PORT_SUM, (uint32_t)(sum >> 32));
    halt();
}
