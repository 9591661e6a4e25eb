/* guest_image.h - a guest program, built into the checks that load it. */
#ifndef GUEST_IMAGE_H
#define GUEST_IMAGE_H

#include <stdint.h>

struct guest_image {
    const char *file; /* "pattern.bin" */
    const uint8_t *bytes, *end;
};

/* GUEST_IMAGE(pattern, "pattern.bin"): the bytes from pattern up to pattern_end. The file is
 * built from labs/NN-name/guests/ by the Makefile. All images of a program are listed in its
 * section guest_images: __start_guest_images to __stop_guest_images. (Hidden: the symbols are
 * local to their file, and a global offset table on arm64 has one slot for all that begin at the
 * same place of a section.) */
#define GUEST_IMAGE_HIDDEN __attribute__((visibility("hidden")))
#define GUEST_IMAGE(symbol, name)                                                          \
    __asm__(".section .rodata\n" #symbol ":\n.incbin \"" name "\"\n" #symbol               \
            "_end:\n.byte 0\n.previous\n");                                                \
    extern const uint8_t symbol[] GUEST_IMAGE_HIDDEN, symbol##_end[] GUEST_IMAGE_HIDDEN;   \
    static const struct guest_image symbol##_image = {name, symbol, symbol##_end};         \
    __attribute__((                                                                        \
        used,                                                                              \
        section("guest_images"))) static const struct guest_image *const symbol##_listed = \
        &symbol##_image

#define GUEST_IMAGE_SIZE(symbol) ((size_t)(symbol##_end - symbol))

#endif
