/* boot_page.c - the numbers of pages/boot.html: a row an exit, phases, devices. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>

#include "lib/files.h"
#include "report/boot_page.h"
#include "report/boot_story.h"
#include "report/page.h"

struct boot_page {
    const struct kvm_events *events;
    const struct trace_head *head;
    const struct page_about *about;
    struct page_reasons reasons;
    struct boot_story story;
};

/* [time us, reason, subject, to the VMM, port or address (-1: none), is a write, value, byte on the
 * console (-1: none), answer us] */
static void row_put(FILE *file, struct boot_page *p, const struct round *r)
{
    const struct boot_step step = boot_story_add(&p->story, r);
    const struct kvm_event *io = r->io;

    fprintf(file, "[%" PRIu64 ",%d,%d,%d,", (r->exit->time_ns - p->story.start_ns) / 1000,
            page_reason(&p->reasons, r->exit->reason), step.subject, round_is_users(r));
    if (io)
        fprintf(file, "%" PRIu64 ",%u,%" PRIu64, io->address, io->write,
                io->value & UINT32_MAX);
    else
        fputs("-1,0,0", file);
    fprintf(file, ",%d,%" PRIu64 "]", step.is_console ? (unsigned char)step.byte : -1,
            r->end_ns ? (r->end_ns - r->exit->time_ns) / 1000 : 0);
}

static void rows_put(FILE *file, struct boot_page *p)
{
    struct rounds rounds = rounds_begin(p->events);
    struct round round;

    fputs("\"exits\":[", file);
    for (bool first = true; rounds_next(&rounds, &round); first = false) {
        fputs(first ? "\n" : ",\n", file);
        row_put(file, p, &round);
    }
    fputs("],\n", file);
}

static void phases_put(FILE *file, const struct boot_story *story)
{
    fputs("\"phases\":[", file);
    for (int i = 0; i < BOOT_PHASES && story->reached[i]; i++)
        fprintf(file, "%s{\"name\":\"%s\",\"us\":%" PRIu64 ",\"exits\":%zu}", i ? "," : "",
                boot_phase_name(i), story->phase_ns[i] / 1000, story->phase_exits[i]);
    fputs("],\n", file);
}

static void subjects_put(FILE *file, const struct boot_story *story)
{
    fputs("\"subjects\":[", file);
    for (int i = 0; i < BOOT_SUBJECTS; i++)
        fprintf(file,
                "%s{\"name\":\"%s\",\"own\":%s,\"exits\":%zu,\"reads\":%zu,"
                "\"writes\":%zu,\"us\":%" PRIu64 "}",
                i ? ",\n" : "\n", boot_subject_name(i),
                boot_subject_is_own(i) ? "true" : "false", story->subjects[i].exits,
                story->subjects[i].reads, story->subjects[i].writes,
                story->subjects[i].ns / 1000);
    fputs("]", file);
}

static void data_put(FILE *file, void *argument)
{
    struct boot_page *p = argument;
    char text[200];

    fputs("{", file);
    page_about_put(file, p->about, "boot");
    snprintf(text, sizeof text, "check %.80s, SEED=%" PRIu64, p->about->id, p->head->seed);
    page_member_put(file, "subtitle", text);
    rows_put(file, p);
    page_reasons_put(file, &p->reasons);
    phases_put(file, &p->story);
    subjects_put(file, &p->story);
    fputs("}\n", file);
}

bool boot_page_write(char *path, const struct kvm_events *events,
                     const struct trace_head *head, const struct page_about *about)
{
    struct boot_page p = {
        .events = events, .head = head, .about = about, .story = boot_story_begin(events)};
    char name[200];

    snprintf(name, sizeof name, "%s-%.100s-boot", about->lab->name, about->id);
    return page_write(path, name, PAGES "/boot.html", data_put, &p);
}
