/* keep.c - what is kept of a run for `make trace`, and which event of it a check is about. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge/guest_image.h"
#include "judge/judge.h"

#define TRACE_KEEP_MAX   20000 /* events */
#define TRACE_KEEP_LINUX 80000 /* of the boot of a Linux */

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

void judge_point_settle(struct judge *j)
{
    const struct kvm_event *event = j->pointed;
    size_t n = 0;

    if (!event)
        return;
    for (const struct kvm_event *one = j->pointed_in->list; one <= event; one++)
        n += one->kind == EVENT_EXIT;
    judge_points_at(j, "exit", n ? n : 1);
}

extern const struct guest_image *const __start_guest_images[] __attribute__((weak)),
    *const __stop_guest_images[] __attribute__((weak));

/* The file that the guest in a run's input came from; "" if none of ours is in it. The longest one:
 * the two bytes of a loop are in many others, and now and then in random numbers. */
static const char *guest_of(const struct run_spec *spec)
{
    const char *file = "";
    size_t longest = 0;

    for (const struct guest_image *const *g = __start_guest_images; g < __stop_guest_images;
         g++) {
        const size_t size = (size_t)((*g)->end - (*g)->bytes);

        if (size <= longest || !spec->input ||
            !memmem(spec->input, spec->input_size, (*g)->bytes, size))
            continue;
        longest = size;
        file = (*g)->file;
    }
    return file;
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

void judge_trace_keep(struct judge *j, const struct evidence *e,
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
