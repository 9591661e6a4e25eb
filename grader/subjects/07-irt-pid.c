/* 07-irt-pid.c - dispatcher of lab 07: lookups, calls one by one, every order of steps, real
 * threads, and a vCPU of the real KVM. */
#define _GNU_SOURCE
#include "07-irt-pid.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "exit_loop.h"
#include "explorer.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "irte.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "posted_interrupt.h"
#include "posted_stress.h"
#include "subject.h"

/* --- LAB07_IRT --------------------------------------------------------------------------------- */

static sigjmp_buf outside;

static void outside_table(int signal)
{
    (void)signal;
    siglongjmp(outside, 1);
}

/* A table that ends with its page; the next page cannot be read. */
static struct irte *table_make(void)
{
    const size_t size = LAB07_ENTRIES * sizeof(struct irte);
    void *memory =
        mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    mprotect((uint8_t *)memory + size, size, PROT_NONE);
    return memory;
}

static void request_look_up(struct irte *table, const struct lab07_request *in,
                            struct lab07_route *out)
{
    /* The table's last entry is the last one of the page. */
    const struct irt irt = {.entries = table + LAB07_ENTRIES - in->count,
                            .count = in->count,
                            .x2apic = in->x2apic};
    const struct interrupt_request request = {
        .address = in->address, .data = in->data, .source = (uint16_t)in->source};
    struct irt_result result;

    memset(&result, 0x5a, sizeof result);
    table[LAB07_ENTRIES - in->count + in->at] = (struct irte){in->low, in->high};
    out->returned = irt_lookup(&irt, &request, &result);
    table[LAB07_ENTRIES - in->count + in->at] = (struct irte){0, 0};
    *out = (struct lab07_route){
        .returned = out->returned,
        .fault = result.fault,
        .recorded = *(uint8_t *)&result.recorded,
        .index = result.index,
        .posted = *(uint8_t *)&result.posted,
        .vector = result.vector,
        .delivery = result.delivery,
        .logical = *(uint8_t *)&result.logical,
        .hint = *(uint8_t *)&result.hint,
        .level = *(uint8_t *)&result.level,
        .destination = result.destination,
        .urgent = *(uint8_t *)&result.urgent,
        .descriptor = result.descriptor,
    };
}

static void requests_look_up(const struct lab07_irt_input *in, struct lab07_irt_output *out)
{
    struct irte *table = table_make();

    for (uint32_t i = 0; table && i < in->request_count; i++) {
        out->outside = i + 1;
        request_look_up(table, &in->requests[i], &out->routes[i]);
    }
    out->outside = 0;
}

static void irt_requests(struct subject *subject)
{
    subject->output_size = sizeof(struct lab07_irt_output);
    signal(SIGSEGV, outside_table);
    if (sigsetjmp(outside, 1) == 0)
        requests_look_up(subject->input, subject->output);
}

/* --- a descriptor that only steps can touch ------------------------------------------------------ */

/* The same memory twice: `hidden` cannot be accessed and is what the part gets, `real` is
 * where steps are done. */
static struct {
    struct posted_interrupt_descriptor *hidden;
    uint64_t *real;
    struct virtual_apic apic;
    struct posted_vcpu vcpu;
    struct lab07_stray *stray;
    uint32_t call;
    uint32_t steps, notifications, wakes, vector, destination;
    sigjmp_buf back;
    uint8_t page[VAPIC_PAGE_SIZE] __attribute__((aligned(4096)));
} world;

#define STATE_AT 64u /* bytes: where the state lies, behind the descriptor */

/* The number of a word, for records; 6 and above: none of ours. */
static uint32_t word_number(const void *address)
{
    size_t at = (size_t)((const uint8_t *)address - (const uint8_t *)world.hidden);

    return at == STATE_AT           ? LAB07_STATE_WORD
           : at < 40 && at % 8 == 0 ? (uint32_t)at / 8
                                    : 6;
}

static bool is_hidden(const void *address)
{
    return (size_t)((const uint8_t *)address - (const uint8_t *)world.hidden) < 4096;
}

static void stray_access(int signal, siginfo_t *info, void *context)
{
    ucontext_t *registers = context;

    (void)signal;
    if (!is_hidden(info->si_addr)) {
        struct sigaction action = {.sa_handler = SIG_DFL};

        sigaction(SIGSEGV, &action, NULL); /* a crash of its own: let it happen */
        subject_crash_watch();
        return;
    }
    uint8_t *at = (uint8_t *)((uintptr_t)info->si_addr & ~7ull);
    world.stray->happened = registers->uc_mcontext.gregs[REG_ERR] & 2 ? 2 : 1;
    world.stray->word = word_number(at);
    world.stray->call = world.call;
    siglongjmp(world.back, 1);
}

static uint64_t *word_real(uint32_t number)
{
    return number == LAB07_STATE_WORD ? world.real + STATE_AT / 8 : world.real + number;
}

static void words_get(uint64_t words[LAB07_WORDS])
{
    for (uint32_t i = 0; i < LAB07_WORDS; i++)
        words[i] = *word_real(i);
}

static step_word *before_step(step_word *word)
{
    if (!is_hidden(word))
        return word;
    if (explorer.running)
        explorer_park(LAB07_BEFORE_STEP);
    return (step_word *)(void *)((uint8_t *)world.real +
                                 ((uint8_t *)word - (uint8_t *)world.hidden));
}

static void after_step(step_word *word, enum step_kind kind, uint64_t operand,
                       uint64_t expected, uint64_t seen)
{
    if (!is_hidden(word))
        return;
    world.steps++;
    if (explorer.running)
        explorer_record((struct lab07_record){.kind = LAB07_STEP,
                                              .op = (uint8_t)kind,
                                              .word = (uint8_t)word_number(word),
                                              .operand = operand,
                                              .expected = expected,
                                              .seen = seen});
}

static const struct step_watcher watcher = {before_step, after_step};

static bool world_make(struct lab07_stray *stray)
{
    static uint8_t stack[32768];
    const stack_t handler_stack = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = stray_access,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct guest_ram ram;

    if (guest_ram_create(&ram, "descriptor", 4096) < 0)
        return false;
    world.real = (uint64_t *)(void *)ram.hva;
    world.hidden = mmap(NULL, 4096, PROT_NONE, MAP_SHARED, ram.fd, 0);
    world.stray = stray;
    world.apic = (struct virtual_apic){.page = world.page};
    world.vcpu.pid = world.hidden;
    world.vcpu.state = (step_word *)(void *)((uint8_t *)world.hidden + STATE_AT);
    world.vcpu.apic = &world.apic;
    sigaltstack(&handler_stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    step_watcher = &watcher;
    return world.hidden != MAP_FAILED;
}

/* --- LAB07_SCRIPT ----------------------------------------------------------------------------------- */

static void script_notify(void *owner, uint8_t vector, uint32_t destination)
{
    (void)owner;
    world.notifications++;
    world.vector = vector;
    world.destination = destination;
}

static void script_wake(void *owner)
{
    (void)owner;
    world.wakes++;
}

static int32_t part_call(const struct lab07_call *call)
{
    switch (call->op) {
    case LAB07_POST:
        pid_post(&world.vcpu, (uint8_t)call->a, call->b);
        return 0;
    case LAB07_RUN:
        pid_run(&world.vcpu, call->a);
        return 0;
    case LAB07_READY:
        pid_ready(&world.vcpu);
        return 0;
    case LAB07_HALT:
        return pid_halt(&world.vcpu, call->a);
    case LAB07_WAKEUP:
        pid_wakeup(&world.vcpu);
        return 0;
    case LAB07_SYNC:
        return pid_sync(&world.vcpu);
    case LAB07_REQUEST:
        vapic_request(&world.apic, call->a, call->value);
        return 0;
    case LAB07_PENDING:
        return vapic_pending(&world.apic);
    case LAB07_DELIVER:
        return vapic_deliver(&world.apic);
    case LAB07_EOI:
        vapic_eoi(&world.apic);
        return 0;
    case LAB07_SET:
        *word_real(call->a) = call->value;
        return 0;
    case LAB07_TPR:
        memcpy(world.page + VAPIC_TPR, &call->value, 4);
        return 0;
    case LAB07_PPR:
        memcpy(world.page + VAPIC_PPR, &call->value, 4);
        return 0;
    default:
        return 0;
    }
}

static void snapshot_take(struct lab07_snapshot *s)
{
    static uint8_t last[VAPIC_PAGE_SIZE];

    words_get(s->words);
    s->notifications = world.notifications;
    s->wakes = world.wakes;
    s->vector = world.vector;
    s->destination = world.destination;
    s->rvi = world.apic.rvi;
    s->svi = world.apic.svi;
    s->steps = world.steps;
    memcpy(&s->ppr, world.page + VAPIC_PPR, 4);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(&s->irr[i], world.page + VAPIC_IRR + i * 16, 4);
        memcpy(&s->isr[i], world.page + VAPIC_ISR + i * 16, 4);
    }
    for (unsigned at = 0; at < VAPIC_PAGE_SIZE; at++) {
        unsigned offset = at & ~0x7fu, inside = at & 15;
        bool ours = (at - VAPIC_PPR < 4) || (at - VAPIC_TPR < 4) ||
                    ((offset == VAPIC_IRR || offset == VAPIC_ISR) && inside < 4);

        s->others += !ours && last[at] != world.page[at];
    }
    memcpy(last, world.page, sizeof last);
}

static void script_run(struct subject *subject)
{
    const struct lab07_script_input *in = subject->input;
    struct lab07_script_output *out = subject->output;

    subject->output_size = sizeof *out;
    if (!world_make(&out->stray))
        return;
    world.vcpu.notify = script_notify;
    world.vcpu.wake = script_wake;
    if (sigsetjmp(world.back, 1))
        return;
    for (world.call = 0; world.call < in->call_count; world.call++) {
        struct lab07_snapshot *snapshot = &out->snapshots[world.call];

        world.notifications = world.wakes = world.steps = 0;
        snapshot->returned = part_call(&in->calls[world.call]);
        snapshot_take(snapshot);
        out->call_count = world.call + 1;
    }
    memcpy(out->page, world.page, sizeof out->page);
}

/* --- LAB07_EXPLORE ------------------------------------------------------------------------------------ */

static struct {
    const struct lab07_explore_input *in;
    bool active, wakeup; /* notifications pending on the processor, by vector */
    uint32_t wakes;      /* wake() calls that the thread has not taken */
} scene;

static void scene_notify(void *owner, uint8_t vector, uint32_t destination)
{
    (void)owner;
    explorer_record((struct lab07_record){
        .kind = LAB07_NOTIFY, .operand = vector, .seen = destination});
    if (destination != scene.in->cpu)
        return;
    scene.active |= vector == POSTED_ACTIVE_VECTOR;
    scene.wakeup |= vector == POSTED_WAKEUP_VECTOR;
}

static void scene_wake(void *owner)
{
    (void)owner;
    explorer_record((struct lab07_record){.kind = LAB07_WAKE});
    scene.wakes++;
}

static bool scene_may_go_on(uint32_t actor)
{
    switch (explorer.actors[actor].park) {
    case LAB07_IN_GUEST:
        return scene.active;
    case LAB07_ASLEEP:
        return scene.wakes > 0;
    default:
        return scene.wakeup;
    }
}

static int32_t scene_call(const struct lab07_call *call, bool inside)
{
    int32_t returned;

    explorer_record((struct lab07_record){
        .kind = LAB07_CALL, .op = (uint8_t)call->op, .word = inside, .operand = call->a});
    returned = part_call(call);
    explorer_record((struct lab07_record){
        .kind = LAB07_RETURN, .op = (uint8_t)call->op, .seen = (uint64_t)returned});
    return returned;
}

/* The guest's handlers run until nothing can be delivered. */
static void guest_take(void)
{
    int vector;

    for (int n = 0; n < 300 && (vector = vapic_deliver(&world.apic)) >= 0; n++) {
        explorer_record(
            (struct lab07_record){.kind = LAB07_TAKES, .operand = (uint64_t)vector});
        vapic_eoi(&world.apic);
    }
}

/* In the guest: the processor deals with notifications as they come. */
static void guest_stay(bool until_hlt)
{
    static const struct lab07_call sync = {.op = LAB07_SYNC};

    guest_take();
    while (!until_hlt || scene.active) {
        if (!until_hlt)
            explorer_park(LAB07_IN_GUEST);
        scene.active = false;
        scene_call(&sync, true);
        guest_take();
    }
}

static void thread_sleep(void)
{
    do {
        explorer_park(LAB07_ASLEEP);
        scene.wakes--;
        explorer_record((struct lab07_record){.kind = LAB07_WOKEN,
                                              .seen = *word_real(LAB07_STATE_WORD)});
    } while (*word_real(LAB07_STATE_WORD) == VCPU_HALTED);
}

static void order_follow(const struct lab07_call *order)
{
    switch (order->op) {
    case LAB07_GUEST_WAIT:
    case LAB07_GUEST_HLT:
        explorer_record(
            (struct lab07_record){.kind = LAB07_CALL, .op = (uint8_t)order->op});
        guest_stay(order->op == LAB07_GUEST_HLT);
        break;
    case LAB07_SYNC:
        scene.active = false; /* until now the VMM had interrupts on */
        scene_call(order, false);
        break;
    case LAB07_HALT:
        if (scene_call(order, false))
            thread_sleep();
        break;
    default:
        scene_call(order, false);
    }
}

static void actor_live(uint32_t actor)
{
    static const struct lab07_call wakeup = {.op = LAB07_WAKEUP};

    for (uint32_t i = 0; i < LAB07_ORDERS && scene.in->orders[actor][i].op; i++)
        order_follow(&scene.in->orders[actor][i]);
    while (actor == 1) { /* the handler of WNV */
        explorer_park(LAB07_IDLE);
        scene.wakeup = false;
        scene_call(&wakeup, false);
    }
}

static void scene_begin(void)
{
    for (uint32_t i = 0; i < LAB07_WORDS; i++)
        *word_real(i) = scene.in->words[i];
    memset(world.page, 0, sizeof world.page);
    world.apic = (struct virtual_apic){.page = world.page};
    scene.active = scene.wakeup = false;
    scene.wakes = 0;
}

static void scene_end(void)
{
    uint64_t words[LAB07_WORDS];

    words_get(words);
    explorer_record((struct lab07_record){.kind = LAB07_END_OF_RUN,
                                          .operand = world.apic.rvi,
                                          .seen = lab07_checksum(words)});
}

static void explore(struct subject *subject)
{
    struct lab07_explore_output *out = subject->output;

    subject->output_size = sizeof *out;
    scene.in = subject->input;
    if (!world_make(&out->stray))
        return;
    world.vcpu.notify = scene_notify;
    world.vcpu.wake = scene_wake;
    explorer.out = out;
    explorer.actor_count = scene.in->actor_count;
    explorer.preemptions_max = scene.in->preemptions;
    explorer.body = actor_live;
    explorer.may_go_on = scene_may_go_on;
    memcpy(explorer.choice, scene.in->choice, sizeof explorer.choice);
    if (sigsetjmp(world.back, 1) == 0)
        explorer_run(scene.in->given, scene_begin, scene_end);
    subject->output_size = lab07_explore_size(out->record_count);
}

/* --- LAB07_STRESS ----------------------------------------------------------------------------------------- */

static void stress_threads(struct subject *subject)
{
    subject->output_size = sizeof(struct lab07_stress_output);
    stress_run(subject->input, subject->output);
}

/* --- LAB07_GUEST ------------------------------------------------------------------------------------------- */

#define RAM_SIZE  0x40000u
#define WATCH_MS  3000
#define MODE_GPA  GUEST_MAILBOX_GPA /* 16 bits; 1: the guest halts between interrupts */
#define TAKEN_GPA (GUEST_MAILBOX_GPA + 4u) /* 32 bits: interrupts that it has taken */

static struct {
    const struct lab07_guest_input *in;
    struct lab07_guest_output *out;
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
    struct guest_ram ram;
    struct posted_interrupt_descriptor pid;
    step_word state;
    struct virtual_apic apic;
    struct posted_vcpu posted;
    struct device eoi;
    sem_t wakes, preempted, go, woken;
    atomic_bool want_ready, asleep, stop;
    atomic_uint notified, kicked, bad;
    const struct lab07_round *round;
    uint8_t page[VAPIC_PAGE_SIZE] __attribute__((aligned(4096)));
} stage;

static void window_want(void)
{
    stage.vcpu.run->request_interrupt_window = vapic_pending(&stage.apic) >= 0;
}

/* The guest ends an interrupt: what waits below it can follow. */
static void eoi_access(void *owner, const struct bus_access *access)
{
    (void)owner;
    if (access->is_write)
        vapic_eoi(&stage.apic);
    window_want();
}

static void stage_notify(void *owner, uint8_t vector, uint32_t destination)
{
    (void)owner;
    atomic_fetch_add(&stage.notified, 1);
    if (destination == stage.in->apic_id && vector == POSTED_ACTIVE_VECTOR) {
        atomic_fetch_add(&stage.kicked, 1);
        vcpu_kick(&stage.vcpu);
    } else if (destination == stage.in->apic_id && vector == POSTED_WAKEUP_VECTOR) {
        pid_wakeup(&stage.posted);
    } else {
        atomic_fetch_add(&stage.bad, 1);
    }
}

static void stage_wake(void *owner)
{
    (void)owner;
    stage.out->wakes++;
    sem_post(&stage.wakes);
}

static void interrupt_inject(void)
{
    struct kvm_run *run = stage.vcpu.run;

    if (run->ready_for_interrupt_injection && run->if_flag &&
        vapic_pending(&stage.apic) >= 0) {
        struct kvm_interrupt interrupt = {.irq = (uint32_t)vapic_deliver(&stage.apic)};

        if (ioctl(stage.vcpu.fd, KVM_INTERRUPT, &interrupt) < 0)
            stage.out->run_error = 1;
    }
    window_want();
}

/* The guest executed HLT, and no interrupt is there. */
static void vcpu_sleep(void)
{
    stage.out->halts++;
    if (!pid_halt(&stage.posted, stage.in->apic_id))
        return;
    stage.out->sleeps++;
    atomic_store(&stage.asleep, true);
    do {
        while (sem_wait(&stage.wakes) < 0)
            ;
    } while (atomic_load(&stage.state) == VCPU_HALTED);
    atomic_store(&stage.asleep, false);
}

static void vcpu_preempted(void)
{
    pid_ready(&stage.posted);
    atomic_store(&stage.want_ready, false);
    sem_post(&stage.preempted);
    while (sem_wait(&stage.go) < 0)
        ;
}

/* One VM entry up to the exit that the VMM has to look at. */
static void vcpu_enter(void)
{
    struct run_stop stop;

    pid_sync(&stage.posted);
    interrupt_inject();
    if (vcpu_run(&stage.vcpu, &stop) < 0 ||
        (stop.status != RUN_KICKED && stop.status != RUN_HALTED &&
         !(stop.status == RUN_UNKNOWN_EXIT && stop.detail == KVM_EXIT_IRQ_WINDOW_OPEN))) {
        stage.out->run_error = 1;
        atomic_store(&stage.stop, true);
    }
    if (stop.status == RUN_HALTED && vapic_pending(&stage.apic) < 0) {
        vcpu_sleep();
        pid_run(&stage.posted, stage.in->apic_id);
    } else if (atomic_load(&stage.want_ready)) {
        vcpu_preempted();
        pid_run(&stage.posted, stage.in->apic_id);
    }
}

static void *vcpu_live(void *argument)
{
    pid_run(&stage.posted, stage.in->apic_id);
    while (!atomic_load(&stage.stop))
        vcpu_enter();
    return argument;
}

static void *poster_live(void *argument)
{
    const uint32_t number = (uint32_t)(uintptr_t)argument;

    for (uint32_t i = number; i < stage.round->count; i += stage.in->posters)
        pid_post(&stage.posted, stage.round->vectors[i], false);
    return NULL;
}

static void round_post(void)
{
    pthread_t threads[LAB07_POSTERS];

    for (uint32_t i = 0; i < stage.in->posters; i++)
        pthread_create(&threads[i], NULL, poster_live, (void *)(uintptr_t)i);
    for (uint32_t i = 0; i < stage.in->posters; i++)
        pthread_join(threads[i], NULL);
}

static void sleep_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint32_t guest_taken(void)
{
    return *(volatile uint32_t *)(void *)(stage.ram.hva + TAKEN_GPA);
}

/* Lets the guest execute HLT, once. */
static bool asleep_wait(void)
{
    volatile uint16_t *mode = (void *)(stage.ram.hva + MODE_GPA);

    *mode = 1;
    for (uint64_t end = now_ms() + WATCH_MS; now_ms() < end && !atomic_load(&stage.asleep);)
        sleep_us(300);
    *mode = 0;
    return atomic_load(&stage.asleep);
}

/* Until the guest has taken so many interrupts, or takes no more. */
static bool taken_wait(uint32_t count)
{
    uint64_t end = now_ms() + WATCH_MS;
    uint32_t last = guest_taken();

    while (now_ms() < end && !atomic_load(&stage.stop) && guest_taken() < count) {
        sleep_us(300);
        if (guest_taken() != last)
            end = now_ms() + WATCH_MS;
        last = guest_taken();
    }
    return guest_taken() >= count;
}

static bool round_play(const struct lab07_round *round, uint32_t taken)
{
    stage.round = round;
    if (round->when == LAB07_WHILE_HALTED && !asleep_wait())
        return false;
    if (round->when == LAB07_WHILE_READY) {
        atomic_store(&stage.want_ready, true);
        vcpu_kick(&stage.vcpu);
        if (!stress_sem_wait(&stage.preempted, WATCH_MS))
            return false;
    }
    round_post();
    if (round->when == LAB07_WHILE_READY)
        sem_post(&stage.go);
    return taken_wait(taken);
}

static int stage_make(void)
{
    int r = kvm_open(&stage.kvm, KVM_DEVICE_PATH, NULL);

    if (r == 0)
        r = vm_create(&stage.vm, &stage.kvm, NULL);
    if (r == 0)
        r = vcpu_create(&stage.vcpu, &stage.vm, 0, NULL);
    if (r == 0)
        r = guest_ram_create(&stage.ram, "ram", RAM_SIZE);
    if (r == 0)
        r = memory_slot_add(&stage.vm, 0, RAM_SIZE, stage.ram.hva, 0);
    if (r >= 0)
        r = guest_load(&stage.vcpu, stage.in->image, stage.in->image_size, GUEST_REAL16);
    stage.eoi = (struct device){
        .name = "eoi", .base = LAB07_EOI_PORT, .length = 1, .access = eoi_access};
    if (r == 0)
        r = device_bus_add(&stage.vm.pio, &stage.eoi);
    return r == 0 ? vcpu_kick_init() : r;
}

static void posted_make(void)
{
    atomic_store(&stage.pid.control, PID_SN);
    stage.apic = (struct virtual_apic){.page = stage.page};
    stage.posted = (struct posted_vcpu){.pid = &stage.pid,
                                        .state = &stage.state,
                                        .apic = &stage.apic,
                                        .notify = stage_notify,
                                        .wake = stage_wake};
    sem_init(&stage.wakes, 0, 0);
    sem_init(&stage.preempted, 0, 0);
    sem_init(&stage.go, 0, 0);
}

static void guest_rounds(struct subject *subject)
{
    const struct lab07_guest_input *in = subject->input;
    struct lab07_guest_output *out = subject->output;
    uint32_t taken = 0;
    pthread_t thread;

    subject->output_size = sizeof *out;
    stage.in = in;
    stage.out = out;
    posted_make();
    out->ready = stage_make() == 0 && pthread_create(&thread, NULL, vcpu_live, NULL) == 0;
    for (uint32_t i = 0; out->ready && i < in->round_count && !out->lost; i++) {
        taken += in->rounds[i].count;
        if (round_play(&in->rounds[i], taken))
            out->rounds_done++;
        else
            out->lost = i + 1;
    }
    out->notifications = atomic_load(&stage.notified);
    out->kicks = atomic_load(&stage.kicked);
    out->bad_notifications = atomic_load(&stage.bad);
    subject_checkpoint();
}

const subject_entry subject_entries[] = {
    [LAB07_IRT] = irt_requests,   [LAB07_SCRIPT] = script_run,
    [LAB07_EXPLORE] = explore,    [LAB07_STRESS] = stress_threads,
    [LAB07_GUEST] = guest_rounds,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
