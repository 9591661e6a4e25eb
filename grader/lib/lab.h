/* lab.h - which labs the kit has, and what their checks programs declare. */
#ifndef LAB_H
#define LAB_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#define LABS_MAX  16
#define PARTS_MAX 4

struct lab {
    int number;
    char name[40]; /* NN-name */
    char parts[PARTS_MAX][40];
    int part_count;
    cJSON *declared; /* what `checks --list` says: title and the checks */
};

struct labs {
    struct lab list[LABS_MAX];
    int count;
};

/* Finds the labs of the kit and asks their checks programs for the declarations. */
bool labs_load(struct labs *labs);
void labs_free(struct labs *labs);

/* The lab that LAB= names ("1", "01", "01-kvm-open", or for editors a file in labs/01-kvm-open/),
 * or NULL after saying which there are. */
const struct lab *lab_find(const struct labs *labs, const char *text);

/* One of its declared checks, or NULL. */
const cJSON *lab_check(const struct lab *lab, const char *id);
/* What it can earn, in tenths of a point. */
int lab_tenths(const struct lab *lab);

#endif
