/* check.c - one check: run the subject, look at the evidence, reach a verdict (check.h). */
#define _GNU_SOURCE
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../machine/frames.h"
#include "crash.h"
#include "guest_image.h"
#include "judge.h"
#include "text.h"

/* Runs take milliseconds; a machine that is slower than ours gets more (place->scale). */
#define DEADLINE_MODEL_MS   3000
#define DEADLINE_MACHINE_MS 10000
#define PATIENT_TIMEOUTS    2     /* after so many in a lab, the others get a quarter */
#define PATIENCE_MS         20000 /* the agent itself has to answer within this much more */
#define TRACE_KEEP_MAX      20000 /* events kept for `make trace` */
#define TRACE_KEEP_LINUX    80000 /* of the boot of a Linux */

/* --- random numbers: splitmix64 ------------------------------------------------------------ */

uint64_t judge_random(struct judge *j)
{
    uint64_t z = j->random += 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t judge_shared_random(const struct judge *j, uint64_t n)
{
    struct judge shared = {.random = j->targets->options->seed ^ n << 32};

    return judge_random(&shared);
}

uint64_t judge_random_below(struct judge *j, uint64_t limit)
{
    return judge_random(j) % limit;
}

/* It lies beside the subject. */
const void *judge_program(struct judge *judge, const char *name, size_t size_max,
                          size_t *size)
{
    const char *subject = judge->targets->options->subject;
    const char *slash = strrchr(subject, '/');
    char path[4096];
    uint8_t *bytes = malloc(size_max + 1);
    FILE *file;

    snprintf(path, sizeof path, "%.*s%s.bin", slash ? (int)(slash + 1 - subject) : 0,
             subject, name);
    file = fopen(path, "re");
    if (!file || !bytes)
        judge_error(judge, "cannot read %s: %s", path, strerror(errno));
    *size = fread(bytes, 1, size_max + 1, file);
    fclose(file);
    snprintf(judge->program, sizeof judge->program, "%.*s%s.elf",
             slash ? (int)(slash + 1 - subject) : 0, subject, name);
    CHECK(judge, *size <= size_max, "the program fits into the memory that it is given",
          "%s.c becomes more than %zu bytes", name, size_max);
    return bytes;
}

bool judge_sanitized(const struct judge *j)
{
    return j->targets->options->model_runtime;
}

/* --- numbers for people ------------------------------------------------------------------------ */

void judge_figure(struct judge *j, const char *name, double value, const char *unit)
{
    struct figure *figure = &j->outcome.figures[j->outcome.figure_count];

    if (j->outcome.figure_count == FIGURES_MAX)
        judge_error(j, "more than %d figures in one check", FIGURES_MAX);
    snprintf(figure->name, sizeof figure->name, "%s", name);
    snprintf(figure->unit, sizeof figure->unit, "%s", unit);
    figure->value = value;
    j->outcome.figure_count++;
}

/* --- where to look -------------------------------------------------------------------------- */

void judge_points_at(struct judge *j, const char *kind, size_t number)
{
    struct point *point = &j->outcome.point;

    snprintf(point->kind, sizeof point->kind, "%s", kind);
    point->number = (uint32_t)number;
    j->pointed = NULL;
}

void judge_points_at_event(struct judge *j, const struct evidence *e,
                           const struct kvm_event *event)
{
    j->pointed = event;
    j->pointed_in = &e->events;
}

/* Exits are counted when it matters: a check may look at every one. */
static void point_settle(struct judge *j)
{
    const struct kvm_event *event = j->pointed;
    size_t n = 0;

    if (!event)
        return;
    for (const struct kvm_event *one = j->pointed_in->list; one <= event; one++)
        n += one->kind == EVENT_EXIT;
    judge_points_at(j, "exit", n ? n : 1);
}

/* --- verdicts -------------------------------------------------------------------------------- */

_Noreturn static void check_end(struct judge *j, enum verdict verdict)
{
    j->outcome.verdict = verdict;
    fail();
    abort(); /* not reached: fail() jumps back to cmocka */
}

_Noreturn void check_fail(struct judge *j, const char *asked, const char *seen, ...)
{
    va_list list;

    va_start(list, seen);
    snprintf(j->outcome.asked, sizeof j->outcome.asked, "%s", asked);
    vsnprintf(j->outcome.seen, sizeof j->outcome.seen, seen, list);
    va_end(list);
    point_settle(j);
    check_end(j, VERDICT_FAIL);
}

_Noreturn void check_skip(struct judge *j, const char *reason)
{
    snprintf(j->outcome.seen, sizeof j->outcome.seen, "%s", reason);
    check_end(j, VERDICT_SKIP);
}

_Noreturn void judge_error(struct judge *j, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(j->outcome.seen, sizeof j->outcome.seen, format, list);
    va_end(list);
    check_end(j, VERDICT_ERROR);
}

/* --- running the subject ----------------------------------------------------------------------- */

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

extern const struct guest_image *const __start_guest_images[] __attribute__((weak)),
    *const __stop_guest_images[] __attribute__((weak));

/* The file that the guest in a run's input came from; "" if none of ours is in it. */
static const char *guest_of(const struct run_spec *spec)
{
    for (const struct guest_image *const *g = __start_guest_images; g < __stop_guest_images;
         g++)
        if (spec->input && memmem(spec->input, spec->input_size, (*g)->bytes,
                                  (size_t)((*g)->end - (*g)->bytes)))
            return (*g)->file;
    return "";
}

/* Keeps something for `make trace`, in one piece or not at all: one file a check. */
static void file_keep(const struct judge *j, const char *suffix, const void *head,
                      size_t head_size, const void *body, size_t body_size)
{
    const char *folder = j->targets->options->traces;
    char path[4096], final[4096];
    FILE *file;

    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/%s%s.new", folder, j->check->id, suffix);
    snprintf(final, sizeof final, "%s/%s%s", folder, j->check->id, suffix);
    file = fopen(path, "we");
    if (!file)
        return;
    bool written = fwrite(head, 1, head_size, file) == head_size &&
                   fwrite(body, 1, body_size, file) == body_size;
    if (fclose(file) == 0 && written)
        rename(path, final);
    else
        unlink(path);
}

/* What the machine recorded: the check's latest run. */
static void trace_keep(struct judge *j, const struct evidence *e,
                       const struct run_spec *spec)
{
    const size_t max = spec->flags & RUN_LINUX ? TRACE_KEEP_LINUX : TRACE_KEEP_MAX;
    size_t count = e->events.count < max ? e->events.count : max;
    struct trace_head head = {.magic = TRACE_MAGIC, .seed = j->targets->options->seed};

    judge_points_at(j, "", 0);
    if (kvm_events_count(&e->events, EVENT_EXIT, KVM_EVENT_ANY) == 0)
        return;
    snprintf(head.guest, sizeof head.guest, "%s", guest_of(spec));
    snprintf(head.program, sizeof head.program, "%s", j->program);
    file_keep(j, "", &head, sizeof head, e->events.list, count * sizeof *e->events.list);
    judge_points_at_event(j, e, &e->events.list[count - 1]);
}

void judge_view(struct judge *j, const char *kind, const char *json)
{
    char head[40];
    int length = snprintf(head, sizeof head, "%.30s\n", kind);

    file_keep(j, ".view", head, (size_t)length, json, strlen(json));
    judge_points_at(j, kind, 0);
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

/* --- runs that checks share ---------------------------------------------------------------- */

/* Begins its file anew. NULL: the run is not shared. */
static const int *shared_begin(struct judge *j, const struct run_spec *spec)
{
    const struct shared_run head = {.whole = 0};
    const int *file = spec->shared ? &j->targets->shared[spec->shared - 1] : NULL;

    if (file && (ftruncate(*file, 0) < 0 || lseek(*file, 0, SEEK_SET) < 0 ||
                 write(*file, &head, sizeof head) != sizeof head))
        judge_error(j, "a shared run cannot be kept: %s", strerror(errno));
    return file;
}

static void shared_finish(struct judge *j, const struct run_spec *spec, uint64_t nonce,
                          size_t device_from)
{
    const struct shared_run head = {.nonce = nonce,
                                    .device_from = device_from,
                                    .device_to =
                                        machine_events_size(&j->targets->machine.machine),
                                    .whole = 1};

    if (spec->shared &&
        pwrite(j->targets->shared[spec->shared - 1], &head, sizeof head, 0) != sizeof head)
        judge_error(j, "a shared run cannot be kept: %s", strerror(errno));
}

/* True if it has been made; *head says of it what the frames do not. */
static bool shared_find(struct judge *j, const struct run_spec *spec,
                        struct shared_run *head)
{
    int file = spec->shared ? j->targets->shared[spec->shared - 1] : -1;

    return file >= 0 && pread(file, head, sizeof *head, 0) == sizeof *head && head->whole &&
           lseek(file, sizeof *head, SEEK_SET) == sizeof *head;
}

/* Sends the request and receives the evidence. 0, or -errno: the place has gone. */
static int place_exchange(struct judge *j, const struct place *place,
                          const struct run_request *request, const struct run_spec *spec,
                          struct evidence *e)
{
    bool machine = place == &j->targets->machine;
    struct timeval limit = {.tv_sec = (request->deadline_ms + PATIENCE_MS) / 1000};
    struct hold hold = {j, spec->at_checkpoint};
    char formats[4096];
    const struct evidence_source source = {.channel = place->channel,
                                           .nonce = request->nonce,
                                           .formats_path = machine ? formats : NULL,
                                           .keep = shared_begin(j, spec),
                                           .at_checkpoint = hold_look,
                                           .context = &hold};
    size_t size;
    uint8_t *frame = request_pack(request, spec, &size);
    int r;

    if (!frame)
        judge_error(j, "out of memory");
    setsockopt(place->channel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (machine)
        snprintf(formats, sizeof formats, "%s/formats", j->targets->options->machine);
    r = frame_send(place->channel, FRAME_RUN, NULL, 0, frame, size);
    if (r == 0)
        r = evidence_receive(e, &source);
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

/* The evidence of a run that another check has had made. */
static void shared_receive(struct judge *j, const struct run_spec *spec,
                           const struct shared_run *head, struct evidence *e)
{
    char formats[4096];
    const struct evidence_source source = {.channel = j->targets->shared[spec->shared - 1],
                                           .nonce = head->nonce,
                                           .formats_path = formats};
    int r;

    snprintf(formats, sizeof formats, "%s/formats", j->targets->options->machine);
    r = evidence_receive(e, &source);
    if (r < 0)
        judge_error(j, "a shared run cannot be read: %s", strerror(-r));
    if (spec->flags & RUN_DEVICE)
        device_events_collect(j, e, head->device_from, head->device_to);
}

/* Has the run made. */
static void run_make(struct judge *j, const struct run_spec *spec, struct place *place,
                     struct evidence *e)
{
    size_t events = machine_events_size(&j->targets->machine.machine);
    const struct run_request request = request_make(j, spec, place);
    int r = place_exchange(j, place, &request, spec, e);

    if (r < 0) {
        snprintf(j->outcome.seen, sizeof j->outcome.seen, "%s", strerror(-r));
        check_end(j, VERDICT_PLACE_LOST);
    }
    if (spec->flags & RUN_DEVICE)
        device_events_collect(j, e, events,
                              machine_events_size(&j->targets->machine.machine));
    if (e->end.outcome != RUN_NOT_STARTED)
        shared_finish(j, spec, request.nonce, events);
}

static struct evidence *run_once(struct judge *j, const struct run_spec *spec)
{
    enum target target = place_of(j->targets, j->check);
    struct place *place = place_get(j->targets, target);
    struct evidence *e = calloc(1, sizeof *e);
    struct shared_run shared;

    if (!place)
        judge_error(j, "%s",
                    target == TARGET_MODEL ? j->targets->model.why
                                           : j->targets->machine.why);
    if (!e || j->run_count == (int)(sizeof j->runs / sizeof j->runs[0]))
        judge_error(j, "too many runs in one check");
    j->runs[j->run_count++] = e;
    if (spec->flags & RUN_DEVICE)
        device_require(j, place);
    if (shared_find(j, spec, &shared))
        shared_receive(j, spec, &shared, e);
    else
        run_make(j, spec, place, e);
    if (e->end.outcome == RUN_NOT_STARTED)
        judge_error(j, "the agent could not start the subject: %s",
                    strerror(e->end.status));
    CHECK(
        j, e->end.trace_lost == 0, "the run has no more VM exits than it needs",
        "the kernel recorded VM entries and exits until its buffer of 6 MiB was full, and "
        "%u events more",
        e->end.trace_lost);
    CHECK(j, e->end.calls_lost == 0, "the run has no more calls than it needs",
          "the log of KVM calls was full at 8 MiB, and %u calls more came",
          e->end.calls_lost);
    trace_keep(j, e, spec);
    return e;
}

/* What the subject printed last, for people; never for verdicts. */
static void printed_tail(const struct evidence *e, char *buffer, size_t size)
{
    const char *text = e->output ? e->output : "";
    size_t length = strlen(text);

    while (length > 0 && text[length - 1] == '\n')
        length--;
    const char *from = length > 300 ? text + length - 300 : text;
    if (length == 0)
        buffer[0] = 0;
    else
        snprintf(buffer, size, "\nIt printed: %.*s", (int)(text + length - from), from);
    text_clean(buffer);
}

/* Where it was; and if that is not known: a wild access is found by the sanitizers, line and
 * all. */
static const char *crash_advice(const struct judge *j, const struct evidence *e)
{
    static char where[600];
    const int signal = e->end.status;

    if (e->header.crash.signal == (uint32_t)signal &&
        crash_describe(&e->header.crash, j->targets->options->subject, lab_checks.name,
                       !j->targets->options->model_in_machine, where, sizeof where))
        return where;
    if (j->check->target == TARGET_MACHINE || judge_sanitized(j) ||
        (signal != SIGSEGV && signal != SIGBUS && signal != SIGABRT))
        return where;
    return "\nWhich line? The command below with SANITIZE=1 says it.";
}

static void end_explain(struct judge *j, const struct evidence *e)
{
    static const char asked[] = "the part answers and returns";
    char printed[400];

    printed_tail(e, printed, sizeof printed);
    switch (e->end.outcome) {
    case RUN_TIMED_OUT:
        j->outcome.timed_out = true;
        check_fail(j, asked, "it still ran after %.1f s and was stopped%s",
                   e->end.elapsed_us / 1e6, printed);
    case RUN_TOO_STOPPED:
        check_fail(j, asked, "it stopped itself more than %d times%s", RUN_CHECKPOINTS_MAX,
                   printed);
    case RUN_TOO_LARGE:
        check_fail(j, asked, "it used more than 512 MiB of memory and was stopped%s",
                   printed);
    case RUN_SIGNALLED:
        check_fail(j, asked, "it was ended by signal %d (%s)%s%s", e->end.status,
                   strsignal(e->end.status), crash_advice(j, e), printed);
    default:
        check_fail(j, asked, "it ended before answering, with exit status %d%s",
                   e->end.status, printed);
    }
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
        end_explain(j, e);
    CHECK(j, e->header.output_size >= output_size, "the part answers and returns",
          "it left only %u bytes of %zu in its answer", e->header.output_size, output_size);
    return e;
}

/* --- under cmocka ------------------------------------------------------------------------------ */

static void cmocka_body(void **state)
{
    struct judge *j = *state;

    j->check->run(j);
    j->outcome.verdict = VERDICT_PASS;
    j->outcome.asked[0] = j->outcome.seen[0] = 0;
}

void check_execute(struct judge *j)
{
    const struct CMUnitTest test = {
        .name = j->check->id, .test_func = cmocka_body, .initial_state = j};

    j->outcome.verdict = VERDICT_ERROR;
    snprintf(j->outcome.seen, sizeof j->outcome.seen, "the check itself crashed");
    _cmocka_run_group_tests(j->check->id, &test, 1, NULL, NULL);
}
