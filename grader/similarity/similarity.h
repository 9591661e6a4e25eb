/* similarity.h - the room similarity/: which submissions share more than the starter gives?
 *
 *   texts.c   a lab's parts of a student, one text; lines that the starter has are left out
 *   runs.c    Debian's similarity-tester (sim_c) finds runs of tokens that two texts share,
 *             whatever their names, comments and layout are
 *   pairs.c   how much of both texts lies in such runs; who belongs to one group
 *   page.c    a page that says where to look, and one a pair with both texts
 *   layout.c  the same texts as MOSS, JPlag and Dolos take them
 */
#ifndef SIMILARITY_H
#define SIMILARITY_H

#include <stdbool.h>
#include <stddef.h>

#include "course/course.h"

#define OWN_LINES_MIN  8  /* less is too little to compare */
#define LINE_PERCENT   50 /* pairs above are looked at first */
#define RUN_TOKENS_MIN 20

struct text {
    char *who; /* the student's id, or where it comes from */
    bool old;  /* of the corpus: is compared to, and compares to nobody */
    char *all; /* the text as it was handed in, a NUL at each line's end */
    char **lines;
    bool *own; /* a line that says something and is not the starter's */
    int line_count, own_count;
};

struct texts {
    struct text *list;
    int count;
};

/* The starter's lines; then texts one by one. A text with too few lines of its own is not added. */
struct starter;
struct starter *starter_load(const struct lab *lab);
void starter_free(struct starter *starter);
void texts_add(struct texts *texts, const struct starter *starter, const struct lab *lab,
               const char *folder, const char *who, bool old);
void texts_free(struct texts *texts);

/* Lines a_first to a_last of text a (from 0) say the same as b_first to b_last of text b. */
struct run {
    int a, b;
    int a_first, a_last, b_first, b_last;
    int tokens;
};

struct runs {
    struct run *list;
    int count;
};

/* Runs sim_c over the texts, in a folder of its own. False after saying why not. */
bool runs_find(struct runs *runs, const struct texts *texts, const char *folder);

struct pair {
    int a, b;
    int first, count; /* its runs */
    int shared_a, shared_b, percent;
};

struct pairs {
    struct pair *list; /* the most alike first */
    int count;
    int *group; /* of each text; 0: none */
    int groups;
};

/* Sorts the runs by pairs. */
struct pairs pairs_make(const struct texts *texts, struct runs *runs);
void pairs_free(struct pairs *pairs);

/* All of one lab, for the page. */
struct lab_pairs {
    const struct lab *lab;
    struct texts texts;
    struct runs runs;
    struct pairs pairs;
};

/* Writes folder/index.html, and a page for each pair that it names. False with errno. */
bool similarity_page(const char *folder, const char *name, const struct lab_pairs *labs,
                     int count);

/* Writes folder/other-tools/LAB/{students/WHO/,starter/}part.c. False with errno. */
bool layout_write(const char *folder, const struct course *c, const struct lab *lab);

#endif
