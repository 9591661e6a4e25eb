/* lab: 1
 * tries: touch more memory than there is, in as many processes as it gets
 * only: kernel_sees_the_three_objects
 * says: it was ended by signal
 * says: and was stopped
 * end of description */
#include <stdlib.h>
#include <string.h>

__attribute__((constructor)) static void devour(void)
{
    for (;;) {
        void *piece = malloc(1u << 20);

        if (piece)
            memset(piece, 0x5a, 1u << 20);
        else
            fork();
    }
}
