/* pairs.c - how alike are two texts, and who belongs together? */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "similarity/similarity.h"

static int run_compare(const void *a, const void *b)
{
    const struct run *x = a, *y = b;

    if (x->a != y->a)
        return x->a - y->a;
    if (x->b != y->b)
        return x->b - y->b;
    return x->a_first - y->a_first;
}

/* The text of the smaller number is always the first. */
static void runs_turn(struct runs *runs)
{
    for (int i = 0; i < runs->count; i++) {
        struct run *r = &runs->list[i];

        if (r->a > r->b)
            *r = (struct run){.a = r->b,
                              .b = r->a,
                              .a_first = r->b_first,
                              .a_last = r->b_last,
                              .b_first = r->a_first,
                              .b_last = r->a_last,
                              .tokens = r->tokens};
    }
    qsort(runs->list, (size_t)runs->count, sizeof *runs->list, run_compare);
}

/* How many lines of its own a text has in the pair's runs. */
static int lines_shared(const struct text *text, const struct runs *runs,
                        const struct pair *pair, bool second)
{
    bool *in = calloc((size_t)text->line_count + 1, sizeof *in);
    int shared = 0;

    for (int i = pair->first; in && i < pair->first + pair->count; i++) {
        const struct run *r = &runs->list[i];

        for (int n = second ? r->b_first : r->a_first;
             n <= (second ? r->b_last : r->a_last); n++) {
            shared += text->own[n] && !in[n];
            in[n] = true;
        }
    }
    free(in);
    return shared;
}

static int pair_compare(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->percent != y->percent)
        return y->percent - x->percent;
    return x->a != y->a ? x->a - y->a : x->b - y->b;
}

static int root_of(const int *parent, int i)
{
    while (parent[i] != i)
        i = parent[i];
    return i;
}

/* Who is above the line with somebody belongs to that one's group. */
static void groups_make(const struct texts *texts, struct pairs *pairs)
{
    int *parent = calloc((size_t)texts->count + 1, sizeof *parent),
        *number = calloc((size_t)texts->count + 1, sizeof *number);

    pairs->group = calloc((size_t)texts->count + 1, sizeof *pairs->group);
    for (int i = 0; parent && i < texts->count; i++)
        parent[i] = i;
    for (int i = 0; parent && i < pairs->count && pairs->list[i].percent >= LINE_PERCENT;
         i++)
        parent[root_of(parent, pairs->list[i].b)] = root_of(parent, pairs->list[i].a);
    for (int i = 0; parent && number && pairs->group && i < pairs->count &&
                    pairs->list[i].percent >= LINE_PERCENT;
         i++) {
        int root = root_of(parent, pairs->list[i].a);

        if (!number[root])
            number[root] = ++pairs->groups;
        pairs->group[pairs->list[i].a] = pairs->group[pairs->list[i].b] = number[root];
    }
    free(parent);
    free(number);
}

struct pairs pairs_make(const struct texts *texts, struct runs *runs)
{
    struct pairs pairs = {.list = calloc((size_t)runs->count + 1, sizeof *pairs.list)};

    runs_turn(runs);
    for (int i = 0, next; pairs.list && i < runs->count; i = next) {
        struct pair *pair = &pairs.list[pairs.count++];
        const struct text *a = &texts->list[runs->list[i].a],
                          *b = &texts->list[runs->list[i].b];

        for (next = i; next < runs->count && runs->list[next].a == runs->list[i].a &&
                       runs->list[next].b == runs->list[i].b;
             next++)
            ;
        *pair = (struct pair){
            .a = runs->list[i].a, .b = runs->list[i].b, .first = i, .count = next - i};
        pair->shared_a = lines_shared(a, runs, pair, false);
        pair->shared_b = lines_shared(b, runs, pair, true);
        pair->percent =
            100 * (pair->shared_a + pair->shared_b) / (a->own_count + b->own_count);
    }
    qsort(pairs.list, (size_t)pairs.count, sizeof *pairs.list, pair_compare);
    groups_make(texts, &pairs);
    return pairs;
}

void pairs_free(struct pairs *pairs)
{
    free(pairs->list);
    free(pairs->group);
    *pairs = (struct pairs){.list = NULL};
}
