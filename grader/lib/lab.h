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

#define STARTERS "starters" /* in what is handed out: the starters as they were */

/* Is this kit what `make dist` made of another, without solutions? */
bool kit_is_handed_out(void);
/* The folder that says which labs there are and of which parts: solutions, or those starters. */
const char *parts_root(void);

/* Finds the labs of the kit and asks their checks programs for the declarations. */
bool labs_load(struct labs *labs);
void labs_free(struct labs *labs);

/* The lab that LAB= names ("1", "01", "01-kvm-open", or for editors a file in labs/01-kvm-open/),
 * or NULL after saying which there are. */
const struct lab *lab_find(const struct labs *labs, const char *text);

/* Which of them a list names ("1-6", "1,3,5-7", "04-int-iret"); NULL: all. False after saying
 * what is wrong with it. */
bool labs_choose(const struct labs *labs, const char *list, bool chosen[LABS_MAX]);

/* The capstone's points are not among the kit's 100: it is shown apart, and graded when it is named.
 * It is the last lab. */
#define CAPSTONE_LAB "11-boot-linux"
bool lab_is_capstone(const struct lab *lab);

/* One of its declared checks, or NULL. */
const cJSON *lab_check(const struct lab *lab, const char *id);
/* What it can earn, in tenths of a point. */
int lab_tenths(const struct lab *lab);

#endif
