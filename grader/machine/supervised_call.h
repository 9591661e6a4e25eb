/* supervised_call.h - inside of the call supervisor: what call_supervisor.c, call_decode.c,
 * call_objects.c, subject_access.c, pretended_kvm.c, pretended_board.c and pretended_vfio.c share. */
#ifndef SUPERVISED_CALL_H
#define SUPERVISED_CALL_H

#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stdbool.h>

#include "machine/call_supervisor.h"

#define FDS_MAX      1024
#define OBJECT_KINDS (OBJECT_DEVICE + 1)

struct object {
    enum call_object kind;
    uint32_t serial;
    int memory; /* our own descriptor of its memfd (vCPU), or -1 */
};

struct call_supervisor {
    int listener;
    struct kvm_plan plan;
    struct plan_exit *exits;
    uint32_t exits_used;
    uint32_t disturbed;             /* signals sent (plan.disturbance) */
    struct object objects[FDS_MAX]; /* by the subject's descriptor */
    uint32_t created[OBJECT_KINDS];
    struct vfio_plan second; /* as the second device sees the plan */
    uint32_t irqfd;          /* descriptor of the last KVM_IRQFD, if there was one */
    bool irqfd_known;
    uint32_t fault_hits[PLAN_FAULTS];
    uint8_t *log;
    size_t log_size;
    uint32_t log_lost;

    struct { /* payload of the call in hand */
        char path[256];
        struct kvm_userspace_memory_region region;
        struct call_run_state state;
        struct kvm_irqfd irqfd;
        uint64_t written;
        uint8_t payload[PLAN_PAYLOAD];
    } scratch;
};

/* One call on its way from the notification to the answer. */
struct supervised_call {
    const struct seccomp_notif *request;
    struct call_record record;
    const void *payload;
    int install; /* descriptor to give to the subject as the result, or -1 */
    bool cloexec;
};

/* --- call_decode.c ------------------------------------------------------------------------- */

/* Which call is it, on which object? False: none that we keep a record of. */
bool call_decode(struct call_supervisor *s, struct supervised_call *call);

/* --- subject_access.c ---------------------------------------------------------------------- */

/* Copy between the subject's memory and ours. False: it has none there. */
bool subject_read(const struct supervised_call *call, uint64_t address, void *buffer,
                  size_t size);
bool subject_write(const struct supervised_call *call, uint64_t address, const void *buffer,
                   size_t size);
/* A string of at most size - 1 bytes, always terminated. */
void subject_read_string(const struct supervised_call *call, uint64_t address, char *buffer,
                         size_t size);

/* --- call_objects.c ------------------------------------------------------------------------ */

/* What the subject's descriptor stands for; never NULL. */
struct object *object_of(struct call_supervisor *s, int fd);
/* A new object: a memfd that serves as its descriptor and, where it has some, its memory.
 * 0 or -ENOMEM. */
int64_t object_create(struct supervised_call *call, enum call_object kind,
                      size_t memory_size, bool cloexec);

/* The new object has got its number in the subject: fd. */
void object_installed(struct call_supervisor *s, struct supervised_call *call, int fd);
/* The number of a closed object may be an ordinary file's by now: then it is not stale. */
void object_stale_forget(struct call_supervisor *s, const struct supervised_call *call,
                         int fd);

/* --- pretended_kvm.c ----------------------------------------------------------------------- */

/* The answer to an ioctl on one of KVM's objects. */
int64_t kvm_ioctl(struct call_supervisor *s, struct supervised_call *call);

/* --- pretended_board.c --------------------------------------------------------------------- */

/* The answers about a PC's board; payload has PLAN_PAYLOAD bytes and lives as long as the call. */
int64_t board_vm_ioctl(struct supervised_call *call, void *payload);
int64_t board_vcpu_ioctl(struct supervised_call *call, void *payload);
int64_t board_cpuid_answer(const struct kvm_plan *plan, struct supervised_call *call);

/* --- pretended_vfio.c ---------------------------------------------------------------------- */

/* Which object a path of VFIO opens; OBJECT_NONE: it is not VFIO's. */
enum call_object vfio_object_of(const char *path);

/* The answer to an ioctl on one of VFIO's objects; payload has PLAN_PAYLOAD bytes and
 * lives as long as the call. */
int64_t vfio_ioctl(const struct vfio_plan *plan, struct supervised_call *call,
                   void *payload);

#endif
