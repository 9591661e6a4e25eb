/* script.c - see script.h. */
#include "judge/script.h"

#include <stdlib.h>

void *memory_get(struct judge *judge, size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        judge_error(judge, "out of memory");
    return memory;
}

uint32_t script_place(struct judge *judge, uint32_t *count, uint32_t room)
{
    if (*count >= room)
        judge_error(judge, "the check's script is too long");
    return (*count)++;
}

const void *part_run(struct judge *judge, uint32_t entry, const void *input,
                     size_t input_size, size_t answer_size)
{
    const struct run_spec spec = {.entry = entry, .input = input, .input_size = input_size};

    return judge_run(judge, &spec, answer_size)->answer;
}
