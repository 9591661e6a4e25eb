/* 11-boot-linux.c - the checks of lab 11, the capstone. */
#include "11-boot-linux/checks.h"

static const struct check checks[] = {
    {.id = "linux_answers", .title = "a", .tenths = 200, .target = TARGET_MACHINE, .run = linux_answers},
    {.id = "kernel_is_the_true_one", .title = "a", .tenths = 200, .target = TARGET_MACHINE, .run = kernel_is_the_true_one},
    {.id = "linux_sees_the_board", .title = "a", .tenths = 200, .target = TARGET_MACHINE, .run = linux_sees_the_board},
    {.id = "linux_drives_the_device", .title = "a", .tenths = 200, .target = TARGET_MACHINE, .run = linux_drives_the_device},
    {.id = "device_reaches_guest_memory", .title = "a", .tenths = 200, .target = TARGET_MACHINE, .run = device_reaches_guest_memory},
};

const struct lab_checks lab_checks = {.name = "11-boot-linux",
                                      .title = "Boot Linux",
                                      .checks = checks,
                                      .count = sizeof checks / sizeof checks[0]};
