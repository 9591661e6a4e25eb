/* answer.h - what a guest Linux answers to a nonce: the same computation in the guest and in the
 * check. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdint.h>

#define ANSWER_ROUNDS     100000
#define ANSWER_INTERRUPTS 5

/* Whose factorial the device is asked for: 3 to 12, it has 32 bits. */
static inline uint32_t answer_number(uint64_t nonce)
{
    return 3 + (uint32_t)(nonce % 10);
}

/* version: the kernel's own name for itself, as /proc/version has it. */
static inline uint64_t answer_of(uint64_t nonce, const char *version)
{
    uint64_t answer = nonce;

    for (; *version; version++)
        answer = (answer ^ (uint8_t)*version) * 0x100000001b3ull;
    for (int i = 0; i < ANSWER_ROUNDS; i++) {
        answer += 0x9e3779b97f4a7c15ull;
        answer = (answer ^ answer >> 30) * 0xbf58476d1ce4e5b9ull;
        answer ^= answer >> 27;
    }
    return answer;
}

#endif
