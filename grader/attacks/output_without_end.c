/* lab: 1
 * tries: fill the disk or the memory of whoever keeps what it prints
 * only: open_asks_version_and_extensions
 * says: and was stopped
 * says: it printed: ++++
 * says: It printed: ++++
 * end of description */
#include <string.h>

__attribute__((constructor)) static void babble(void)
{
    static char text[65536];

    memset(text, '+', sizeof text);
    for (long i = 0; i < (1L << 30); i += (long)sizeof text)
        if (write(1 + (i >> 16) % 2, text, sizeof text) < 0)
            return;
    _exit(0);
}
