/* check_stats.c - how a class did in each check. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "report/check_stats.h"
#include "report/record.h"

/* Random numbers differ from student to student, and so do addresses: without them the same
 * mistake reads the same. */
static void pattern_make(const char *seen, char *pattern, size_t size)
{
    size_t n = 0;

    for (const char *c = seen; *c && n + 1 < size; c++) {
        bool number = isxdigit((unsigned char)*c) &&
                      (isdigit((unsigned char)*c) || (n > 0 && pattern[n - 1] == '#'));

        if (number && n > 0 && pattern[n - 1] == '#')
            continue;
        pattern[n++] = number ? '#' : *c;
    }
    pattern[n] = 0;
}

/* All that was seen of one check: pattern -> {count, text}. */
static void seen_count(cJSON *patterns, const char *seen)
{
    char pattern[300];
    cJSON *known;

    pattern_make(seen, pattern, sizeof pattern);
    known = cJSON_GetObjectItemCaseSensitive(patterns, pattern);
    if (!known) {
        known = cJSON_AddObjectToObject(patterns, pattern);
        cJSON_AddStringToObject(known, "text", seen);
        cJSON_AddNumberToObject(known, "count", 0);
    }
    cJSON_SetNumberValue(cJSON_GetObjectItem(known, "count"), json_int(known, "count") + 1);
}

static void commonest_keep(struct check_stats *st, const cJSON *patterns)
{
    const cJSON *pattern;

    for (int i = 0; i < SEEN_KEPT; i++) {
        const cJSON *best = NULL;
        int below = i ? st->seen[i - 1].count : 1 << 30;

        cJSON_ArrayForEach(pattern, patterns)
        {
            int count = json_int(pattern, "count");
            bool kept = false;

            for (int k = 0; k < i; k++)
                kept |= strcmp(st->seen[k].text, json_text(pattern, "text")) == 0;
            if (!kept && count <= below && (!best || count > json_int(best, "count")))
                best = pattern;
        }
        if (!best)
            return;
        st->seen[i] = (struct seen){.text = strdup(json_text(best, "text")),
                                    .count = json_int(best, "count")};
        if (!st->seen[i].text)
            return;
    }
}

/* Who has no point in a lab has not begun it, or all of it fails for one reason: that says nothing
 * about a check. */
static bool lab_begun(const cJSON *record, const struct lab *lab)
{
    return record_tenths(record_lab(record, lab)) != 0;
}

static void check_count(struct check_stats *st, const cJSON *records)
{
    cJSON *patterns = cJSON_CreateObject();
    const cJSON *record;

    cJSON_ArrayForEach(record, records)
    {
        const cJSON *verdict = record_check(record, st->lab, json_text(st->check, "id"));
        const char *word = lab_begun(record, st->lab) ? check_word(verdict) : "";

        st->passed += strcmp(word, "pass") == 0;
        st->failed += strcmp(word, "fail") == 0;
        st->skipped += strcmp(word, "skip") == 0;
        st->errors += strcmp(word, "error") == 0;
        if (strcmp(word, "fail") == 0)
            seen_count(patterns, json_text(verdict, "seen"));
    }
    st->judged = st->passed + st->failed;
    commonest_keep(st, patterns);
    cJSON_Delete(patterns);
}

int check_stats_make(struct check_stats **stats, const struct labs *labs,
                     const cJSON *records)
{
    int count = 0, all = 0;
    const cJSON *check;

    for (int i = 0; i < labs->count; i++)
        all += cJSON_GetArraySize(cJSON_GetObjectItem(labs->list[i].declared, "checks"));
    *stats = calloc((size_t)all + 1, sizeof **stats);
    for (int i = 0; *stats && i < labs->count; i++) {
        if (!record_lab(cJSON_GetArrayItem(records, 0), &labs->list[i]))
            continue;
        cJSON_ArrayForEach(check, cJSON_GetObjectItem(labs->list[i].declared, "checks"))
        {
            struct check_stats *st = &(*stats)[count];

            *st = (struct check_stats){
                .lab = &labs->list[i], .check = check, .number = count++};
            check_count(st, records);
        }
    }
    return count;
}

void check_stats_free(struct check_stats *stats, int count)
{
    for (int i = 0; i < count; i++)
        for (int k = 0; k < SEEN_KEPT; k++)
            free(stats[i].seen[k].text);
    free(stats);
}
