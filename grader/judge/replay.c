/* replay.c - runs recorded, and runs of a subject that replays them (subjects/replay.h). */
#define _GNU_SOURCE
#include "subjects/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge.h"
#include "machine/frames.h"

/* The run's number counts up in the check. */
static FILE *recording_open(const struct judge *j, const char *folder, const char *mode)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.%d", folder, j->check->id, j->run_count);
    return fopen(path, mode);
}

static void windows_write(FILE *file, const struct evidence *e, const struct run_spec *spec)
{
    for (uint32_t c = 0; c < e->end.checkpoints && c < RUN_CHECKPOINTS_MAX; c++)
        for (uint32_t w = 0; w < spec->window_count; w++) {
            struct replay_window head = {.offset = spec->windows[w].offset,
                                         .checkpoint = c,
                                         .length = e->windows[c][w].length};

            memcpy(head.name, spec->windows[w].name, sizeof head.name);
            fwrite(&head, sizeof head, 1, file);
            fwrite(e->windows[c][w].bytes, 1, head.length, file);
        }
}

void replay_record(struct judge *j, const struct evidence *e, const struct run_spec *spec)
{
    const char *folder = j->targets->options->record;
    FILE *file = folder ? recording_open(j, folder, "we") : NULL;

    if (!folder)
        return;
    if (!file)
        judge_error(j, "cannot write to %s: %s", folder, strerror(errno));
    const struct replay_head head = {
        .output_size = e->answer ? e->header.output_size : 0,
        .checkpoints = e->end.checkpoints,
        .calls_size = (uint32_t)e->calls_size,
        .windows = e->end.checkpoints * spec->window_count,
    };

    fwrite(&head, sizeof head, 1, file);
    fwrite(e->answer, 1, head.output_size, file);
    fwrite(e->calls_raw, 1, head.calls_size, file);
    windows_write(file, e, spec);
    if (fclose(file) != 0)
        judge_error(j, "cannot write to %s: %s", folder, strerror(errno));
}

/* The subject's image, its recording and the tail, or NULL. A run that was not recorded (there were
 * fewer) gets none. */
static uint8_t *image_make(const struct judge *j, size_t *size)
{
    enum { RECORDING_MAX = 16 << 20 };
    const struct targets *t = j->targets;
    struct replay_tail tail = {.magic = REPLAY_MAGIC};
    uint8_t *image = malloc(t->image_size + RECORDING_MAX + sizeof tail);
    FILE *file = recording_open(j, t->options->replay, "re");

    if (image) {
        memcpy(image, t->image, t->image_size);
        if (file)
            tail.size = fread(image + t->image_size, 1, RECORDING_MAX, file);
        memcpy(image + t->image_size + tail.size, &tail, sizeof tail);
        *size = t->image_size + tail.size + sizeof tail;
    }
    if (file)
        fclose(file);
    return image;
}

void replay_load(struct judge *j, const struct place *place)
{
    size_t size;
    uint8_t *image;

    if (!j->targets->options->replay)
        return;
    image = image_make(j, &size);
    if (!image || frame_send(place->channel, FRAME_SUBJECT, NULL, 0, image, size) < 0)
        judge_error(j, "the agent does not take the replaying subject");
    free(image);
}
