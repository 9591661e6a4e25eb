/* patching.c - INT and IRET in the guest's text become OUTs: those that are named, no others. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "checks.h"

/* Text full of bytes that look like INT and IRET; some of them are. */
static void text_make(struct judge *judge, struct lab04_patch *p, unsigned sites)
{
    static const uint8_t likely[] = {0xcd, 0x48, 0xcf, 0xe6, 0x80};
    unsigned at = 0;

    for (unsigned i = 0; i < LAB04_TEXT; i++)
        p->text[i] = random_bool(judge) ? likely[judge_random_below(judge, 5)]
                                        : (uint8_t)judge_random(judge);
    p->text_at = LAB04_TEXT_SLOT + judge_random_below(judge, LAB04_ROM - 1 - LAB04_TEXT);
    p->site_count = sites;
    for (unsigned i = 0; i < sites; i++) {
        at += (unsigned)judge_random_below(judge, LAB04_TEXT / (sites + 1) - 2);
        p->sites[i] = p->text_at + at;
        p->text[at] = random_bool(judge) ? 0x48 : 0xcd;
        p->text[at + 1] = p->text[at] == 0x48 ? 0xcf : (uint8_t)judge_random(judge);
        if (p->text[at + 1] == 0x7e)
            p->text[at + 1] = 0xcf;
        at += 2;
    }
    /* In no particular order. */
    for (unsigned i = sites; i > 1; i--) {
        unsigned j = (unsigned)judge_random_below(judge, i);
        uint64_t site = p->sites[i - 1];

        p->sites[i - 1] = p->sites[j];
        p->sites[j] = site;
    }
}

static uint8_t *site_bytes(struct lab04_patch *p, unsigned site)
{
    return p->text + (p->sites[site] - p->text_at);
}

enum {
    BAD_NO_SITES,
    BAD_SAME,
    BAD_ONE_HIGHER,
    BAD_ONE_LOWER,
    BAD_BELOW_MEMORY,
    BAD_HALF_BEHIND,
    BAD_OTHER_OPCODE,
    BAD_OTHER_48,
    BAD_OTHER_CF,
    BAD_PATCHED,
    BAD_7E,
    BAD_PORT_TAKEN,
    BAD_BUS_FULL,
    BAD_READ_ONLY,
    BAD_HALF_READ_ONLY,
    /* Two are bad: which one counts? */
    BAD_TWO,
    BAD_TWO_HALF_BEHIND,
    BAD_TWO_READ_ONLY,
    BAD_READ_ONLY_BUS_FULL,
    PATCH_SPOILS,
};

static void opcode_spoil(struct lab04_patch *p, unsigned site, uint8_t first,
                         uint8_t second)
{
    site_bytes(p, site)[0] = first;
    site_bytes(p, site)[1] = second;
}

/* What is not at a place of the text, but elsewhere in memory: there all bytes are CDh. */
static void site_move(struct lab04_patch *p, unsigned site, uint64_t at)
{
    p->sites[site] = LAB04_TEXT_SLOT + at;
}

/* Read-only memory, and requests of which two things are wrong. */
static int patch_spoil_late(struct judge *judge, struct lab04_patch *p, unsigned how)
{
    const unsigned last = p->site_count - 1;

    switch (how) {
    case BAD_TWO_HALF_BEHIND:
        site_bytes(p, last)[0] = 0xcc;
        site_move(p, 0, LAB04_RAM - 1);
        return -EFAULT;
    case BAD_READ_ONLY_BUS_FULL:
        p->occupied = DEVICE_BUS_MAX; /* fall through */
    case BAD_READ_ONLY:
        site_move(p, last,
                  LAB04_ROM + judge_random_below(judge, LAB04_RAM - LAB04_ROM - 1));
        return -EROFS;
    case BAD_HALF_READ_ONLY:
        site_move(p, last, LAB04_ROM - 1);
        return -EROFS;
    case BAD_TWO_READ_ONLY: /* all are looked at before it comes to writing */
        site_move(p, 0, LAB04_ROM);
        site_bytes(p, last)[0] = 0xcc;
        return -EILSEQ;
    default: /* the first in the list */
        p->sites[last] = 8;
        site_bytes(p, 0)[0] = 0xcc;
        return -EILSEQ;
    }
}

/* Makes a request that has to be refused; returns how. */
static int patch_spoil(struct judge *judge, struct lab04_patch *p, unsigned how)
{
    const unsigned site = (unsigned)judge_random_below(judge, p->site_count);

    switch (how) {
    case BAD_NO_SITES:
        p->site_count = 0;
        return -EINVAL;
    case BAD_SAME:
    case BAD_ONE_HIGHER:
        p->sites[p->site_count++] = p->sites[site] + (how == BAD_ONE_HIGHER);
        return -EINVAL;
    case BAD_ONE_LOWER: /* and no third that touches both */
        p->sites[1] = p->sites[0] - 1;
        p->site_count = 2;
        return -EINVAL;
    case BAD_BELOW_MEMORY:
        site_move(p, site, ~judge_random_below(judge, 2));
        return -EFAULT;
    case BAD_HALF_BEHIND:
        site_move(p, site, LAB04_RAM - 1);
        return -EFAULT;
    case BAD_OTHER_OPCODE:
        opcode_spoil(p, site, random_bool(judge) ? 0xcc : 0xce,
                     (uint8_t)judge_random(judge));
        return -EILSEQ;
    case BAD_OTHER_48:
        opcode_spoil(p, site, 0x48, random_bool(judge) ? 0xcd : 0x80);
        return -EILSEQ;
    case BAD_OTHER_CF: /* IRET with another REX prefix */
        opcode_spoil(p, site, (uint8_t)(0x49 + judge_random_below(judge, 7)), 0xcf);
        return -EILSEQ;
    case BAD_PATCHED:
        site_bytes(p, site)[0] = 0xe6;
        return -EILSEQ;
    case BAD_7E:
        opcode_spoil(p, site, 0xcd, 0x7e);
        return -ENOTSUP;
    case BAD_PORT_TAKEN:
        p->occupied = 1;
        return -EEXIST;
    case BAD_BUS_FULL:
        p->occupied = DEVICE_BUS_MAX;
        return -ENOSPC;
    default:
        return patch_spoil_late(judge, p, how);
    }
}

#define PATCH_GOOD 12

static void patch_text_expect(struct judge *judge, struct lab04_patch *p,
                              const struct lab04_patch_result *r, bool patched)
{
    static bool is_site[LAB04_TEXT];

    memset(is_site, 0, sizeof is_site);
    for (unsigned i = 0; patched && i < p->site_count; i++) {
        uint64_t at = p->sites[i] - p->text_at;

        is_site[at] = true;
        CHECK(
            judge, r->text[at] == 0xe6 && r->text[at + 1] == p->text[at + 1],
            "each site becomes an OUT of the same length, with the second byte as its port",
            "%02x %02x became %02x %02x", p->text[at], p->text[at + 1], r->text[at],
            r->text[at + 1]);
    }
    for (unsigned at = 0; at < LAB04_TEXT; at++) {
        if (is_site[at]) {
            at++;
            continue;
        }
        CHECK(judge, r->text[at] == p->text[at],
              patched ? "bytes that are no site stay as they are, whatever they look like"
                      : "a call that fails patches nothing",
              "byte %02x of the text (offset %u) became %02x", p->text[at], at,
              r->text[at]);
    }
    CHECK(judge, r->elsewhere == 0, "nothing outside the text is written",
          "%u bytes have changed", r->elsewhere);
}

static void patch_sites_expect(struct judge *judge, struct lab04_patch *p,
                               const struct lab04_patch_result *r)
{
    CHECK(judge,
          r->site_count == p->site_count && r->devices == 1 && r->device_base == 0 &&
              r->device_length == 256,
          "all sites are kept, and a device for ports 0 to FFh is on the bus",
          "%u sites given, count %u; %u devices, base %#" PRIx64 ", %" PRIu64 " ports",
          p->site_count, r->site_count, r->devices, r->device_base, r->device_length);
    for (unsigned i = 0; i < p->site_count; i++) {
        const uint8_t *bytes = site_bytes(p, i);
        const struct trap_site *seen = NULL;

        for (unsigned k = 0; k < r->site_count; k++)
            if (r->sites[k].gpa == p->sites[i])
                seen = &r->sites[k];
        CHECK(judge, seen && seen->is_iret == (bytes[0] == 0x48), "a site is INT or IRET",
              "%02x %02x: %s", bytes[0], bytes[1],
              !seen           ? "not among traps->sites"
              : seen->is_iret ? "taken for IRET"
                              : "taken for INT");
        CHECK(judge, seen->is_iret || seen->vector == bytes[1], "a site has its vector",
              "%02x %02x: vector is %#x", bytes[0], bytes[1], seen->vector);
    }
}

void only_named_sites_are_patched(struct judge *judge)
{
    static struct lab04_patch_input in;
    int results[LAB04_PATCHES] = {0};

    in.count = PATCH_GOOD + PATCH_SPOILS + 2;
    for (unsigned i = 0; i < in.count; i++)
        text_make(judge, &in.patches[i],
                  i == 0 ? TRAP_SITES_MAX : 2 + (unsigned)judge_random_below(judge, 20));
    for (unsigned i = 0; i < PATCH_SPOILS; i++)
        results[PATCH_GOOD + i] = patch_spoil(judge, &in.patches[PATCH_GOOD + i], i);
    /* One site too many; sites that touch are no overlap; and INT 7Fh is like others. */
    text_make(judge, &in.patches[in.count - 2], TRAP_SITES_MAX + 1);
    results[in.count - 2] = -EINVAL;
    struct lab04_patch *touching = &in.patches[in.count - 1];
    touching->site_count = 2;
    touching->text_at = LAB04_TEXT_SLOT + 0x3000 - 101; /* the first is in two slots */
    touching->sites[0] = touching->text_at + 100;
    touching->sites[1] = touching->text_at + 102;
    memcpy(site_bytes(touching, 0), "\xcd\x7f\x48\xcf", 4);

    const struct lab04_patch_output *out =
        part_run(judge, LAB04_PATCH, &in, sizeof in, sizeof *out);
    for (unsigned i = 0; i < in.count; i++) {
        const struct lab04_patch_result *r = &out->results[i];

        CHECK(judge, r->result == results[i],
              "int_traps_install() returns what the header says",
              "request %u (%u sites): it returned %d, not %s%s", i,
              in.patches[i].site_count, r->result, results[i] ? "-" : "",
              result_name(results[i]));
        patch_text_expect(judge, &in.patches[i], r, results[i] == 0);
        if (results[i] == 0)
            patch_sites_expect(judge, &in.patches[i], r);
        else
            CHECK(judge, r->site_count == 0 && r->devices == in.patches[i].occupied,
                  "a call that fails leaves no site and no device",
                  "after -%s: traps->count %u, %u devices on the bus",
                  result_name(results[i]), r->site_count, r->devices);
    }
}
