/* command.h - other programs: is one there, run it, take what it prints. */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>

/* Runs a program and waits. What it prints goes to *output (at most 64 KiB; caller frees)
 * if output is not NULL, else where ours goes. seconds: killed with its group after that (0, or no
 * output: never); while all processors have other things to do, they do not count. Returns its exit
 * status, 128 + signal, -1: not started or timed out, or COMMAND_STARVED. */
#define COMMAND_STARVED (-2)
int command_run(char *const argv[], char **output, int seconds);

/* A command's words, put together one by one. */
#define COMMAND_WORDS 256

struct command {
    char *argv[COMMAND_WORDS];
    int count;
    bool cut; /* there was no room for a word: it must not be run */
};

void command_add(struct command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void command_add_words(struct command *c, const char *const *words); /* NULL ends them */
void command_free(struct command *c);

/* Is it in PATH? */
bool program_there(const char *name);

/* Of a clock that only goes forward. */
double now_seconds(void);

#endif
