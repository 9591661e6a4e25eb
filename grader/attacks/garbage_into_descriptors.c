/* lab: 1
 * tries: confuse whoever reads from any of its descriptors
 * says: it ended before answering
 * says: it was ended by signal
 * end of description */
#include <string.h>

__attribute__((constructor)) static void spill(void)
{
    static unsigned char garbage[65536];

    for (unsigned i = 0; i < sizeof garbage; i++)
        garbage[i] = (unsigned char)(i * 2654435761u >> 13);
    for (int fd = 0; fd < 1024; fd++)
        for (int n = 0; n < 8; n++)
            if (write(fd, garbage, sizeof garbage) < 0)
                break;
}
