/* capstone_words.h - words about lab 11, for its checks and for `make boot`. */
#ifndef CAPSTONE_WORDS_H
#define CAPSTONE_WORDS_H

#include <stdint.h>

/* The function of a step of linux_vm_run(), for messages. */
const char *capstone_step(uint32_t step);

/* What an errno means at that step. */
const char *capstone_error(uint32_t step, int error);

#endif
