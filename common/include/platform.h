/* platform.h - given: the small devices of a PC that a kernel asks while it starts.
 *
 *   60h-64h  keyboard controller: nobody is there; FEh to 64h is the old way to reset a PC
 *   70h-71h  CMOS: the time of day. Without it a kernel waits for seconds for the clock to tick
 *   80h      POST codes; Linux writes there to wait a moment
 *   600h-605h  ACPI's PM1: an S5 in the control register switches the machine off
 */
#ifndef PLATFORM_H
#define PLATFORM_H

#include "vmm.h"

#define PLATFORM_DEVICES 4
#define PLATFORM_PM1     0x600u

struct platform {
    struct vcpu *vcpu; /* kicked when the guest switches the machine off, or resets it */
    struct device devices[PLATFORM_DEVICES];
    uint8_t cmos_index;
    uint8_t pm1[6];
    bool powered_off, reset;
};

/* Puts all of them on the VM's ports. Returns 0 or what device_bus_add() returned. */
int platform_init(struct platform *platform, struct vcpu *vcpu);

#endif
