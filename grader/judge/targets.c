/* targets.c - the places where subjects run: started when first needed, replaced when lost. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "judge/judge.h"
#include "judge/sandbox.h"
#include "machine/frames.h"

/* Microseconds that the agent's calibration loop takes on a machine of normal speed. */
#define NORMAL_MODEL   2500.0
#define NORMAL_MACHINE 12000.0

/* The machine's own clock goes on while QEMU waits: what looks slower than this is only busy. */
#define SCALE_MAX 8.0

static double scale_of(uint32_t calibration, double normal)
{
    double scale = calibration / normal;

    return scale < 1 ? 1 : scale > SCALE_MAX ? SCALE_MAX : scale;
}

static bool sandbox_hello(int channel, struct ready *ready)
{
    struct frame_header header;
    void *payload = NULL;
    struct timeval limit = {.tv_sec = 30};
    bool ok;

    setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ok = frame_send(channel, FRAME_HELLO, NULL, 0, NULL, 0) == 0 &&
         frame_receive(channel, &header, &payload) == 0 && header.type == FRAME_READY &&
         header.length == sizeof *ready;
    if (ok)
        memcpy(ready, payload, sizeof *ready);
    free(payload);
    return ok;
}

static bool model_start(struct targets *t)
{
    struct place *place = &t->model;
    struct ready ready;

    place->sandbox =
        sandbox_agent_start(t->options->agent, t->options->model_runtime, &place->channel);
    if (place->sandbox < 0) {
        snprintf(place->why, sizeof place->why, "the sandbox did not start: %s",
                 strerror(-place->sandbox));
        place->sandbox = 0;
        return false;
    }
    if (!sandbox_hello(place->channel, &ready)) {
        snprintf(place->why, sizeof place->why, "the sandbox's agent does not answer");
        return false;
    }
    place->scale = scale_of(ready.calibration, NORMAL_MODEL);
    return true;
}

void targets_wake(struct targets *t)
{
    char formats[4096];

    machine_wake(&t->machine.machine, t->options->machine);
    /* While QEMU starts. The checks are our children, and inherit what has been read. */
    snprintf(formats, sizeof formats, "%s/formats", t->options->machine);
    kvm_events_prepare(formats);
}

static bool machine_start(struct targets *t)
{
    struct place *place = &t->machine;

    if (place->machine.pid == 0 && machine_wake(&place->machine, t->options->machine) < 0) {
        snprintf(place->why, sizeof place->why, "QEMU could not be started");
        return false;
    }
    if (machine_wait(&place->machine, place->why, sizeof place->why) < 0)
        return false;
    place->channel = place->machine.channel;
    place->scale = scale_of(place->machine.ready.calibration, NORMAL_MACHINE);
    return true;
}

enum target place_of(const struct targets *t, const struct check *check)
{
    if (check->target == TARGET_MACHINE || t->options->model_in_machine)
        return TARGET_MACHINE;
    return TARGET_MODEL;
}

struct place *place_get(struct targets *t, enum target target)
{
    struct place *place = target == TARGET_MODEL ? &t->model : &t->machine;

    if (place->started)
        return place;
    place->channel = -1;
    place->why[0] = 0;
    if (!(target == TARGET_MODEL ? model_start(t) : machine_start(t)) ||
        frame_send(place->channel, FRAME_SUBJECT, NULL, 0, t->image, t->image_size) < 0) {
        if (!place->why[0])
            snprintf(place->why, sizeof place->why, "the agent does not take the subject");
        place_drop(t, target);
        return NULL;
    }
    place->started = true;
    return place;
}

void place_drop(struct targets *t, enum target target)
{
    struct place *place = target == TARGET_MODEL ? &t->model : &t->machine;

    if (target == TARGET_MODEL) {
        if (place->sandbox > 0) {
            kill(place->sandbox, SIGKILL);
            waitpid(place->sandbox, NULL, 0);
        }
        if (place->channel >= 0)
            close(place->channel);
        place->sandbox = 0;
    } else {
        machine_stop(&place->machine);
        /* What checks share of it speaks of this machine's own trace of the IOMMU. */
        shared_forget(t);
        if (place->machine.console > 0)
            close(place->machine.console);
        place->machine = (struct machine)MACHINE_NONE;
    }
    place->channel = -1;
    place->started = place->used = false;
}

void targets_close(struct targets *t)
{
    if (t->model.started)
        place_drop(t, TARGET_MODEL);
    if (t->machine.started || t->machine.machine.pid > 0)
        place_drop(t, TARGET_MACHINE);
}
