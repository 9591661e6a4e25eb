/* when.c - points in time. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "lib/when.h"

/* "+01:00", "+0100", "Z"; *seconds east of Greenwich. False: it is none. */
static bool offset_parse(const char *text, long *seconds)
{
    int hours, minutes, used = 0;
    char sign;

    *seconds = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "UTC") == 0)
        return true;
    if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) != 3 &&
        sscanf(text, "%c%2d%2d%n", &sign, &hours, &minutes, &used) != 3)
        return false;
    if (text[used] || (sign != '+' && sign != '-') || hours > 14 || minutes > 59)
        return false;
    *seconds = (sign == '+' ? 1 : -1) * (hours * 3600L + minutes * 60L);
    return true;
}

bool when_parse(const char *text, time_t *when)
{
    struct tm tm = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    long offset;

    if (!end || (*end != 'T' && *end != ' '))
        return false;
    end = strptime(end + 1, "%H:%M", &tm);
    if (end && *end == ':')
        end = strptime(end, ":%S", &tm);
    if (!end)
        return false;
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    end += *end == ' ';
    if (!*end) {
        *when = mktime(&tm);
        return *when != (time_t)-1;
    }
    if (!offset_parse(end, &offset))
        return false;
    *when = timegm(&tm) - offset;
    return true;
}

const char *when_text(time_t when, char buffer[40])
{
    struct tm tm;

    buffer[0] = 0;
    if (when && localtime_r(&when, &tm))
        strftime(buffer, 40, "%Y-%m-%dT%H:%M:%S%z", &tm);
    return buffer;
}
