/* runs.c - sim_c is given the texts under numbers for names, with the starter's lines left blank,
 * and says which runs of tokens two of them share. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/command.h"
#include "similarity/similarity.h"

#define REPORT_BYTES (256u << 20)

/* The numbered file of a text: as many lines as the text has. */
static bool text_write(const struct text *text, const char *folder, int number)
{
    char path[PATH_ROOM], *bytes = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&bytes, &size);
    bool ok;

    for (int i = 0; out && i < text->line_count; i++)
        fprintf(out, "%s\n", text->own[i] ? text->lines[i] : "");
    ok = out && fclose(out) == 0;
    path_make(path, "%s/%d.c", folder, number);
    ok = ok && file_write(path, bytes, size);
    free(bytes);
    return ok;
}

/* New ones, a slash, old ones. */
static bool list_write(const struct texts *texts, const char *folder)
{
    char path[PATH_ROOM], *bytes = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&bytes, &size);
    bool ok;

    for (int old = 0; out && old < 2; old++) {
        for (int i = 0; i < texts->count; i++)
            if (texts->list[i].old == old)
                fprintf(out, "%d.c\n", i);
        fputs(old ? "" : "/\n", out);
    }
    ok = out && fclose(out) == 0;
    path_make(path, "%s/list", folder);
    ok = ok && file_write(path, bytes, size);
    free(bytes);
    return ok;
}

static bool sim_run(const char *folder)
{
    char tokens[16], *output = NULL;
    char *argv[] = {"sh",
                    "-c",
                    "cd \"$1\" && exec sim_c -n -s -e -w 200 -r \"$2\" -o report -i <list",
                    "sh",
                    (char *)(uintptr_t)folder,
                    tokens,
                    NULL};
    int status;

    snprintf(tokens, sizeof tokens, "%d", RUN_TOKENS_MIN);
    status = command_run(argv, &output, 0);
    if (status != 0)
        fprintf(stderr, "grader: sim_c ended with %d: %s\n", status, output ? output : "");
    free(output);
    return status == 0;
}

/* "3.c: line 17-27   |4.c: line 20-30   [101]" */
static bool run_parse(const char *line, const struct texts *texts, struct run *run)
{
    if (sscanf(line, "%d.c: line %d-%d |%d.c: line %d-%d [%d]", &run->a, &run->a_first,
               &run->a_last, &run->b, &run->b_first, &run->b_last, &run->tokens) != 7)
        return false;
    run->a_first--, run->a_last--, run->b_first--, run->b_last--;
    return run->a >= 0 && run->a < texts->count && run->b >= 0 && run->b < texts->count &&
           run->a_first >= 0 && run->a_last < texts->list[run->a].line_count &&
           run->b_first >= 0 && run->b_last < texts->list[run->b].line_count;
}

static bool report_read(struct runs *runs, const struct texts *texts, const char *folder)
{
    char path[PATH_ROOM], *text, *save;

    path_make(path, "%s/report", folder);
    text = file_read(path, REPORT_BYTES, NULL);
    if (!text) {
        fprintf(stderr, "grader: %s cannot be read: %s\n", path, strerror(errno));
        return false;
    }
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        struct run run, *more;

        if (!run_parse(line, texts, &run))
            continue;
        more = reallocarray(runs->list, (size_t)runs->count + 1, sizeof run);
        if (!more)
            break;
        runs->list = more;
        runs->list[runs->count++] = run;
    }
    free(text);
    return true;
}

bool runs_find(struct runs *runs, const struct texts *texts, const char *folder)
{
    bool ok = folder_remove(folder) && folder_make(folder);

    *runs = (struct runs){.list = NULL};
    if (texts->count < 2)
        return true;
    for (int i = 0; ok && i < texts->count; i++)
        ok = text_write(&texts->list[i], folder, i);
    if (!ok || !list_write(texts, folder)) {
        fprintf(stderr, "grader: cannot write to %s: %s\n", folder, strerror(errno));
        return false;
    }
    return sim_run(folder) && report_read(runs, texts, folder);
}
