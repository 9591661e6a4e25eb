/* dirty_log.c - the dirty log on the pretended KVM: sizes, failures, bits as addresses. */
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "memory_slots.h"

#define FETCHED_AT  0x1000 /* in the pool */
#define FETCHED_TO  0x2000
#define FAILED_AT   0x3000
#define FETCH_SPARE 64 /* bytes of room that KVM does not need */

static void log_sizes_put(struct script *s)
{
    const uint64_t pages[] = {1,
                              8,
                              9,
                              63,
                              64,
                              65,
                              127,
                              128,
                              129,
                              1 + judge_random_below(s->judge, 100000),
                              1 + judge_random_below(s->judge, GPA_LIMIT / PAGE),
                              GPA_LIMIT / PAGE};

    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        uint64_t words = pages[i] / 64 + (pages[i] % 64 != 0);

        OP(s, (int64_t)(words * 8), "a dirty log is one bit a page, in whole 64-bit words",
           .kind = LAB02_LOG_BYTES, .length = pages[i] * PAGE);
    }
}

static void fetch_put(struct script *s, int64_t want, int32_t slot, uint64_t room,
                      uint32_t at)
{
    OP(s, want,
       want == 0         ? "the dirty log of a logging slot can be fetched"
       : want == -ENOENT ? "a slot that is not there has no dirty log"
                         : "no log without logging, and none that does not fit",
       .kind = LAB02_FETCH, .slot = slot, .length = room, .at = at);
    if (want == -ENOENT)
        slot_because(s, slot);
    if (want == 0)
        op_calls(s);
}

static void fetches_put(struct script *s, const struct kvm_plan *plan)
{
    const uint64_t need = plan->dirty_words * sizeof(uint64_t);
    const uint64_t small[] = {0, need - 1, need - 8};

    fetch_put(s, -ENOENT, 5, 4096, 0);
    for (int i = 0; i < NOWHERE; i++)
        fetch_put(s, -ENOENT, nowhere[i], 4096, 0);
    fetch_put(s, -EINVAL, 0, 4096, 0);
    op_because(s, "slot 0 does not log");
    for (int i = 0; i < 3; i++) {
        fetch_put(s, -EINVAL, 2, small[i], 0);
        op_because(s, "the log of slot 2 needs %" PRIu64 " bytes", need);
    }
    fetch_put(s, -EINVAL, 3, 4096, 0);
    op_because(s, "the log of slot 3 needs 4 GiB and 8 bytes");
    fetch_put(s, 0, 2, need, FETCHED_AT);
    fetch_put(s, 0, 2, need + FETCH_SPARE, FETCHED_TO);
    fetch_put(s, 0, 2, 1ull << 32, FETCHED_TO); /* so KVM needs only the beginning */
    for (uint32_t i = 0; i < 3; i++) {
        OP(s, -plan->faults[i].error, handed_on, .kind = LAB02_FETCH, .slot = 2,
           .length = need, .at = FAILED_AT);
        op_calls(s);
    }
}

/* The calls that worked were about the slot that was asked for. */
static void fetched_slots_expect(const struct script *s)
{
    for (uint32_t i = 0; i < s->in.op_count; i++) {
        const struct call *call =
            s->in.ops[i].kind == LAB02_FETCH ? op_call(s, i, 0) : NULL;

        CHECK(s->judge, !call || call->record->injected || call->record->args[2] == 2,
              "the log of the slot asked for is fetched",
              "KVM_GET_DIRTY_LOG was called for slot %" PRIu64 ", not 2",
              call ? call->record->args[2] : 0);
    }
}

void dirty_log_fetch_never_overruns(struct judge *judge)
{
    struct kvm_plan plan = plan_make();
    struct script *s = script_new(judge, 1);
    uint8_t pool[LAB02_POOL];

    plan.dirty_words = 2 + (uint32_t)judge_random_below(judge, PLAN_DIRTY - 1);
    random_fill(judge, plan.dirty, sizeof plan.dirty);
    faults_draw(judge, &plan, KVM_GET_DIRTY_LOG, (const uint32_t[]){3, 4, 5},
                (uint32_t)judge_random_below(judge, 3));
    uint64_t size = (plan.dirty_words * 64 - judge_random_below(judge, 64)) * PAGE;
    log_sizes_put(s);
    for (uint32_t i = 0; i < 3; i++) {
        OP(s, i, "slots take the entries 0, 1, 2, ... in order", .kind = LAB02_ADD,
           .gpa = i * 16 * size, .length = size,
           .flags = i == 0 ? 0 : MEMORY_SLOT_LOG_DIRTY);
        op_calls(s);
    }
    OP(s, 3, "slots take the entries 0, 1, 2, ... in order", .kind = LAB02_ADD,
       .gpa = 1ull << 50, .length = (1ull << 47) + PAGE, .flags = MEMORY_SLOT_LOG_DIRTY);
    op_calls(s);
    behind_put(s, 0, 1ull << 40, PAGE);
    fetches_put(s, &plan);
    random_fill(judge, s->in.pool, LAB02_POOL);
    memcpy(pool, s->in.pool, sizeof pool);
    memcpy(pool + FETCHED_AT, plan.dirty, plan.dirty_words * 8);
    memcpy(pool + FETCHED_TO, plan.dirty, plan.dirty_words * 8);

    script_judge(s, &plan);
    fetched_slots_expect(s);
    /* What a failed fetch left, or what lies in the room that was not needed, is free. */
    memcpy(pool + FAILED_AT, s->out->pool + FAILED_AT, plan.dirty_words * 8);
    memcpy(pool + FETCHED_TO + plan.dirty_words * 8,
           s->out->pool + FETCHED_TO + plan.dirty_words * 8, FETCH_SPARE);
    pool_expect(s, pool, false, "the bitmap is what KVM wrote, in the caller's buffer");
    far_slots_try(judge, LAB02_FETCH);
}

/* Our own list of a bitmap's pages; returns how many there are. */
static uint64_t pages_list(uint64_t gpa, uint64_t pages, const uint8_t *bitmap, uint8_t *to,
                           uint64_t max)
{
    uint64_t found = 0;

    for (uint64_t page = 0; page < pages; page++) {
        uint64_t address = gpa + page * PAGE;

        if (!(bitmap[page / 8] & 1u << page % 8))
            continue;
        if (found++ < max)
            memcpy(to + (found - 1) * 8, &address, sizeof address);
    }
    return found;
}

/* A slot, its bitmap (with bits past the end), and what is made of it with several max. */
static void pages_put(struct script *s, uint8_t *pool, uint32_t slot)
{
    const struct lab02_op add = {.gpa = ((uint64_t)slot << 33) + slot * 256 * PAGE,
                                 .length = PAGE + random_pages(s->judge, 190)};
    const uint64_t pages = add.length / PAGE;
    const uint64_t maxima[] = {slot % 2 ? pages + 64 : 1ull << 32,
                               1 + judge_random_below(s->judge, pages), 0};
    const uint32_t at = slot * 0x100;

    add_put(s, slot, "slots take the entries 0, 1, 2, ... in order", add);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t to = 0x1000 + (slot * 3 + i) * 0x800;
        uint64_t want = pages_list(add.gpa, pages, pool + at, pool + to, maxima[i]);

        OP(s, (int64_t)want, "dirty_log_pages() counts the slot's dirty pages",
           .kind = LAB02_PAGES, .slot = (int32_t)slot, .length = maxima[i], .at = at,
           .to = to);
    }
}

/* A slot of more than 4 GiB, whose bitmap does not fit into the pool: its words are filled in
 * one by one, some from 2 GiB on, some from 4 GiB on, and the last one. */
#define FAR_PAGES ((3ull << 19) + 7)
#define FAR_TO    0xc000

static void far_pages_put(struct script *s, uint8_t *pool, uint32_t slot)
{
    const struct lab02_op add = {.gpa = 1ull << 41, .length = FAR_PAGES * PAGE};
    const uint64_t words = FAR_PAGES / 64, some = judge_random_below(s->judge, 1000);
    const uint64_t places[] = {some, words / 3 + some, words * 2 / 3 + some, words};
    uint8_t *bitmap = memory_get(s->judge, (words + 1) * 8);

    add_put(s, slot, "a slot may be larger than 4 GiB", add);
    s->in.rams[1].size = 1 << 18;
    strcpy(s->in.rams[1].name, "bitmap");
    for (size_t i = 0; i < COUNT(places); i++) {
        const uint32_t at = 0x200 + (uint32_t)i * 8;

        memcpy(bitmap + places[i] * 8, pool + at, 8);
        OP(s, 0, "", .kind = LAB02_FILL, .ram = 1, .offset = places[i] * 8, .at = at,
           .length = 8);
    }
    OP(s, (int64_t)pages_list(add.gpa, FAR_PAGES, bitmap, pool + FAR_TO, LAB02_POOL),
       "dirty_log_pages() counts the slot's dirty pages", .kind = LAB02_FAR_PAGES,
       .slot = (int32_t)slot, .length = FAR_PAGES, .ram = 1, .to = FAR_TO);
}

static void no_pages_put(struct script *s, int32_t slot)
{
    OP(s, -ENOENT, "a slot that is not there has no dirty pages", .kind = LAB02_PAGES,
       .slot = slot, .length = 1, .to = 0xf000);
    slot_because(s, slot);
}

/* Every list holds the addresses that it has to. */
static void pages_expect(struct script *s)
{
    for (uint32_t i = 0; i < s->in.op_count; i++) {
        char call[160], difference[240] = "";

        if (!lists_pages(&s->in.ops[i]) || s->wants[i] < 0)
            continue;
        op_describe(&s->in.ops[i], call, sizeof call);
        pages_explain(s, i, difference, sizeof difference);
        CHECK(s->judge, !difference[0], "dirty_log_pages() stores ascending addresses",
              "%s returned %" PRId64 "%s", call, s->out->results[i], difference);
    }
}

void dirty_log_pages_are_addresses(struct judge *judge)
{
    struct script *s = script_new(judge, 1);
    const struct kvm_plan plan = plan_make();
    uint8_t pool[LAB02_POOL];

    random_fill(judge, s->in.pool, LAB02_POOL);
    memset(s->in.pool, 0, 0x100);            /* the first slot's bitmap: nothing dirty */
    memset(s->in.pool + 0x100, 0xff, 0x100); /* the second one's: everything */
    memcpy(pool, s->in.pool, sizeof pool);
    for (uint32_t slot = 0; slot < 6; slot++)
        pages_put(s, pool, slot);
    far_pages_put(s, pool, 6);
    no_pages_put(s, 7);
    no_pages_put(s, VM_SLOTS_MAX - 1);
    for (int i = 0; i < NOWHERE; i++)
        no_pages_put(s, nowhere[i]);
    behind_put(s, 0, 1ull << 40, PAGE);
    s->lists = pool;
    script_run(s, &(struct run_spec){.plan = &plan});
    results_expect(s);
    pages_expect(s);
    pool_expect(s, pool, true, "dirty_log_pages() stores ascending addresses, max at most");
    far_slots_try(judge, LAB02_PAGES);
}
