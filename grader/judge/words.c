/* words.c - see words.h. */
#define _GNU_SOURCE
#include "judge/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ERRNO_END 200 /* above all that the kernel has */

const char *errno_name(int64_t result)
{
    return result < 0 && result > -ERRNO_END ? strerrorname_np((int)-result) : NULL;
}

const char *errno_text(int64_t result, char *buffer, size_t size)
{
    const char *name = errno_name(result);

    if (name)
        snprintf(buffer, size, "-%s", name);
    else
        snprintf(buffer, size, "%" PRId64, result);
    return buffer;
}

const char *errno_text_or_minus_1(int64_t result, char *buffer, size_t size)
{
    if (result != -1)
        return errno_text(result, buffer, size);
    snprintf(buffer, size, "-1");
    return buffer;
}

const char *errno_number_text(int64_t result, char *buffer, size_t size)
{
    const char *name = errno_name(result);

    if (name)
        snprintf(buffer, size, "%" PRId64 " (-%s)", result, name);
    else
        snprintf(buffer, size, "%" PRId64, result);
    return buffer;
}
