/* record.c - what came of one student's work. */
#define _GNU_SOURCE

#include "report/record.h"
#include "lib/json.h"

const cJSON *record_lab(const cJSON *record, const struct lab *lab)
{
    return cJSON_GetObjectItem(cJSON_GetObjectItem(record, "labs"), lab->name);
}

const cJSON *record_check(const cJSON *record, const struct lab *lab, const char *id)
{
    return cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItem(record_lab(record, lab), "checks"), id);
}

bool record_late(const cJSON *record)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(record, "late"));
}

int record_tenths(const cJSON *object)
{
    const cJSON *points = cJSON_GetObjectItem(object, "points");

    return cJSON_IsNumber(points) ? (int)(points->valuedouble * 10 + 0.5) : -1;
}

void read_text(const cJSON *check, char *text, size_t size)
{
    snprintf(text, size, "handout \"%s\"; slide \"%s\"; %s", json_text(check, "handout"),
             json_text(check, "slide"), json_text(check, "manual"));
}

const char *check_word(const cJSON *verdict)
{
    return json_text(verdict, "verdict");
}

void markup_text(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*text, out);
        }
}
