/* shell.c - the verb shell: a look around the machine, with one's own VMM in it.
 *
 * What is typed while it boots would be lost: no driver reads the serial line yet. So we stand
 * between terminal and machine, and begin to hand on what is typed when the shell is there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "judge/qemu.h"
#include "lib/command.h"
#include "lib/files.h"
#include "lib/lab.h"
#include "prepare/prepare.h"
#include "submission/submission.h"
#include "verbs/verbs.h"

#define VMM_LAB   "03-exit-loop" /* the last of the parts that make run's VMM is made of */
#define INITRAMFS "build/shell/initramfs"
#define PROMPT    "machine# "
#define END       "\004" /* Ctrl-D ends the shell, and the machine with it */

/* --- what is in the machine ---------------------------------------------------------------------- */

/* The student's VMM, all three parts of theirs; "" after saying why there is none. */
static void vmm_build(char *subject, const struct settings *s,
                      const struct targets_found *found)
{
    struct submission submission = submission_from(s);
    struct built built;
    struct labs labs;

    subject[0] = 0;
    if (!labs_load(&labs))
        return;
    submission.own = s->from;
    submission.cage = found->cage;
    submission.no_cage = found->no_cage;
    subject_build(&built, lab_find(&labs, VMM_LAB), &labs, &submission, "run");
    if (built.ok)
        path_make(subject, "%s", built.subject);
    else
        fprintf(stderr, "Your VMM is not in the machine, for it does not build:\n%s\n",
                built.messages ? built.messages : "");
    built_free(&built);
    labs_free(&labs);
}

static bool files_pack(const char *machine, const char *subject)
{
    char initramfs[PATH_ROOM];
    char *argv[] = {"grader/machine/kit.sh", INITRAMFS, initramfs,
                    (char *)(uintptr_t)subject, NULL};

    path_make(initramfs, "%s/initramfs", machine);
    return folder_make("build/shell") && command_run(argv, NULL, 0) == 0;
}

/* --- between terminal and machine ------------------------------------------------------------------ */

struct relay {
    int to, from;             /* the machine's console */
    bool ready;               /* its shell has shown its prompt */
    char last[sizeof PROMPT]; /* of what it printed */
};

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno != EINTR)
            return false;
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Looks for the prompt, which may come in pieces. */
static void prompt_look(struct relay *r, const char *bytes, size_t size)
{
    const size_t room = sizeof PROMPT - 1;

    for (size_t i = 0; i < size && !r->ready; i++) {
        memmove(r->last, r->last + 1, room - 1);
        r->last[room - 1] = bytes[i];
        r->ready = memcmp(r->last, PROMPT, room) == 0;
    }
}

/* False: the machine is off. */
static bool output_pass(struct relay *r)
{
    char bytes[4096];
    ssize_t n = read(r->from, bytes, sizeof bytes);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    prompt_look(r, bytes, (size_t)n);
    return write_all(1, bytes, (size_t)n);
}

/* False: there is no more input; the shell is told so. */
static bool input_pass(struct relay *r)
{
    char bytes[512];
    ssize_t n = read(0, bytes, sizeof bytes);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        write_all(r->to, END, strlen(END));
        return false;
    }
    return write_all(r->to, bytes, (size_t)n);
}

static void relay_run(struct relay *r)
{
    bool more = true;

    for (;;) {
        struct pollfd p[] = {{.fd = r->from, .events = POLLIN},
                             {.fd = r->ready && more ? 0 : -1, .events = POLLIN}};

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return;
        if (p[0].revents && !output_pass(r))
            return;
        if (p[1].revents)
            more = input_pass(r);
    }
}

/* Keys go to the machine as they are, Ctrl-C too. */
static bool terminal_raw(struct termios *before)
{
    struct termios raw;

    if (tcgetattr(0, before) < 0)
        return false;
    raw = *before;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST;
    return tcsetattr(0, TCSANOW, &raw) == 0;
}

static int machine_talk(const char *vmlinux)
{
    int to[2], from[2], status = 0;
    struct termios before;
    pid_t pid;

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        return EXIT_GRADER;
    pid = machine_interactive(vmlinux, INITRAMFS, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    if (pid < 0)
        return EXIT_GRADER;
    struct relay relay = {.to = to[1], .from = from[0]};
    bool raw = terminal_raw(&before);

    relay_run(&relay);
    if (raw)
        tcsetattr(0, TCSANOW, &before);
    close(to[1]);
    close(from[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? EXIT_ALL : EXIT_GRADER;
}

static int shell_verb(const struct settings *s)
{
    char kernel[PATH_ROOM], vmlinux[PATH_ROOM], subject[PATH_ROOM];
    struct targets_found targets;

    if (!targets_prepare(&targets, s))
        return EXIT_GRADER;
    if (targets.no_machine[0] || !kernel_prepare(kernel, s)) {
        fprintf(stderr, "grader: no machine: %s\n", targets.no_machine);
        return EXIT_GRADER;
    }
    path_make(vmlinux, "%s/vmlinux", kernel);
    vmm_build(subject, s, &targets);
    if (!files_pack(targets.machine, subject)) {
        fprintf(stderr, "grader: cannot write " INITRAMFS ": %s\n", strerror(errno));
        return EXIT_GRADER;
    }
    fprintf(stderr, "A shell in the machine; `exit` ends it, Ctrl-A X kills it.\n");
    return machine_talk(vmlinux);
}

const struct verb verb_shell = {
    .name = "shell",
    .run = shell_verb,
    .whom = FOR_STUDENT,
    .help = "make shell                  a shell in the machine, with your VMM in it\n",
};
