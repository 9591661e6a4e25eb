/* command.h - other programs: is one there, run it, take what it prints. */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>

/* Runs a program and waits. What it prints goes to *output (at most 64 KiB; caller frees)
 * if output is not NULL, else where ours goes. seconds: killed with its group after that
 * (0, or no output: never). Returns its exit status, 128 + signal, or -1: not started or timed out. */
int command_run(char *const argv[], char **output, int seconds);

/* Is it in PATH? */
bool program_there(const char *name);

/* Of a clock that only goes forward. */
double now_seconds(void);

#endif
