/* grading.c - runs the labs' checks programs and collects their verdicts.
 *
 *   grader --fork--> worker: compiles, then becomes the checks program (judge)
 *      ^                |
 *      +-- JSON lines --+   {"build": ...}, then one line a check
 *
 * Everything below dies with what started it (lib/child.h, lib/guard.h): worker, compiler, judge,
 * sandbox, QEMU.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "grading/grading.h"
#include "grading/stages.h"
#include "lib/child.h"
#include "lib/command.h"
#include "lib/files.h"
#include "lib/host.h"
#include "lib/json.h"
#include "lib/status.h"

#define LINE_MAX_BYTES (1u << 20)
#define WORKERS_MAX    16

#define REPLAYING_SUBJECT "build/bin/replay" /* made by the Makefile: it is nobody's work */

/* --- in the worker ---------------------------------------------------------------------------- */

static void build_report(int report, const struct built *built)
{
    cJSON *json = cJSON_CreateObject();
    char *text;

    cJSON_AddBoolToObject(json, "build", built->ok);
    cJSON_AddBoolToObject(json, "ours", built->ours);
    cJSON_AddStringToObject(json, "parts", built->parts);
    cJSON_AddStringToObject(json, "messages", built->messages ? built->messages : "");
    text = cJSON_PrintUnformatted(json);
    dprintf(report, "%s\n", text ? text : "{}");
    free(text);
    cJSON_Delete(json);
}

#define LEFT_OUT "left out this time"

_Noreturn static void judge_exec(const struct grading *g,
                                 const struct targets_found *targets, const char *subject,
                                 int report)
{
    char program[PATH_ROOM], seed[32], number[16];
    const char *argv[32];
    int n = 0;

    path_make(program, "build/checks/%s", g->lab->name);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->seed);
    snprintf(number, sizeof number, "%d", report);
    argv[n++] = program;
    for (const char *const *word =
             (const char *const[]){"--subject", subject, "--agent", "build/bin/agent",
                                   "--seed", seed, "--report", number, NULL};
         *word; word++)
        argv[n++] = *word;
    const char *no_machine = g->no_machine ? LEFT_OUT : targets->no_machine;
    const char *no_silicon = g->no_silicon ? LEFT_OUT : targets->no_silicon;

    argv[n++] = no_machine[0] ? "--no-machine" : "--machine";
    argv[n++] = no_machine[0]             ? no_machine
                : lab_is_capstone(g->lab) ? targets->boot_machine
                                          : targets->machine;
    if (no_silicon[0]) {
        argv[n++] = "--no-silicon";
        argv[n++] = no_silicon;
    }
    if (targets->no_model[0]) {
        argv[n++] = "--no-model";
        argv[n++] = targets->no_model;
    }
    if (targets->cage != CAGE_NONE) {
        argv[n++] = "--cage";
        argv[n++] = cage_name(targets->cage);
    }
    if ((targets->no_sandbox[0] || !HOST_RUNS_SUBJECTS) && !no_machine[0])
        argv[n++] = "--model-in-machine";
    if (g->only || g->repeated) {
        argv[n++] = "--only";
        argv[n++] = g->repeated ? g->repeated : g->only;
    }
    if (g->traces && g->stage != STAGE_CONTROL) {
        argv[n++] = "--traces";
        argv[n++] = g->traces;
    }
    if (g->keep) {
        argv[n++] = "--keep";
        argv[n++] = g->keep;
    }
    if (g->record || g->replay) {
        argv[n++] = g->record ? "--record" : "--replay";
        argv[n++] = g->record ? g->record : g->replay;
    }
    if (g->submission.sanitize)
        argv[n++] = "--runtime";
    argv[n] = NULL;
    child_files(-1, 1, 2, (const int[]){report, -1});
    execv(program, (char *const *)argv);
    _exit(EXIT_GRADER);
}

/* What an earlier grading has recorded goes. */
static void traces_renew(const struct grading *g)
{
    char old[PATH_ROOM];

    path_make(old, "%s/%s", g->traces, g->only ? g->only : "");
    if (g->only)
        unlink(old);
    else
        folder_remove(g->traces);
    folder_make(g->traces);
}

static const struct submission reference = {
    .folder = "solutions", .label = "solutions", .trusted = true};

_Noreturn static void worker_main(const struct grading *g, const struct labs *labs,
                                  const struct targets_found *targets, int report,
                                  pid_t parent)
{
    struct built built;

    child_bind(parent);
    setsid(); /* Ctrl-C reaches the grader only; it ends, and we with it */
    if (g->traces && g->stage == STAGE_FIRST)
        traces_renew(g);
    struct submission submission = g->stage == STAGE_CONTROL ? reference : g->submission;

    submission.cage = targets->cage;
    submission.no_cage = targets->no_cage;
    if (g->replay)
        built = (struct built){.subject = REPLAYING_SUBJECT, .ok = true};
    else
        subject_build(&built, g->lab, labs, &submission, g->lab->name);
    build_report(report, &built);
    if (!built.ok)
        _exit(0);
    judge_exec(g, targets, built.subject, report);
}

/* --- in the grader ----------------------------------------------------------------------------- */

static bool worker_start(struct grading *g, const struct labs *labs,
                         const struct targets_found *targets)
{
    int pipes[2];
    pid_t parent = getpid();

    if (!g->checks) {
        g->checks = cJSON_CreateObject();
        g->started = now_seconds();
    }
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return false;
    fflush(stdout);
    g->pid = fork();
    if (g->pid == 0)
        worker_main(g, labs, targets, pipes[1], parent);
    close(pipes[1]);
    if (g->pid < 0)
        close(pipes[0]);
    g->pipe = pipes[0];
    return g->pid > 0;
}

static void line_take(struct grading *g, const char *text)
{
    cJSON *json = cJSON_Parse(text);
    const char *id = json_text(json, "id");
    cJSON *checks = g->stage == STAGE_CONTROL ? g->control : g->checks;

    if (cJSON_HasObjectItem(json, "build") && g->stage != STAGE_FIRST) {
        /* known */
    } else if (cJSON_HasObjectItem(json, "build")) {
        g->reported = true;
        g->built = cJSON_IsTrue(cJSON_GetObjectItem(json, "build"));
        g->ours_failed = cJSON_IsTrue(cJSON_GetObjectItem(json, "ours"));
        snprintf(g->parts, sizeof g->parts, "%s", json_text(json, "parts"));
        free(g->messages);
        g->messages = strdup(json_text(json, "messages"));
    } else if (cJSON_HasObjectItem(json, "cost")) {
        g->cost += cJSON_GetNumberValue(cJSON_GetObjectItem(json, "cost"));
    } else if (id[0] && lab_check(g->lab, id) && !cJSON_HasObjectItem(checks, id)) {
        cJSON_AddItemToObject(checks, id, json);
        return; /* it belongs to checks now */
    }
    cJSON_Delete(json);
}

/* Reads what is there. False at the end. */
static bool lines_read(struct grading *g)
{
    char piece[16384];
    ssize_t n = read(g->pipe, piece, sizeof piece);
    char *end, *grown;

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0 || g->line_size + (size_t)n > LINE_MAX_BYTES)
        return false;
    grown = realloc(g->line, g->line_size + (size_t)n + 1);
    if (!grown)
        return false;
    g->line = grown;
    memcpy(g->line + g->line_size, piece, (size_t)n);
    g->line_size += (size_t)n;
    g->line[g->line_size] = 0;
    while ((end = strchr(g->line, '\n')) != NULL) {
        size_t used = (size_t)(end - g->line) + 1;

        *end = 0;
        line_take(g, g->line);
        memmove(g->line, g->line + used, g->line_size - used + 1);
        g->line_size -= used;
    }
    return true;
}

const char *grading_verdict(const struct grading *g, const char *id)
{
    return json_text(cJSON_GetObjectItemCaseSensitive(g->checks, id), "verdict");
}

int grading_count(const struct grading *g, const char *word)
{
    const cJSON *verdict;
    int n = 0;

    cJSON_ArrayForEach(verdict, g->checks)
    {
        n += strcmp(json_text(verdict, "verdict"), word) == 0;
    }
    return n;
}

static void verdict_invent(struct grading *g, const char *id, const char *verdict,
                           const char *asked, const char *seen)
{
    cJSON *json = cJSON_AddObjectToObject(g->checks, id);

    cJSON_AddStringToObject(json, "id", id);
    cJSON_AddStringToObject(json, "verdict", verdict);
    cJSON_AddStringToObject(json, "asked", asked);
    cJSON_AddStringToObject(json, "seen", seen);
}

/* Checks without a verdict: nobody could judge them, or there was nothing to judge. */
static void verdicts_complete(struct grading *g, int status)
{
    const cJSON *check;
    char seen[200];

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(g->lab->declared, "checks"))
    {
        const char *id = json_text(check, "id");

        if ((g->only && strcmp(g->only, id) != 0) || grading_verdict(g, id)[0])
            continue;
        snprintf(seen, sizeof seen, "the checks program ended early (status %d)", status);
        if (g->built)
            verdict_invent(g, id, "error", "", seen);
        else if (g->ours_failed || !g->reported)
            verdict_invent(g, id, "error", "", "the part could not be built");
        else
            verdict_invent(g, id, "fail", "the part compiles", "it does not");
    }
}

static void score_count(struct grading *g)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(g->lab->declared, "checks"))
    {
        const char *verdict = grading_verdict(g, json_text(check, "id"));
        int tenths = json_int(check, "tenths");

        if (strcmp(verdict, "pass") == 0)
            g->earned += tenths;
        else if (strcmp(verdict, "fail") == 0)
            g->lost += tenths;
        else
            g->unjudged += tenths;
        g->errors += strcmp(verdict, "error") == 0;
    }
}

/* True: there is one more stage to be run. */
static bool worker_end(struct grading *g)
{
    int status = -1;

    if (g->pid > 0) {
        close(g->pipe);
        while (waitpid(g->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    g->pid = 0;
    g->line_size = 0;
    verdicts_complete(g, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    if (stage_next(g))
        return true;
    g->done = true;
    g->seconds = now_seconds() - g->started;
    score_count(g);
    return false;
}

/* Starts the grading's next stage; one that cannot be started has ended. False: all have. */
static bool worker_go_on(struct grading *g, const struct labs *labs,
                         const struct targets_found *targets)
{
    while (!worker_start(g, labs, targets))
        if (!worker_end(g))
            return false;
    return true;
}

void gradings_run(struct grading *list, int count, const struct labs *labs,
                  const struct targets_found *targets, int workers,
                  void (*progress)(const struct grading *list, int count))
{
    int next = 0, running = 0;

    if (workers > WORKERS_MAX)
        workers = WORKERS_MAX;
    while (next < count || running > 0) {
        struct pollfd polls[WORKERS_MAX];
        struct grading *who[WORKERS_MAX];
        int n = 0;

        while (running < workers && next < count) {
            if (worker_go_on(&list[next], labs, targets))
                running++;
            next++;
        }
        for (int i = 0; i < next; i++)
            if (list[i].pid > 0) {
                who[n] = &list[i];
                polls[n++] = (struct pollfd){.fd = list[i].pipe, .events = POLLIN};
            }
        if (n == 0 || poll(polls, (nfds_t)n, -1) < 0)
            continue;
        for (int i = 0; i < n; i++)
            if (polls[i].revents && !lines_read(who[i]))
                running -= !(worker_end(who[i]) && worker_go_on(who[i], labs, targets));
        if (progress)
            progress(list, count);
    }
}

void gradings_free(struct grading *list, int count)
{
    for (int i = 0; i < count; i++) {
        cJSON_Delete(list[i].checks);
        free(list[i].messages);
        free(list[i].line);
        free(list[i].repeated);
        cJSON_Delete(list[i].before);
        cJSON_Delete(list[i].control);
    }
}
