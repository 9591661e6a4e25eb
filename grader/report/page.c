/* page.c - puts a run's data into a template of grader/pages. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "judge/trace.h"
#include "lib/files.h"
#include "lib/json.h"
#include "report/page.h"

#define MARK       ">DATA<"
#define SHARED     "/*<" /* and a file of pages/ follows */
#define SHARED_END ">*/"

/* --- the data --------------------------------------------------------------------------------- */

void page_text_put(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;

        if (c < ' ' || c == '"' || c == '\\' || c == '<')
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

void page_member_put(FILE *file, const char *name, const char *text)
{
    fprintf(file, "\"%s\":", name);
    page_text_put(file, text);
    fputs(",\n", file);
}

int page_reason(struct page_reasons *reasons, uint32_t code)
{
    int i = 0;

    while (i < reasons->count && reasons->codes[i] != code)
        i++;
    if (i == reasons->count && i < PAGE_REASONS - 1)
        reasons->codes[reasons->count++] = code;
    return i;
}

void page_reasons_put(FILE *file, const struct page_reasons *reasons)
{
    fputs("\"reasons\":[", file);
    for (int i = 0; i < reasons->count; i++) {
        char name[40];

        snprintf(name, sizeof name, "%s (%#x)", svm_exit_name(reasons->codes[i]),
                 reasons->codes[i]);
        fputs(i ? "," : "", file);
        page_text_put(file, name);
    }
    fputs("],\n", file);
}

void page_about_put(FILE *file, const struct page_about *about, const char *kind)
{
    const cJSON *point = cJSON_GetObjectItem(about->verdict, "point");
    char title[200];

    snprintf(title, sizeof title, "Lab %02d, %.100s", about->lab->number,
             json_text(about->lab->declared, "title"));
    page_member_put(file, "title", title);
    page_member_put(file, "check", json_text(lab_check(about->lab, about->id), "title"));
    page_member_put(file, "id", about->id);
    if (strcmp(json_text(about->verdict, "verdict"), "fail") != 0)
        return;
    fputs("\"failed\":{", file);
    page_member_put(file, "asked", json_text(about->verdict, "asked"));
    page_member_put(file, "seen", json_text(about->verdict, "seen"));
    fprintf(file, "\"number\":%d},\n",
            strcmp(json_text(point, "kind"), kind) == 0 ? json_int(point, "number") : -1);
}

/* --- the file ----------------------------------------------------------------------------------- */

/* Copies text up to `end`; where it says what several pages share, in its place the file of
 * that name. */
static void template_print(FILE *file, const char *text, const char *end)
{
    const char *mark, *stop;

    while ((mark = strstr(text, SHARED)) && mark < end &&
           (stop = strstr(mark, SHARED_END)) != NULL) {
        const char *name = mark + strlen(SHARED);
        char path[PATH_ROOM], *shared;

        path_make(path, PAGES "/%.*s", (int)(stop - name), name);
        shared = file_read(path, 1u << 20, NULL);
        fwrite(text, 1, (size_t)(mark - text), file);
        fputs(shared ? shared : "", file);
        free(shared);
        text = stop + strlen(SHARED_END);
    }
    fwrite(text, 1, (size_t)(end - text), file);
}

/* Copies a template; data() writes what stands at its mark. */
static bool page_print(FILE *file, const char *template,
                       void (*data)(FILE *file, void *argument), void *argument)
{
    char *text = file_read(template, 1u << 20, NULL);
    const char *mark = text ? strstr(text, MARK) : NULL;

    if (mark) {
        const char *rest = mark + strlen(MARK) - 1;

        template_print(file, text, mark + 1);
        data(file, argument);
        template_print(file, rest, rest + strlen(rest));
    }
    free(text);
    return mark && !ferror(file);
}

bool page_write(char *path, const char *name, const char *template,
                void (*data)(FILE *file, void *argument), void *argument)
{
    char fresh[PATH_ROOM];
    FILE *file;
    bool ok;

    path_make(path, "build/trace/%s.html", name);
    path_make(fresh, "%s.new", path);
    file = folder_make("build/trace") ? fopen(fresh, "we") : NULL;
    if (!file)
        return false;
    ok = page_print(file, template, data, argument);
    ok = fclose(file) == 0 && ok && rename(fresh, path) == 0;
    if (!ok)
        unlink(fresh);
    return ok;
}
