/* call_supervisor.c - takes the subject's calls, one by one: answers them, by the plan, from
 * outside its process (pretended_kvm.c, pretended_vfio.c), and logs them. */
#define _GNU_SOURCE
#include "machine/call_supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/supervised_call.h"

#define LOG_MAX (8u << 20)

/* Answers of a call: let the kernel do it. */
#define LET_THROUGH INT64_MIN

struct call_supervisor *call_supervisor_new(int listener, const struct kvm_plan *plan,
                                            size_t plan_size)
{
    struct call_supervisor *s = calloc(1, sizeof *s);
    size_t exits_size = plan_size - sizeof *plan;

    if (!s)
        return NULL;
    s->listener = listener;
    s->plan = *plan;
    s->log = malloc(LOG_MAX);
    s->exits = malloc(exits_size + 1);
    if (!s->log || !s->exits) {
        call_supervisor_free(s);
        return NULL;
    }
    memcpy(s->exits, plan + 1, exits_size);
    if (s->plan.exit_count > exits_size / sizeof *s->exits)
        s->plan.exit_count = (uint32_t)(exits_size / sizeof *s->exits);
    for (int i = 0; i < FDS_MAX; i++)
        s->objects[i].memory = -1;
    return s;
}

int call_supervisor_fd(const struct call_supervisor *s)
{
    return s->listener;
}

const void *call_supervisor_log(const struct call_supervisor *s, size_t *size,
                                uint32_t *lost)
{
    *size = s->log_size;
    *lost = s->log_lost;
    return s->log;
}

void call_supervisor_free(struct call_supervisor *s)
{
    if (!s)
        return;
    for (int i = 0; i < FDS_MAX; i++)
        if (s->objects[i].memory >= 0)
            close(s->objects[i].memory);
    if (s->listener >= 0)
        close(s->listener);
    free(s->log);
    free(s->exits);
    free(s);
}

static bool object_is(const struct supervised_call *call, enum call_object kind)
{
    return call->record.object == (uint32_t)kind;
}

static void log_add(struct call_supervisor *s, const struct supervised_call *call)
{
    size_t padded = (call->record.payload + 7u) & ~7u;

    if (s->log_size + sizeof call->record + padded > LOG_MAX) {
        s->log_lost++;
        return;
    }
    memcpy(s->log + s->log_size, &call->record, sizeof call->record);
    s->log_size += sizeof call->record;
    memset(s->log + s->log_size, 0, padded);
    if (call->record.payload)
        memcpy(s->log + s->log_size, call->payload, call->record.payload);
    s->log_size += padded;
}

static bool fault_matches(const struct plan_fault *fault, const struct call_record *record)
{
    if (fault->repeat == 0)
        return false;
    if (fault->kind == 0)
        return record->kind != CALL_CLOSE && record->kind != CALL_MUNMAP;
    return fault->kind == record->kind &&
           (fault->kind != CALL_IOCTL || fault->request == (uint32_t)record->args[0]);
}

/* The errno that the plan has for this call, or 0. Each fault counts all calls that match
 * it, also those that another one makes fail. */
static int fault_of(struct call_supervisor *s, const struct call_record *record)
{
    int error = 0;

    for (int i = 0; i < PLAN_FAULTS; i++) {
        const struct plan_fault *fault = &s->plan.faults[i];

        if (!fault_matches(fault, record))
            continue;
        uint32_t hit = s->fault_hits[i]++;
        if (error == 0 && hit >= fault->nth && hit - fault->nth < fault->repeat)
            error = fault->error;
    }
    return error;
}

/* What VFIO answers depends on the device, or on which one is to be opened. */
static const struct vfio_plan *vfio_plan_of(struct call_supervisor *s,
                                            const struct supervised_call *call)
{
    const uint64_t shift = s->plan.vfio.second_shift;
    const uint32_t serial =
        object_is(call, OBJECT_DEVICE) ? call->record.serial : s->created[OBJECT_DEVICE];

    if (serial != 1 || shift == 0)
        return &s->plan.vfio;
    s->second = s->plan.vfio;
    s->second.bar_offset += shift;
    s->second.bar_size += shift;
    s->second.config_offset += shift;
    s->second.device_flags &= ~(uint32_t)VFIO_DEVICE_FLAGS_RESET;
    return &s->second;
}

static int64_t ioctl_answer(struct call_supervisor *s, struct supervised_call *call)
{
    switch (call->record.object) {
    case OBJECT_KVM:
    case OBJECT_VM:
    case OBJECT_VCPU:
        return kvm_ioctl(s, call);
    case OBJECT_CONTAINER:
    case OBJECT_GROUP:
    case OBJECT_DEVICE:
        return vfio_ioctl(vfio_plan_of(s, call), call, s->scratch.payload);
    default:
        return LET_THROUGH;
    }
}

static int64_t call_answer(struct call_supervisor *s, struct supervised_call *call)
{
    int error = fault_of(s, &call->record);

    if (error) {
        call->record.injected = 1;
        return -error;
    }
    switch (call->record.kind) {
    case CALL_OPEN:
        return object_create(call, (enum call_object)call->record.object, 0,
                             (call->record.args[0] & O_CLOEXEC) != 0);
    case CALL_IOCTL:
        return object_is(call, OBJECT_STALE) ? LET_THROUGH : ioctl_answer(s, call);
    case CALL_CLOSE:
        if (!object_is(call, OBJECT_STALE))
            object_of(s, call->record.fd)->kind = OBJECT_STALE;
        return LET_THROUGH;
    default:
        return LET_THROUGH;
    }
}

static bool call_reply(struct call_supervisor *s, const struct supervised_call *call,
                       int64_t answer)
{
    struct seccomp_notif_resp reply = {.id = call->request->id};

    if (answer == LET_THROUGH)
        reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (answer < 0)
        reply.error = (int)answer;
    else
        reply.val = answer;
    /* ENOENT: the caller was interrupted or killed meanwhile; no harm. */
    return ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, &reply) == 0 || errno == ENOENT;
}

/* Puts our descriptor into the subject: the answer is its number there. */
static int64_t call_install(struct call_supervisor *s, struct supervised_call *call)
{
    struct seccomp_notif_addfd add = {
        .id = call->request->id,
        .srcfd = (uint32_t)call->install,
        .newfd_flags = call->cloexec ? O_CLOEXEC : 0,
    };
    const uint32_t kind = call->record.serial; /* see object_create() */

    if (kind == s->plan.zero_object && s->created[kind] == 0)
        add.flags = SECCOMP_ADDFD_FLAG_SETFD; /* newfd is 0 */
    int fd = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    if (fd < 0) {
        int error = errno;

        close(call->install);
        return -error;
    }
    object_installed(s, call, fd);
    return fd;
}

/* The plan disturbs this call: its caller gets the signal instead of an answer. */
static bool call_disturb(struct call_supervisor *s, const struct supervised_call *call)
{
    const struct plan_disturbance *d = &s->plan.disturbance;

    if (call->record.kind != CALL_IOCTL || (uint32_t)call->record.args[0] != d->request ||
        s->disturbed >= d->times)
        return false;
    s->disturbed++;
    syscall(SYS_tkill, call->request->pid, d->signal);
    return true;
}

bool call_supervisor_step(struct call_supervisor *s)
{
    static union {
        struct seccomp_notif notif;
        char room[512]; /* a newer kernel's may be larger */
    } request;
    struct supervised_call call = {.request = &request.notif, .install = -1};
    int64_t answer = LET_THROUGH;
    bool noted;

    memset(&request, 0, sizeof request);
    if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &request.notif) < 0)
        return errno == EINTR || errno == ENOENT;
    noted = call_decode(s, &call);
    if (noted && call_disturb(s, &call)) {
        log_add(s, &call);
        return true;
    }
    if (noted)
        answer = call_answer(s, &call);
    if (call.install >= 0)
        answer = call_install(s, &call);
    if (noted) {
        call.record.result = answer == LET_THROUGH ? 0 : answer;
        log_add(s, &call);
    }
    return call_reply(s, &call, answer);
}
