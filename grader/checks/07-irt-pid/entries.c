/* entries.c - requests, entries, and what has to become of them: the oracle of
 * irt_lookup().
 *
 * It picks fields out of a 128-bit number, by the positions in the VT-d text.
 */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>

#include "irte.h"

typedef unsigned __int128 bits128;

static bits128 entry_of(const struct lab07_request *r)
{
    return (bits128)r->high << 64 | r->low;
}

/* Bits last to first of an entry, as the VT-d text numbers them. */
static uint64_t bits_of(bits128 entry, unsigned last, unsigned first)
{
    return (uint64_t)(entry >> first & (((bits128)1 << (last - first + 1)) - 1));
}

struct bit_range {
    uint8_t last, first;
};

static const struct bit_range remapped_reserved[] = {{14, 12}, {31, 24}, {127, 84}};

static const struct bit_range xapic_reserved[] = {{39, 32}, {63, 48}};

static const struct bit_range posted_reserved[] = {{7, 2}, {13, 12}, {37, 24}, {95, 84}};

static bool any_set(bits128 entry, const struct bit_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bits_of(entry, ranges[i].last, ranges[i].first))
            return true;
    return false;
}

static bool entry_malformed(const struct lab07_request *r)
{
    const bits128 entry = entry_of(r);
    const uint64_t mode = bits_of(entry, 7, 5);

    if (bits_of(entry, 83, 82) == 3)
        return true;
    if (bits_of(entry, 15, 15))
        return any_set(entry, posted_reserved, COUNT(posted_reserved));
    return mode == 3 || mode == 6 ||
           any_set(entry, remapped_reserved, COUNT(remapped_reserved)) ||
           (!r->x2apic && any_set(entry, xapic_reserved, COUNT(xapic_reserved)));
}

static bool source_refused(const struct lab07_request *r)
{
    const bits128 entry = entry_of(r);
    const uint64_t sid = bits_of(entry, 79, 64), left_out = bits_of(entry, 81, 80);
    const uint64_t bus = r->source >> 8 & 0xff;

    if (bits_of(entry, 83, 82) == 1) {
        for (unsigned bit = 0; bit < 16; bit++) {
            bool compare = bit > 2 || bit < 3 - left_out;

            if (compare && (r->source >> bit & 1) != (sid >> bit & 1))
                return true;
        }
        return false;
    }
    return bits_of(entry, 83, 82) == 2 && (bus < sid >> 8 || bus > (sid & 0xff));
}

static uint32_t fault_expect(const struct lab07_request *r, uint32_t index,
                             bool *entry_read)
{
    *entry_read = false;
    if (!(r->address >> 4 & 1))
        return IRT_COMPATIBILITY;
    if (r->address >> 3 & 1 && r->data > 0xffff)
        return IRT_REQUEST_RESERVED;
    if (index >= r->count)
        return IRT_INDEX_TOO_LARGE;
    *entry_read = true;
    if (index != r->at || !(r->low & 1)) /* all others are empty */
        return IRT_NOT_PRESENT;
    if (entry_malformed(r))
        return IRT_ENTRY_RESERVED;
    return source_refused(r) ? IRT_SOURCE_REFUSED : IRT_OK;
}

static void decode_expect(const struct lab07_request *r, struct lab07_route *route)
{
    const bits128 entry = entry_of(r);

    route->posted = (uint32_t)bits_of(entry, 15, 15);
    route->vector = (uint32_t)bits_of(entry, 23, 16);
    if (route->posted) {
        route->urgent = (uint32_t)bits_of(entry, 14, 14);
        route->descriptor = bits_of(entry, 127, 96) << 32 | bits_of(entry, 63, 38) << 6;
        return;
    }
    route->delivery = (uint32_t)bits_of(entry, 7, 5);
    route->level = (uint32_t)bits_of(entry, 4, 4);
    route->hint = (uint32_t)bits_of(entry, 3, 3);
    route->logical = (uint32_t)bits_of(entry, 2, 2);
    route->destination =
        (uint32_t)(r->x2apic ? bits_of(entry, 63, 32) : bits_of(entry, 47, 40));
}

static struct lab07_route route_expect(const struct lab07_request *r)
{
    uint32_t handle = (r->address >> 5 & 0x7fff) + (r->address >> 2 & 1) * 0x8000;
    uint32_t index = r->address >> 3 & 1 ? handle + (r->data & 0xffff) : handle;
    struct lab07_route route = {.fault = 0};
    bool entry_read;

    route.fault = route.returned = fault_expect(r, index, &entry_read);
    route.index =
        route.fault == IRT_COMPATIBILITY || route.fault == IRT_REQUEST_RESERVED ? 0 : index;
    if (route.fault)
        route.recorded = !(entry_read && index == r->at && r->low >> 1 & 1);
    else
        decode_expect(r, &route);
    return route;
}

static const char *fault_name(uint32_t fault)
{
    switch (fault) {
    case IRT_OK:
        return "no fault";
    case IRT_REQUEST_RESERVED:
        return "20h, request reserved";
    case IRT_INDEX_TOO_LARGE:
        return "21h, index too large";
    case IRT_NOT_PRESENT:
        return "22h, not present";
    case IRT_ENTRY_RESERVED:
        return "24h, entry reserved";
    case IRT_COMPATIBILITY:
        return "25h, compatibility format";
    case IRT_SOURCE_REFUSED:
        return "26h, source refused";
    default:
        return "no known fault";
    }
}

static void request_text(const struct lab07_request *r, char text[200])
{
    snprintf(text, 200,
             "address %#x, data %#x from source %04x, table of %u (%s), entry %u: "
             "%016" PRIx64 "_%016" PRIx64,
             r->address, r->data, r->source, r->count, r->x2apic ? "x2APIC" : "xAPIC",
             r->at, r->high, r->low);
}

static const char *value_text(uint64_t value, bool flag, char text[24])
{
    if (flag && value < 2)
        return value ? "true" : "false";
    snprintf(text, 24, "%#" PRIx64, value);
    return text;
}

/* Where two results differ, by name. */
static void route_compare(struct judge *judge, const struct lab07_request *r,
                          const struct lab07_route *got, const struct lab07_route *want)
{
    const struct {
        const char *name;
        uint64_t got, want;
        bool flag;
    } fields[] = {
        {"recorded", got->recorded, want->recorded, true},
        {"index", got->index, want->index, false},
        {"posted", got->posted, want->posted, true},
        {"vector", got->vector, want->vector, false},
        {"delivery", got->delivery, want->delivery, false},
        {"logical (DM)", got->logical, want->logical, true},
        {"hint (RH)", got->hint, want->hint, true},
        {"level (TM)", got->level, want->level, true},
        {"destination", got->destination, want->destination, false},
        {"urgent", got->urgent, want->urgent, true},
        {"descriptor", got->descriptor, want->descriptor, false},
    };
    char text[200], is[24], should[24];

    request_text(r, text);
    CHECK(judge, got->returned == want->fault && got->fault == want->fault,
          "irt_lookup() finds the fault that the header's order gives",
          "%s: it returned %#x and noted %#x (%s); should be %s", text, got->returned,
          got->fault, fault_name(got->fault), fault_name(want->fault));
    for (size_t i = 0; i < COUNT(fields); i++)
        CHECK(judge, fields[i].got == fields[i].want,
              "irt_lookup() fills all of the result, 0 where a format has no such field",
              "%s (%s): %s is %s, not %s", text, fault_name(want->fault), fields[i].name,
              value_text(fields[i].got, fields[i].flag, is),
              value_text(fields[i].want, fields[i].flag, should));
}

static void requests_judge(struct judge *judge, const struct lab07_irt_input *in)
{
    const struct lab07_irt_output *out =
        part_run(judge, LAB07_IRT, in, sizeof *in, sizeof *out);

    CHECK(judge, !out->outside, "no entry past the table is read",
          "request %u (address %#x, data %#x) made irt_lookup() read past a table of %u",
          out->outside, in->requests[(out->outside - 1) % LAB07_REQUESTS].address,
          in->requests[(out->outside - 1) % LAB07_REQUESTS].data,
          in->requests[(out->outside - 1) % LAB07_REQUESTS].count);
    for (uint32_t i = 0; i < in->request_count; i++) {
        const struct lab07_route want = route_expect(&in->requests[i]);

        route_compare(judge, &in->requests[i], &out->routes[i], &want);
    }
}

static uint32_t address_of(uint32_t handle, bool subhandle, uint32_t low)
{
    return 0xfee00010u | (handle & 0x7fff) << 5 | (handle >> 15 & 1) << 2 |
           (uint32_t)subhandle << 3 | (low & 3);
}

/* One entry a table makes sure that an index is not right by accident. */
static struct lab07_request *request_new(struct judge *judge, struct lab07_irt_input *in)
{
    struct lab07_request *r = &in->requests[in->request_count++];

    r->count = LAB07_ENTRIES;
    r->at = (uint32_t)judge_random_below(judge, r->count);
    r->source = (uint32_t)judge_random(judge) & 0xffff;
    r->data = (uint32_t)judge_random(judge);
    r->x2apic = random_bool(judge);
    r->address = address_of(r->at, false, (uint32_t)judge_random(judge));
    return r;
}

/* A well-formed entry for everybody; AVAIL, which nobody looks at, is random. */
static void entry_fill(struct judge *judge, struct lab07_request *r, bool posted)
{
    static const uint8_t modes[] = {0, 1, 2, 4, 5, 7};
    uint64_t random = judge_random(judge), more = judge_random(judge);

    r->low = 1 | (random & 0xf00) | (random & 0xff0000) | (uint64_t)posted << 15;
    r->high = more & 0x3ffff; /* SID and SQ: SVT 0 does not look */
    if (posted) {
        r->low |= (random & 1ull << 14) | (random >> 38 << 38);
        r->high |= more >> 32 << 32;
        return;
    }
    r->low |= (random & 0x1c) | (uint64_t)modes[random % 6] << 5;
    r->low |= r->x2apic ? random >> 32 << 32 : (random >> 40 & 0xff) << 40;
}

/* A handle and a subhandle that together name an entry, or just miss the table. */
static void request_with_subhandle(struct judge *judge, struct lab07_request *r)
{
    static const uint32_t sums[] = {0,      1,      0xff,    0x100,   0x7fff,
                                    0x8000, 0xffff, 0x10000, 0x10001, 0x1fffe};
    uint64_t pick = judge_random_below(judge, 20);
    uint32_t sum = pick < COUNT(sums) ? sums[pick] : r->at;
    uint32_t least = sum > 0xffff ? sum - 0xffff : 0, most = sum > 0xffff ? 0xffff : sum;
    uint32_t handle = least + (uint32_t)judge_random_below(judge, most - least + 1);

    r->address = address_of(handle, true, (uint32_t)judge_random(judge));
    r->data = sum - handle;
    if (judge_random_below(judge, 8) == 0)
        r->data |= 1u << (16 + judge_random_below(judge, 16));
}

void request_names_its_entry(struct judge *judge)
{
    static struct lab07_irt_input in;
    static const uint32_t handles[] = {0, 1, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xffff};

    for (uint32_t i = 0; i < 400; i++) {
        struct lab07_request *r = request_new(judge, &in);

        if (i % 4 == 3 || i % 16 == 10)
            r->count = 1u << (1 + judge_random_below(judge, 16));
        r->at %= r->count;
        entry_fill(judge, r, random_bool(judge));
        if (i % 2)
            request_with_subhandle(judge, r);
        else if (i % 8 == 2)
            r->address = address_of(handles[judge_random_below(judge, 8)], false, i);
        else
            r->address = address_of(r->at, false, (uint32_t)judge_random(judge));
        if (i % 16 == 6)
            r->address &= ~(1u << 4);
    }
    requests_judge(judge, &in);
}

void malformed_entry_is_a_fault(struct judge *judge)
{
    static struct lab07_irt_input in;

    for (uint32_t i = 0; i < 3 * 2 * 128;
         i++) { /* each bit, in each format, both APIC modes */
        struct lab07_request *r = request_new(judge, &in);
        uint32_t bit = i / 2 % 128;

        r->x2apic = i >= 2 * 128;
        r->address = address_of(r->at, false, i);
        entry_fill(judge, r, i % 2);
        r->source &= 0x7fff;
        r->high &= ~0xffffull; /* should the bit choose a range of buses: it is in it, */
        r->high |= bit == 64 + IRTE_SVT_SHIFT ? r->source : 0xff; /* or the source itself */
        if (i >= 4 * 128) /* the fault stays, but is not recorded */
            r->low |= IRTE_FPD;
        if (bit < 64)
            r->low ^= 1ull << bit;
        else
            r->high ^= 1ull << (bit - 64);
    }
    for (uint32_t i = 0; i < 64; i++) { /* reserved values */
        struct lab07_request *r = request_new(judge, &in);

        r->address = address_of(r->at, false, i);
        entry_fill(judge, r, i & 1);
        if (i & 2 || i & 1)
            r->high |= 3ull << IRTE_SVT_SHIFT;
        else
            r->low = (r->low & ~(7ull << 5)) | (i & 4 ? 3ull : 6ull) << 5;
        if (i & 8)
            r->low ^= IRTE_P;
        if (i & 16)
            r->low ^= IRTE_FPD;
    }
    requests_judge(judge, &in);
}

/* Requests from the entry's own source, and from some that differ in one bit. */
void source_is_validated(struct judge *judge)
{
    static struct lab07_irt_input in;

    for (uint32_t i = 0; i < 900; i++) {
        struct lab07_request *r = request_new(judge, &in);
        uint32_t type = i % 9 < 6 ? 1 : i % 9 < 8 ? 2 : 0;
        uint64_t sid = judge_random(judge) & 0xffff;

        r->address = address_of(r->at, false, i);
        entry_fill(judge, r, random_bool(judge));
        if (type == 1) {
            r->source = (uint32_t)sid;
            r->source ^= i % 3 ? 1u << judge_random_below(judge, i % 3 == 1 ? 16 : 3) : 0;
        } else if (type == 2) {
            uint64_t from = judge_random_below(judge, 250);
            uint64_t to = from + judge_random_below(judge, 6);

            sid = from << 8 | to;
            if (i % 9 == 7) /* from above to: no bus lies in this range */
                sid = (to + 1) << 8 | from;
            r->source = (uint32_t)((from + judge_random_below(judge, 8) - 1) & 0xff) << 8 |
                        (r->source & 0xff);
        }
        r->high = (r->high & ~0xfffffull) | sid | judge_random_below(judge, 4) << 16 |
                  (uint64_t)type << IRTE_SVT_SHIFT;
        if (i % 7 == 0)
            r->low |= IRTE_FPD;
    }
    requests_judge(judge, &in);
}

void entry_is_decoded(struct judge *judge)
{
    static struct lab07_irt_input in;

    for (uint32_t i = 0; i < 400; i++) {
        struct lab07_request *r = request_new(judge, &in);

        r->address = address_of(r->at, false, i);
        entry_fill(judge, r, i % 2);
        if (i % 4 == 0)
            r->low |= IRTE_FPD;
    }
    requests_judge(judge, &in);
}
