/* random.h - values that the subject cannot foresee, in the shapes that checks need. All of them
 * come from judge_random(): the same seed gives the same ones. */
#ifndef RANDOM_H
#define RANDOM_H

#include "judge/check.h"

bool random_bool(struct judge *judge);
/* One number of the sequence for each byte. */
void random_fill(struct judge *judge, void *bytes, size_t size);
/* Puts the elements of an array, of size bytes each (at most RANDOM_ELEMENT), into some order. */
void random_order(struct judge *judge, void *array, size_t count, size_t size);

#define RANDOM_ELEMENT 256

#endif
