/* text.h - words of a submission on their way into verdicts and reports. */
#ifndef TEXT_H
#define TEXT_H

/* Replaces by '?', in place, what is not printable text in UTF-8: escape codes and other
 * control characters (but line ends; tabs become spaces), those that turn the direction of
 * writing, and broken sequences. Terminals obey them, and JSON and XML cannot hold them. */
void text_clean(char *text);

#endif
