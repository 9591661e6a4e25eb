/* slots.c - slots: which ones are refused, which entries they fill, what KVM hears of
 * them.
 */
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "memory_slots.h"

#define OVERLAP_VMS 12

#define RAM_AT_MAX 0x1000 /* pages: how far into the RAM a slot's made-up hva may lie */

void bad_arguments_are_refused(struct judge *judge)
{
    static const char asked[] = "memory_slot_add() refuses what cannot be a slot";
    const uint64_t gpa = random_pages(judge, 1u << 20),
                   size = PAGE + random_pages(judge, 8);
    const uint64_t odd = 1 + judge_random_below(judge, PAGE - 1);
    const uint32_t flag = 4u << judge_random_below(judge, 30);
    const struct kvm_plan plan = plan_make();
    const struct {
        struct lab02_op op;
        const char *because;
    } bad[] = {
        {{.gpa = gpa, .length = 0}, "the size is 0"},
        {{.gpa = gpa + odd, .length = size}, "gpa is no multiple of the page size"},
        {{.gpa = gpa + PAGE / 2, .length = size}, "gpa is no multiple of the page size"},
        {{.gpa = gpa, .length = size + odd}, "size is no multiple of the page size"},
        {{.gpa = gpa, .length = odd}, "size is no multiple of the page size"},
        {{.gpa = gpa, .length = size, .offset = odd}, "hva is not page-aligned"},
        {{.gpa = gpa, .length = size, .offset = PAGE / 2}, "hva is not page-aligned"},
        {{.gpa = gpa, .length = size, .ram = LAB02_NO_RAM}, "hva is NULL"},
        {{.gpa = gpa, .length = size, .flags = flag}, "the flag is unknown"},
        {{.gpa = gpa, .length = size, .flags = flag | MEMORY_SLOT_READONLY},
         "one of the flags is unknown"},
        {{.gpa = gpa, .length = size, .flags = 1u << 31 | MEMORY_SLOT_LOG_DIRTY},
         "one of the flags is unknown"},
    };
    struct script *s = script_new(judge, 1);

    /* Twice: the second time a slot is in the way, which must not change the answer. */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            op_put(s, -EINVAL, asked, bad[i].op);
            op_because(s, "%s", bad[i].because);
        }
        if (round == 0)
            add_put(s, 0, "memory_slot_add() takes a good range in the first entry",
                    (struct lab02_op){.gpa = gpa, .length = size, .offset = PAGE});
    }
    mirror_put(s);
    script_judge(s, &plan);
}

void slots_end_at_the_gpa_limit(struct judge *judge)
{
    const uint64_t some = PAGE + random_pages(judge, 1000), more = some + PAGE;
    const struct kvm_plan plan = plan_make();
    const struct {
        uint64_t gpa, size;
    } cases[] = {
        {GPA_LIMIT - PAGE, PAGE},
        {GPA_LIMIT - some, some},
        {0, GPA_LIMIT},
        {some, more},
        {GPA_LIMIT - some, more},
        {GPA_LIMIT, PAGE},
        {GPA_LIMIT + some, PAGE},
        {0, GPA_LIMIT + PAGE},
        {-PAGE, PAGE},
        {-some, more}, /* the sum is one page */
        {-some, some}, /* the sum is 0 */
        {some, -some},
        {more, -some},
        {GPA_LIMIT - some, -PAGE},
        {1ull << 63, 1ull << 63},
    };
    struct script *s = script_new(judge, sizeof cases / sizeof cases[0]);

    for (uint32_t i = 0; i < s->in.vm_count; i++) {
        bool fits = (unsigned __int128)cases[i].gpa + cases[i].size <= GPA_LIMIT;

        OP(s, fits ? WANT_SLOT : -EINVAL,
           fits ? "a slot may end at GPA_LIMIT"
                : "no slot passes GPA_LIMIT or wraps around",
           .kind = LAB02_ADD, .vm = i, .gpa = cases[i].gpa, .length = cases[i].size);
        op_because(s, "it ends at gpa + size, which is %s than %#llx",
                   fits ? "not more" : "more", GPA_LIMIT);
        if (fits)
            op_calls(s);
    }
    script_judge(s, &plan);
}

/* Whoever looks at an entry 16 of a table of 16 finds a slot there. */
void behind_put(struct script *s, uint32_t vm, uint64_t gpa, uint64_t size)
{
    s->in.behind[vm] =
        (struct lab02_slot){.gpa = gpa, .size = size, .flags = MEMORY_SLOT_LOG_DIRTY};
}

/* A range that was accepted: which units it has, and by which operation. */
struct accepted {
    uint64_t mask;
    uint32_t op;
};

/* Removes one of the first slots that are there; 1 if there was one. */
static int overlap_removed_put(struct script *s, uint32_t vm, struct accepted *ranges,
                               uint64_t *taken)
{
    struct accepted *range = &ranges[judge_random_below(s->judge, 4)];

    if (range->mask == 0)
        return 0;
    given_remove_put(s, vm, range->op);
    *taken &= ~range->mask;
    range->mask = 0;
    return 1;
}

/* Random ranges in one VM, in units of a page, of 2 MiB or of 1 TiB; 64 units are one word,
 * so that "do they overlap?" is an AND. */
static void overlaps_put(struct script *s, uint32_t vm)
{
    static const uint64_t units[] = {PAGE, 2u << 20, 1ull << 40};
    const uint64_t unit = units[judge_random_below(s->judge, 3)];
    const uint64_t base = judge_random_below(s->judge, GPA_LIMIT / unit - 64) * unit;
    struct accepted ranges[VM_SLOTS_MAX] = {{0}};
    uint64_t taken = 0;

    for (int i = 0, used = 0; i < 30 && used < VM_SLOTS_MAX - 1; i++) {
        /* Entries become free in the middle; what follows may overlap any that is left. */
        if (i % 10 == 9)
            used -= overlap_removed_put(s, vm, ranges, &taken);
        uint64_t length = 1 + judge_random_below(s->judge, 7);
        uint64_t first = judge_random_below(s->judge, 64 - length);
        uint64_t mask = ((1ull << length) - 1) << first, shared = taken & mask;

        OP(s, shared ? -EEXIST : WANT_SLOT,
           shared ? "a range that shares a page with a slot is refused"
                  : "ranges that share no page do not overlap, even if they touch",
           .kind = LAB02_ADD, .vm = vm, .gpa = base + first * unit,
           .length = length * unit);
        if (shared)
            op_because(s, "the page at gpa %#" PRIx64 " is in another slot already",
                       base + (uint64_t)__builtin_ctzll(shared) * unit);
        else
            op_because(s, "no page of it is in another slot");
        used += !shared;
        taken |= shared ? 0 : mask;
        for (int n = 0; !shared; n++)
            if (ranges[n].mask == 0) {
                ranges[n] = (struct accepted){mask, s->in.op_count - 1};
                break;
            }
    }
    behind_put(s, vm, base, 64 * unit);
}

void slots_may_touch_but_not_overlap(struct judge *judge)
{
    struct script *s = script_new(judge, OVERLAP_VMS);
    const struct kvm_plan plan = plan_make();

    for (uint32_t vm = 0; vm < OVERLAP_VMS; vm++)
        overlaps_put(s, vm);
    script_run(s, &(struct run_spec){.plan = &plan});
    results_expect(s);
}

/* --- which entry, and what KVM hears ------------------------------------------------ */

/* Sixteen and more areas that do not overlap, for slots of up to 16 pages, and of up to 16 pages
 * more than 4, 8 and 12 GiB. */
#define AREAS     20
#define AREA_SIZE (1ull << 35)

static struct lab02_op slot_in_area(struct judge *judge, uint64_t area)
{
    return (struct lab02_op){
        .gpa = (1ull << 40) + area * AREA_SIZE + random_pages(judge, 16),
        .length = PAGE + random_pages(judge, 16) + (judge_random_below(judge, 4) << 32),
        .offset = random_pages(judge, RAM_AT_MAX),
        .flags = (uint32_t)judge_random_below(judge, 4),
    };
}

void slots_fill_the_entries_in_order(struct judge *judge)
{
    static const char in_order[] = "slots take the entries 0, 1, 2, ... in order";
    static const char first_reason[] =
        "of several reasons, the first in the contract counts";
    const uint64_t turn = judge_random_below(judge, VM_SLOTS_MAX);
    struct script *s = script_new(judge, 1);
    const struct kvm_plan plan = plan_make();

    s->in.stdin_closed = 1; /* 0 is a descriptor like any other */

    /* In an order of addresses that is not the order of entries. */
    for (uint32_t i = 0; i < VM_SLOTS_MAX; i++)
        add_put(s, i, in_order, slot_in_area(judge, (i * 5 + turn) % VM_SLOTS_MAX));
    mirror_put(s);
    OP(s, -ENOSPC, "a 17th slot is refused", .kind = LAB02_ADD,
       .gpa = slot_in_area(judge, VM_SLOTS_MAX).gpa, .length = PAGE);
    OP(s, -EEXIST, first_reason, .kind = LAB02_ADD, .gpa = s->slots[3].guest_phys_addr,
       .length = PAGE);
    OP(s, -EINVAL, first_reason, .kind = LAB02_ADD, .gpa = s->slots[3].guest_phys_addr);
    mirror_put(s);
    script_judge(s, &plan);
}

const int32_t nowhere[NOWHERE] = {VM_SLOTS_MAX, -1, VM_SLOTS_MAX + 1};

/* Is the slot in use after the last operation? */
static bool slot_is_used(const struct script *s, int32_t slot)
{
    return slot >= 0 && slot < VM_SLOTS_MAX && s->slots[slot].memory_size != 0;
}

void slot_because(struct script *s, int32_t slot)
{
    if (slot < 0 || slot >= VM_SLOTS_MAX)
        op_because(s, "there are slots 0 to %d", VM_SLOTS_MAX - 1);
    else
        op_because(s, "slot %d is %s use", slot, slot_is_used(s, slot) ? "in" : "not in");
}

/* The entries of these numbers would lie far from vm: who looks there is ended by a signal.
 * Hence a run of their own, of which the report can say what was asked for. */
void far_slots_try(struct judge *judge, uint32_t kind)
{
    static const char asked[] = "a slot number may be anything; no such slot is -ENOENT";
    static const int32_t far[] = {INT32_MAX, INT32_MIN};
    const struct kvm_plan plan = plan_make();
    struct script *s = script_new(judge, 1);
    struct run_spec spec;
    char calls[2][160];

    for (int i = 0; i < 2; i++) {
        OP(s, -ENOENT, asked, .kind = kind, .slot = far[i], .length = 1);
        slot_because(s, far[i]);
        op_describe(&s->in.ops[i], calls[i], sizeof calls[i]);
    }
    spec = script_spec(s, &(struct run_spec){.plan = &plan});
    s->e = judge_run_any_end(judge, &spec);
    CHECK(judge, s->e->complete && s->e->header.output_size >= answer_size(s), asked,
          "%s, then %s: it did not return (%s)", calls[0], calls[1],
          s->e->end.outcome == RUN_SIGNALLED ? strsignal(s->e->end.status) : "no signal");
    s->out = (const void *)s->e->answer;
    objects_expect(s);
    results_expect(s);
}

static void remove_put(struct script *s, int32_t slot)
{
    bool used = slot_is_used(s, slot);

    OP(s, used ? 0 : -ENOENT,
       used ? "a slot in use can be removed" : "only a slot in use can be removed",
       .kind = LAB02_REMOVE, .slot = slot);
    slot_because(s, slot);
    if (used)
        op_tells(s, (struct kvm_userspace_memory_region){.slot = (uint32_t)slot});
}

/* Adds a slot somewhere where none is; the oracle for the entry: the first 0 in a row. */
static void add_anywhere_put(struct script *s)
{
    uint64_t area = judge_random_below(s->judge, AREAS);
    bool taken = false;
    uint32_t entry = 0;

    for (int i = 0; i < VM_SLOTS_MAX; i++)
        taken |= s->slots[i].memory_size != 0 &&
                 (s->slots[i].guest_phys_addr - (1ull << 40)) / AREA_SIZE == area;
    while (entry < VM_SLOTS_MAX && s->slots[entry].memory_size)
        entry++;
    if (!taken && entry < VM_SLOTS_MAX)
        add_put(s, entry, "a new slot takes the lowest free entry",
                slot_in_area(s->judge, area));
}

void removed_slots_are_free_again(struct judge *judge)
{
    struct script *s = script_new(judge, 1);
    const struct kvm_plan plan = plan_make();

    behind_put(s, 0, 1ull << 30, PAGE);
    remove_put(s, 0);
    for (int i = 0; i < 200; i++) {
        if (judge_random_below(judge, 5) < 3)
            add_anywhere_put(s);
        else
            remove_put(s, (int32_t)judge_random_below(judge, VM_SLOTS_MAX));
        if (i % 50 == 10) {
            remove_put(s, nowhere[i / 50 % NOWHERE]);
            mirror_put(s);
        }
    }
    script_judge(s, &plan);
    far_slots_try(judge, LAB02_REMOVE);
}

/* --- changing flags ----------------------------------------------------------------- */

static void log_dirty_put(struct script *s, int32_t slot, bool enable)
{
    bool used = slot_is_used(s, slot);
    struct kvm_userspace_memory_region region = {0};

    OP(s, used ? 0 : -ENOENT,
       used ? "logging can be switched for every slot" : "only a slot in use can log",
       .kind = LAB02_LOG_DIRTY, .slot = slot, .length = enable);
    slot_because(s, slot);
    if (!used)
        return;
    region = s->slots[slot];
    region.flags = (region.flags & MEMORY_SLOT_READONLY) | (enable ? 1 : 0);
    if (region.flags != s->slots[slot].flags)
        op_tells(s, region);
}

void log_dirty_changes_one_flag(struct judge *judge)
{
    struct script *s = script_new(judge, 1);
    const struct kvm_plan plan = plan_make();

    log_dirty_put(s, 0, true);
    for (uint32_t i = 0; i < 4; i++) {
        struct lab02_op op = slot_in_area(judge, i);

        op.flags = i; /* each combination once */
        add_put(s, i, "a slot can be added with any of the flags", op);
    }
    behind_put(s, 0, 1ull << 30, PAGE);
    for (int i = 0; i < NOWHERE; i++) {
        log_dirty_put(s, nowhere[i], false);
        log_dirty_put(s, nowhere[i], true);
    }
    for (int i = 0; i < 60; i++) {
        log_dirty_put(s, (int32_t)judge_random_below(judge, 5), judge_random(judge) & 1);
        if (i % 20 == 19)
            mirror_put(s);
    }
    script_judge(s, &plan);
    far_slots_try(judge, LAB02_LOG_DIRTY);
}

/* --- when the kernel says no -------------------------------------------------------- */

/* Different errnos, so that no constant is right. EPERM is none of them: -EPERM is -1, the
 * result of the ioctl itself. EINTR and EAGAIN are always among them: they are no reason to ask
 * again. turn: which of the three failing calls gets which. */
void faults_draw(struct judge *judge, struct kvm_plan *plan, unsigned long request,
                 const uint32_t failing[3], uint32_t turn)
{
    static const int others[] = {ENOMEM, EINVAL, EFAULT, EBUSY, EIO, ENXIO, ENODEV};
    const int errors[] = {EINTR, EAGAIN, others[judge_random_below(judge, COUNT(others))]};

    for (uint64_t i = 0; i < 3; i++)
        plan->faults[i] = (struct plan_fault){.kind = CALL_IOCTL,
                                              .request = (uint32_t)request,
                                              .nth = failing[i],
                                              .error = errors[(turn + i) % 3],
                                              .repeat = 1};
}

static void failing_ioctls_try(struct judge *judge, uint32_t turn)
{
    static const uint32_t failing[] = {1, 2, 4};
    struct kvm_plan plan = plan_make();
    struct script *s = script_new(judge, 1);
    struct lab02_op first = slot_in_area(judge, 0), second = slot_in_area(judge, 1);

    faults_draw(judge, &plan, KVM_SET_USER_MEMORY_REGION, failing, turn);
    first.flags = MEMORY_SLOT_READONLY;
    first.kind = second.kind = LAB02_ADD;
    add_put(s, 0, "a slot can be added", first);
    op_put(s, -plan.faults[0].error, handed_on, second);
    op_calls(s);
    OP(s, -plan.faults[1].error, handed_on, .kind = LAB02_LOG_DIRTY, .slot = 0,
       .length = 1);
    op_calls(s);
    mirror_put(s);
    add_put(s, 1, "a slot that KVM refused leaves its range and entry free", second);
    OP(s, -plan.faults[2].error, handed_on, .kind = LAB02_REMOVE, .slot = 0);
    op_calls(s);
    mirror_put(s);
    op_put(s, -EEXIST, "a slot that KVM did not remove is still there", first);
    log_dirty_put(s, 0, true);
    remove_put(s, 0);
    mirror_put(s);
    script_judge(s, &plan);
}

void failing_ioctl_changes_nothing(struct judge *judge)
{
    for (uint32_t turn = 0; turn < 3; turn++)
        failing_ioctls_try(judge, turn);
}
