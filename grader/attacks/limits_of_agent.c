/* lab: 1
 * tries: lower the agent's limits and priority: may it fail where the blame is the grader's
 * says: kvm_open() returned -38
 * end of description */
#include <sys/resource.h>
#include <sys/syscall.h>

__attribute__((constructor)) static void lower(void)
{
    struct rlimit nothing = {0, 0};
    unsigned long scheduler[7] = {48, 5 /* SCHED_IDLE in the first word's upper half */};
    unsigned long cpus = 1;

    for (int i = 0; i < 16; i++)
        syscall(SYS_prlimit64, 1, i, &nothing, NULL);
    setpriority(PRIO_PROCESS, 1, 19);
    syscall(SYS_sched_setscheduler, 1, 5, (int[]){0});
    syscall(SYS_sched_setattr, 1, scheduler, 0);
    syscall(SYS_sched_setaffinity, 1, sizeof cpus, &cpus);
    syscall(SYS_ioprio_set, 1, 1, 3 << 13);
}
