/* trace_text.c - a recorded run as text, from the kernel's own notes. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "exit_names.h"
#include "report/rounds.h"
#include "report/terminal.h"
#include "report/trace_text.h"

#define ROWS_MAX    60 /* shown from each end of a long run */
#define ROWS_AROUND 8  /* and on each side of the exit where the check failed */

static void round_print(const struct round *r, uint64_t start_ns, bool nested)
{
    char what[160], took[24] = "-";

    round_describe(r, what, sizeof what);
    if (r->end_ns)
        snprintf(took, sizeof took, "%.1f",
                 (double)(r->end_ns - r->exit->time_ns) / 1000.0);
    printf("%8.3f %s%#8" PRIx64 " %-9s %-6s %8s %s\n",
           (double)(r->exit->time_ns - start_ns) / 1e6,
           !nested      ? ""
           : r->from_l2 ? "L2 "
                        : "L1 ",
           r->exit->rip, svm_exit_name(r->exit->reason), round_answer(r), took, what);
}

/* "L2 4.1%, L1 31.0%, ...": of the time from the first entry to the last one. */
static void shares_print(const struct kvm_events *events)
{
    const bool nested = rounds_nested(events);
    const char *const names[LANES] = {"L2", nested ? "L1" : "guest",
                                      nested ? "L0: KVM" : "KVM", "VMM"};
    const int first = nested ? LANE_L2 : LANE_GUEST;
    uint64_t ns[LANES], all = 0;

    rounds_times(events, ns);
    for (int i = first; i < LANES; i++)
        all += ns[i];
    printf("Share of time:");
    for (int i = first; i < LANES; i++)
        printf("%s %s %.1f%%", i > first ? "," : "", names[i],
               all ? 100 * (double)ns[i] / (double)all : 0);
    printf("\n");
}

/* Whose exits they were, and who got them. */
static void levels_print(const struct kvm_events *events)
{
    struct rounds rounds = rounds_begin(events);
    size_t from_l2 = 0, reflected = 0, all = 0;
    struct round r;

    if (!rounds_nested(events))
        return;
    for (; rounds_next(&rounds, &r); all++) {
        from_l2 += r.from_l2;
        reflected += r.reflected;
    }
    printf("L2 made %zu: L0 kept %zu, and handed %zu on to L1, which made %zu itself.\n",
           from_l2, from_l2 - reflected, reflected, all - from_l2);
}

void trace_totals_print(const struct kvm_events *events)
{
    size_t user[64] = {0}, interrupted = 0;

    for (size_t i = 0; i < events->count; i++) {
        const struct kvm_event *e = &events->list[i];

        if (e->kind != EVENT_USERSPACE_EXIT)
            continue;
        if (is_interrupted(e))
            interrupted++;
        else if (e->reason < 64)
            user[e->reason]++;
    }
    printf("\n%zu VM exits. Returns of KVM_RUN to your VMM:",
           kvm_events_count(events, EVENT_EXIT, KVM_EVENT_ANY));
    for (uint32_t reason = 0; reason < 64; reason++)
        if (user[reason])
            printf(" %s %zu", exit_name(reason), user[reason]);
    if (interrupted)
        printf(" EINTR %zu", interrupted);
    printf("\n");
    levels_print(events);
    shares_print(events);
}

/* What lab 07's and 08's runs have, and others mostly not. */
static void interrupts_legend_print(const struct kvm_events *events)
{
    if (kvm_events_count(events, EVENT_EXIT, SVM_EXIT_VINTR))
        printf(
            "vintr   the interrupt window: KVM had asked for an exit as soon as the guest "
            "can\n        take an interrupt (Intel: interrupt-window exit)\n");
    if (kvm_events_count(events, EVENT_INJECT, KVM_EVENT_ANY))
        printf("injects at the next VM entry the guest takes this vector (again after an "
               "npf, if\n"
               "        the exit came while it was being delivered)\n");
}

static void legend_print(const struct kvm_events *events)
{
    if (rounds_nested(events))
        printf("L2 L1   who was running when the exit came; each comes to L0 first\n"
               "answer  kernel, VMM: L0 kept it, in KVM or in your process; L1: it was "
               "handed on\n");
    else
        printf("answer  kernel: KVM dealt with it itself; VMM: KVM_RUN returned to your "
               "process\n");
    printf("took    microseconds until the guest went on (-: it did not)\n"
           "npf     nested page fault (Intel: EPT violation): a page's first use, or no "
           "slot\n"
           "<- ->   the guest writes, reads: bytes (x times): value (of a string the "
           "first);\n"
           "        all ones is what is read where no device answers\n");
    interrupts_legend_print(events);
}

/* Both ends of a long run, and what is around `at` (0: nothing). */
static bool row_wanted(size_t n, size_t count, size_t at)
{
    return count <= 2 * ROWS_MAX || n <= ROWS_MAX || n + ROWS_MAX > count ||
           (at && n + ROWS_AROUND >= at && n <= at + ROWS_AROUND);
}

void trace_text_print(const struct kvm_events *events, size_t at)
{
    size_t count = kvm_events_count(events, EVENT_EXIT, KVM_EVENT_ANY), left = 0;
    struct rounds rounds = rounds_begin(events);
    uint64_t start = events->count ? events->list[0].time_ns : 0;
    const bool nested = rounds_nested(events);
    struct round round;

    printf("    #  time ms %s     rip VM exit   answer  took us details\n",
           nested ? "   " : "");
    for (size_t n = 1; rounds_next(&rounds, &round); n++) {
        if (!row_wanted(n, count, at)) {
            left++;
            continue;
        }
        if (left)
            printf("      ... %zu more ...\n", left);
        left = 0;
        printf("%c%4zu ", n == at ? '>' : ' ', n);
        round_print(&round, start, nested);
    }
    trace_totals_print(events);
    legend_print(events);
}

/* --- what a check kept for a picture ------------------------------------------------------------ */

static void value_print(const cJSON *value)
{
    if (cJSON_IsString(value))
        print_clean(value->valuestring, strlen(value->valuestring));
    else if (cJSON_IsNumber(value))
        printf("%.0f", cJSON_GetNumberValue(value));
    else
        printf("%s", cJSON_IsTrue(value) ? "yes" : cJSON_IsFalse(value) ? "no" : "-");
}

static bool is_flat(const cJSON *value)
{
    return !cJSON_IsArray(value) && !cJSON_IsObject(value);
}

static void lists_print(const cJSON *object, int indent);

/* An item of a list: its plain members on a line, its own lists below. */
static void item_print(const cJSON *item, int number, int indent)
{
    const cJSON *member;

    printf("%*s%4d ", indent, "", number);
    if (is_flat(item))
        value_print(item);
    cJSON_ArrayForEach(member, item)
    {
        if (!is_flat(member) || (cJSON_IsString(member) && !member->valuestring[0]))
            continue;
        printf(" %s ", member->string ? member->string : "");
        value_print(member);
        printf(";");
    }
    printf("\n");
    lists_print(item, indent + 5);
}

static void lists_print(const cJSON *object, int indent)
{
    const cJSON *member, *item;

    cJSON_ArrayForEach(member, object)
    {
        int number = 1;

        if (!cJSON_IsArray(member) || !cJSON_GetArraySize(member) ||
            is_flat(cJSON_GetArrayItem(member, 0)))
            continue;
        printf("%*s%s:\n", indent, "", member->string ? member->string : "");
        cJSON_ArrayForEach(item, member)
        {
            item_print(item, number++, indent);
        }
    }
}

void view_text_print(const char *kept)
{
    const char *newline = strchr(kept, '\n');
    cJSON *json = newline ? cJSON_Parse(newline + 1) : NULL;
    const cJSON *member;

    printf("\n");
    cJSON_ArrayForEach(member, json)
    {
        if (!is_flat(member))
            continue;
        printf("%s: ", member->string);
        value_print(member);
        printf("\n");
    }
    lists_print(json, 0);
    cJSON_Delete(json);
}
