/* exports.c - the list of formats. A new one is a file beside this one, and a row. */
#define _GNU_SOURCE
#include <string.h>

#include "report/exports.h"

const struct export *const exports[] = {
    &export_csv,     &export_junit, &export_gradescope, &export_markdown, &export_github,
    &export_autolab, NULL};

bool hidden(const struct settings *s, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = s->hide; at && (at = strstr(at, word)); at++)
        if ((at == s->hide || at[-1] == ',') && (at[length] == 0 || at[length] == ','))
            return true;
    return false;
}
