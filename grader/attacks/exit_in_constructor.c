/* lab: all
 * tries: be gone, successfully, before anybody asks
 * says: it ended before answering, with exit status 0
 * end of description */
#include <stdlib.h>

__attribute__((constructor)) static void leave(void)
{
    exit(0);
}
