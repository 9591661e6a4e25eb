/* trace_page.c - a recorded run as one HTML file that needs nothing else (pages/trace.html).
 *
 * The page gets rows of numbers, each a round (rounds.h); all that is drawn is computed there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grader.h"
#include "rounds.h"

#define TEMPLATE   "grader/pages/trace.html"
#define MARK       ">DATA<"
#define STYLE      "grader/pages/steps.css"
#define STYLE_MARK "/* steps.css */"
#define REASONS    32
#define LINES_MAX  512

#define REAL_MODE_BASE 0x10000u /* a real-mode guest's CS; its RIP counts from there */

enum { LANE_GUEST, LANE_KERNEL, LANE_VMM };

struct page {
    const struct kvm_events *events;
    const struct trace_head *head;
    const struct lab *lab;
    const char *id;
    uint64_t start_ns;
    char elf[PATH_ROOM]; /* of the guest, with its source lines; "": unknown */
    bool real_mode;
    uint32_t reasons[REASONS];
    int reason_count;
    uint64_t rips[LINES_MAX]; /* those that have been looked up, and where they are */
    char *lines[LINES_MAX];
    int line_count;
};

/* --- the guest's source --------------------------------------------------------------------- */

/* "tour.long64.c:31"; NULL: not known. Of inlined functions the outermost caller counts: the
 * last line that addr2line says. */
static char *line_find(const struct page *p, uint64_t rip)
{
    char address[32], *output = NULL, *last = NULL, *line = NULL;
    char *argv[] = {"addr2line", "-i", "-e", (char *)(uintptr_t)p->elf, address, NULL};

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
static int line_of(struct page *p, uint64_t rip)
{
    int i = 0;

    if (!p->elf[0])
        return -1;
    while (i < p->line_count && p->rips[i] != rip)
        i++;
    if (i == LINES_MAX)
        return -1;
    if (i == p->line_count) {
        p->rips[i] = rip;
        p->lines[p->line_count++] = line_find(p, rip);
    }
    return p->lines[i] ? i : -1;
}

static void guest_find(struct page *p, const struct trace_head *head, const struct lab *lab)
{
    char source[PATH_ROOM], *dot;

    path_make(p->elf, "build/guests/%s/%.48s", lab->name, head->guest);
    dot = strrchr(p->elf, '.');
    if (!head->guest[0] || !dot) {
        p->elf[0] = 0;
        return;
    }
    snprintf(dot, 5, ".elf");
    path_make(source, "labs/%s/guests/%.*s.real16.S", lab->name,
              (int)strcspn(head->guest, "."), head->guest);
    p->real_mode = access(source, F_OK) == 0;
    if (access(p->elf, R_OK) < 0)
        p->elf[0] = 0;
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
    char details[120];

    round_describe(r, details, sizeof details);
    fprintf(file, "[%" PRIu64 ",\"%" PRIx64 "\",%d,%d,%" PRIu64 ",%" PRIu64 ",",
            since(p, r->exit->time_ns), r->exit->rip, reason_of(p, r->exit->reason),
            round_is_users(r) ? LANE_VMM : LANE_KERNEL, since(p, r->user_ns),
            since(p, r->end_ns));
    text_put(file, details);
    fprintf(file, ",%d]", line_of(p, r->exit->rip));
}

static void rounds_put(FILE *file, struct page *p)
{
    size_t at = rounds_begin(p->events);

    fputs("\"exits\":[", file);
    for (bool first = true; at < p->events->count; first = false) {
        struct round round = round_take(p->events, &at);

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

        snprintf(name, sizeof name, "%s (%x)", svm_exit_name(p->reasons[i]), p->reasons[i]);
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

static void data_put(FILE *file, void *argument)
{
    struct page *p = argument;
    const struct trace_head *head = p->head;
    const struct lab *lab = p->lab;
    const char *id = p->id;
    const cJSON *check = lab_check(lab, id);
    char text[200];

    fputs("{", file);
    snprintf(text, sizeof text, "Lab %02d, %.100s", lab->number,
             json_text(lab->declared, "title"));
    member_put(file, "title", text);
    member_put(file, "check", json_text(check, "title"));
    snprintf(text, sizeof text, "check %.80s, SEED=%" PRIu64 "%s%.48s", id, head->seed,
             head->guest[0] ? ", guest " : "", head->guest);
    member_put(file, "subtitle", text);
    member_put(
        file, "note",
        "From the kernel's tracepoints. Answer: the kernel dealt with the exit itself, "
        "or KVM_RUN returned to the VMM. Took: until the guest went on; the VMM's time "
        "includes its way into the kernel and back. npf: nested page fault (Intel: "
        "EPT violation).");
    fputs("\"lanes\":[{\"name\":\"guest\",\"color\":\"--guest\"},"
          "{\"name\":\"KVM (kernel)\",\"color\":\"--kernel\"},"
          "{\"name\":\"VMM (user)\",\"color\":\"--vmm\"}],\n",
          file);
    rounds_put(file, p);
    names_put(file, p);
    fputs("\"format\":1}\n", file);
}

/* --- the file ----------------------------------------------------------------------------------- */

/* The style that several pages share stands in a file of its own; it is put where a page says
 * so. Returns what follows. */
static const char *style_print(FILE *file, const char *text)
{
    const char *mark = strstr(text, STYLE_MARK);
    char *style = mark ? file_read(STYLE, 1u << 20, NULL) : NULL;

    if (!style)
        return text;
    fwrite(text, 1, (size_t)(mark - text), file);
    fputs(style, file);
    free(style);
    return mark + strlen(STYLE_MARK);
}

/* Copies a template; data() writes what stands at its mark. */
static bool page_print(FILE *file, const char *template,
                       void (*data)(FILE *file, void *argument), void *argument)
{
    char *text = file_read(template, 1u << 20, NULL);
    const char *mark = text ? strstr(text, MARK) : NULL;

    if (mark) {
        const char *rest = style_print(file, text);

        fwrite(rest, 1, (size_t)(mark + 1 - rest), file);
        data(file, argument);
        fputs(mark + strlen(MARK) - 1, file);
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
                      const struct trace_head *head, const struct lab *lab, const char *id)
{
    struct page p = {.events = events,
                     .head = head,
                     .lab = lab,
                     .id = id,
                     .start_ns = first_entry(events)};
    char name[200];
    bool ok;

    guest_find(&p, head, lab);
    snprintf(name, sizeof name, "%s-%.100s", lab->name, id);
    ok = page_write(path, name, TEMPLATE, data_put, &p);
    for (int i = 0; i < p.line_count; i++)
        free(p.lines[i]);
    return ok;
}

/* --- other views -------------------------------------------------------------------------------- */

struct view {
    const struct lab *lab;
    const char *id;
    const char *json; /* as the check kept it */
};

/* {"title", "check", "id", "run": what the check kept} */
static void view_put(FILE *file, void *argument)
{
    const struct view *v = argument;
    char text[200];

    fputs("{", file);
    snprintf(text, sizeof text, "Lab %02d, %.100s", v->lab->number,
             json_text(v->lab->declared, "title"));
    member_put(file, "title", text);
    member_put(file, "check", json_text(lab_check(v->lab, v->id), "title"));
    member_put(file, "id", v->id);
    fputs("\"run\":", file);
    for (const char *c = v->json; *c; c++)
        if (*c == '<')
            fputs("\\u003c", file);
        else
            fputc(*c, file);
    fputs("}\n", file);
}

bool view_page_write(char *path, char *kept, const struct lab *lab, const char *id)
{
    struct view v = {.lab = lab, .id = id, .json = ""};
    char template[PATH_ROOM], name[200], *newline = strchr(kept, '\n');

    if (!newline)
        return false;
    *newline = 0;
    v.json = newline + 1;
    path_make(template, "grader/pages/%.30s.html", kept);
    snprintf(name, sizeof name, "%s-%.100s-%.30s", lab->name, id, kept);
    return page_write(path, name, template, view_put, &v);
}
