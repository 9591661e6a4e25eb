/* subject_program.c - what a check may know of the subject as a file. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judge.h"

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

enum cage judge_cage(const struct judge *j)
{
    return j->targets->options->cage;
}
