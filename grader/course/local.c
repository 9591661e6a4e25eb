/* local.c - the engine of one computer: units in processes of their own, side by side. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "course/engines.h"
#include "lib/command.h"
#include "lib/status.h"
#include "report/terminal.h"

#define WORKERS_MAX  256
#define LINE_SECONDS 20 /* between lines where there is no terminal */

struct crew {
    const struct course *course;
    const char *units_path;
    const cJSON *units;
    pid_t pids[WORKERS_MAX];
    int number[WORKERS_MAX]; /* of the unit that a worker is at */
    int workers, running, next;
    int labs_done, labs;
    double began, said;
};

_Noreturn static void worker_exec(const struct crew *crew, int number, pid_t parent)
{
    char units[PATH_ROOM + 8], unit[32], log[PATH_ROOM];
    char *argv[8] = {"build/bin/grader", "unit", units, unit};
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_GRADER);
    engine_words(crew->course->settings, argv + 4);
    snprintf(units, sizeof units, "UNITS=%s", crew->units_path);
    snprintf(unit, sizeof unit, "UNIT=%d", number);
    path_make(log, "%s/units.log", crew->course->folder);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd >= 0) {
        dup2(fd, 1);
        dup2(fd, 2);
    }
    execv(argv[0], argv);
    _exit(EXIT_GRADER);
}

static bool worker_begin(struct crew *crew)
{
    pid_t parent = getpid(), pid;
    int at = 0;

    while (crew->pids[at] > 0)
        at++;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        worker_exec(crew, crew->next, parent);
    if (pid < 0)
        return false;
    crew->pids[at] = pid;
    crew->number[at] = crew->next++;
    crew->running++;
    return true;
}

static void worker_ended(struct crew *crew, pid_t pid)
{
    for (int i = 0; i < crew->workers; i++)
        if (crew->pids[i] == pid) {
            const cJSON *unit = cJSON_GetArrayItem(crew->units, crew->number[i]);

            crew->pids[i] = 0;
            crew->running--;
            crew->labs_done += cJSON_GetArraySize(cJSON_GetObjectItem(unit, "labs"));
        }
}

/* "3 min", "20 s": what is left, if it goes on as it went. */
static void left_text(const struct crew *crew, char *text, size_t size)
{
    double spent = now_seconds() - crew->began;
    double left =
        crew->labs_done ? spent * (crew->labs - crew->labs_done) / crew->labs_done : -1;

    if (left < 0)
        snprintf(text, size, "...");
    else if (left < 90)
        snprintf(text, size, "about %.0f s left", left);
    else
        snprintf(text, size, "about %.0f min left", left / 60);
}

static void crew_say(struct crew *crew)
{
    int done = crew->next - crew->running, all = cJSON_GetArraySize(crew->units), part;
    char left[60], bar[21] = "";

    left_text(crew, left, sizeof left);
    part = crew->labs ? 20 * crew->labs_done / crew->labs : 20;
    for (int i = 0; i < 20; i++)
        bar[i] = i < part ? '#' : '.';
    progress_line("grading [%s] %d of %d submissions, %d at work, %s", bar, done, all,
                  crew->running, left);
    if (!isatty(2) && now_seconds() - crew->said > LINE_SECONDS) {
        fprintf(stderr, "grading: %d of %d submissions, %s\n", done, all, left);
        crew->said = now_seconds();
    }
}

static bool local_run(const struct course *c, const char *units_path, const cJSON *units,
                      int workers)
{
    struct crew crew = {.course = c,
                        .units_path = units_path,
                        .units = units,
                        .workers = workers > WORKERS_MAX ? WORKERS_MAX : workers,
                        .labs = units_labs(units),
                        .began = now_seconds(),
                        .said = now_seconds()};
    int count = cJSON_GetArraySize(units);

    while (crew.next < count || crew.running > 0) {
        pid_t pid;

        while (crew.running < crew.workers && crew.next < count)
            if (!worker_begin(&crew)) {
                fprintf(stderr, "grader: cannot start a worker: %s\n", strerror(errno));
                return false;
            }
        crew_say(&crew);
        pid = waitpid(-1, NULL, WNOHANG);
        if (pid > 0)
            worker_ended(&crew, pid);
        else
            usleep(50000);
    }
    progress_line("%s", "");
    return true;
}

static bool local_there(const struct settings *s)
{
    (void)s;
    return true;
}

const struct engine engine_of_here = {"local", "this computer's cores", local_there,
                                      local_run};
