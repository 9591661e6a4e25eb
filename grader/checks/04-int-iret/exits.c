/* exits.c - which events of the guest reach the VMM: the exception bitmap, mask and match. */
#include <errno.h>

#include "checks.h"

/* What the processor makes of the three fields, for a page fault (SDM 3C 25.6.3). */
static bool page_fault_exits(uint32_t bitmap, uint32_t mask, uint32_t match, uint32_t code)
{
    const bool bit = bitmap & 0x4000, equal = (code & mask) == match;

    return equal ? bit : !bit;
}

static struct exception_wish wish_random(struct judge *judge, uint32_t i)
{
    const uint32_t mask = (uint32_t)judge_random(judge) & 0x3f;
    struct exception_wish w = {.vectors = (uint32_t)judge_random(judge) & ~0x4004u,
                               .page_faults = (enum page_fault_exits)(i % 4),
                               .mask = mask,
                               .match = (uint32_t)judge_random(judge) & mask};

    if (i % 4 < 2) /* not asked for: may be anything */
        w.match = (uint32_t)judge_random(judge);
    switch (i < 24 ? 9 : i % 12) {
    case 0:
        w.vectors |= 0x4000;
        break;
    case 1:
        w.vectors |= 4;
        break;
    case 2:
    case 3:
        w.match |= 1u << judge_random_below(judge, 32);
        break;
    case 4:
        w.page_faults = (enum page_fault_exits)(4 + judge_random_below(judge, 100));
        break;
    default:
        break;
    }
    return w;
}

static bool wish_good(const struct exception_wish *w)
{
    return !(w->vectors & 0x4004) && (unsigned)w->page_faults < 4 &&
           ((unsigned)w->page_faults < 2 || (w->match | w->mask) == w->mask);
}

bool wish_page_fault(const struct exception_wish *w, uint32_t code)
{
    const bool chosen = (code & w->mask) == w->match;

    return w->page_faults == PAGE_FAULTS_EXIT ||
           (w->page_faults == PAGE_FAULTS_MATCHING && chosen) ||
           (w->page_faults == PAGE_FAULTS_OTHER && !chosen);
}

const char *const page_fault_names[] = {"STAY", "EXIT", "MATCHING", "OTHER"};

static void wish_expect(struct judge *judge, const struct lab04_exits_input *in,
                        const struct lab04_exits_output *out, uint32_t i)
{
    const struct exception_wish *w = &in->wishes[i];
    const struct vmx_controls *c = &in->controls[i];
    const bool good = wish_good(w), plain = (unsigned)w->page_faults < 2;

    CHECK(judge, out->results[i] == (good ? 0 : -EINVAL),
          "exception_exits_set() returns what the header says",
          "vectors %#x, page faults %u, mask %#x, match %#x: returned %d", w->vectors,
          w->page_faults, w->mask, w->match, out->results[i]);
    CHECK(judge, out->elsewhere[i] == 0, "no other control is touched",
          "%u bytes have changed", out->elsewhere[i]);
    if (!good) {
        CHECK(judge,
              out->bitmap[i] == c->exception_bitmap &&
                  out->mask[i] == c->page_fault_error_code_mask &&
                  out->match[i] == c->page_fault_error_code_match,
              "what is refused changes no field", "bitmap %#x, mask %#x, match %#x",
              out->bitmap[i], out->mask[i], out->match[i]);
        return;
    }
    CHECK(judge, (out->bitmap[i] & ~0x4000u) == w->vectors,
          "the bitmap has a bit for each vector that is to exit", "wanted %#x: bitmap %#x",
          w->vectors, out->bitmap[i]);
    CHECK(judge, !plain || (out->mask[i] == 0 && out->match[i] == 0),
          "mask and match are 0 where nothing is to be compared",
          "PAGE_FAULTS_%s: %#x, %#x", page_fault_names[w->page_faults], out->mask[i],
          out->match[i]);
    for (uint32_t code = 0; code < 64; code++)
        CHECK(judge,
              page_fault_exits(out->bitmap[i], out->mask[i], out->match[i], code) ==
                  wish_page_fault(w, code),
              "page faults exit as they are wished to",
              "PAGE_FAULTS_%s, mask %#x, match %#x: with bitmap %#x, mask %#x, match %#x "
              "the error code %#x %s",
              page_fault_names[w->page_faults], w->mask, w->match, out->bitmap[i],
              out->mask[i], out->match[i], code,
              wish_page_fault(w, code) ? "stays in the guest" : "exits");
}

static bool oracle_exits(const struct vmx_controls *c, const struct entry_event *e)
{
    if (e->type == 4)
        return false;
    if (e->type == 0 || e->type == 2)
        return c->pin >> (e->type == 0 ? 0 : 3) & 1;
    if (e->vector == 14)
        return page_fault_exits(c->exception_bitmap, c->page_fault_error_code_mask,
                                c->page_fault_error_code_match, e->error_code);
    return c->exception_bitmap >> e->vector & 1;
}

static void wishes_make(struct judge *judge, struct lab04_exits_input *in)
{
    in->wish_count = LAB04_WISHES;
    random_fill(judge, in->controls, sizeof in->controls);
    for (uint32_t i = 0; i < LAB04_WISHES; i++) {
        struct vmx_controls *c = &in->controls[i];

        in->wishes[i] = wish_random(judge, i);
        c->page_fault_error_code_mask &= 7;
        c->page_fault_error_code_match &=
            random_bool(judge) ? c->page_fault_error_code_mask : 7;
    }
}

static void queries_make(struct judge *judge, struct lab04_exits_input *in)
{
    in->query_count = LAB04_QUERIES;
    for (uint32_t i = 0; i < LAB04_QUERIES; i++) {
        in->queries[i] = event_good(judge, good_types[i % COUNT(good_types)]).event;
        if (i % 3 == 0)
            in->queries[i] =
                (struct entry_event){.type = 3,
                                     .vector = 14,
                                     .has_error_code = true,
                                     .error_code = (uint32_t)judge_random_below(judge, 8)};
        if (i % 16 == 1) /* its vector looks like a page fault's */
            in->queries[i] =
                (struct entry_event){.type = 4, .vector = 14, .instruction_length = 2};
    }
}

/* What event_exits() says of each query while this wish is granted. */
static void queries_expect(struct judge *judge, const struct lab04_exits_input *in,
                           const struct lab04_exits_output *out, uint32_t i)
{
    const struct vmx_controls *c = &in->controls[i];

    for (uint32_t q = 0; q < LAB04_QUERIES; q++) {
        const struct entry_event *e = &in->queries[q];
        const bool want = oracle_exits(c, e);

        CHECK(judge, out->exits[i][q] == want, "event_exits() says what the CPU will do",
              "type %u, vector %u, error code %#x; pin %#x, bitmap %#x, mask %#x, match "
              "%#x: it %s",
              e->type, e->vector, e->error_code, c->pin, c->exception_bitmap,
              c->page_fault_error_code_mask, c->page_fault_error_code_match,
              want ? "exits" : "stays in the guest");
    }
}

void bitmap_says_what_exits(struct judge *judge)
{
    static struct lab04_exits_input in;
    const struct lab04_exits_output *out;

    wishes_make(judge, &in);
    queries_make(judge, &in);
    out = part_run(judge, LAB04_EXITS, &in, sizeof in, sizeof *out);
    for (uint32_t i = 0; i < LAB04_WISHES; i++) {
        wish_expect(judge, &in, out, i);
        queries_expect(judge, &in, out, i);
    }
}
