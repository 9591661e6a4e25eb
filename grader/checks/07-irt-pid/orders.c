/* orders.c - every order of steps of a vCPU, its wake-up handler and posters; and real
 * threads.
 */
#include "checks.h"

#include <inttypes.h>

#include "posted_interrupt.h"

#define HANDLER  1
#define POSTER_A 2
#define POSTER_B 3

/* The word of PIR in which all vectors of a scene lie, so that posters are in each other's way.
 * Each scene takes the next word: four in a row have used all. */
static uint32_t scene_word;

static void scene_make(struct judge *judge, struct lab07_explore_input *in, uint64_t state,
                       bool on, bool sn)
{
    *in = (struct lab07_explore_input){.cpu = (uint32_t)judge_random(judge),
                                       .preemptions = LAB07_UNBOUNDED,
                                       .actor_count = POSTER_A + 1};
    in->words[4] = control_make(on, sn, POSTED_ACTIVE_VECTOR,
                                state == VCPU_RUNNING ? in->cpu : ~in->cpu) |
                   (judge_random(judge) & CONTROL_RESERVED);
    in->words[5] = state;
    scene_word = (scene_word + 1) % 4;
}

/* A vector that no other part of the scene uses. */
static uint32_t scene_vector(struct judge *judge, struct lab07_explore_input *in)
{
    uint8_t used[256];
    uint32_t vector;

    posts_count(in, used);
    do
        vector = random_vector(judge);
    while (used[vector] || vector / 64 != scene_word);
    return vector;
}

static void scene_waiting(struct judge *judge, struct lab07_explore_input *in)
{
    uint32_t vector = scene_vector(judge, in);

    in->words[vector / 64] |= 1ull << vector % 64;
}

static void scene_post(struct judge *judge, struct lab07_explore_input *in, uint32_t poster,
                       uint32_t n, bool urgent)
{
    in->orders[poster][n] =
        (struct lab07_call){.op = LAB07_POST, .a = scene_vector(judge, in), .b = urgent};
    if (poster >= in->actor_count)
        in->actor_count = poster + 1;
}

/* What the vCPU's thread does, in order. */
static void scene_thread(struct lab07_explore_input *in, const uint32_t *ops)
{
    for (uint32_t i = 0; ops[i]; i++)
        in->orders[0][i] = (struct lab07_call){.op = ops[i], .a = in->cpu};
}

#define THREAD(in, ...) scene_thread(in, (const uint32_t[]){__VA_ARGS__, LAB07_END})

static struct lab07_explore_input scene;

void running_vcpu_loses_nothing(struct judge *judge)
{
    uint32_t tried = 0;

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene_post(judge, &scene, POSTER_B, 0, false);
    tried += scenario_judge(judge, &scene, "a guest that runs, two posters");

    for (int word = 0; word < 4; word++) {
        scene_make(judge, &scene, VCPU_RUNNING, true, false);
        scene_waiting(judge, &scene);
        THREAD(&scene, LAB07_SYNC, LAB07_GUEST_WAIT);
        scene_post(judge, &scene, POSTER_A, 0, false);
        scene_post(judge, &scene, POSTER_A, 1, random_bool(judge));
        scene.preemptions = 3;
        tried += scenario_judge(judge, &scene,
                                "a VM entry with ON = 1 from before, one poster, twice");
    }
    judge_figure(judge, "orders tried, a running vCPU", tried, "");
}

void ready_vcpu_finds_all_posted(struct judge *judge)
{
    uint32_t tried = 0;

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_READY, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    tried += scenario_judge(judge, &scene, "a vCPU is preempted and goes on, one poster");

    scene_make(judge, &scene, VCPU_READY, false, true);
    scene_waiting(judge, &scene);
    THREAD(&scene, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene_post(judge, &scene, POSTER_A, 1, false);
    scene.preemptions = 3;
    tried += scenario_judge(judge, &scene, "a ready vCPU goes on, one poster, twice");

    scene_make(judge, &scene, VCPU_READY, false, true);
    THREAD(&scene, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, true);
    scene_post(judge, &scene, POSTER_B, 0, false);
    scene.preemptions = 3;
    tried +=
        scenario_judge(judge, &scene, "a ready vCPU goes on, an urgent poster and another");

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_READY, LAB07_RUN, LAB07_READY);
    scene_post(judge, &scene, POSTER_A, 0, true);
    tried += scenario_judge(judge, &scene,
                            "a vCPU becomes ready, runs, becomes ready, an urgent poster");
    judge_figure(judge, "orders tried, a ready vCPU", tried, "");
}

void halted_vcpu_is_woken(struct judge *judge)
{
    uint32_t tried = 0;

    for (int word = 0; word < 4; word++) {
        scene_make(judge, &scene, VCPU_RUNNING, false, false);
        if (word == 3) /* since it ran its thread has moved to another processor */
            scene.words[4] ^= PID_NDST;
        THREAD(&scene, LAB07_HALT);
        scene_post(judge, &scene, POSTER_A, 0, word == 2);
        scene.preemptions = word ? 2 : LAB07_UNBOUNDED;
        tried += scenario_judge(judge, &scene, "a vCPU halts, one poster");
    }

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_HALT, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene.preemptions = 3;
    tried +=
        scenario_judge(judge, &scene, "a vCPU halts and is back in the guest, one poster");

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_SYNC, LAB07_GUEST_HLT, LAB07_HALT, LAB07_RUN, LAB07_SYNC,
           LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene_post(judge, &scene, POSTER_A, 1, false);
    scene.preemptions = 3;
    tried += scenario_judge(judge, &scene, "a guest runs, then halts, one poster, twice");

    scene_make(judge, &scene, VCPU_RUNNING, false, false);
    THREAD(&scene, LAB07_HALT, LAB07_RUN, LAB07_SYNC, LAB07_GUEST_WAIT);
    scene_post(judge, &scene, POSTER_A, 0, false);
    scene_post(judge, &scene, POSTER_B, 0, false);
    scene.preemptions = 2;
    tried += scenario_judge(judge, &scene, "a vCPU halts, two posters");
    judge_figure(judge, "orders tried, a halted vCPU", tried, "");
}
