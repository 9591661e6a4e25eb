/* platform.c - keyboard controller, CMOS, POST, PM1: as little of each as a kernel needs. */
#include "platform.h"

#include <string.h>

#include "exit_loop.h"

#define KEYBOARD_RESET 0xfeu
#define PM1_CONTROL    4u
#define PM1_SCI_ENABLE 0x01u /* ACPI has the machine: always */
#define PM1_SLEEP      0x20u /* bit 13 of the register: go to sleep now */

static void end(struct platform *platform, bool *why)
{
    *why = true;
    vcpu_kick(platform->vcpu);
}

static void keyboard_access(void *owner, const struct bus_access *access)
{
    struct platform *platform = owner;

    if (!access->is_write)
        memset(access->data, 0xff, access->size);
    else if (access->offset == 4 && access->data[0] == KEYBOARD_RESET)
        end(platform, &platform->reset);
}

/* Registers of the clock: time and date in BCD, never in the middle of an update. A guest that
 * wants the true time has better clocks. */
static uint8_t cmos_register(uint8_t index)
{
    static const uint8_t clock[] = {
        [6] = 1, [7] = 1, [8] = 1, [9] = 0x26, [10] = 0x26, [11] = 0x02, [13] = 0x80};

    if (index == 0x32) /* century */
        return 0x20;
    return index < sizeof clock ? clock[index] : 0;
}

static void cmos_access(void *owner, const struct bus_access *access)
{
    struct platform *platform = owner;

    if (access->is_write && access->offset == 0)
        platform->cmos_index = access->data[0] & 0x7f;
    if (!access->is_write)
        access->data[0] = cmos_register(platform->cmos_index);
}

static void post_access(void *owner, const struct bus_access *access)
{
    (void)owner;
    if (!access->is_write)
        memset(access->data, 0, access->size);
}

/* Event status and enable are kept and never fire: nobody presses a button. */
static void pm1_access(void *owner, const struct bus_access *access)
{
    struct platform *platform = owner;
    uint8_t *at = platform->pm1 + access->offset;

    if (!access->is_write) {
        memcpy(access->data, at, access->size);
        return;
    }
    if (access->offset < 2) /* status: ones clear it, and it is clear */
        return;
    memcpy(at, access->data, access->size);
    platform->pm1[PM1_CONTROL] |= PM1_SCI_ENABLE;
    if (platform->pm1[PM1_CONTROL + 1] & PM1_SLEEP)
        end(platform, &platform->powered_off);
}

int platform_init(struct platform *platform, struct vcpu *vcpu)
{
    int r = 0;

    *platform = (struct platform){
        .vcpu = vcpu,
        .devices = {
            {.name = "keyboard", .base = 0x60, .length = 5, .access = keyboard_access},
            {.name = "cmos", .base = 0x70, .length = 2, .access = cmos_access},
            {.name = "post", .base = 0x80, .length = 1, .access = post_access},
            {.name = "pm1", .base = PLATFORM_PM1, .length = 6, .access = pm1_access}}};
    platform->pm1[PM1_CONTROL] = PM1_SCI_ENABLE;
    for (unsigned i = 0; r == 0 && i < PLATFORM_DEVICES; i++) {
        platform->devices[i].owner = platform;
        r = device_bus_add(&vcpu->vm->pio, &platform->devices[i]);
    }
    return r;
}
