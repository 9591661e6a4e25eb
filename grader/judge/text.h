/* text.h - words of a submission on their way into verdicts and reports. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>

/* Replaces by '?', in place, what is not printable text in UTF-8: escape codes and other
 * control characters (but line ends; tabs become spaces), those that turn the direction of
 * writing, and broken sequences. Terminals obey them, and JSON and XML cannot hold them. */
void text_clean(char *text);

/* How many bytes the first `characters` of a text have: where it can be cut. */
size_t text_fit(const char *text, size_t characters);
/* How many characters so many bytes of it are. */
size_t text_width(const char *text, size_t bytes);

#endif
