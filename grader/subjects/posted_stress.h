/* posted_stress.h - many threads post to one vCPU, which runs, is preempted and halts: real
 * threads, no explorer. Included by the dispatcher of lab 07, and by tests/posted_stress.c,
 * which is compiled with -fsanitize=thread. */
#ifndef POSTED_STRESS_H
#define POSTED_STRESS_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "07-irt-pid.h"
#include "posted_interrupt.h"

#define STRESS_CPU     7u
#define STRESS_WAIT_MS 3000

static struct {
    const struct lab07_stress_input *in;
    struct lab07_stress_output *out;
    struct posted_interrupt_descriptor pid;
    step_word state;
    _Alignas(4096) uint8_t page[VAPIC_PAGE_SIZE];
    struct virtual_apic apic;
    struct posted_vcpu vcpu;
    sem_t wakes;
    atomic_bool active;       /* a notification with ANV is pending */
    atomic_uint waiting[256]; /* by vector: posted, not taken yet */
    atomic_uint posters, notified, woken;
    uint64_t taken_at; /* when the last interrupt came, in ms */
} stress;

static uint64_t stress_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool stress_sem_wait(sem_t *sem, int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    return sem_timedwait(sem, &until) == 0;
}

static void stress_notify(void *owner, uint8_t vector, uint32_t destination)
{
    (void)owner;
    atomic_fetch_add(&stress.notified, 1);
    if (destination != STRESS_CPU)
        return; /* somewhere else: nobody hears it */
    if (vector == POSTED_ACTIVE_VECTOR)
        atomic_store(&stress.active, true);
    if (vector == POSTED_WAKEUP_VECTOR)
        pid_wakeup(&stress.vcpu);
}

static void stress_wake(void *owner)
{
    (void)owner;
    atomic_fetch_add(&stress.woken, 1);
    sem_post(&stress.wakes);
}

/* Posts each of its vectors again and again, but only when the last one has been taken. */
static void *stress_poster(void *argument)
{
    const uint32_t number = (uint32_t)(uintptr_t)argument, posters = stress.in->posters;
    uint32_t left = stress.in->rounds, vector = 32 + number;

    while (left > 0 && !__atomic_load_n(&stress.out->lost, __ATOMIC_RELAXED)) {
        if (atomic_load(&stress.waiting[vector]) == 0) {
            stress.out->posted[vector]++;
            atomic_store(&stress.waiting[vector], 1);
            pid_post(&stress.vcpu, (uint8_t)vector, left % 7 == 0);
            left--;
        } else if (vector % 16 == number % 16) {
            sched_yield();
        }
        vector = vector + posters < 256 ? vector + posters : 32 + number;
    }
    if (atomic_fetch_sub(&stress.posters, 1) == 1)
        sem_post(&stress.wakes); /* nobody will wake a vCPU that halts now */
    return NULL;
}

/* The guest: takes what can be delivered. */
static void stress_take(void)
{
    int vector;

    while ((vector = vapic_deliver(&stress.apic)) >= 0) {
        stress.out->taken[vector]++;
        stress.taken_at = stress_now_ms();
        if (atomic_exchange(&stress.waiting[vector], 0) == 0)
            stress.out->stray_taken++;
        vapic_eoi(&stress.apic);
    }
}

/* Some time in the guest: only a notification brings new interrupts. */
static void stress_guest(uint32_t turns)
{
    stress_take();
    for (uint32_t i = 0; i < turns; i++) {
        if (atomic_exchange(&stress.active, false)) {
            pid_sync(&stress.vcpu);
            stress_take();
        }
    }
}

static void stress_preempted(void)
{
    pid_ready(&stress.vcpu);
    stress.out->readies++;
    sched_yield();
}

static bool stress_any_waiting(void)
{
    for (int v = 0; v < 256; v++)
        if (atomic_load(&stress.waiting[v]))
            return true;
    return false;
}

static bool stress_over(void)
{
    return atomic_load(&stress.posters) == 0 && !stress_any_waiting();
}

/* Sleeps until it is woken, or all is over. False: nothing came any more. */
static bool stress_halted(void)
{
    stress.out->halts++;
    if (!pid_halt(&stress.vcpu, STRESS_CPU))
        return true;
    do {
        while (!stress_sem_wait(&stress.wakes, STRESS_WAIT_MS))
            if (stress_any_waiting() || atomic_load(&stress.posters) == 0)
                return false;
    } while (atomic_load(&stress.state) == VCPU_HALTED && !stress_over());
    return true;
}

static void stress_vcpu(void)
{
    uint32_t turn = (uint32_t)stress.in->seed;
    bool alive = true;

    stress.taken_at = stress_now_ms();
    while (alive && !stress_over()) {
        pid_run(&stress.vcpu, STRESS_CPU);
        atomic_store(&stress.active, false); /* in the VMM it has no effect */
        pid_sync(&stress.vcpu);
        turn = turn * 1664525u + 1013904223u;
        stress_guest(turn >> 8 & 0xff);
        if (turn >> 30 == 0 || atomic_load(&stress.posters) == 0)
            stress_preempted();
        else
            alive = stress_halted();
        if (stress_now_ms() - stress.taken_at > STRESS_WAIT_MS)
            alive = false;
    }
    if (stress_any_waiting())
        __atomic_store_n(&stress.out->lost, 1, __ATOMIC_RELAXED);
}

static void stress_run(const struct lab07_stress_input *in, struct lab07_stress_output *out)
{
    pthread_t threads[LAB07_POSTERS];

    stress.in = in;
    stress.out = out;
    atomic_store(&stress.pid.control, PID_SN);
    stress.apic = (struct virtual_apic){.page = stress.page};
    stress.vcpu = (struct posted_vcpu){.pid = &stress.pid,
                                       .state = &stress.state,
                                       .apic = &stress.apic,
                                       .notify = stress_notify,
                                       .wake = stress_wake};
    sem_init(&stress.wakes, 0, 0);
    atomic_store(&stress.posters, in->posters);
    for (uint32_t i = 0; i < in->posters; i++)
        pthread_create(&threads[i], NULL, stress_poster, (void *)(uintptr_t)i);
    stress_vcpu();
    for (uint32_t i = 0; i < in->posters; i++)
        pthread_join(threads[i], NULL);
    out->notifications = atomic_load(&stress.notified);
    out->wakes = atomic_load(&stress.woken);
}

#endif
