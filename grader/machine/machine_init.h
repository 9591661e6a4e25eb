/* machine_init.h - what process 1 has to do before it can be an agent. */
#ifndef MACHINE_INIT_H
#define MACHINE_INIT_H

#include <stdbool.h>

/* Mounts the kernel's file systems and loads the modules that /lib/modules.list names. */
void machine_init(void);

/* In the capstone's machine: guest memory in pages of 2 MiB. */
void machine_large_pages(void);

/* Holds one VM with one vCPU open for ever, so that KVM's static keys never flip under a
 * subject (TCG mishandles the code patching that this needs). True if there is a KVM. */
bool machine_hold_kvm(void);

/* Makes a VM and forgets it: TCG translates KVM's code now, not in the first check. */
void machine_warm_up(void);

/* Waits for the virtio port and opens it; does not return without. */
int machine_channel_open(void);

/* True if the kernel command line has this word. */
bool machine_option(const char *word);

/* Runs a shell on the console until it ends, then powers off. */
_Noreturn void machine_shell(void);

#endif
