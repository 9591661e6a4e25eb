/* 11-boot-linux.c - the checks of lab 11, the capstone. */
#include "11-boot-linux/checks.h"

static void nothing(struct judge *judge)
{
    (void)judge;
}

static const struct check checks[] = {
    {.id = "nothing", .title = "", .tenths = 200, .target = TARGET_MODEL, .run = nothing},
};

const struct lab_checks lab_checks = {.name = "11-boot-linux",
                                      .title = "Boot Linux",
                                      .checks = checks,
                                      .count = sizeof checks / sizeof checks[0]};
