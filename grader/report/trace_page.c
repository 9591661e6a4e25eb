/* trace_page.c - a recorded run as one HTML file that needs nothing else (pages/trace.html).
 *
 * The page gets rows of numbers, each a round (rounds.h); all that is drawn is computed there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/command.h"
#include "lib/files.h"
#include "lib/host.h"
#include "lib/json.h"
#include "lib/lab.h"
#include "report/rounds.h"
#include "report/trace_page.h"

#define PAGES      "grader/pages"
#define MARK       ">DATA<"
#define SHARED     "/*<" /* and a file of pages/ follows */
#define SHARED_END ">*/"
#define REASONS    32
#define LINES_MAX  512

#define REAL_MODE_BASE 0x10000u /* a real-mode guest's CS; its RIP counts from there */

/* Which program an address is of. */
enum { PROGRAM_GUEST, PROGRAM_L1, PROGRAMS };

/* Who answered an exit; the page has the names. */
enum { ANSWER_KERNEL, ANSWER_VMM, ANSWER_L1 };

struct page {
    const struct kvm_events *events;
    const struct trace_head *head;
    const struct page_about *about;
    uint64_t start_ns;
    bool nested;
    /* of the guest (with an L1: of L2) and of L1, with their source lines; "": unknown */
    char elf[PROGRAMS][PATH_ROOM];
    bool real_mode;
    uint32_t reasons[REASONS];
    int reason_count;
    struct {
        int program;
        uint64_t rip;
    } places[LINES_MAX]; /* those that have been looked up, and where they are */
    char *lines[LINES_MAX];
    int line_count;
};

/* --- the guest's source --------------------------------------------------------------------- */

/* "tour.long64.c:31"; NULL: not known. Of inlined functions the outermost caller counts: the
 * last line that addr2line says. */
static char *line_find(const struct page *p, int program, uint64_t rip)
{
    char address[32], *output = NULL, *last = NULL, *line = NULL;
    char *argv[] = {X86_TOOL("addr2line"),
                    "-i",
                    "-e",
                    (char *)(uintptr_t)p->elf[program],
                    address,
                    NULL};

    snprintf(address, sizeof address, "%#" PRIx64,
             rip + (p->real_mode ? REAL_MODE_BASE : 0));
    if (command_run(argv, &output, 10) == 0 && output)
        for (char *save, *l = strtok_r(output, "\n", &save); l;
             l = strtok_r(NULL, "\n", &save))
            if (!strchr(l, '?'))
                last = strrchr(l, '/') ? strrchr(l, '/') + 1 : l;
    if (last)
        line = strndup(last, strcspn(last, " ")); /* without "(discriminator 2)" */
    free(output);
    return line;
}

/* Index into lines, or -1. */
static int line_of(struct page *p, int program, uint64_t rip)
{
    int i = 0;

    if (!p->elf[program][0])
        return -1;
    while (i < p->line_count &&
           (p->places[i].rip != rip || p->places[i].program != program))
        i++;
    if (i == LINES_MAX)
        return -1;
    if (i == p->line_count) {
        p->places[i].rip = rip;
        p->places[i].program = program;
        p->lines[p->line_count++] = line_find(p, program, rip);
    }
    return p->lines[i] ? i : -1;
}

static void guest_find(struct page *p, const struct trace_head *head, const struct lab *lab)
{
    char source[PATH_ROOM], *elf = p->elf[PROGRAM_GUEST], *dot;

    path_make(elf, "build/guests/%s/%.48s", lab->name, head->guest);
    dot = strrchr(elf, '.');
    if (!head->guest[0] || !dot) {
        elf[0] = 0;
        return;
    }
    snprintf(dot, 5, ".elf");
    path_make(source, "labs/%s/guests/%.*s.real16.S", lab->name,
              (int)strcspn(head->guest, "."), head->guest);
    p->real_mode = access(source, F_OK) == 0;
}

/* L1 is the student's own program; its ELF file lies beside what the run was made from. */
static void programs_find(struct page *p, const struct trace_head *head,
                          const struct lab *lab)
{
    guest_find(p, head, lab);
    path_make(p->elf[PROGRAM_L1], "%.*s", (int)sizeof head->program, head->program);
    for (int i = 0; i < PROGRAMS; i++)
        if (access(p->elf[i], R_OK) < 0)
            p->elf[i][0] = 0;
}

/* Time 0 of the page: the guest starts. */
static uint64_t first_entry(const struct kvm_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        if (events->list[i].kind == EVENT_ENTRY)
            return events->list[i].time_ns;
    return events->count ? events->list[0].time_ns : 0;
}

/* --- the data --------------------------------------------------------------------------------- */

/* A string in JSON that may stand inside a script element. */
static void text_put(FILE *file, const char *text)
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

static void member_put(FILE *file, const char *name, const char *text)
{
    fprintf(file, "\"%s\":", name);
    text_put(file, text);
    fputs(",\n", file);
}

static int reason_of(struct page *p, uint32_t reason)
{
    int i = 0;

    while (i < p->reason_count && p->reasons[i] != reason)
        i++;
    if (i == p->reason_count && i < REASONS - 1)
        p->reasons[p->reason_count++] = reason;
    return i;
}

static uint64_t since(const struct page *p, uint64_t ns)
{
    return ns > p->start_ns ? ns - p->start_ns : 0;
}

static void round_put(FILE *file, struct page *p, const struct round *r)
{
    const int band = p->nested && !r->from_l2 ? 1 : 0;
    char details[200];

    round_describe(r, details, sizeof details);
    fprintf(file,
            "[%" PRIu64 ",\"%#" PRIx64 "\",%d,%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",",
            since(p, r->exit->time_ns), r->exit->rip, reason_of(p, r->exit->reason), band,
            since(p, r->begin_ns), since(p, r->user_ns), since(p, r->end_ns));
    text_put(file, details);
    fprintf(file, ",%d,%d",
            line_of(p, p->nested && !r->from_l2 ? PROGRAM_L1 : PROGRAM_GUEST, r->exit->rip),
            r->reflected        ? ANSWER_L1
            : round_is_users(r) ? ANSWER_VMM
                                : ANSWER_KERNEL);
    if (round_wish(r)[0]) {
        fputc(',', file);
        text_put(file, round_wish(r));
    }
    fputc(']', file);
}

static void rounds_put(FILE *file, struct page *p)
{
    struct rounds rounds = rounds_begin(p->events);
    struct round round;

    fputs("\"exits\":[", file);
    for (bool first = true; rounds_next(&rounds, &round); first = false) {
        fputs(first ? "\n" : ",\n", file);
        round_put(file, p, &round);
    }
    fputs("],\n", file);
}

static void names_put(FILE *file, const struct page *p)
{
    fputs("\"reasons\":[", file);
    for (int i = 0; i < p->reason_count; i++) {
        char name[40];

        snprintf(name, sizeof name, "%s (%#x)", svm_exit_name(p->reasons[i]),
                 p->reasons[i]);
        fputs(i ? "," : "", file);
        text_put(file, name);
    }
    fputs("],\n\"lines\":[", file);
    for (int i = 0; i < p->line_count; i++) {
        fputs(i ? "," : "", file);
        text_put(file, p->lines[i] ? p->lines[i] : "");
    }
    fputs("],\n", file);
}

/* Title, check and, where it failed, what was asked and seen, and at which event (0: the last one;
 * -1: none of this page's). */
static void about_put(FILE *file, const struct page_about *about, const char *kind)
{
    const cJSON *point = cJSON_GetObjectItem(about->verdict, "point");
    char title[200];

    snprintf(title, sizeof title, "Lab %02d, %.100s", about->lab->number,
             json_text(about->lab->declared, "title"));
    member_put(file, "title", title);
    member_put(file, "check", json_text(lab_check(about->lab, about->id), "title"));
    member_put(file, "id", about->id);
    if (strcmp(json_text(about->verdict, "verdict"), "fail") != 0)
        return;
    fputs("\"failed\":{", file);
    member_put(file, "asked", json_text(about->verdict, "asked"));
    member_put(file, "seen", json_text(about->verdict, "seen"));
    fprintf(file, "\"number\":%d},\n",
            strcmp(json_text(point, "kind"), kind) == 0 ? json_int(point, "number") : -1);
}

static void data_put(FILE *file, void *argument)
{
    struct page *p = argument;
    const struct trace_head *head = p->head;
    char text[200];

    fputs("{", file);
    about_put(file, p->about, "exit");
    snprintf(text, sizeof text, "check %.80s, SEED=%" PRIu64 "%s%.48s", p->about->id,
             head->seed, head->guest[0] ? ", guest " : "", head->guest);
    member_put(file, "subtitle", text);
    fprintf(file, "\"nested\":%s,\n", p->nested ? "true" : "false");
    rounds_put(file, p);
    names_put(file, p);
    fputs("\"format\":2}\n", file);
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

static bool page_write(char *path, const char *name, const char *template,
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

bool trace_page_write(char *path, const struct kvm_events *events,
                      const struct trace_head *head, const struct page_about *about)
{
    struct page p = {.events = events,
                     .head = head,
                     .about = about,
                     .start_ns = first_entry(events),
                     .nested = rounds_nested(events)};
    char name[200];
    bool ok;

    programs_find(&p, head, about->lab);
    snprintf(name, sizeof name, "%s-%.100s", about->lab->name, about->id);
    ok = page_write(path, name, PAGES "/trace.html", data_put, &p);
    for (int i = 0; i < p.line_count; i++)
        free(p.lines[i]);
    return ok;
}

/* --- other views -------------------------------------------------------------------------------- */

struct view {
    const struct page_about *about;
    const char *kind, *json; /* as the check kept it */
};

/* What about_put() writes, and "run": what the check kept. */
static void view_put(FILE *file, void *argument)
{
    const struct view *v = argument;

    fputs("{", file);
    about_put(file, v->about, v->kind);
    fputs("\"run\":", file);
    for (const char *c = v->json; *c; c++)
        if (*c == '<')
            fputs("\\u003c", file);
        else
            fputc(*c, file);
    fputs("}\n", file);
}

bool view_page_write(char *path, char *kept, const struct page_about *about)
{
    char template[PATH_ROOM], name[200], *newline = strchr(kept, '\n');
    struct view v = {.about = about, .kind = kept};

    if (!newline)
        return false;
    *newline = 0;
    v.json = newline + 1;
    path_make(template, PAGES "/%.30s.html", kept);
    snprintf(name, sizeof name, "%s-%.100s-%.30s", about->lab->name, about->id, kept);
    return page_write(path, name, template, view_put, &v);
}
