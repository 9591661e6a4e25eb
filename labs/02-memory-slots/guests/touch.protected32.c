/* touch.protected32.c - reads and writes wherever the mailbox says, 4 bytes at a time.
 *
 * Mailbox:  0 how many accesses; from 1 on, two entries each:
 *           GPA | 1 for a write;  the value to write, or where to leave what was read
 * Halts when it is through with the list; a further run goes through it again.
 */
#include "guest.h"

void guest_main(void)
{
    for (;;) {
        uint32_t count = (uint32_t)MAILBOX(0);

        for (uint32_t i = 0; i < count; i++) {
            uint32_t where = (uint32_t)MAILBOX(1 + 2 * i);

            if (where & 1)
                AT32(where - 1) = (uint32_t)MAILBOX(2 + 2 * i);
            else
                MAILBOX(2 + 2 * i) = AT32(where);
        }
        halt();
    }
}
