/* records.c - what the explorer reports, in words: steps, events, the path of a schedule. */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>

#include "posted_interrupt.h"

const char *actor_name(const struct schedules *s, uint32_t actor)
{
    static const char *const names[] = {"vCPU", "handler", "poster A", "poster B"};

    return s->in->actor_count > actor ? names[actor] : "?";
}

const char *function_name(uint32_t op)
{
    switch (op) {
    case LAB07_POST:
        return "pid_post";
    case LAB07_RUN:
        return "pid_run";
    case LAB07_READY:
        return "pid_ready";
    case LAB07_HALT:
        return "pid_halt";
    case LAB07_WAKEUP:
        return "pid_wakeup";
    case LAB07_SYNC:
        return "pid_sync";
    default:
        return "the guest";
    }
}

const char *state_name(uint64_t state)
{
    return state == VCPU_READY ? "READY" : state == VCPU_RUNNING ? "RUNNING" : "HALTED";
}

const char *vector_name(uint32_t vector, char text[16])
{
    if (vector == POSTED_ACTIVE_VECTOR || vector == POSTED_WAKEUP_VECTOR)
        return vector == POSTED_ACTIVE_VECTOR ? "ANV" : "WNV";
    snprintf(text, 16, "%02Xh", vector);
    return text;
}

void control_text(uint64_t control, char text[64])
{
    char nv[16];

    snprintf(text, 64, "ON %u SN %u NV %s", (unsigned)(control & 1),
             (unsigned)(control >> 1 & 1), vector_name(control >> PID_NV_SHIFT & 0xff, nv));
}

/* The fields in which control has changed. */
void control_change_text(uint64_t from, uint64_t to, char text[64])
{
    char nv[16];
    size_t n = 0;

    text[0] = 0;
    if ((from ^ to) & PID_ON)
        n += (size_t)snprintf(text + n, 64 - n, "ON %u ", (unsigned)(to & 1));
    if ((from ^ to) & PID_SN)
        n += (size_t)snprintf(text + n, 64 - n, "SN %u ", (unsigned)(to >> 1 & 1));
    if ((from ^ to) & PID_NV)
        n += (size_t)snprintf(text + n, 64 - n, "NV %s ",
                              vector_name(to >> PID_NV_SHIFT & 0xff, nv));
    if ((from ^ to) & PID_NDST)
        n += (size_t)snprintf(text + n, 64 - n, "NDST %#x ", (unsigned)(to >> 32));
    if ((from ^ to) & CONTROL_RESERVED)
        n += (size_t)snprintf(text + n, 64 - n, "reserved %#x ",
                              (unsigned)(to & CONTROL_RESERVED));
    if (n == 0)
        snprintf(text, 64, "the same");
    else if (text[n - 1] == ' ')
        text[n - 1] = 0;
}

uint64_t step_result(const struct lab07_record *r)
{
    switch (r->op) {
    case STEP_STORE:
    case STEP_EXCHANGE:
        return r->operand;
    case STEP_OR:
        return r->seen | r->operand;
    case STEP_AND:
        return r->seen & r->operand;
    case STEP_COMPARE_EXCHANGE:
        return r->seen == r->expected ? r->operand : r->seen;
    default:
        return r->seen;
    }
}

static void step_describe(const struct lab07_record *r, char *text, size_t size)
{
    static const char *const names[] = {"?",  "load", "store",           "exchange",
                                        "or", "and",  "compare-exchange"};
    const uint64_t result = step_result(r);
    char from[64], to[64];

    if (r->word == LAB07_STATE_WORD) {
        snprintf(from, sizeof from, "%s", state_name(r->seen));
        snprintf(to, sizeof to, "%s", state_name(result));
    } else if (r->word == 4) {
        control_text(r->seen, from);
        control_change_text(r->seen, result, to);
    } else {
        snprintf(from, sizeof from, "%#" PRIx64, r->seen);
        snprintf(to, sizeof to, "%#" PRIx64, result);
    }
    bool failed = r->op == STEP_COMPARE_EXCHANGE && r->seen != r->expected;
    size_t n = (size_t)snprintf(text, size, "%s ", names[r->op <= 6 ? r->op : 0]);
    n += (size_t)snprintf(text + n, size - n,
                          r->word == LAB07_STATE_WORD ? "state: "
                          : r->word == 4              ? "control: "
                                                      : "PIR[%u]: ",
                          r->word);
    snprintf(text + n, size - n, "%s%s%s%s", from, r->op == STEP_LOAD ? "" : " -> ",
             r->op == STEP_LOAD ? "" : to, failed ? " (has changed: fails)" : "");
}

void record_describe(const struct lab07_record *r, char *text, size_t size)
{
    char vector[16];

    text[0] = 0;
    switch (r->kind) {
    case LAB07_STEP:
        step_describe(r, text, size);
        break;
    case LAB07_CALL:
        if (r->op == LAB07_GUEST_WAIT || r->op == LAB07_GUEST_HLT)
            snprintf(text, size, "VM entry");
        else if (r->op == LAB07_POST)
            snprintf(text, size, "pid_post(%02Xh)", (unsigned)r->operand);
        else
            snprintf(text, size, "%s()%s", function_name(r->op),
                     r->word ? ", by the processor in the guest" : "");
        break;
    case LAB07_NOTIFY:
        snprintf(text, size, "notify(%s)", vector_name((uint32_t)r->operand, vector));
        break;
    case LAB07_WAKE:
        snprintf(text, size, "wake()");
        break;
    case LAB07_WOKEN:
        snprintf(text, size, "wakes up, state is %s", state_name(r->seen));
        break;
    case LAB07_TAKES:
        snprintf(text, size, "guest takes %02Xh", (unsigned)r->operand);
        break;
    case LAB07_PARKED:
        if (r->op == LAB07_ASLEEP)
            snprintf(text, size, "sleeps");
        break;
    default:
        break;
    }
}

/* Looks at an empty part of PIR, as such steps come in fours. */
static bool looks_at_nothing(const struct lab07_record *r)
{
    return r->kind == LAB07_STEP && r->word < 4 && r->seen == 0 &&
           (r->op == STEP_LOAD || (r->op == STEP_EXCHANGE && r->operand == 0));
}

/* One line for each step and event. */
void path_describe(const struct schedules *s, char *text, size_t size)
{
    size_t n = 0;

    text[0] = 0;
    for (uint32_t i = 0; i < s->best_length && n < size; i++) {
        const struct lab07_record *r = &s->best_path[i];
        char line[200];

        record_describe(r, line, sizeof line);
        if (!line[0])
            continue;
        if (looks_at_nothing(r)) {
            uint32_t words = 1;

            for (; i + 1 < s->best_length; i++, words++) {
                const struct lab07_record *next = &s->best_path[i + 1];

                if (next->actor != r->actor || !looks_at_nothing(next))
                    break;
            }
            if (words > 1)
                snprintf(line, sizeof line, "PIR[%u] and %u more: empty", r->word,
                         words - 1);
        }
        n +=
            (size_t)snprintf(text + n, size - n, "\n%s: %s", actor_name(s, r->actor), line);
    }
}
