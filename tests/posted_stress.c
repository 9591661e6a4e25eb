/* posted_stress.c - the stress run of lab 07 as a program, for -fsanitize=thread. It is built
 * together with common/vmm/atomic_step.c and the three files of a part 07. */
#include <stdio.h>
#include <stdlib.h>

#include "subjects/posted_stress.h"

int main(void)
{
    static struct lab07_stress_output out;
    const struct lab07_stress_input in = {
        .posters = LAB07_POSTERS, .rounds = 5000, .seed = (uint64_t)time(NULL)};
    uint64_t posted = 0, taken = 0;

    stress_run(&in, &out);
    for (int v = 0; v < 256; v++) {
        posted += out.posted[v];
        taken += out.taken[v];
    }
    printf("posted %llu, taken %llu; %u notifications, %u halts, %u wake-ups, %u times "
           "ready\n",
           (unsigned long long)posted, (unsigned long long)taken, out.notifications,
           out.halts, out.wakes, out.readies);
    return out.lost || out.stray_taken || posted != taken ||
           posted != (uint64_t)in.posters * in.rounds;
}
