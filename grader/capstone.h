/* capstone.h - lab 11: what is special about it. */
#ifndef CAPSTONE_H
#define CAPSTONE_H

#include <stdint.h>

#define CAPSTONE_LAB "11-boot-linux"

/* The function of a step of linux_vm_run(), for messages. */
const char *capstone_step(uint32_t step);

/* What an errno means at that step. */
const char *capstone_error(uint32_t step, int error);

#endif
