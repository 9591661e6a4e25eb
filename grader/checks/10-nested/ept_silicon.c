/* ept_silicon.c - EPT02 on the emulated Intel CPU: it walks what the part has made. */
#include "ept_world.h"

#include <inttypes.h>

#include "judge/guest_image.h"

GUEST_IMAGE(probe, "probe.bin");

#define PATTERN_FROM 0x02000000ull /* HPAs whose content says where they are */
#define PATTERN_TO   0x04000000ull
#define PATTERN_STEP 256u
#define PROBES       300u
#define PROBE_LIST   0x100000u /* guests/probe.long64.c */
#define PROBE_ANSWER 0x180000u
#define PROBE_GPAS   (4 * MB2) /* L2-physical, above what the guest itself needs */
#define PROBE_L1     0x60000000ull

/* L2's own memory through two mappings that cancel out; and pages to be probed: small over small,
 * large over small, small over large, large over large. */
static void silicon_world_make(struct judge *judge)
{
    const uint64_t twist = 1 + random_below(judge, 255);

    world_begin(judge);
    for (uint64_t i = 0; i < 512; i++) { /* the pages of 2 MiB, in another order */
        map12(judge, i * PAGE, 1, (PROBE_L1 + (i ^ twist) * PAGE) | RWX);
        map01(judge, PROBE_L1 + (i ^ twist) * PAGE, 1,
              (SILICON_RAM_HPA + i * PAGE) | RWX | 6 << 3);
    }
    for (uint64_t i = 0; i < 512; i++)
        map01(judge, PROBE_L1 + MB2 + i * PAGE, 1,
              (PATTERN_FROM + random_below(judge, 4096) * PAGE) | random_rights(judge) |
                  6 << 3);
    for (uint64_t i = 0; i < 4; i++)
        map01(judge, PROBE_L1 + (2 + i) * MB2, 2,
              (PATTERN_FROM + (8 + random_below(judge, 8)) * MB2) | (i & 1 ? RWX : R | X) |
                  6 << 3);
    for (uint64_t i = 0; i < 512; i++)
        map12(judge, PROBE_GPAS + i * PAGE, 1,
              (PROBE_L1 + MB2 + random_below(judge, 5 * 512) * PAGE) |
                  random_rights(judge));
    map12(judge, PROBE_GPAS + MB2, 2, (PROBE_L1 + MB2) | RWX);
    map12(judge, PROBE_GPAS + 2 * MB2, 2, (PROBE_L1 + 2 * MB2) | R | W);
    map12(judge, PROBE_GPAS + 3 * MB2, 2, (PROBE_L1 + 3 * MB2) | RWX);
    op_add(judge, LAB10_FILL, 0, PROBE_GPAS + 6 * MB2);
}

static void probes_make(struct judge *judge, uint64_t list[1 + 2 * PROBES])
{
    list[0] = PROBES;
    for (uint32_t i = 0; i < PROBES; i++) {
        list[1 + 2 * i] = PROBE_GPAS + random_below(judge, 5 * 512) * PAGE +
                          PATTERN_STEP * random_below(judge, 15);
        list[2 + 2 * i] = i % 3 == 0;
    }
}

static bool record_is(const struct silicon *s, uint32_t n, uint64_t gpa)
{
    return n < s->log.record_count && s->records[n].exit_reason == VMX_EXIT_EPT_VIOLATION &&
           s->records[n].guest_physical_address == gpa;
}

/* Each probe either reaches the right bytes, or exits at its GPA. */
static void probes_expect(struct judge *judge, const struct silicon *s,
                          const uint64_t *list)
{
    const uint64_t *answers = (const uint64_t *)(const void *)s->windows[0].bytes;
    uint32_t exits = 0;

    for (uint32_t i = 0; i < PROBES; i++) {
        const uint64_t access = list[2 + 2 * i] ? W : R;
        const uint64_t gpa =
            list[1 + 2 * i] + (access == W ? 8 : 0); /* what is read stays */
        struct seen page = {0};
        const bool allowed = answer_expected(gpa, access, &page).result == NESTED_FILLED;
        const uint64_t want = access == W ? 1 : silicon_pattern(s->job.nonce, page.address);
        char last[300] = "none";

        if (exits < s->log.record_count)
            silicon_record_describe(&s->records[exits], last, sizeof last);
        if (!allowed) {
            CHECK(judge, record_is(s, exits, gpa),
                  "a hole, or a right that one of the levels withholds, is an exit",
                  "%s GPA %#" PRIx64 ": the CPU's next exit is: %s",
                  access == W ? "write to" : "read from", gpa, last);
            exits++;
            continue;
        }
        CHECK(judge, !record_is(s, exits, gpa) || answers[i] == want,
              "an access that both levels allow does not exit",
              "%s GPA %#" PRIx64 " (HPA %#" PRIx64 "): %s",
              access == W ? "write to" : "read from", gpa, page.address, last);
        CHECK(judge, answers[i] == want, "a read reaches the byte where both mappings lead",
              "read from GPA %#" PRIx64 ": %#" PRIx64 ", but at HPA %#" PRIx64
              " is %#" PRIx64,
              gpa, answers[i], page.address, want);
    }
}

void ept02_translates_on_the_cpu(struct judge *judge)
{
    const struct silicon_range ranges[] = {{SILICON_RAM_HPA, SILICON_RAM_HPA + MB2},
                                           {PATTERN_FROM, PATTERN_TO}};
    static uint64_t list[1 + 2 * PROBES];
    struct silicon *s = silicon_new(judge);
    const struct lab10_ept_output *out;
    uint64_t bad;

    silicon_world_make(judge);
    probes_make(judge, list);
    out = world_run(judge);
    CHECK(judge,
          silicon_ept_confined(out->memory, HPA, LAB10_MEMORY, world.ept.root02, ranges,
                               COUNT(ranges), &bad),
          "EPT02 leads nowhere but to pages of EPT01's",
          "its entry %#" PRIx64 " leads elsewhere (and the CPU was not started)", bad);
    silicon_guest(s, probe, GUEST_IMAGE_SIZE(probe), GUEST_LONG64);
    silicon_put(s, SILICON_RAM_HPA + PROBE_LIST, list, sizeof list);
    silicon_put(s, HPA, out->memory, LAB10_MEMORY);
    s->job.fill = (struct silicon_fill){PATTERN_FROM, PATTERN_TO, PATTERN_STEP};
    s->job.controls.ept_pointer = world.ept.root02 | EPTP_WALK_4 | EPTP_WRITE_BACK;
    s->job.actions[VMX_EXIT_EPT_VIOLATION] = SILICON_RECOVER;
    silicon_window(s, SILICON_RAM_HPA + PROBE_ANSWER, PROBES * 8);
    silicon_run_to_end(s, "a guest whose memory is translated by EPT02 gets to its end");
    probes_expect(judge, s, list);
}
