/* words.h - results of functions in words, for what a check says. Those that take a buffer fill it
 * and return it. */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>
#include <stdint.h>

/* "ENOENT" for -ENOENT; NULL if the result is the negative of no errno. */
const char *errno_name(int64_t result);
/* "-ENOENT"; else the number. */
const char *errno_text(int64_t result, char *buffer, size_t size);
/* The same, but -1 stays "-1": of a function that calls KVM or VFIO it is more likely the result
 * of ioctl() itself than -EPERM. */
const char *errno_text_or_minus_1(int64_t result, char *buffer, size_t size);
/* "-2 (-ENOENT)"; else the number. */
const char *errno_number_text(int64_t result, char *buffer, size_t size);

#endif
