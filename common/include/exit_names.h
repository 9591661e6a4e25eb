/* exit_names.h - KVM_EXIT_* numbers in words. */
#ifndef EXIT_NAMES_H
#define EXIT_NAMES_H

#include <stdint.h>

/* "IO", "MMIO", "HLT", ... or "?" for one that x86 does not use. */
const char *exit_name(uint32_t reason);

#endif
