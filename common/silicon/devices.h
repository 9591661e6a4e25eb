/* devices.h - what a small hypervisor shows to its guest beside memory: a CPUID leaf of its own,
 * and a device with one port that adds up. (common/include/guest_hypervisor.h) */
#ifndef DEVICES_H
#define DEVICES_H

#include <string.h>

#include "cpu.h"
#include "guest_hypervisor.h"

/* L2's CPUID: the answer is in L2's registers afterwards. */
static inline void device_cpuid(const struct hypervisor_job *job,
                                uint64_t registers[L2_REGISTERS])
{
    uint32_t answer[4];

    cpuid_read((uint32_t)registers[L2_RAX], (uint32_t)registers[L2_RCX], answer);
    if ((uint32_t)registers[L2_RAX] == job->cpuid_leaf)
        memcpy(answer, job->cpuid_answer, sizeof answer);
    registers[L2_RAX] = answer[0];
    registers[L2_RBX] = answer[1];
    registers[L2_RCX] = answer[2];
    registers[L2_RDX] = answer[3];
}

/* L2's IN or OUT at job->port, with AL (bytes = 1) or EAX (4). IN AL keeps the rest of RAX. */
static inline void device_access(struct hypervisor_job *job, bool in, unsigned bytes,
                                 uint64_t *rax)
{
    const uint64_t mask = bytes == 1 ? 0xff : 0xffffffff;

    if (!in)
        job->port_sum += *rax & mask;
    else
        *rax = (job->port_sum & mask) | (bytes == 1 ? *rax & ~mask : 0);
}

#endif
