/* call_supervisor.h - a pretended KVM and VFIO, and a log of the calls made to them.
 *
 * The subject's system calls that matter (open, close, ioctl, mmap, munmap) stop in the
 * kernel and are handed to the agent (seccomp user notification, seccomp_unotify(2)).
 * The agent answers those that concern KVM or VFIO from a plan, lets the others
 * through, and notes what it saw. So any call can be made to fail, and the log is
 * written by a process that the subject cannot reach. */
#ifndef CALL_SUPERVISOR_H
#define CALL_SUPERVISOR_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What was called. ioctls are named by their request. */
enum call_kind {
    CALL_OPEN = 1, /* args: flags; payload: path */
    CALL_CLOSE,
    CALL_MMAP,   /* args: length, prot, flags, offset */
    CALL_MUNMAP, /* args: address, length */
    CALL_IOCTL,  /* args: request, argument; payload: see below */
    CALL_READ,   /* pread64() of a VFIO device; args: length, offset */
    CALL_WRITE,  /* pwrite64() to one; args: length, offset; payload: the first 8 bytes */
};

/* Which object a descriptor stands for. */
enum call_object {
    OBJECT_NONE = 0,
    OBJECT_KVM,
    OBJECT_VM,
    OBJECT_VCPU,
    OBJECT_STALE,     /* a number that was one of these and has been closed */
    OBJECT_CONTAINER, /* of VFIO */
    OBJECT_GROUP,
    OBJECT_DEVICE,
};

/* One supervised call. Payload bytes follow it, padded to 8.
 *   KVM_SET_USER_MEMORY_REGION: the struct kvm_userspace_memory_region
 *   KVM_RUN: struct call_run_state as the VMM left it before the call
 *   KVM_SET_GSI_ROUTING: the header and the entries (PLAN_PAYLOAD bytes at most); args[2]: 0 if
 *     the descriptor of the last KVM_IRQFD is no eventfd any more
 *   KVM_IRQFD, KVM_IRQ_LINE, KVM_CREATE_PIT2, KVM_SET_SREGS, KVM_SET_REGS: their structure
 *   KVM_SET_CPUID2: the header and the entries; KVM_GET_SUPPORTED_CPUID: args[2] is its room
 *   of VFIO: the structure, as long as its argsz says (PLAN_PAYLOAD bytes at most);
 *     VFIO_GROUP_SET_CONTAINER: the descriptor; VFIO_GROUP_GET_DEVICE_FD: the name */
struct call_record {
    uint32_t kind;
    uint32_t object; /* of the descriptor */
    uint32_t serial; /* number of that object, counted from 0 a kind */
    int32_t fd;      /* in the subject */
    int64_t result;  /* what the subject was told; -errno */
    uint64_t args[4];
    uint32_t injected; /* the plan made it fail */
    uint32_t payload;  /* bytes that follow, before padding */
};

#define PLAN_RUN_HEAD 288 /* struct kvm_run up to the end of the exit union */
#define PLAN_RUN_DATA 512 /* PIO data; lies at page offset 4096 of the vCPU's area */

struct call_run_state {
    uint8_t head[PLAN_RUN_HEAD];
    uint8_t data[PLAN_RUN_DATA];
};

/* The next answer of KVM_RUN. head's first 8 bytes are not written: they belong to the VMM
 * (immediate_exit). An exit that finds immediate_exit set is not used up: EINTR. */
struct plan_exit {
    int32_t error; /* 0, or the errno that KVM_RUN fails with */
    uint32_t reserved;
    struct call_run_state state;
};

#define PLAN_FAULTS     4
#define PLAN_EXTENSIONS 8
#define PLAN_DIRTY      16
#define PLAN_CONFIG     64
#define PLAN_PAYLOAD    8192
#define PLAN_CPUID      8

/* Makes one call fail: the nth (from 0) of those that match. kind 0: of all calls that
 * concern KVM or VFIO and can fail (not close, not munmap). */
struct plan_fault {
    uint32_t kind;
    uint32_t request; /* for CALL_IOCTL: the request */
    uint32_t nth;
    int32_t error;   /* errno; or, negative: the call returns -error and does nothing */
    uint32_t repeat; /* how many in a row; 0 = no fault */
    uint32_t reserved;
};

/* Sends the caller of an ioctl a signal so many times before it is answered. A call that the kernel
 * begins again after the signal's handler (SA_RESTART) is in the log once more each time. */
struct plan_disturbance {
    uint32_t request;
    uint32_t times;
    int32_t signal;
    uint32_t reserved;
};

/* What VFIO answers. The device's descriptor is a file in memory called "vfio-device":
 * BAR 0 at bar_offset, configuration space behind it at config_offset. */
struct vfio_plan {
    int32_t api_version;
    int32_t type1v2; /* answer to VFIO_CHECK_EXTENSION(VFIO_TYPE1v2_IOMMU); others: 0 */
    uint32_t group_flags;
    uint32_t device_flags;
    uint32_t bar_flags, config_flags;
    uint32_t msi_flags, msi_count;
    uint64_t bar_offset, bar_size;
    uint64_t config_offset, config_size;
    uint64_t unmap_short;        /* VFIO_IOMMU_UNMAP_DMA unmaps so many bytes fewer */
    uint64_t config_cut;         /* if not 0: reading ends after so many bytes of it */
    uint64_t second_shift;       /* the second device that is opened: BAR, BAR's size and
                                    configuration are so many bytes further; no reset */
    uint8_t config[PLAN_CONFIG]; /* how configuration space begins */
};

struct kvm_plan {
    int32_t api_version;
    int32_t run_size;
    struct plan_fault faults[PLAN_FAULTS];
    struct {
        int32_t capability; /* 0 ends the list; others answer `1` */
        int32_t value;
    } extensions[PLAN_EXTENSIONS];
    uint64_t dirty[PLAN_DIRTY]; /* answer of KVM_GET_DIRTY_LOG */
    uint32_t dirty_words;       /* how many of them it writes */
    uint32_t exit_count;        /* struct plan_exit that follow; then KVM_RUN: HLT */
    uint32_t zero_object; /* enum call_object: the first of this kind is descriptor 0 */
    uint32_t cpuid_count; /* how many entries KVM supports in all */
    struct plan_disturbance disturbance;
    struct vfio_plan vfio;
    struct kvm_cpuid_entry2 cpuid[PLAN_CPUID]; /* the first of them */
};

struct call_supervisor;

/* Called in the new process, before exec: installs the filter and returns the listener,
 * or -1 with errno. */
int call_filter_install(void);

/* Takes over the listener and a copy of the plan (of plan_size bytes). NULL: no memory. */
struct call_supervisor *call_supervisor_new(int listener, const struct kvm_plan *plan,
                                            size_t plan_size);
/* The descriptor to poll; readable = call_supervisor_step() has work. */
int call_supervisor_fd(const struct call_supervisor *supervisor);

/* Answers one call. False when the listener is dead. */
bool call_supervisor_step(struct call_supervisor *supervisor);

/* The log so far, and how many calls did not fit into it; the supervisor keeps it. */
const void *call_supervisor_log(const struct call_supervisor *supervisor, size_t *size,
                                uint32_t *lost);

void call_supervisor_free(struct call_supervisor *supervisor);

#endif
