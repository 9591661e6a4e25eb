/* bochs.h - inside of the emulator's run: what bochs.c and program.c share. */
#ifndef BOCHS_H
#define BOCHS_H

#include "silicon/silicon.h"

/* Files that have no name; Bochs opens them as /proc/self/fd/N. */
struct bochs_run {
    int rom, vga_rom, config, commands, output, log;
    int words; /* what the emulator says of the processor */
    int windows[SILICON_WINDOWS_MAX];
};

struct bochs_bytes {
    const void *bytes;
    size_t size;
};

#define BOCHS_CPU "corei7_skylake_x"

struct bochs_machine {
    const char *cpu;    /* Bochs' name of the model */
    unsigned megabytes; /* of memory; the start takes the longer the more there are */
    bool resets;        /* a triple fault resets the processor; else it ends the run */
};

/* All files; the configuration is written. Commands and ROM are the caller's. */
struct bochs_run bochs_run_new(struct judge *judge, const struct bochs_machine *machine);
void bochs_run_free(const struct bochs_run *run);
int bochs_file_new(struct judge *judge, const char *name);

/* program goes to 1 MiB and is started in 64-bit mode, job and more to 8 MiB. */
void bochs_rom_write(struct judge *judge, const struct bochs_run *run,
                     const struct bochs_bytes *program, const struct bochs_bytes *job,
                     const struct bochs_bytes *more);

/* What has to stand on the command line for the debugger to be there; NULL: nothing. */
const char *bochs_debugger_option(void);

/* Runs it to its end, or ends it when it has used cpu_ms of CPU time. True: it ended by itself.
 * A run that got hardly any CPU time in BOCHS_PATIENCE times as much wall time says nothing about
 * the program: ERROR. */
#define BOCHS_PATIENCE 30
bool bochs_execute(struct judge *judge, const struct bochs_run *run, int cpu_ms,
                   int *status);

/* What it has written to run->words (words.c). */
void bochs_words_read(struct silicon_words *words, int fd);

/* There is not what there should be: SKIP if Bochs is not there, else ERROR. */
_Noreturn void bochs_blame(struct judge *judge, const struct bochs_run *run, bool ended,
                           int status);

#endif
