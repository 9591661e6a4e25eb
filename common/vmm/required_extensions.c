/* required_extensions.c - what the VMM cannot do without. */
#include "kvm_open.h"

const int kvm_required_extensions[] = {
    KVM_CAP_USER_MEMORY,    /* memory slots over our own memory */
    KVM_CAP_READONLY_MEM,   /* read-only slots */
    KVM_CAP_IMMEDIATE_EXIT, /* a kick that cannot be lost */
    KVM_CAP_NR_MEMSLOTS,    /* says how many slots there may be */
    -1,
};
