/* run.c - a run of the subject: the request, its deadline, the evidence that comes back. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "judge/judge.h"
#include "machine/frames.h"
#include "machine/own_time.h"

/* Runs take milliseconds; a machine that is slower than ours gets more (place->scale). */
#define DEADLINE_MODEL_MS   3000
#define DEADLINE_MACHINE_MS 10000
#define PATIENT_TIMEOUTS    2     /* after so many in a lab, the others get a quarter */
#define PATIENCE_MS         60000 /* the agent itself has to answer within this much more */
#define LAB_SECONDS         60    /* own time of all runs of a lab at a place */

/* All that the agent needs for a run, in one frame. Caller frees; NULL: no memory. */
static uint8_t *request_pack(const struct run_request *request, const struct run_spec *spec,
                             size_t *size)
{
    size_t windows = spec->window_count * sizeof(struct window);
    size_t plan = request->plan_size ? sizeof(struct kvm_plan) : 0;
    uint8_t *bytes, *at;

    *size = sizeof *request + windows + request->plan_size + spec->input_size;
    at = bytes = malloc(*size);
    if (!bytes)
        return NULL;
    at = mempcpy(at, request, sizeof *request);
    if (windows)
        at = mempcpy(at, spec->windows, windows);
    if (plan)
        at = mempcpy(at, spec->plan, plan);
    if (request->plan_size > plan)
        at = mempcpy(at, spec->exits, request->plan_size - plan);
    if (spec->input_size)
        memcpy(at, spec->input, spec->input_size);
    return bytes;
}

static uint32_t deadline_of(const struct judge *j, const struct run_spec *spec,
                            const struct place *place)
{
    double ms = spec->deadline_ms                                  ? spec->deadline_ms
                : place_of(j->targets, j->check) == TARGET_MACHINE ? DEADLINE_MACHINE_MS
                                                                   : DEADLINE_MODEL_MS;

    if (j->targets->timeouts >= PATIENT_TIMEOUTS)
        ms /= 4;
    return (uint32_t)(ms * place->scale);
}

static struct run_request request_make(struct judge *j, const struct run_spec *spec,
                                       const struct place *place)
{
    uint32_t exits = spec->plan ? spec->plan->exit_count : 0;

    return (struct run_request){
        .flags = spec->flags | (spec->plan ? RUN_PRETEND_KVM : 0) |
                 (j->targets->options->model_runtime ? RUN_SANITIZED : 0),
        .deadline_ms = deadline_of(j, spec, place),
        .entry = spec->entry,
        .window_count = spec->window_count,
        .plan_size = spec->plan
                         ? (uint32_t)(sizeof *spec->plan + exits * sizeof(struct plan_exit))
                         : 0,
        .input_size = (uint32_t)spec->input_size,
        .nonce = judge_random(j),
    };
}

struct hold {
    struct judge *judge;
    void (*look)(struct judge *judge, unsigned checkpoint);
};

static void hold_look(void *context, unsigned checkpoint)
{
    const struct hold *hold = context;

    if (hold->look)
        hold->look(hold->judge, checkpoint);
}

void judge_physical_read(struct judge *j, uint64_t address, void *buffer, size_t size)
{
    if (machine_physical_read(&j->targets->machine.machine, address, buffer, size) < 0)
        judge_error(j, "QEMU's monitor does not read physical memory at 0x%" PRIx64,
                    address);
}

/* For make debug: the same run can be started again by hand. It is the last that is kept, so where
 * a check failed. */
static void request_keep(const char *path, const uint8_t *frame, size_t size)
{
    FILE *file = path ? fopen(path, "we") : NULL;

    if (!file)
        return;
    fwrite(frame, 1, size, file);
    fclose(file);
}

/* Sends the request and receives the evidence. 0, or -errno: the place has gone. */
static int place_exchange(struct judge *j, const struct place *place,
                          const struct run_request *request, const struct run_spec *spec,
                          struct evidence *e)
{
    bool machine = place == &j->targets->machine;
    struct timeval limit = {.tv_sec = STARVED_TIMES * request->deadline_ms / 1000 +
                                      PATIENCE_MS / 1000};
    struct deadline deadline;
    struct hold hold = {j, spec->at_checkpoint};
    char formats[4096];
    const struct evidence_source source = {.channel = place->channel,
                                           .nonce = request->nonce,
                                           .formats_path = machine ? formats : NULL,
                                           .keep = shared_begin(j, spec),
                                           .at_checkpoint = hold_look,
                                           .context = &hold,
                                           .deadline = machine ? &deadline : NULL};
    size_t size;
    uint8_t *frame = request_pack(request, spec, &size);
    int r;

    if (!frame)
        judge_error(j, "out of memory");
    setsockopt(place->channel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (machine)
        snprintf(formats, sizeof formats, "%s/formats", j->targets->options->machine);
    if (!machine)
        request_keep(j->targets->options->keep, frame, size);
    if (machine)
        deadline = deadline_begin(&place->machine, request->deadline_ms);
    r = frame_send(place->channel, FRAME_RUN, NULL, 0, frame, size);
    if (r == 0)
        r = evidence_receive(e, &source);
    if (machine && r == 0)
        e->end.elapsed_us = (uint32_t)deadline_own_us(&deadline);
    free(frame);
    return r;
}

/* What the IOMMU did in this run: its trace from one offset to another. */
static void device_events_collect(struct judge *j, struct evidence *e, size_t from,
                                  size_t to)
{
    char *text = machine_events_text(&j->targets->machine.machine, from);

    if (text && strlen(text) > to - from)
        text[to - from] = 0;
    if (!text || device_events_parse(&e->device, text) < 0)
        judge_error(j, "out of memory");
    free(text);
}

static void device_require(struct judge *j, const struct place *place)
{
    if (place != &j->targets->machine || !place->machine.ready.has_device)
        check_skip(j, "the machine's kernel has no VFIO: take the kernel that the kit "
                      "fetches (no KERNEL=)");
}

/* A lab's runs have a budget together: one that sleeps a little in each has had enough. */
static void budget_require(struct judge *j, const struct place *place)
{
    double spent = (j->targets->spent + j->outcome.spent) / 1e6;

    CHECK(
        j, spent < LAB_SECONDS * place->scale,
        "all runs of this lab together need less than a minute of their own time",
        "the runs so far have used %.0f s (running or asleep; time in which this computer "
        "had something else to do does not count), so this one was not started",
        spent);
}

/* Has the run made. */
static void run_make(struct judge *j, const struct run_spec *spec, struct place *place,
                     struct evidence *e)
{
    struct shared_run head = {.device_from =
                                  machine_events_size(&j->targets->machine.machine)};
    const struct run_request request = request_make(j, spec, place);
    int r = place_exchange(j, place, &request, spec, e);

    if (r < 0) {
        snprintf(j->outcome.seen, sizeof j->outcome.seen, "%s", strerror(-r));
        check_end(j, VERDICT_PLACE_LOST);
    }
    /* (A boot has its own deadline, and there are RUN_SHARED_MAX of them.) */
    if (!(spec->flags & RUN_LINUX))
        j->outcome.spent += e->end.elapsed_us;
    head.nonce = request.nonce;
    head.own_us = e->end.elapsed_us;
    head.device_to = machine_events_size(&j->targets->machine.machine);
    if (spec->flags & RUN_DEVICE)
        device_events_collect(j, e, head.device_from, head.device_to);
    if (e->end.outcome != RUN_NOT_STARTED && e->end.outcome != RUN_STARVED)
        shared_finish(j, spec, head);
}

/* Takes the run from a check that has had it made. False: nobody has. */
static bool run_take(struct judge *j, const struct run_spec *spec, struct evidence *e)
{
    struct shared_run head;

    if (!shared_receive(j, spec, &head, e))
        return false;
    if (spec->flags & RUN_DEVICE)
        device_events_collect(j, e, head.device_from, head.device_to);
    return true;
}

static struct evidence *run_once(struct judge *j, const struct run_spec *spec)
{
    enum target target = place_of(j->targets, j->check);
    struct place *place = place_get(j->targets, target);
    struct evidence *e = calloc(1, sizeof *e);

    if (!place)
        judge_error(j, "%s",
                    target == TARGET_MODEL ? j->targets->model.why
                                           : j->targets->machine.why);
    if (!e || j->run_count == (int)(sizeof j->runs / sizeof j->runs[0]))
        judge_error(j, "too many runs in one check");
    j->runs[j->run_count++] = e;
    budget_require(j, place);
    if (spec->flags & RUN_DEVICE)
        device_require(j, place);
    if (!run_take(j, spec, e))
        run_make(j, spec, place, e);
    if (e->end.outcome == RUN_STARVED)
        judge_error(j,
                    "this computer was too busy: the run got hardly any processor time "
                    "in %d times its deadline",
                    STARVED_TIMES);
    if (e->end.outcome == RUN_NOT_STARTED)
        judge_error(j, "the agent could not start the subject: %s",
                    strerror(e->end.status));
    if (e->end.trace_lost)
        run_trace_full_explain(j, e, spec);
    CHECK(j, e->end.calls_lost == 0, "the run has no more calls than it needs",
          "the log of KVM calls was full at 8 MiB, and %u calls more came",
          e->end.calls_lost);
    judge_trace_keep(j, e, spec);
    return e;
}

const struct evidence *judge_run_any_end(struct judge *j, const struct run_spec *spec)
{
    return run_once(j, spec);
}

const struct evidence *judge_run(struct judge *j, const struct run_spec *spec,
                                 size_t output_size)
{
    struct evidence *e = run_once(j, spec);

    if (e->end.outcome != RUN_EXITED || e->end.status != 0 || !e->complete)
        run_end_explain(j, e);
    CHECK(j, e->header.output_size >= output_size, "the part answers and returns",
          "it left only %u bytes of %zu in its answer", e->header.output_size, output_size);
    return e;
}
