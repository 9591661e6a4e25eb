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
#include "report/page.h"
#include "report/rounds.h"
#include "report/trace_page.h"

#define LINES_MAX 512

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
    struct page_reasons reasons;
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

/* --- the data --------------------------------------------------------------------------------- */

static uint64_t since(const struct page *p, uint64_t ns)
{
    return ns > p->start_ns ? ns - p->start_ns : 0;
}

static void round_put(FILE *file, struct page *p, const struct round *r)
{
    const int band = p->nested && !r->from_l2 ? 1 : 0;
    char details[200];

    round_describe(r, details, sizeof details);
    fprintf(
        file, "[%" PRIu64 ",\"%#" PRIx64 "\",%d,%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",",
        since(p, r->exit->time_ns), r->exit->rip, page_reason(&p->reasons, r->exit->reason),
        band, since(p, r->begin_ns), since(p, r->user_ns), since(p, r->end_ns));
    page_text_put(file, details);
    fprintf(file, ",%d,%d",
            line_of(p, p->nested && !r->from_l2 ? PROGRAM_L1 : PROGRAM_GUEST, r->exit->rip),
            r->reflected        ? ANSWER_L1
            : round_is_users(r) ? ANSWER_VMM
                                : ANSWER_KERNEL);
    if (round_wish(r)[0]) {
        fputc(',', file);
        page_text_put(file, round_wish(r));
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
    page_reasons_put(file, &p->reasons);
    fputs("\"lines\":[", file);
    for (int i = 0; i < p->line_count; i++) {
        fputs(i ? "," : "", file);
        page_text_put(file, p->lines[i] ? p->lines[i] : "");
    }
    fputs("],\n", file);
}

static void data_put(FILE *file, void *argument)
{
    struct page *p = argument;
    const struct trace_head *head = p->head;
    char text[200];

    fputs("{", file);
    page_about_put(file, p->about, "exit");
    snprintf(text, sizeof text, "check %.80s, SEED=%" PRIu64 "%s%.48s", p->about->id,
             head->seed, head->guest[0] ? ", guest " : "", head->guest);
    page_member_put(file, "subtitle", text);
    fprintf(file, "\"nested\":%s,\n", p->nested ? "true" : "false");
    rounds_put(file, p);
    names_put(file, p);
    fputs("\"format\":2}\n", file);
}

bool trace_page_write(char *path, const struct kvm_events *events,
                      const struct trace_head *head, const struct page_about *about)
{
    struct page p = {.events = events,
                     .head = head,
                     .about = about,
                     .start_ns = rounds_start_ns(events),
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
    page_about_put(file, v->about, v->kind);
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
