/* lab: 1
 * tries: get rid of its limits, then use what they kept from it
 * only: kernel_sees_the_three_objects
 * says: it was ended by signal
 * says: and was stopped
 * says: it ended before answering
 * end of description */
#include <string.h>
#include <sys/resource.h>

__attribute__((constructor)) static void raise_all(void)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

    for (int i = 0; i < 16; i++)
        setrlimit((__rlimit_resource_t)i, &all);
    for (size_t size = 64u << 20; size < (4ul << 30); size += 64u << 20) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

        if (memory == MAP_FAILED)
            break;
        munmap(memory, size);
    }
    for (;;)
        if (fork() < 0)
            _exit(memset(&all, 0, sizeof all) == NULL);
}
