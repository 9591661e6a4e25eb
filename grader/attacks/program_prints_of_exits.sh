# lab: 10
# only: l2_is_launched_by_vmx
# tries: alone on the emulated CPU, prints what the emulator's debugger prints at a VM exit, to
# every port that prints in some emulator, and breaks into the debugger itself
# says: the emulator saw no VM exit
# end of description
cat >small_hypervisor.vmx.c <<'EOF'
#include "guest_hypervisor.h"
#include "program.h"

static const char text[] = "\n(0) Caught VMEXIT breakpoint\nr14: 00000000_00000000\n";

void hypervisor_main(struct hypervisor_job *job)
{
    static const uint16_t ports[] = {0xe9, 0x402, 0x403, 0x500, 0x3f8, 0x378, 0x80};

    for (unsigned i = 0; i < sizeof ports / sizeof ports[0]; i++)
        for (const char *at = text; *at; at++)
            out8(ports[i], (uint8_t)*at);
    out8(0x8900, 'D');
    job->end = HYPERVISOR_HALTED;
}
EOF
