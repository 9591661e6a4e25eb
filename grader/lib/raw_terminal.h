/* raw_terminal.h - this terminal as the console of something else. */
#ifndef RAW_TERMINAL_H
#define RAW_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Takes over the terminal on standard input: every key comes at once, and means nothing here. A
 * process of its own gives it back when raw_terminal_restore() is called, or when we end, however
 * that comes. False: standard input is no terminal, and nothing was done. */
bool raw_terminal_take(void);
void raw_terminal_restore(void);

/* Looks at what was typed: Ctrl-A x means "end it", Ctrl-A Ctrl-A is one Ctrl-A. Keeps in keys what
 * is meant for the other side and returns how many bytes; *prefix remembers a Ctrl-A, *end is set
 * by Ctrl-A x. */
size_t raw_terminal_keys(char *keys, size_t size, bool *prefix, bool *end);

#endif
