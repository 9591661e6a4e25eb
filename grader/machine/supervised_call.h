/* supervised_call.h - inside of the call supervisor: what call_supervisor.c and
 * pretended_vfio.c share. */
#ifndef SUPERVISED_CALL_H
#define SUPERVISED_CALL_H

#include <linux/seccomp.h>
#include <stdbool.h>

#include "call_supervisor.h"

/* One call on its way from the notification to the answer. */
struct supervised_call {
    const struct seccomp_notif *request;
    struct call_record record;
    const void *payload;
    int install; /* descriptor to give to the subject as the result, or -1 */
    bool cloexec;
};

/* Copy between the subject's memory and ours. False: it has none there. */
bool subject_read(const struct supervised_call *call, uint64_t address, void *buffer,
                  size_t size);
bool subject_write(const struct supervised_call *call, uint64_t address, const void *buffer,
                   size_t size);
/* A string of at most size - 1 bytes, always terminated. */
void subject_read_string(const struct supervised_call *call, uint64_t address, char *buffer,
                         size_t size);

/* A new object: a memfd that serves as its descriptor and, where it has some, its memory.
 * 0 or -ENOMEM. */
int64_t object_create(struct supervised_call *call, enum call_object kind,
                      size_t memory_size, bool cloexec);

/* The answers about a PC's board (pretended_board.c); payload as above. */
int64_t board_vm_ioctl(struct supervised_call *call, void *payload);
int64_t board_vcpu_ioctl(struct supervised_call *call, void *payload);
int64_t board_cpuid_answer(const struct kvm_plan *plan, struct supervised_call *call);

/* Which object a path of VFIO opens; OBJECT_NONE: it is not VFIO's. */
enum call_object vfio_object_of(const char *path);

/* The answer to an ioctl on one of VFIO's objects; payload has PLAN_PAYLOAD bytes and
 * lives as long as the call. */
int64_t vfio_ioctl(const struct vfio_plan *plan, struct supervised_call *call,
                   void *payload);

#endif
