/* shared_run.c - runs that checks share: made once, kept as the frames that came of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "judge/judge.h"

const int *shared_begin(struct judge *j, const struct run_spec *spec)
{
    const struct shared_run head = {.whole = 0};
    const int *file = spec->shared ? &j->targets->shared[spec->shared - 1] : NULL;

    if (file && (ftruncate(*file, 0) < 0 || lseek(*file, 0, SEEK_SET) < 0 ||
                 write(*file, &head, sizeof head) != sizeof head))
        judge_error(j, "a shared run cannot be kept: %s", strerror(errno));
    return file;
}

void shared_finish(struct judge *j, const struct run_spec *spec, struct shared_run head)
{
    head.whole = 1;
    if (spec->shared &&
        pwrite(j->targets->shared[spec->shared - 1], &head, sizeof head, 0) != sizeof head)
        judge_error(j, "a shared run cannot be kept: %s", strerror(errno));
}

bool shared_receive(struct judge *j, const struct run_spec *spec, struct shared_run *head,
                    struct evidence *e)
{
    const int file = spec->shared ? j->targets->shared[spec->shared - 1] : -1;
    char formats[4096];
    struct evidence_source source = {.channel = file, .formats_path = formats};
    int r;

    if (file < 0 || pread(file, head, sizeof *head, 0) != sizeof *head || !head->whole ||
        lseek(file, sizeof *head, SEEK_SET) != sizeof *head)
        return false;
    snprintf(formats, sizeof formats, "%s/formats", j->targets->options->machine);
    source.nonce = head->nonce;
    r = evidence_receive(e, &source);
    if (r < 0)
        judge_error(j, "a shared run cannot be read: %s", strerror(-r));
    e->end.elapsed_us = head->own_us;
    return true;
}

void shared_forget(struct targets *t)
{
    const struct shared_run nothing = {.whole = 0};

    for (int i = 0; i < RUN_SHARED_MAX; i++)
        if (pwrite(t->shared[i], &nothing, sizeof nothing, 0) != sizeof nothing)
            perror("judge: a shared run");
}
