/* events.c - events that the VMM sends into a guest: good ones, and those that the processor
 * would refuse. */
#include <errno.h>
#include <stdio.h>

#include "checks.h"

bool oracle_has_code(const struct lab04_event *e)
{
    static const uint8_t with[] = {8, 10, 11, 12, 13, 14, 17};

    for (unsigned i = 0; i < sizeof with; i++)
        if (e->event.type == 3 && e->event.vector == with[i])
            return e->guest.cr0 & 1;
    return false;
}

static bool oracle_vector_good(const struct entry_event *e)
{
    switch (e->type) {
    case 0:
    case 4:
        return e->vector < 256;
    case 2:
        return e->vector == 2;
    case 3:
        return e->vector < 32 && e->vector != 2;
    case 5:
        return e->vector == 1;
    case 6:
        return e->vector == 3 || e->vector == 4;
    default:
        return false;
    }
}

static int oracle_event(const struct lab04_event *e)
{
    const struct entry_event *v = &e->event;
    const bool instruction = v->type >= 4;
    const uint32_t blocked = e->guest.interruptibility_state;

    if (!oracle_vector_good(v) || v->has_error_code != oracle_has_code(e) ||
        (v->has_error_code && v->error_code >> 16))
        return -EINVAL;
    if (instruction ? v->instruction_length < 1 || v->instruction_length > 15
                    : v->instruction_length != 0)
        return -EINVAL;
    if (v->type == 0 && (!(e->guest.rflags & 0x200) || (blocked & 3)))
        return -EAGAIN;
    return v->type == 2 && (blocked & 11) ? -EAGAIN : 0;
}

struct lab04_event event_good(struct judge *judge, uint32_t type)
{
    static const uint32_t vectors[] = {0, 0, 2, 0, 0, 1, 3, 0};
    struct lab04_event e = {
        .event = {.type = type, .vector = vectors[type]},
        .guest = {.cr0 =
                      (judge_random(judge) & ~1ull) | (judge_random_below(judge, 4) != 0),
                  .rflags = judge_random(judge) | 0x200,
                  .interruptibility_state = (uint32_t)judge_random(judge) & ~11u}};

    if (type == 0 || type == 4)
        e.event.vector = (uint32_t)judge_random_below(judge, 256);
    if (type == 3)
        do
            e.event.vector = (uint32_t)judge_random_below(judge, 32);
        while (e.event.vector == 2);
    if (type == 6)
        e.event.vector += random_bool(judge);
    if (type >= 4)
        e.event.instruction_length = 1 + (uint32_t)judge_random_below(judge, 15);
    e.event.has_error_code = oracle_has_code(&e);
    e.event.error_code = (uint32_t)judge_random_below(judge, 0x10000);
    if (!e.event.has_error_code && random_bool(judge))
        e.event.error_code = (uint32_t)judge_random(judge); /* ignored */
    if (type != 0) /* these blockings are nothing to them */
        e.guest.rflags ^= random_bool(judge) ? 0x200 : 0;
    if (type >= 3)
        e.guest.interruptibility_state |= (uint32_t)judge_random_below(judge, 16);
    if (type == 0 && random_bool(judge))
        e.guest.interruptibility_state |= BLOCKING_BY_NMI;
    return e;
}

static void event_spoil(struct judge *judge, struct lab04_event *e, unsigned how)
{
    switch (how) {
    case 0:
        e->event = (struct entry_event){.type = random_bool(judge) ? 1 : 7};
        break;
    case 1:
        e->event.type = 8 + (uint32_t)judge_random_below(judge, 8);
        break;
    case 2:
        e->event.vector = (uint32_t)judge_random_below(judge, 300);
        break;
    case 3:
        e->event.has_error_code = !e->event.has_error_code;
        break;
    case 4:
        do
            *e = event_good(judge, 3);
        while (!e->event.has_error_code);
        e->event.error_code |=
            1u << (16 + (random_bool(judge) ? 0 : judge_random_below(judge, 16)));
        break;
    case 5:
        e->event.instruction_length =
            random_bool(judge) ? 0 : 16 + (uint32_t)judge_random_below(judge, 3);
        break;
    case 6:
        e->event.instruction_length ^= 1u << judge_random_below(judge, 5);
        break;
    case 7:
        e->guest.cr0 ^= 1;
        break;
    case 8:
        e->guest.rflags &= ~0x200ull;
        break;
    default:
        e->guest.interruptibility_state |= 1u << judge_random_below(judge, 4);
    }
}

const uint32_t good_types[] = {0, 2, 3, 3, 4, 5, 6};

void event_describe(const struct lab04_event *e, char text[200])
{
    snprintf(text, 200,
             "type %u, vector %u, %s (%#x), length %u; guest: CR0.PE %u, IF %u, "
             "interruptibility %#x",
             e->event.type, e->event.vector,
             e->event.has_error_code ? "error code" : "no error code", e->event.error_code,
             e->event.instruction_length, (unsigned)(e->guest.cr0 & 1),
             (unsigned)(e->guest.rflags >> 9 & 1), e->guest.interruptibility_state);
}

static void event_expect(struct judge *judge, const struct lab04_events_input *in,
                         uint32_t i, const struct lab04_event_result *r)
{
    const struct lab04_event *e = &in->events[i];
    const int want = oracle_event(e);
    uint32_t info = 0x80000000u | e->event.type << 8 | e->event.vector |
                    (uint32_t)e->event.has_error_code << 11;
    uint32_t code = e->event.has_error_code ? e->event.error_code : 0;
    uint32_t length = e->event.instruction_length;
    char what[200];

    event_describe(e, what);
    CHECK(judge, r->result == want,
          "good events are taken, others refused with their reason",
          "%s: returned %d, not %s%s", what, r->result, want ? "-" : "", result_name(want));
    if (want) {
        info = in->controls.entry_interruption_info;
        code = in->controls.entry_exception_error_code;
        length = in->controls.entry_instruction_length;
    }
    CHECK(judge,
          r->info == info && r->error_code == code && r->instruction_length == length,
          want ? "what is refused changes no field" : "the three fields of the VM entry",
          "%s: info %#x, error code %#x, length %u; not %#x, %#x, %u", what, r->info,
          r->error_code, r->instruction_length, info, code, length);
    CHECK(judge, r->elsewhere == 0, "no other control is touched",
          "%s: %u bytes have changed", what, r->elsewhere);
}

/* A good exception in protected mode: each in turn, so that none is left to luck. */
static struct lab04_event exception_good(struct judge *judge, uint32_t number)
{
    const uint32_t vector = number % 31 + (number % 31 >= 2); /* 2 is no exception */
    struct lab04_event e;

    do
        e = event_good(judge, 3);
    while (e.event.vector != vector || !(e.guest.cr0 & 1));
    return e;
}

static void events_judge(struct judge *judge, bool spoil)
{
    static struct lab04_events_input in;

    random_fill(judge, &in.controls, sizeof in.controls);
    for (; in.count < LAB04_EVENTS_MAX; in.count++) {
        struct lab04_event *e = &in.events[in.count];

        *e = event_good(judge, good_types[judge_random_below(judge, COUNT(good_types))]);
        if (in.count % 20 == 3) /* spoilt, it is the one whose error code is wrong */
            *e = exception_good(judge, in.count / 20);
        if (spoil)
            event_spoil(judge, e, in.count % 10);
        if (spoil && random_bool(judge)) /* -EINVAL comes before -EAGAIN */
            event_spoil(judge, e, 8 + (unsigned)judge_random_below(judge, 2));
    }
    const struct lab04_events_output *out =
        part_run(judge, LAB04_EVENTS, &in, sizeof in, sizeof *out);
    for (uint32_t i = 0; i < in.count; i++)
        event_expect(judge, &in, i, &out->results[i]);
}

void good_events_are_encoded(struct judge *judge)
{
    events_judge(judge, false);
}

void bad_events_are_refused(struct judge *judge)
{
    events_judge(judge, true);
}
