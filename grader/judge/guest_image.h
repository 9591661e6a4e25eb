/* guest_image.h - a guest program, built into the checks that load it. */
#ifndef GUEST_IMAGE_H
#define GUEST_IMAGE_H

#include <stdint.h>

/* GUEST_IMAGE(pattern, "pattern.bin"): the bytes from pattern up to pattern_end. The file is
 * built from labs/NN-name/guests/ by the Makefile. */
#define GUEST_IMAGE(symbol, file)                                                          \
    __asm__(".section .rodata\n" #symbol ":\n.incbin \"" file "\"\n" #symbol               \
            "_end:\n.byte 0\n.previous\n");                                                \
    extern const uint8_t symbol[], symbol##_end[]

#define GUEST_IMAGE_SIZE(symbol) ((size_t)(symbol##_end - symbol))

#endif
