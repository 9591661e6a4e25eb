/* text.c - UTF-8, strictly (RFC 3629), and what of it may be shown. */
#include "judge/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at text, 0 if it is none; *code is its number. */
static size_t character(const unsigned char *text, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = text[0] < 0x80 ? 1 : text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2 : 3;

    if (text[0] >= 0xf0)
        size = text[0] < 0xf8 ? 4 : 0;
    *code = size <= 1 ? text[0] : text[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code < smallest[size] || *code > 0x10ffff || surrogate ? 0 : size;
}

static bool showable(uint32_t code)
{
    bool control = (code < 32 && code != '\n') || (code >= 127 && code < 0xa0);
    bool direction = code == 0x61c || code == 0x200e || code == 0x200f ||
                     (code >= 0x202a && code <= 0x202e) ||
                     (code >= 0x2066 && code <= 0x2069);

    return !control && !direction;
}

void text_clean(char *text)
{
    char *to = text;

    while (*text) {
        uint32_t code;
        size_t size = character((const unsigned char *)text, &code);

        if (size > 0 && (showable(code) || code == '\t')) {
            for (size_t i = 0; i < size; i++)
                *to++ = text[i] == '\t' ? ' ' : text[i];
        } else {
            *to++ = '?';
        }
        text += size ? size : 1;
    }
    *to = 0;
}

/* (A byte that is of no character counts as one.) */
static size_t step(const char *text)
{
    uint32_t code;
    size_t size = character((const unsigned char *)text, &code);

    return size ? size : 1;
}

size_t text_fit(const char *text, size_t characters)
{
    const char *at = text;

    while (*at && characters-- > 0)
        at += step(at);
    return (size_t)(at - text);
}

size_t text_width(const char *text, size_t bytes)
{
    const char *at = text;
    size_t width = 0;

    for (; *at && at < text + bytes; at += step(at))
        width++;
    return width;
}
