/* raw_terminal.c - raw mode, and the way back from it whatever happens. */
#define _GNU_SOURCE
#include "lib/raw_terminal.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/guard.h"

#define CTRL_A 1

static struct {
    int pipe; /* its closing tells the guardian: now. */
    pid_t guardian;
} taken = {.pipe = -1};

/* Waits until the other end of the pipe is closed: by raw_terminal_restore(), or by our death. */
_Noreturn static void guardian_main(int end, const struct termios *before)
{
    sigset_t all;
    char byte;

    prctl(PR_SET_NAME, GUARD_SPARED);
    setsid(); /* no signal of the terminal's */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (read(end, &byte, 1) < 0 && errno == EINTR)
        ;
    tcsetattr(0, TCSADRAIN, before);
    _exit(0);
}

bool raw_terminal_take(void)
{
    struct termios before, raw;
    int ends[2];

    if (tcgetattr(0, &before) < 0 || pipe(ends) < 0)
        return false;
    taken.guardian = fork();
    if (taken.guardian == 0) {
        close(ends[1]);
        guardian_main(ends[0], &before);
    }
    close(ends[0]);
    taken.pipe = ends[1];
    raw = before;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST;
    tcsetattr(0, TCSADRAIN, &raw);
    return true;
}

void raw_terminal_restore(void)
{
    if (taken.pipe < 0)
        return;
    close(taken.pipe);
    taken.pipe = -1;
    while (waitpid(taken.guardian, NULL, 0) < 0 && errno == EINTR)
        ;
}

size_t raw_terminal_keys(char *keys, size_t size, bool *prefix, bool *end)
{
    size_t kept = 0;

    for (size_t i = 0; i < size; i++) {
        char key = keys[i];

        if (!*prefix && key == CTRL_A) {
            *prefix = true;
            continue;
        }
        *end |= *prefix && key == 'x';
        *prefix = false;
        keys[kept++] = key;
    }
    return kept;
}
