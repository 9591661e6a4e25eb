/* check_stats.h - how a class did in each check. */
#ifndef CHECK_STATS_H
#define CHECK_STATS_H

#include <cjson/cJSON.h>

#include "lib/lab.h"

#define SEEN_KEPT 3

struct seen {
    char *text; /* of one of them; numbers do not tell two apart */
    int count;
};

struct check_stats {
    const struct lab *lab;
    const cJSON *check; /* as declared */
    int number;         /* its place among all */
    int judged, passed, failed, skipped, errors;
    struct seen seen[SEEN_KEPT]; /* the commonest words of those who failed */
};

/* All checks of all labs that count, over those who have a point in the lab. Returns how many. */
int check_stats_make(struct check_stats **stats, const struct labs *labs,
                     const cJSON *records);
void check_stats_free(struct check_stats *stats, int count);

#endif
