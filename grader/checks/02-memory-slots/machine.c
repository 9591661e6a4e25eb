/* machine.c - on the machine: guests in the slots, judged by their memory and by
 * tracepoints.
 */
#include "checks.h"

#include <inttypes.h>
#include <string.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "judge/guest_image.h"
#include "memory_slots.h"

GUEST_IMAGE(pattern_guest, "pattern.bin");
GUEST_IMAGE(touch_guest, "touch.bin");
GUEST_IMAGE(dirty_guest, "dirty.bin");

#define IMAGE_AT    0u /* in the pool */
#define LISTS_AT    0x400u
#define RESULTS_AT  0x1000u
#define POOL_USED   0x4000u
#define PORT_SUM    0x2a0
#define MACHINE_RAM 0x80000ull

static const char halts[] = "the guest runs in your slots until it halts";

static const char mapped[] = "guest memory can be mapped";

static const char copied[] = "guest_write() reaches the guest's memory";

static struct script *machine_script(struct judge *judge, uint32_t vms,
                                     const uint8_t *image, size_t size)
{
    struct script *s = script_new(judge, vms);

    s->in.with_vcpus = 1;
    s->in.pool_size = POOL_USED;
    memcpy(s->in.pool + IMAGE_AT, image, size);
    return s;
}

static void load_put(struct script *s, uint32_t vm, size_t size, enum guest_mode mode)
{
    OP(s, 0, copied, .kind = LAB02_LOAD, .vm = vm, .gpa = GUEST_LOAD_GPA, .length = size,
       .at = IMAGE_AT, .flags = (uint32_t)mode);
}

/* The n-th list goes into the mailbox with guest_write(). */
static void *list_put(struct script *s, uint32_t vm, uint32_t n, uint32_t size)
{
    uint32_t at = LISTS_AT + n * 0x200;

    OP(s, 0, copied, .kind = LAB02_WRITE, .vm = vm, .gpa = GUEST_MAILBOX_GPA,
       .length = size, .at = at);
    return s->in.pool + at;
}

static void run_put(struct script *s, uint32_t vm)
{
    OP(s, RUN_HALTED, halts, .kind = LAB02_RUN, .vm = vm);
}

/* --- what the pattern guest leaves */

struct pattern {
    uint64_t gpa, count, nonce;
};

/* Where the number of the n-th run is to go, which the guest gets when nothing of the part can run
 * before it. offset: of the mailbox in the memfd. The input has no number. */
static struct handover number_handover(struct pattern *input, const struct pattern *p,
                                       uint32_t n, const char *memfd, uint64_t offset)
{
    struct handover h = {.offset = offset + offsetof(struct pattern, nonce),
                         .checkpoint = n,
                         .length = sizeof p->nonce,
                         .alone = 1};

    strcpy(h.name, memfd);
    memcpy(h.bytes, &p->nonce, sizeof p->nonce);
    *input = *p;
    input->nonce = 0;
    return h;
}

static void run_alone_put(struct script *s, uint32_t vm)
{
    OP(s, RUN_HALTED, halts, .kind = LAB02_RUN, .vm = vm, .flags = 1);
}

static uint64_t pattern_next(uint64_t number)
{
    return number * 6364136223846793005u + 1442695040888963407u;
}

static uint64_t pattern_sum(const struct pattern *p)
{
    uint64_t sum = 0, number = p->nonce;

    for (uint64_t i = 0; i < p->count; i++)
        sum += number = pattern_next(number);
    return sum;
}

/* The numbers up to GPA split are seen in one window, those from there on in the next. */
static void pattern_expect(struct script *s, const struct pattern *p, uint64_t split,
                           unsigned window)
{
    uint64_t number = p->nonce;

    for (uint64_t i = 0; i < p->count; i++) {
        uint64_t gpa = p->gpa + 8 * i;
        unsigned in = gpa < split ? window : window + 1;
        uint64_t got = window_u64(s->e, s->e->end.checkpoints - 1, in, gpa % PAGE);

        number = pattern_next(number);
        CHECK(s->judge, got == number,
              "what the guest wrote is in the memory behind the slot",
              "at GPA %#" PRIx64 " the guest wrote %016" PRIx64
              "; the RAM behind it holds %016" PRIx64,
              gpa, number, got);
    }
}

/* The same numbers as guest_read() saw them. */
static void pattern_read_expect(struct script *s, const struct pattern *p)
{
    uint64_t number = p->nonce, got;

    for (uint64_t i = 0; i < p->count; i++) {
        number = pattern_next(number);
        memcpy(&got, s->out->pool + RESULTS_AT + 8 * i, sizeof got);
        CHECK(s->judge, got == number, "guest_read() reads what the guest wrote",
              "at GPA %#" PRIx64 " the guest wrote %016" PRIx64
              ", guest_read() saw %016" PRIx64,
              p->gpa + 8 * i, number, got);
    }
}

static void outs_expect(struct script *s, const uint32_t *values, size_t count)
{
    const struct kvm_events *events = &s->e->events;
    size_t n = 0;

    for (size_t i = 0; i < events->count; i++) {
        const struct kvm_event *event = &events->list[i];

        if (event->kind != EVENT_PIO)
            continue;
        judge_points_at_event(s->judge, s->e, event);
        CHECK(s->judge,
              n < count && event->address == PORT_SUM && event->value == values[n],
              "kvm_pio shows the sums that the guest computed, in order",
              "OUT %zu is port %#" PRIx64 ", value %#" PRIx64 "; expected port %#x, %#x", n,
              event->address, event->value, PORT_SUM, n < count ? values[n] : 0);
        n++;
    }
    CHECK(s->judge,
          n == count && kvm_events_count(events, EVENT_EXIT, SVM_EXIT_IOIO) == count,
          "the guest's OUTs are VM exits in the kernel's tracepoints",
          "%zu kvm_pio and %zu kvm_exit with reason io, not %zu", n,
          kvm_events_count(events, EVENT_EXIT, SVM_EXIT_IOIO), count);
    CHECK(s->judge, kvm_events_count(events, EVENT_MMIO, KVM_EVENT_ANY) == 0,
          "accesses to memory in a slot do not leave the kernel",
          "%zu kvm_mmio events, although the guest touched its RAM alone",
          kvm_events_count(events, EVENT_MMIO, KVM_EVENT_ANY));
}

static struct pattern pattern_around(struct judge *judge, uint64_t split)
{
    struct pattern p = {.count = 40 + judge_random_below(judge, 200),
                        .nonce = judge_random(judge)};

    p.gpa = split - 8 * (1 + judge_random_below(judge, p.count - 2));
    return p;
}

/* Two slots that touch, with their memory the other way round. */
void guest_writes_land_in_your_ram(struct judge *judge)
{
    const uint64_t half = MACHINE_RAM / 2;
    const struct pattern p = pattern_around(judge, half);
    const uint64_t sum = pattern_sum(&p);
    const struct window windows[] = {
        {.name = "guest-ram", .offset = MACHINE_RAM - PAGE, .length = PAGE},
        {.name = "guest-ram", .offset = 0, .length = PAGE}};
    struct script *s =
        machine_script(judge, 1, pattern_guest, GUEST_IMAGE_SIZE(pattern_guest));

    s->in.rams[0].size = MACHINE_RAM;
    OP(s, WANT_SLOT, mapped, .kind = LAB02_ADD, .gpa = 0, .length = half, .offset = half);
    OP(s, WANT_SLOT, mapped, .kind = LAB02_ADD, .gpa = half, .length = half);
    const struct handover number = number_handover(list_put(s, 0, 0, sizeof p), &p, 0,
                                                   "guest-ram", half + GUEST_MAILBOX_GPA);
    load_put(s, 0, GUEST_IMAGE_SIZE(pattern_guest), GUEST_LONG64);
    run_alone_put(s, 0);
    OP(s, 0, "guest_read() reads what the guest wrote", .kind = LAB02_READ, .gpa = p.gpa,
       .length = 8 * p.count, .at = RESULTS_AT);
    script_run(s, &(struct run_spec){.flags = RUN_TRACE,
                                     .windows = windows,
                                     .window_count = 2,
                                     .handovers = &number,
                                     .handover_count = 1});
    results_expect(s);
    pattern_expect(s, &p, half, 0);
    outs_expect(s, (const uint32_t[]){(uint32_t)sum, (uint32_t)(sum >> 32)}, 2);
    pattern_read_expect(s, &p);
}

/* The same addresses in two VMs; each has its own memory behind them. */
void two_vms_stay_isolated(struct judge *judge)
{
    const uint64_t split = 0x30000;
    const struct window windows[] = {
        {.name = "guest-a", .offset = split - PAGE, .length = PAGE},
        {.name = "guest-a", .offset = split, .length = PAGE},
        {.name = "guest-b", .offset = split - PAGE, .length = PAGE},
        {.name = "guest-b", .offset = split, .length = PAGE}};
    struct pattern p[2] = {pattern_around(judge, split)};
    struct handover numbers[2];
    struct script *s =
        machine_script(judge, 2, pattern_guest, GUEST_IMAGE_SIZE(pattern_guest));

    p[1] = p[0];
    p[1].nonce = judge_random(judge);
    for (uint32_t vm = 0; vm < 2; vm++) {
        s->in.rams[vm].size = MACHINE_RAM;
        strcpy(s->in.rams[vm].name, vm ? "b" : "a");
        OP(s, WANT_SLOT, mapped, .kind = LAB02_ADD, .vm = vm, .ram = vm,
           .length = MACHINE_RAM);
    }
    for (uint32_t vm = 0; vm < 2; vm++)
        load_put(s, vm, GUEST_IMAGE_SIZE(pattern_guest), GUEST_LONG64);
    for (uint32_t vm = 0; vm < 2; vm++)
        numbers[vm] = number_handover(list_put(s, vm, vm, sizeof p[vm]), &p[vm], vm,
                                      vm ? "guest-b" : "guest-a", GUEST_MAILBOX_GPA);
    for (uint32_t vm = 0; vm < 2; vm++)
        run_alone_put(s, vm);
    script_run(s, &(struct run_spec){.flags = RUN_TRACE,
                                     .windows = windows,
                                     .window_count = 4,
                                     .handovers = numbers,
                                     .handover_count = 2});
    results_expect(s);
    for (unsigned vm = 0; vm < 2; vm++)
        pattern_expect(s, &p[vm], split, 2 * vm);
}

/* --- what is no memory is MMIO */

/* One access that the touch guest makes, as its mailbox takes it. */
struct touch {
    uint64_t where; /* GPA, + 1 for a write */
    uint64_t value;
};

#define TOUCHES 9

/* Where things lie in this run. */
struct touched {
    uint64_t rom, extra, hole;
    uint32_t in_rom; /* offset of the word that is touched */
    uint32_t in_extra;
    struct touch list[2][TOUCHES];
};

static struct touched touched_make(struct judge *judge)
{
    struct touched t = {
        .rom = 0xc0000 + random_pages(judge, 16),
        .extra = 0x100000 + random_pages(judge, 1000),
        .hole = 0x1000000 + (judge_random_below(judge, 0xe0000000) & ~3ull),
        .in_rom = (uint32_t)judge_random_below(judge, PAGE / 4) * 4,
        .in_extra = (uint32_t)judge_random_below(judge, PAGE / 4) * 4,
    };

    for (int run = 0; run < 2; run++) {
        const uint64_t where[TOUCHES] = {
            MACHINE_RAM - 4 + 1,
            MACHINE_RAM + 1,
            t.rom + t.in_rom,
            t.rom + t.in_rom + 1,
            t.hole,
            t.hole + 1,
            t.extra + t.in_extra + 1,
            t.extra + t.in_extra,
            t.extra + PAGE + 1,
        };

        for (int i = 0; i < TOUCHES; i++)
            t.list[run][i] =
                (struct touch){.where = where[i], .value = (uint32_t)judge_random(judge)};
    }
    return t;
}

/* Is this access of this run one to memory? Said once more, in our own words. */
static bool touch_is_mmio(const struct touched *t, int run, const struct touch *touch)
{
    uint64_t gpa = touch->where & ~1ull;
    bool write = touch->where & 1;

    if (gpa / PAGE == t->rom / PAGE)
        return write;
    if (gpa / PAGE == t->extra / PAGE)
        return run == 1;
    return gpa >= MACHINE_RAM;
}

/* A read shows twice in the trace: on its way out and with its answer. */
static const struct kvm_event *mmio_next(const struct kvm_events *events, size_t *at)
{
    const struct kvm_event *found = NULL;

    for (; *at < events->count; (*at)++) {
        const struct kvm_event *event = &events->list[*at];

        if (event->kind != EVENT_MMIO)
            continue;
        if (found && (found->write || event->write || event->address != found->address))
            break;
        if (found) {
            (*at)++;
            break;
        }
        found = event;
    }
    return found;
}

static void mmio_expect(struct script *s, const struct touched *t)
{
    const struct kvm_event *event;
    size_t at = 0, due = 0;
    char seen[120] = "nothing more";

    for (int i = 0; i < 2 * TOUCHES; i++) {
        const struct touch *touch = &t->list[i / TOUCHES][i % TOUCHES];
        uint64_t gpa = touch->where & ~1ull;
        bool write = touch->where & 1;

        if (!touch_is_mmio(t, i / TOUCHES, touch))
            continue;
        event = mmio_next(&s->e->events, &at);
        if (event) {
            judge_points_at_event(s->judge, s->e, event);
            kvm_event_describe(event, seen, sizeof seen);
        }
        CHECK(s->judge,
              event && event->address == gpa && event->write == write && event->size == 4 &&
                  (!write || event->value == touch->value),
              "an access that no slot answers is an MMIO exit at its GPA",
              "run %d, the guest %s GPA %#" PRIx64 ", where no %s is (RAM ends at %#llx, "
              "ROM at %#" PRIx64 ", extra slot at %#" PRIx64 "%s); kvm_mmio shows: %s",
              i / TOUCHES + 1, write ? "writes" : "reads", gpa,
              write ? "writable memory" : "memory", MACHINE_RAM, t->rom, t->extra,
              i < TOUCHES ? "" : " until it was removed", event ? seen : "nothing more");
        due++;
    }
    event = mmio_next(&s->e->events, &at);
    if (event)
        kvm_event_describe(event, seen, sizeof seen);
    CHECK(s->judge, !event, "an access to memory in a slot is no MMIO exit",
          "one kvm_mmio too many: %s", seen);
    CHECK(s->judge,
          kvm_events_count(&s->e->events, EVENT_USERSPACE_EXIT, KVM_EXIT_MMIO) == due,
          "each MMIO exit reaches user space (KVM_EXIT_MMIO)",
          "%zu kvm_userspace_exit with reason 6, not %zu",
          kvm_events_count(&s->e->events, EVENT_USERSPACE_EXIT, KVM_EXIT_MMIO), due);
}

static void touched_memory_expect(struct script *s, const struct touched *t)
{
    uint32_t word, extra = (uint32_t)t->list[0][6].value;
    const size_t answer = (1 + 2 * 2 + 1) * 8; /* where the ROM's word was left */

    memcpy(&word, s->in.pool + RESULTS_AT + t->in_rom, sizeof word);
    CHECK(s->judge,
          s->e->windows[0][1].length == PAGE &&
              memcmp(s->e->windows[0][1].bytes, s->in.pool + RESULTS_AT, PAGE) == 0,
          "a guest cannot change a read-only slot",
          "the word at GPA %#" PRIx64 " was %08x, now it is %08x", t->rom + t->in_rom, word,
          window_u32(s->e, 0, 1, t->in_rom));
    CHECK(s->judge, window_u32(s->e, 0, 2, answer) == word,
          "a guest can read a read-only slot",
          "GPA %#" PRIx64 " holds %08x, the guest read %08x", t->rom + t->in_rom, word,
          window_u32(s->e, 0, 2, answer));
    CHECK(s->judge, window_u32(s->e, 0, 0, t->in_extra) == extra,
          "a removed slot's memory keeps what was in it",
          "the guest wrote %08x before the removal, %08x after it; the memory holds %08x",
          extra, (uint32_t)t->list[1][6].value, window_u32(s->e, 0, 0, t->in_extra));
    CHECK(s->judge, window_u32(s->e, 0, 3, PAGE - 4) == (uint32_t)t->list[1][0].value,
          "the last word of a slot is memory", "at GPA %#llx: %08x, not %08x",
          MACHINE_RAM - 4, window_u32(s->e, 0, 3, PAGE - 4), (uint32_t)t->list[1][0].value);
}

static void touches_put(struct script *s, const struct touched *t, uint32_t run)
{
    uint64_t *list = list_put(s, 0, run, 8 + sizeof t->list[run]);

    list[0] = TOUCHES;
    memcpy(list + 1, t->list[run], sizeof t->list[run]);
    run_put(s, 0);
}

void what_no_slot_answers_is_mmio(struct judge *judge)
{
    const struct touched t = touched_make(judge);
    const struct window windows[] = {
        {.name = "guest-extra", .length = PAGE},
        {.name = "guest-rom", .length = PAGE},
        {.name = "guest-ram", .offset = GUEST_MAILBOX_GPA, .length = PAGE},
        {.name = "guest-ram", .offset = MACHINE_RAM - PAGE, .length = PAGE}};
    struct script *s = machine_script(judge, 1, touch_guest, GUEST_IMAGE_SIZE(touch_guest));

    s->in.rams[0].size = MACHINE_RAM;
    s->in.rams[1].size = s->in.rams[2].size = PAGE;
    strcpy(s->in.rams[1].name, "rom");
    strcpy(s->in.rams[2].name, "extra");
    random_fill(judge, s->in.pool + RESULTS_AT, PAGE);
    OP(s, 0, mapped, .kind = LAB02_ADD, .length = MACHINE_RAM);
    OP(s, 1, mapped, .kind = LAB02_ADD, .gpa = t.rom, .length = PAGE, .ram = 1,
       .flags = MEMORY_SLOT_READONLY);
    OP(s, 2, mapped, .kind = LAB02_ADD, .gpa = t.extra, .length = PAGE, .ram = 2);
    OP(s, 0, "", .kind = LAB02_FILL, .ram = 1, .length = PAGE, .at = RESULTS_AT);
    load_put(s, 0, GUEST_IMAGE_SIZE(touch_guest), GUEST_PROTECTED32);
    touches_put(s, &t, 0);
    OP(s, 0, "a slot in use can be removed", .kind = LAB02_REMOVE, .slot = 2);
    touches_put(s, &t, 1);
    script_run(
        s, &(struct run_spec){.flags = RUN_TRACE, .windows = windows, .window_count = 4});
    results_expect(s);
    mmio_expect(s, &t);
    touched_memory_expect(s, &t);
}

/* --- which pages the guest wrote */

#define DATA_GPA   0x20000u
#define DATA_SLOT  1
#define DATA_MAX   112 /* pages: up to 0x90000, within a real-mode segment's reach */
#define DIRTY_RUNS 3

/* What the dirty guest does in one run: the list for its mailbox, and our own notes. */
struct dirty_run {
    uint16_t list[2 + DATA_MAX + 1];
    bool written[DATA_MAX];
};

static struct dirty_run dirty_run_make(struct judge *judge, uint32_t pages, bool all)
{
    struct dirty_run run = {.list = {(uint16_t)judge_random(judge),
                                     (uint16_t)(judge_random_below(judge, PAGE / 2) * 2)}};
    uint32_t n = 2;

    for (uint32_t page = 0; page < pages; page++) {
        bool edge = page == 0 || page == pages - 1 || page == 63 || page == 64;
        uint64_t what = judge_random_below(judge, all ? 1 : edge ? 2 : 6);

        /* 0 write, 1 read, else neither */
        if (what > 1)
            continue;
        run.list[n++] = (uint16_t)((DATA_GPA + page * PAGE) / 16 + what);
        run.written[page] = what == 0;
    }
    return run;
}

/* One run of the guest, then the log, twice: the second time nothing is new. */
static void dirty_run_put(struct script *s, const struct dirty_run *run, uint32_t n,
                          uint64_t room, bool counts)
{
    static const char fetched[] = "the dirty log can be fetched after a run";
    const uint32_t bitmap = RESULTS_AT + n * 0x1000, list = bitmap + 0x100;

    memcpy(list_put(s, 0, n, sizeof run->list), run->list, sizeof run->list);
    run_put(s, 0);
    OP(s, 0, fetched, .kind = LAB02_FETCH, .slot = DATA_SLOT, .length = room, .at = bitmap);
    op_because(s, "KVM has to know slot %d as one that logs", DATA_SLOT);
    OP(s, WANT_ANY, "", .kind = LAB02_PAGES, .slot = DATA_SLOT, .length = DATA_MAX,
       .at = bitmap, .to = list);
    if (!counts)
        return;
    OP(s, 0, fetched, .kind = LAB02_FETCH, .slot = DATA_SLOT, .length = room,
       .at = bitmap + 0x800);
    OP(s, 0, "fetching the log clears it", .kind = LAB02_PAGES, .slot = DATA_SLOT,
       .length = DATA_MAX, .at = bitmap + 0x800, .to = list + 0x800);
    op_because(s, "the guest did not run since the log was fetched");
}

/* The list that came back names the written pages and no others. */
static void dirty_run_expect(const struct script *s, const struct dirty_run *run,
                             uint32_t n, uint32_t pages, int64_t count)
{
    const uint8_t *list = s->out->pool + RESULTS_AT + n * 0x1000 + 0x100;
    uint64_t want[DATA_MAX], got[DATA_MAX], due = 0;
    char difference[240] = "";

    for (uint32_t page = 0; page < pages; page++)
        if (run->written[page])
            want[due++] = DATA_GPA + page * PAGE;
    memcpy(got, list, sizeof got);
    CHECK(s->judge, count >= 0 && count <= DATA_MAX,
          "the dirty log can be read after a run",
          "run %u: dirty_log_pages() returned %" PRId64 ", the slot has %u pages", n, count,
          pages);
    CHECK(s->judge,
          !list_explain(want, due, got, (uint64_t)count, "that the guest wrote", difference,
                        sizeof difference),
          "the dirty log names the pages that the guest wrote, and no others", "run %u: %s",
          n, difference);
}

/* The results that the script left open: run 0 is not judged. */
static void dirty_lists_expect(const struct script *s, const struct dirty_run *runs,
                               uint32_t pages)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->in.op_count; i++) {
        if (s->in.ops[i].kind != LAB02_PAGES || s->wants[i] != WANT_ANY)
            continue;
        if (n > 0)
            dirty_run_expect(s, &runs[n], n, pages, s->out->results[i]);
        n++;
    }
}

/* The guest did what it was told: the words are in the memory. */
static void dirty_memory_expect(struct script *s, const struct dirty_run *run,
                                uint32_t pages)
{
    for (uint32_t page = 0; page < pages; page++) {
        uint32_t got = window_u32(s->e, 0, 0, page * PAGE + run->list[1]) & 0xffff;

        CHECK(s->judge, !run->written[page] || got == run->list[0],
              "the guest's writes are in the memory behind the slot",
              "at GPA %#" PRIx64 ": %04x, the guest wrote %04x",
              DATA_GPA + page * PAGE + run->list[1], got, run->list[0]);
    }
}

void dirty_log_names_the_written_pages(struct judge *judge)
{
    const uint32_t pages = 66 + (uint32_t)judge_random_below(judge, DATA_MAX - 66);
    const struct window data = {.name = "guest-data", .length = pages * (uint32_t)PAGE};
    struct dirty_run runs[DIRTY_RUNS];
    struct script *s = machine_script(judge, 1, dirty_guest, GUEST_IMAGE_SIZE(dirty_guest));

    s->in.rams[0].size = DATA_GPA;
    s->in.rams[1].size = pages * PAGE;
    strcpy(s->in.rams[1].name, "data");
    OP(s, 0, mapped, .kind = LAB02_ADD, .length = DATA_GPA);
    OP(s, DATA_SLOT, mapped, .kind = LAB02_ADD, .gpa = DATA_GPA, .length = pages * PAGE,
       .ram = 1);
    OP(s, 0, "logging can be switched on", .kind = LAB02_LOG_DIRTY, .slot = DATA_SLOT,
       .length = 1);
    load_put(s, 0, GUEST_IMAGE_SIZE(dirty_guest), GUEST_REAL16);
    /* KVM maps pages on first touch, writable, and calls them dirty then, even if they are
     * only read. Run 0 touches all, its log is not judged; from then on it is exact. */
    for (uint32_t n = 0; n < DIRTY_RUNS; n++) {
        runs[n] = dirty_run_make(judge, pages, n == 0);
        dirty_run_put(s, &runs[n], n, 16, n > 0);
    }
    script_run(s,
               &(struct run_spec){.flags = RUN_TRACE, .windows = &data, .window_count = 1});
    results_expect(s);
    dirty_lists_expect(s, runs, pages);
    dirty_memory_expect(s, &runs[DIRTY_RUNS - 1], pages);
}
