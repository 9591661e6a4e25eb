# lab: 10
# only: vmx_exits_are_answered
# tries: enters no guest at all, but writes what the checks look for in memory: the counters, and
# a number into L2's mailbox
# says: the emulator saw no VM exit
# end of description
cat >small_hypervisor.vmx.c <<'EOF'
#include "guest_hypervisor.h"
#include "program.h"

void hypervisor_main(struct hypervisor_job *job)
{
    uint64_t *mailbox = (uint64_t *)(job->l2_base + 0x8000);

    for (unsigned i = 0; i < HYPERVISOR_EXITS; i++)
        job->exits[i] = 3;
    for (mailbox[17] = 0; mailbox[32 + mailbox[17]]; mailbox[17]++)
        ;
    mailbox[16] = mailbox[0];
    job->end = HYPERVISOR_HALTED;
}
EOF
