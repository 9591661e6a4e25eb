/* subject_run.c - one run of a subject from the request to the evidence. */
#define _GNU_SOURCE
#include "machine/subject_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "machine/device_lend.h"
#include "machine/frames.h"
#include "machine/subject_inside.h"
#include "machine/trace_record.h"

#define KVM_DEVICE "/dev/kvm"

bool run_job_parse(struct run_job *job, const void *payload, size_t size)
{
    const struct run_request *request = payload;
    const uint8_t *at = (const uint8_t *)payload + sizeof *request;
    size_t windows;

    if (size < sizeof *request)
        return false;
    windows = request->window_count * sizeof(struct window);
    if (request->window_count > RUN_WINDOWS_MAX || request->input_size > ARENA_INPUT_MAX ||
        (request->plan_size != 0 && request->plan_size < sizeof(struct kvm_plan)) ||
        size != sizeof *request + windows + request->plan_size + request->input_size)
        return false;
    job->request = request;
    job->windows = (const struct window *)(const void *)at;
    job->plan = request->plan_size ? (const void *)(at + windows) : NULL;
    job->input = at + windows + request->plan_size;
    return true;
}

void evidence_send(struct run *run, uint32_t type, const void *head, size_t head_size,
                   const void *body, size_t body_size)
{
    int r = frame_send(run->place->channel, type, head, head_size, body, body_size);

    if (r < 0 && !run->channel_error)
        run->channel_error = r;
}

static int arena_create(const struct run_job *job)
{
    struct arena_header header = {.magic = ARENA_MAGIC,
                                  .entry = job->request->entry,
                                  .input_size = job->request->input_size,
                                  .nonce = job->request->nonce};
    int fd = memfd_create("arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, ARENA_SIZE) < 0 ||
        pwrite(fd, &header, sizeof header, 0) != sizeof header ||
        pwrite(fd, job->input, header.input_size, ARENA_INPUT_AT) !=
            (ssize_t)header.input_size)
        goto fail;
    /* The subject may write into it, not resize it under our hands. */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        goto fail;
    return fd;
fail:
    close(fd);
    return -1;
}

static void answer_send(struct run *run)
{
    struct arena_header header = {0};
    uint8_t *output;

    if (pread(run->arena, &header, sizeof header, 0) < 0)
        return;
    if (header.output_size > ARENA_OUTPUT_MAX)
        header.output_size = ARENA_OUTPUT_MAX;
    output = malloc(header.output_size + 1);
    if (output && pread(run->arena, output, header.output_size, ARENA_OUTPUT_AT) >= 0)
        evidence_send(run, FRAME_ANSWER, &header, sizeof header, output,
                      header.output_size);
    free(output);
}

static void evidence_finish(struct run *run)
{
    if (run->supervisor) {
        size_t size;
        const void *log = call_supervisor_log(run->supervisor, &size, &run->end.calls_lost);

        evidence_send(run, FRAME_CALLS, NULL, 0, log, size);
    }
    if (run->job->request->flags & RUN_TRACE) {
        int r = trace_record_send(run->place->channel, &run->end.trace_lost);

        if (r < 0)
            run->channel_error = r;
    }
    evidence_send(run, FRAME_OUTPUT, NULL, 0, run->printed, run->printed_size);
    if (run->arena >= 0)
        answer_send(run);
    evidence_send(run, FRAME_END, &run->end, sizeof run->end, NULL, 0);
}

int subject_run(const struct run_place *place, const struct run_job *job)
{
    struct run *run = calloc(1, sizeof *run);
    sigset_t child;
    int error, result;

    if (!run)
        return -ENOMEM;
    *run = (struct run){.place = place, .job = job, .output = -1, .keys = -1};
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    run->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    run->arena = arena_create(job);
    if (job->request->flags & RUN_HIDE_KVM)
        chmod(KVM_DEVICE, 0600);
    if (job->request->flags & RUN_TRACE)
        trace_record_start();

    error = run->arena < 0 || run->signals < 0 ? ENOMEM : 0;
    if (error == 0 && (job->request->flags & RUN_DEVICE))
        error = -device_lend();
    if (error == 0)
        error = subject_start(run);
    if (error == 0) {
        subject_watch(run);
    } else {
        run->end.outcome = RUN_NOT_STARTED;
        run->end.status = error;
    }
    leftovers_kill(run);
    if (job->request->flags & RUN_DEVICE)
        device_take_back();
    if (job->request->flags & RUN_TRACE)
        trace_record_stop();
    if (job->request->flags & RUN_HIDE_KVM)
        chmod(KVM_DEVICE, 0666);
    if (run->output >= 0)
        output_read(run);

    evidence_finish(run);
    call_supervisor_free(run->supervisor);
    if (run->output >= 0)
        close(run->output);
    if (run->keys >= 0)
        close(run->keys);
    if (run->arena >= 0)
        close(run->arena);
    if (run->signals >= 0)
        close(run->signals);
    result = run->channel_error;
    free(run);
    return result;
}
