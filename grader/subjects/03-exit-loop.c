/* 03-exit-loop.c - dispatcher of lab 03: buses with recording devices, vCPUs that run,
 * kicks at every moment that can be arranged. */
#define _GNU_SOURCE
#include "03-exit-loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "event_trace.h"
#include "exit_loop.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"

#define RAM_SIZE     0x40000u
#define WATCH_MS     4000 /* a vCPU that was kicked and has not returned by then never will */
#define POSITION_MAX 4000 /* instructions of a run that are stepped through */

/* See LAB03_STEPS below. */
static struct {
    uint64_t path[POSITION_MAX]; /* addresses of instructions */
    uint32_t length;
    bool tracing;
    bool in_device;       /* our own code: of no interest */
    volatile uint8_t *at; /* where the breakpoint is, or NULL */
    uint8_t original;     /* the byte under it */
    uint32_t skip;        /* passages before the one at which to kick */
    uint32_t position;    /* its number on the path */
    sem_t please, done;   /* to and from the thread that kicks */
} stepper;

/* Without a handler a kick's signal would end the process, and the report would say no more
 * than that. */
static bool handler_missing(void)
{
    struct sigaction action;

    sigaction(VCPU_KICK_SIGNAL, NULL, &action);
    return action.sa_handler == SIG_DFL;
}

struct stage {
    const struct lab03_input *in;
    struct lab03_output *out;
    struct kvm kvm;
    struct vm vm, second_vm;
    struct vcpu vcpu, second;
    struct guest_ram ram;
    struct event_trace trace;
    struct event events[LAB03_EVENTS];
    sem_t started, done;
    pid_t runner;
};

static struct stage stage;

/* --- recording devices -------------------------------------------------------------------- */

struct recorder {
    const uint64_t *answers;
    struct lab03_access *accesses;
    uint32_t count;
    uint32_t kick_at;
    struct vcpu *vcpu;    /* to be kicked */
    struct vcpu *running; /* vcpu_run() is about this one */
    int32_t inside, tid;  /* see struct lab03_run */
    uint32_t *no_handler;
    struct device devices[LAB03_DEVICES];
};

static struct recorder recorder;

static void recorder_kick(void)
{
    if (handler_missing())
        *recorder.no_handler = 1;
    else
        vcpu_kick(recorder.vcpu);
}

static void recorder_access(void *owner, const struct bus_access *access)
{
    uint32_t number = recorder.count++;
    struct lab03_access *note = &recorder.accesses[number % LAB03_ACCESSES];
    uint32_t size = access->size < 8 ? access->size : 8;

    stepper.in_device = true;
    *note = (struct lab03_access){.device =
                                      (uint32_t)((struct device *)owner - recorder.devices),
                                  .size = access->size,
                                  .address = access->address,
                                  .offset = access->offset,
                                  .is_write = access->is_write};
    if (!access->is_write)
        memcpy(access->data, &recorder.answers[number % LAB03_ACCESSES], size);
    memcpy(note->data, access->data, size);
    if (stage.out) {
        stage.out->digest = lab03_digest(stage.out->digest, note);
        recorder.inside = atomic_load(&recorder.running->thread);
        recorder.tid = (int32_t)syscall(SYS_gettid);
    }
    if (number == recorder.kick_at)
        recorder_kick();
    stepper.in_device = false;
}

static void devices_make(const struct lab03_device *devices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        recorder.devices[i] = (struct device){
            .name = "recorder",
            .base = devices[i].base,
            .length = devices[i].length,
            .owner = &recorder.devices[i],
            .access = devices[i].no_access ? NULL : recorder_access,
        };
}

/* --- LAB03_BUS ----------------------------------------------------------------------------- */

static void bus_operate(struct device_bus *bus, const struct lab03_op *op,
                        struct lab03_op_result *result)
{
    const struct device *found;

    memcpy(result->data, op->data, sizeof result->data);
    switch (op->kind) {
    case LAB03_OP_ADD:
        result->result = device_bus_add(bus, &recorder.devices[op->device]);
        break;
    case LAB03_OP_FIND:
        found = device_bus_find(bus, op->address, op->size);
        result->device = found ? (int32_t)(found - recorder.devices) : -1;
        break;
    default:
        /* offset is junk: to be ignored on the way in */
        device_bus_access(bus, &(struct bus_access){.address = op->address,
                                                    .offset = 0x5a5a5a5a,
                                                    .size = op->size,
                                                    .is_write = op->is_write,
                                                    .data = result->data});
    }
    result->accesses = recorder.count;
    result->count = bus->count;
    result->unclaimed = bus->unclaimed;
}

static void bus_script(struct subject *subject)
{
    const struct lab03_bus_input *in = subject->input;
    struct lab03_bus_output *out = subject->output;
    struct device_bus bus = {.count = 0};

    subject->output_size = sizeof *out;
    recorder = (struct recorder){
        .answers = in->answers, .accesses = out->accesses, .kick_at = LAB03_NEVER};
    devices_make(in->devices, LAB03_DEVICES);
    for (uint32_t i = 0; i < in->op_count; i++)
        bus_operate(&bus, &in->ops[i], &out->results[i]);
}

/* --- a vCPU with its surroundings ------------------------------------------------------------ */

/* Chained behind the part's own handler: in what state does a kick's signal find us? */
static void (*part_handler)(int);

static void signal_note(int number)
{
    struct lab03_output *out = stage.out;

    part_handler(number);
    if (out->signals++ == 0) {
        out->signal_requested = atomic_load(&stage.vcpu.kick_requested);
        out->signal_immediate_exit = stage.vcpu.run->immediate_exit;
    }
}

static void signal_chain(void)
{
    struct sigaction action;

    sigaction(VCPU_KICK_SIGNAL, NULL, &action);
    part_handler = action.sa_handler;
    if (part_handler == SIG_DFL || part_handler == SIG_IGN)
        return;
    action.sa_handler = signal_note;
    sigaction(VCPU_KICK_SIGNAL, &action, NULL);
}

static int vcpu_make(void)
{
    int r = kvm_open(&stage.kvm, KVM_DEVICE_PATH, NULL);

    if (r == 0)
        r = vm_create(&stage.vm, &stage.kvm, NULL);
    if (r == 0)
        r = vcpu_create(&stage.vcpu, &stage.vm, 0, NULL);
    return r;
}

static int second_make(void)
{
    int r = vm_create(&stage.second_vm, &stage.kvm, NULL);

    return r < 0 ? r : vcpu_create(&stage.second, &stage.second_vm, 0, NULL);
}

static void device_put(struct vm *vm, uint32_t bus, const struct device *device)
{
    device_bus_add(bus ? &vm->mmio : &vm->pio, device);
}

static int guest_make(const uint8_t *image, size_t size, enum guest_mode mode)
{
    int r = guest_ram_create(&stage.ram, "ram", RAM_SIZE);

    if (r == 0)
        r = memory_slot_add(&stage.vm, 0, RAM_SIZE, stage.ram.hva, 0);
    return r < 0 ? r : guest_load(&stage.vcpu, image, size, mode);
}

static int stage_build(struct subject *subject)
{
    const struct lab03_input *in = subject->input;
    struct lab03_output *out = subject->output;

    subject->output_size = sizeof *out;
    stage.in = in;
    stage.out = out;
    out->kick_init = vcpu_kick_init();
    if (vcpu_make() < 0 || (in->second && second_make() < 0))
        return -1;
    recorder = (struct recorder){.answers = in->answers,
                                 .accesses = out->accesses,
                                 .kick_at = in->kick_at,
                                 .vcpu = &stage.vcpu,
                                 .running = &stage.vcpu,
                                 .no_handler = &out->no_handler};
    devices_make(in->devices, in->device_count);
    for (uint32_t i = 0; i < in->device_count; i++)
        device_put(in->devices[i].bus & 2 ? &stage.second_vm : &stage.vm,
                   in->devices[i].bus & 1, &recorder.devices[i]);
    if (in->trace_events) {
        stage.trace = (struct event_trace){stage.events, in->trace_events, 0};
        stage.vcpu.trace = &stage.trace;
    }
    out->ready = 1;
    return 0;
}

static int run_once_of(struct vcpu *vcpu, struct run_stop *stop)
{
    memset(stop, 0x5a, sizeof *stop);
    recorder.running = vcpu;
    recorder.inside = recorder.tid = 0;
    return vcpu_run(vcpu, stop);
}

static int run_once(struct run_stop *stop)
{
    return run_once_of(&stage.vcpu, stop);
}

static void run_note(int result, const struct run_stop *stop)
{
    struct lab03_run *note = &stage.out->runs[stage.out->run_count++ % LAB03_RUNS];
    const struct vcpu *vcpu = recorder.running;

    note->inside = recorder.inside;
    note->tid = recorder.tid;
    note->result = result;
    note->status = (uint32_t)stop->status;
    note->detail = stop->detail;
    note->thread = atomic_load(&vcpu->thread);
    note->kick_requested = atomic_load(&vcpu->kick_requested);
    note->immediate_exit = vcpu->run->immediate_exit;
    note->accesses = recorder.count;
}

static void mark(unsigned long what)
{
    ioctl(stage.vcpu.fd, LAB03_MARK, what);
}

static void run_noted(struct vcpu *vcpu)
{
    struct run_stop stop;
    int r = run_once_of(vcpu, &stop);

    run_note(r, &stop);
}

static void *thread_run(void *unused)
{
    (void)unused;
    run_noted(&stage.vcpu);
    return NULL;
}

static void step_play(enum lab03_step step)
{
    pthread_t thread;

    switch (step) {
    case LAB03_STEP_KICK:
        vcpu_kick(&stage.vcpu);
        break;
    case LAB03_STEP_KICK_SECOND:
        vcpu_kick(&stage.second);
        break;
    case LAB03_STEP_SECOND:
        run_noted(&stage.second);
        break;
    case LAB03_STEP_THREAD:
        if (pthread_create(&thread, NULL, thread_run, NULL) == 0)
            pthread_join(thread, NULL);
        break;
    default:
        run_noted(&stage.vcpu);
    }
}

static void steps_play(void)
{
    for (int i = 0; i < LAB03_RUNS && stage.in->steps[i] != LAB03_STEP_END; i++) {
        step_play((enum lab03_step)stage.in->steps[i]);
        mark(stage.in->steps[i] == LAB03_STEP_KICK ? LAB03_MARK_KICK : LAB03_MARK_END);
    }
}

static void stage_note(void)
{
    struct lab03_output *out = stage.out;

    out->access_count = recorder.count;
    memcpy(out->exits, stage.vcpu.exits, sizeof out->exits);
    memcpy(out->second_exits, stage.second.exits, sizeof out->second_exits);
    out->interrupted = stage.vcpu.interrupted;
    out->unclaimed[0] = stage.vm.pio.unclaimed;
    out->unclaimed[1] = stage.vm.mmio.unclaimed;
    out->events_total = stage.trace.total;
    for (size_t i = 0; i < LAB03_EVENTS; i++) {
        const struct event *event = event_trace_recent(&stage.trace, i);

        if (event)
            out->events[i] = (struct lab03_event){
                event->reason, event->size, event->address, event->count, event->is_write};
    }
}

/* --- LAB03_RUN: on the pretended KVM --------------------------------------------------------- */

static void model_run(struct subject *subject)
{
    if (stage_build(subject) < 0)
        return;
    signal_chain();
    steps_play();
    stage_note();
}

/* --- LAB03_GUEST: on the real one ------------------------------------------------------------ */

static void registers_note(struct lab03_run *note)
{
    struct kvm_regs regs;

    if (ioctl(stage.vcpu.fd, KVM_GET_REGS, &regs) == 0) {
        note->rip = regs.rip;
        note->rax = regs.rax;
    }
}

static void *guest_runner(void *unused)
{
    (void)unused;
    stage.runner = (pid_t)syscall(SYS_gettid);
    sem_post(&stage.started);
    for (int i = 0; i < LAB03_RUNS && stage.in->steps[i] == LAB03_STEP_RUN; i++) {
        struct run_stop stop;

        run_note(run_once(&stop), &stop);
        registers_note(&stage.out->runs[i]);
    }
    sem_post(&stage.done);
    return NULL;
}

static void sleep_us(uint32_t us)
{
    const struct timespec time = {us / 1000000, (long)(us % 1000000) * 1000};

    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* False: it did not happen within ms. */
static bool wait_for(sem_t *event, uint32_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    for (;;) {
        if (sem_timedwait(event, &until) == 0)
            return true;
        if (errno != EINTR)
            return false;
    }
}

/* Until the guest has changed its number (on a busy host that may take a while), or ended. */
static void guest_wait(void)
{
    const volatile uint64_t *number =
        (const volatile uint64_t *)(const volatile void *)(stage.ram.hva +
                                                           GUEST_MAILBOX_GPA);

    int ended = 0;

    wait_for(&stage.started, WATCH_MS);
    for (int ms = 0; ms < WATCH_MS / 2 && !ended && *number == stage.in->mailbox[0]; ms++) {
        sleep_us(1000);
        sem_getvalue(&stage.done, &ended);
    }
}

/* Until the runner has taken its n-th signal: a second one that finds the first still waiting
 * (on a busy host) would be the same. */
static void signal_wait(uint32_t n)
{
    const volatile uint32_t *signals = &stage.out->signals;
    int ended = 0;

    for (int ms = 0; ms < WATCH_MS / 4 && !ended && *signals < n; ms++) {
        sleep_us(1000);
        sem_getvalue(&stage.done, &ended);
    }
}

/* Signals that nobody asked for, then a kick, while the guest runs on its own thread. */
static void guest_disturb(void)
{
    uint32_t pause = stage.in->kick_after_ms * 1000 / (stage.in->strays + 1);

    guest_wait();
    if (handler_missing()) {
        stage.out->no_handler = 1;
        return;
    }
    for (uint32_t i = 0; i < stage.in->strays; i++) {
        sleep_us(pause);
        syscall(SYS_tgkill, getpid(), stage.runner, VCPU_KICK_SIGNAL);
        signal_wait(i + 1);
    }
    sleep_us(pause);
    vcpu_kick(&stage.vcpu);
}

static void guest_run(struct subject *subject)
{
    const struct lab03_input *in = subject->input;
    pthread_t thread;

    if (stage_build(subject) < 0)
        return;
    if (guest_make(in->image, in->image_size, (enum guest_mode)in->mode) < 0) {
        stage.out->ready = 0;
        return;
    }
    memcpy(stage.ram.hva + GUEST_MAILBOX_GPA, in->mailbox, sizeof in->mailbox);
    signal_chain();
    sem_init(&stage.started, 0, 0);
    sem_init(&stage.done, 0, 0);
    if (pthread_create(&thread, NULL, guest_runner, NULL) == 0 && in->kick_after_ms)
        guest_disturb();
    stage.out->stuck = !stage.out->no_handler && !wait_for(&stage.done, WATCH_MS);
    stage_note();
    subject_checkpoint();
}

/* --- LAB03_STEPS: a kick at each instruction ------------------------------------------------- */

/* First one run is stepped through with the processor's trap flag (SIGTRAP after every
 * instruction), which gives its path. Then, for each instruction of the path, a breakpoint
 * (INT3) stops the run there, and another thread kicks while it stands. */
#define FLAG_TRAP  0x100ull
#define BREAKPOINT 0xcc
#define NEAR       4096 /* a part's functions lie together */

static void *stepper_kicker(void *unused)
{
    (void)unused;
    for (;;) {
        while (sem_wait(&stepper.please) < 0)
            ;
        vcpu_kick(&stage.vcpu);
        sem_post(&stepper.done);
    }
    return NULL;
}

static void path_note(uint64_t rip)
{
    bool repeated = stepper.length && stepper.path[stepper.length - 1] == rip;

    if (stepper.length < POSITION_MAX && !repeated && !stepper.in_device)
        stepper.path[stepper.length++] = rip;
}

/* The run stands at the instruction in question. */
static void stepper_kick(void)
{
    int saved = errno;

    stepper.at = NULL;
    sem_post(&stepper.please);
    while (sem_wait(&stepper.done) < 0)
        ;
    mark(LAB03_MARK_KICK | (stepper.position + 1ul) << 32);
    errno = saved;
}

static void breakpoint_set(void)
{
    if (stepper.at)
        *stepper.at = BREAKPOINT;
}

static void breakpoint_lift(void)
{
    if (stepper.at)
        *stepper.at = stepper.original;
}

/* Returns whether the breakpoint stays lifted: until the instruction under it is done. */
__attribute__((noinline)) static bool stepper_stop(greg_t *registers)
{
    uint64_t rip = (uint64_t)registers[REG_RIP];

    if (stepper.tracing) {
        path_note(rip);
    } else if (stepper.at && rip == (uintptr_t)stepper.at + 1) {
        registers[REG_RIP]--;
        if (stepper.skip-- == 0) {
            stepper_kick();
        } else {
            registers[REG_EFL] |= (greg_t)FLAG_TRAP;
            return true;
        }
    } else {
        registers[REG_EFL] &= (greg_t)~FLAG_TRAP;
    }
    return false;
}

/* Calls nothing while the breakpoint is set: it may be in what is called. */
static void stepper_trap(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    breakpoint_lift();
    if (!stepper_stop(((ucontext_t *)context)->uc_mcontext.gregs))
        breakpoint_set();
}

/* As a distance from a function that can be told apart by its name. */
static int32_t distance(uint64_t rip, uintptr_t function)
{
    int64_t bytes = (int64_t)(rip - function);

    return bytes > -NEAR && bytes < NEAR ? (int32_t)bytes : LAB03_ELSEWHERE;
}

/* The next run is to be kicked at the n-th instruction of the path. False: no breakpoint
 * can be put there. */
static bool position_choose(uint32_t n)
{
    uintptr_t address = stepper.path[n];

    stepper.position = n;

    if (mprotect((void *)(address & ~4095ul), 4096, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
        return false;
    stepper.skip = 0;
    for (uint32_t i = 0; i < n; i++)
        stepper.skip += stepper.path[i] == address;
    stepper.at = (volatile uint8_t *)address;
    stepper.original = *stepper.at;
    return true;
}

static void kick_before(void)
{
    vcpu_kick(&stage.vcpu);
    mark(LAB03_MARK_KICK);
}

/* Returns the status, or 0 if a kick is still waiting. */
static uint32_t run_marked(void)
{
    struct run_stop stop;
    int r;

    memset(&stop, 0x5a, sizeof stop);
    breakpoint_set();
    if (stepper.tracing)
        __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | FLAG_TRAP);
    r = vcpu_run(&stage.vcpu, &stop);
    if (stepper.tracing)
        __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~FLAG_TRAP);
    breakpoint_lift();
    stepper.at = NULL;
    stepper.tracing = false;
    uint32_t status = r == 0 ? (uint32_t)stop.status & 0xff : 0;
    bool pending = atomic_load(&stage.vcpu.kick_requested);
    mark(LAB03_MARK_END + status + (pending ? LAB03_MARK_PENDING : 0));
    return pending ? 0 : status;
}

/* Runs until the guest halts and no kick waits. */
static void runs_finish(void)
{
    if (stage.in->steps[0] == LAB03_STEP_KICK)
        kick_before();
    for (int runs = 0; runs < 4 && run_marked() != RUN_HALTED; runs++)
        ;
}

static bool stepper_begin(void)
{
    struct sigaction trap = {.sa_sigaction = stepper_trap, .sa_flags = SA_SIGINFO};
    pthread_t thread;

    sem_init(&stepper.please, 0, 0);
    sem_init(&stepper.done, 0, 0);
    sigaction(SIGTRAP, &trap, NULL);
    return pthread_create(&thread, NULL, stepper_kicker, NULL) == 0;
}

static void steps_run(struct subject *subject)
{
    const struct lab03_input *in = subject->input;
    uint32_t count;

    if (stage_build(subject) < 0 || stage.out->kick_init < 0)
        return;
    stage.out->no_handler = handler_missing();
    if (stage.out->no_handler || !stepper_begin())
        return;
    stepper.tracing = true;
    runs_finish();
    stage.out->instructions = stepper.length;
    count = stepper.length < in->positions ? stepper.length : in->positions;
    for (uint32_t i = 0; i < count && i < LAB03_POSITIONS; i++)
        stage.out->where[i] = distance(stepper.path[i], (uintptr_t)vcpu_run);
    for (uint32_t i = 0; i < count; i++)
        if (position_choose((uint32_t)((uint64_t)i * stepper.length / count)))
            runs_finish();
}

/* --- LAB03_MOMENTS: between two instructions of vcpu_kick() ----------------------------------- */

/* vcpu_kick() is stepped through; after a number of instructions the trap flag's handler does
 * what the vCPU's thread might do just then. That thread itself is only a target: it keeps
 * the kick's signal blocked, and looks for it when asked. */
static struct {
    enum lab03_meanwhile meanwhile;
    struct lab03_moment *note;
    uint32_t wait; /* instructions of vcpu_kick() still to go */
    bool inside;   /* vcpu_kick() has begun */
    bool reached;  /* it was not over before */
    pid_t target;
    uint32_t signals; /* that the target found */
} moment;

static void *target_wait(void *unused)
{
    static const struct timespec now;
    sigset_t kick;

    (void)unused;
    sigemptyset(&kick);
    sigaddset(&kick, VCPU_KICK_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &kick, NULL);
    moment.target = (pid_t)syscall(SYS_gettid);
    for (;;) {
        sem_post(&stepper.done);
        while (sem_wait(&stepper.please) < 0)
            ;
        moment.signals = sigtimedwait(&kick, NULL, &now) == VCPU_KICK_SIGNAL;
    }
    return NULL;
}

static void moment_act(struct lab03_moment *note)
{
    volatile uint8_t *immediate_exit = &stage.vcpu.run->immediate_exit;

    note->immediate_exit = *immediate_exit;
    note->requested = atomic_load(&stage.vcpu.kick_requested);
    if (moment.meanwhile == LAB03_INTERRUPTED) {
        *immediate_exit = 0;
        atomic_exchange(&stage.vcpu.kick_requested, false);
    } else {
        atomic_store(&stage.vcpu.thread, moment.target);
    }
}

/* Is it an instruction behind which all stores before it can be seen, before a load behind it is
 * done? (SDM 3A, Memory Ordering: LOCK, XCHG with memory, MFENCE; entering the kernel and CPUID
 * are taken for one.) */
static bool instruction_orders(const uint8_t *code)
{
    while (*code == 0x66 || *code == 0x67 || *code == 0xf2 || *code == 0xf3 ||
           (*code & 0xe7) == 0x26 || (*code & 0xfe) == 0x64)
        code++;
    if (*code == 0xf0)
        return true;
    if ((*code & 0xf0) == 0x40)
        code++;
    if ((*code & 0xfe) == 0x86)
        return (code[1] & 0xc0) != 0xc0;
    return code[0] == 0x0f && (code[1] == 0x05 || code[1] == 0xa2 ||
                               (code[1] == 0xae && (code[2] & 0xf8) == 0xf0));
}

static void moment_trap(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t rip = (uint64_t)registers[REG_RIP];

    (void)number, (void)info;
    moment.inside |= rip == (uintptr_t)vcpu_kick;
    if (!moment.inside || moment.wait-- > 0)
        return;
    registers[REG_EFL] &= (greg_t)~FLAG_TRAP;
    moment.reached = true;
    moment.note->where = distance(rip, (uintptr_t)vcpu_kick);
    moment.note->orders = instruction_orders((const uint8_t *)rip);
    moment_act(moment.note);
}

/* Returns whether vcpu_kick() has more than n instructions. */
static bool moment_try(enum lab03_meanwhile meanwhile, uint32_t n,
                       struct lab03_moment *note)
{
    struct vcpu *vcpu = &stage.vcpu;

    moment.meanwhile = meanwhile;
    moment.note = note;
    moment.wait = n;
    moment.inside = moment.reached = false;
    vcpu->run->immediate_exit = 0;
    atomic_store(&vcpu->kick_requested, false);
    atomic_store(&vcpu->thread, meanwhile == LAB03_ENTERS ? 0 : moment.target);
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | FLAG_TRAP);
    vcpu_kick(vcpu);
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~FLAG_TRAP);
    sem_post(&stepper.please);
    while (sem_wait(&stepper.done) < 0)
        ;
    note->immediate_exit_after = vcpu->run->immediate_exit;
    note->requested_after = atomic_load(&vcpu->kick_requested);
    note->signals = moment.signals;
    return moment.reached;
}

static bool moments_begin(struct subject *subject)
{
    static struct lab03_output unused; /* of the stage */
    struct subject inner = *subject;
    struct sigaction trap = {.sa_sigaction = moment_trap, .sa_flags = SA_SIGINFO};
    pthread_t thread;

    inner.output = &unused;
    sem_init(&stepper.please, 0, 0);
    sem_init(&stepper.done, 0, 0);
    sigaction(SIGTRAP, &trap, NULL);
    return stage_build(&inner) == 0 &&
           pthread_create(&thread, NULL, target_wait, NULL) == 0;
}

static void moments_run(struct subject *subject)
{
    struct lab03_moments_output *out = subject->output;

    subject->output_size = sizeof *out;
    out->ready = moments_begin(subject);
    if (!out->ready)
        return;
    while (sem_wait(&stepper.done) < 0)
        ;
    for (int m = 0; m < LAB03_MEANWHILES; m++)
        while (out->count[m] < LAB03_POSITIONS &&
               moment_try((enum lab03_meanwhile)m, out->count[m],
                          &out->moments[m][out->count[m]]))
            out->count[m]++;
}

/* --- LAB03_SIGNAL: in another system call ----------------------------------------------------- */

static void signal_call(struct subject *subject)
{
    struct lab03_signal_output *out = subject->output;
    struct sigaction action;

    subject->output_size = sizeof *out;
    out->kick_init = vcpu_kick_init();
    sigaction(VCPU_KICK_SIGNAL, NULL, &action);
    out->handler = action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
    if (!out->handler || vcpu_make() < 0)
        return;
    ioctl(stage.vcpu.fd, LAB03_DISTURBED, 0);
    out->error = errno;
}

/* --- LAB03_KICKS: many kicks from a second thread --------------------------------------------- */

/* Runs and runs. At the lowest priority: on one CPU, whoever kicks interrupts it wherever it
 * is at that moment. */
static void *kicks_runner(void *argument)
{
    struct lab03_kicks_output *out = argument;
    const struct sched_param none = {0};
    struct run_stop stop;

    sched_setscheduler(0, SCHED_IDLE, &none);
    for (;;) {
        bool kicked = run_once(&stop) == 0 && stop.status == RUN_KICKED;

        if (kicked)
            out->kicked++;
        else
            out->others++;
        sem_post(&stage.done);
    }
    return NULL;
}

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((*state >> 33) % limit);
}

/* Until the guest has counted on: its VM entry has been. */
static void counting_wait(void)
{
    const volatile uint16_t *number =
        (const volatile uint16_t *)(const volatile void *)(stage.ram.hva +
                                                           GUEST_MAILBOX_GPA);
    const uint16_t before = *number;

    for (int i = 0; i < WATCH_MS * 5 && *number == before; i++)
        sleep_us(200);
}

/* The moment of a kick: mostly at once, so between two runs or as one begins; sometimes after
 * a sleep, so in the guest. (Giving way would do that too, for a whole tick of 4 ms.) */
static void kick_moment(const struct lab03_kicks_input *in, uint64_t *state,
                        struct lab03_kicks_output *out)
{
    out->slept = 0;
    if (out->tries % in->watched == 0)
        counting_wait();
    else if (random_below(state, in->sleepers) == 0) {
        uint32_t us = random_below(state, in->sleep_us);

        out->slept = us + 1;
        sleep_us(us);
    }
}

static bool kicks_build(const struct lab03_kicks_input *in, struct lab03_kicks_output *out)
{
    pthread_t thread;

    if (vcpu_kick_init() < 0 || vcpu_make() < 0 ||
        guest_make(in->image, in->image_size, GUEST_REAL16) < 0)
        return false;
    sem_init(&stage.done, 0, 0);
    prctl(PR_SET_TIMERSLACK, 1); /* nanosecond: sleep no longer than asked */
    return pthread_create(&thread, NULL, kicks_runner, out) == 0;
}

static void kicks_run(struct subject *subject)
{
    const struct lab03_kicks_input *in = subject->input;
    struct lab03_kicks_output *out = subject->output;
    uint64_t state = in->seed;

    subject->output_size = sizeof *out;
    out->ready = kicks_build(in, out);
    out->no_handler = out->ready && handler_missing();
    if (!out->ready || out->no_handler)
        return;
    while (out->tries < in->tries && !out->lost) {
        kick_moment(in, &state, out);
        vcpu_kick(&stage.vcpu);
        out->tries++;
        out->lost = !wait_for(&stage.done, WATCH_MS);
    }
}

const subject_entry subject_entries[] = {
    [LAB03_BUS] = bus_script,      [LAB03_RUN] = model_run,      [LAB03_GUEST] = guest_run,
    [LAB03_STEPS] = steps_run,     [LAB03_SIGNAL] = signal_call, [LAB03_KICKS] = kicks_run,
    [LAB03_MOMENTS] = moments_run,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
