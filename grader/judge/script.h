/* script.h - putting together what the subject is to do, and having it done. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "judge/check.h"

/* Zeros; nobody has to free them, the process ends with the check. ERROR if there is no memory. */
void *memory_get(struct judge *judge, size_t size);

/* The place of one more operation in a script that has room for `room`; *count grows. ERROR if
 * it is full. */
uint32_t script_place(struct judge *judge, uint32_t *count, uint32_t room);

/* A run of the subject that needs an entry and its input alone; its answer, which is at least
 * answer_size bytes. Where it has to be judged how it ended, judge_run() is there. */
const void *part_run(struct judge *judge, uint32_t entry, const void *input,
                     size_t input_size, size_t answer_size);

#endif
