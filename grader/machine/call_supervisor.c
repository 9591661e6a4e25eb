/* call_supervisor.c - answers for KVM (and, in pretended_vfio.c, VFIO) from outside the subject's process. */
#define _GNU_SOURCE
#include "call_supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "supervised_call.h"

#define FDS_MAX      1024
#define LOG_MAX      (8u << 20)
#define DEVICE_PATH  "/dev/kvm"
#define RUN_DATA_AT  4096
#define OBJECT_KINDS (OBJECT_DEVICE + 1)

/* Answers of a call: let the kernel do it. */
#define LET_THROUGH INT64_MIN

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
    struct object objects[FDS_MAX]; /* by the subject's descriptor */
    uint32_t created[OBJECT_KINDS];
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

int call_filter_install(void)
{
    static const int watched[] = {SYS_openat, SYS_open,   SYS_close,   SYS_ioctl,
                                  SYS_mmap,   SYS_munmap, SYS_pread64, SYS_pwrite64};
    enum { COUNT = sizeof watched / sizeof watched[0] };
    struct sock_filter filter[COUNT + 3];
    struct sock_fprog program = {.len = COUNT + 3, .filter = filter};

    filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                             offsetof(struct seccomp_data, nr));
    for (int i = 0; i < COUNT; i++)
        filter[1 + i] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)watched[i], (uint8_t)(COUNT - i), 0);
    filter[1 + COUNT] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[2 + COUNT] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                        SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

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

/* --- the subject's memory --------------------------------------------------------------- */

bool subject_read(const struct supervised_call *call, uint64_t address, void *buffer,
                  size_t size)
{
    struct iovec local = {buffer, size};
    struct iovec remote = {(void *)(uintptr_t)address, size};

    return process_vm_readv((pid_t)call->request->pid, &local, 1, &remote, 1, 0) ==
           (ssize_t)size;
}

bool subject_write(const struct supervised_call *call, uint64_t address, const void *buffer,
                   size_t size)
{
    struct iovec local = {(void *)(uintptr_t)buffer, size};
    struct iovec remote = {(void *)(uintptr_t)address, size};

    return process_vm_writev((pid_t)call->request->pid, &local, 1, &remote, 1, 0) ==
           (ssize_t)size;
}

/* A path may end just before a page that is not there: read it page by page. */
void subject_read_string(const struct supervised_call *call, uint64_t address, char *buffer,
                         size_t size)
{
    size_t done = 0;

    while (done < size - 1) {
        size_t piece = 4096 - ((address + done) & 4095);

        if (piece > size - 1 - done)
            piece = size - 1 - done;
        if (!subject_read(call, address + done, buffer + done, piece))
            break;
        done += piece;
        if (memchr(buffer, 0, done))
            return;
    }
    buffer[done] = 0;
}

/* --- objects and log -------------------------------------------------------------------- */

static struct object *object_of(struct call_supervisor *s, int fd)
{
    static struct object none = {.kind = OBJECT_NONE, .memory = -1};

    return fd >= 0 && fd < FDS_MAX ? &s->objects[fd] : &none;
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

int64_t object_create(struct supervised_call *call, enum call_object kind,
                      size_t memory_size, bool cloexec)
{
    static const char *const names[OBJECT_KINDS] = {
        [OBJECT_KVM] = "kvm",          [OBJECT_VM] = "kvm-vm",
        [OBJECT_VCPU] = "kvm-vcpu",    [OBJECT_CONTAINER] = "vfio-container",
        [OBJECT_GROUP] = "vfio-group", [OBJECT_DEVICE] = "vfio-device"};
    int fd = memfd_create(names[kind], MFD_CLOEXEC);

    if (fd < 0)
        return -ENOMEM;
    if (memory_size && ftruncate(fd, (off_t)memory_size) < 0) {
        close(fd);
        return -ENOMEM;
    }
    call->install = fd;
    call->cloexec = cloexec;
    call->record.serial = (uint32_t)kind; /* for object_installed() */
    return 0;
}

static void object_installed(struct call_supervisor *s, struct supervised_call *call,
                             int fd)
{
    enum call_object kind = (enum call_object)call->record.serial;
    struct object *object = object_of(s, fd);

    call->record.serial = s->created[kind]++;
    if (fd < 0 || fd >= FDS_MAX) {
        close(call->install);
        return;
    }
    if (object->memory >= 0)
        close(object->memory);
    *object = (struct object){
        .kind = kind, .serial = call->record.serial, .memory = call->install};
}

/* --- what the pretended KVM answers ------------------------------------------------------ */

static int64_t extension_value(const struct kvm_plan *plan, uint64_t capability)
{
    for (int i = 0; i < PLAN_EXTENSIONS && plan->extensions[i].capability; i++)
        if ((uint64_t)plan->extensions[i].capability == capability)
            return plan->extensions[i].value;
    return 1;
}

static int64_t kvm_ioctl(struct call_supervisor *s, struct supervised_call *call)
{
    switch ((uint32_t)call->record.args[0]) {
    case KVM_GET_API_VERSION:
        return s->plan.api_version;
    case KVM_CHECK_EXTENSION:
        return extension_value(&s->plan, call->record.args[1]);
    case KVM_GET_VCPU_MMAP_SIZE:
        return s->plan.run_size;
    case (uint32_t)KVM_CREATE_VM:
        return object_create(call, OBJECT_VM, 0, true);
    case (uint32_t)KVM_GET_SUPPORTED_CPUID:
        return board_cpuid_answer(&s->plan, call);
    default:
        return -ENOTTY;
    }
}

static int64_t routing_note(struct call_supervisor *s, struct supervised_call *call)
{
    struct kvm_irq_routing head;
    size_t size;

    if (!subject_read(call, call->record.args[1], &head, sizeof head))
        return -EFAULT;
    size = sizeof head + head.nr * sizeof(struct kvm_irq_routing_entry);
    if (size > sizeof s->scratch.payload)
        return -EINVAL;
    if (!subject_read(call, call->record.args[1], s->scratch.payload, size))
        return -EFAULT;
    call->payload = s->scratch.payload;
    call->record.payload = (uint32_t)size;
    return 0;
}

/* As KVM does, before it looks at anything else of the structure. */
static int64_t irqfd_note(struct call_supervisor *s, struct supervised_call *call)
{
    char path[64], target[32] = "";

    if (!subject_read(call, call->record.args[1], &s->scratch.irqfd,
                      sizeof s->scratch.irqfd))
        return -EFAULT;
    call->payload = &s->scratch.irqfd;
    call->record.payload = sizeof s->scratch.irqfd;
    snprintf(path, sizeof path, "/proc/%u/fd/%u", call->request->pid, s->scratch.irqfd.fd);
    if (readlink(path, target, sizeof target - 1) < 0)
        return -EBADF;
    return strcmp(target, "anon_inode:[eventfd]") == 0 ? 0 : -EINVAL;
}

static int64_t vm_ioctl(struct call_supervisor *s, struct supervised_call *call)
{
    struct kvm_userspace_memory_region *region = &s->scratch.region;
    struct kvm_dirty_log log;

    switch ((uint32_t)call->record.args[0]) {
    case KVM_CHECK_EXTENSION:
        return extension_value(&s->plan, call->record.args[1]);
    case (uint32_t)KVM_CREATE_VCPU:
        return object_create(call, OBJECT_VCPU, RUN_DATA_AT + (size_t)s->plan.run_size,
                             true);
    case (uint32_t)KVM_SET_USER_MEMORY_REGION:
        if (!subject_read(call, call->record.args[1], region, sizeof *region))
            return -EFAULT;
        call->payload = region;
        call->record.payload = sizeof *region;
        return 0;
    case (uint32_t)KVM_GET_DIRTY_LOG:
        if (!subject_read(call, call->record.args[1], &log, sizeof log) ||
            !subject_write(call, (uintptr_t)log.dirty_bitmap, s->plan.dirty,
                           s->plan.dirty_words * sizeof(uint64_t)))
            return -EFAULT;
        call->record.args[2] = log.slot;
        return 0;
    case (uint32_t)KVM_SET_GSI_ROUTING:
        return routing_note(s, call);
    case (uint32_t)KVM_IRQFD:
        return irqfd_note(s, call);
    default:
        return board_vm_ioctl(call, s->scratch.payload);
    }
}

static int64_t vcpu_run_ioctl(struct call_supervisor *s, struct supervised_call *call)
{
    struct call_run_state *state = &s->scratch.state;
    const struct object *vcpu = object_of(s, call->record.fd);
    const uint32_t halt_reason = KVM_EXIT_HLT;
    struct plan_exit halt = {.error = 0}, *next = &halt;

    if (pread(vcpu->memory, state->head, sizeof state->head, 0) < 0 ||
        pread(vcpu->memory, state->data, sizeof state->data, RUN_DATA_AT) < 0)
        return -EFAULT;
    call->payload = state;
    call->record.payload = sizeof *state;
    if (state->head[offsetof(struct kvm_run, immediate_exit)])
        return -EINTR;

    memcpy(halt.state.head + offsetof(struct kvm_run, exit_reason), &halt_reason,
           sizeof halt_reason);
    if (s->exits_used < s->plan.exit_count)
        next = &s->exits[s->exits_used++];
    if (next->error)
        return -next->error;
    if (pwrite(vcpu->memory, next->state.head + 8, PLAN_RUN_HEAD - 8, 8) < 0 ||
        pwrite(vcpu->memory, next->state.data, PLAN_RUN_DATA, RUN_DATA_AT) < 0)
        return -EFAULT;
    return 0;
}

static int64_t ioctl_answer(struct call_supervisor *s, struct supervised_call *call)
{
    switch (call->record.object) {
    case OBJECT_KVM:
        return kvm_ioctl(s, call);
    case OBJECT_VM:
        return vm_ioctl(s, call);
    case OBJECT_VCPU:
        return (uint32_t)call->record.args[0] == KVM_RUN
                   ? vcpu_run_ioctl(s, call)
                   : board_vcpu_ioctl(call, s->scratch.payload);
    case OBJECT_CONTAINER:
    case OBJECT_GROUP:
    case OBJECT_DEVICE:
        return vfio_ioctl(&s->plan.vfio, call, s->scratch.payload);
    default:
        return LET_THROUGH;
    }
}

/* --- one call ---------------------------------------------------------------------------- */

/* The number of a closed object may be an ordinary file's by now: then it is not stale. */
static void stale_forget(struct call_supervisor *s, const struct supervised_call *call,
                         int fd)
{
    struct object *object = object_of(s, fd);
    char path[64], target[8];

    if (object->kind != OBJECT_STALE)
        return;
    snprintf(path, sizeof path, "/proc/%u/fd/%d", call->request->pid, fd);
    if (readlink(path, target, sizeof target) >= 0)
        object->kind = OBJECT_NONE;
}

/* pread64(), pwrite64(): only of a VFIO device. */
static bool transfer_decode(struct call_supervisor *s, struct supervised_call *call)
{
    const struct seccomp_data *data = &call->request->data;
    struct call_record *r = &call->record;
    bool write = data->nr == SYS_pwrite64;

    r->kind = write ? CALL_WRITE : CALL_READ;
    r->fd = (int32_t)data->args[0];
    r->object = (uint32_t)object_of(s, r->fd)->kind;
    r->serial = object_of(s, r->fd)->serial;
    r->args[0] = data->args[2];
    r->args[1] = data->args[3];
    s->scratch.written = 0;
    if (write && subject_read(call, data->args[1], &s->scratch.written,
                              r->args[0] < 8 ? r->args[0] : 8)) {
        call->payload = &s->scratch.written;
        r->payload = sizeof s->scratch.written;
    }
    return r->object == OBJECT_DEVICE;
}

/* Which call is it, on which object? False: none that we keep a record of. */
static bool call_decode(struct call_supervisor *s, struct supervised_call *call)
{
    char *path = s->scratch.path;
    const struct seccomp_data *data = &call->request->data;
    bool at = data->nr == SYS_openat;
    struct call_record *r = &call->record;

    r->fd = -1;
    switch (data->nr) {
    case SYS_open:
    case SYS_openat:
        subject_read_string(call, data->args[at ? 1 : 0], path, sizeof s->scratch.path);
        r->kind = CALL_OPEN;
        r->args[0] = data->args[at ? 2 : 1];
        call->payload = path;
        r->payload = (uint32_t)strlen(path) + 1;
        r->object = strcmp(path, DEVICE_PATH) == 0 ? OBJECT_KVM : vfio_object_of(path);
        return r->object != OBJECT_NONE;
    case SYS_close:
        r->kind = CALL_CLOSE;
        r->fd = (int32_t)data->args[0];
        break;
    case SYS_ioctl:
        r->kind = CALL_IOCTL;
        r->fd = (int32_t)data->args[0];
        r->args[0] = (uint32_t)data->args[1];
        r->args[1] = data->args[2];
        break;
    case SYS_mmap:
        r->kind = CALL_MMAP;
        r->fd = (int32_t)data->args[4];
        r->args[0] = data->args[1];
        r->args[1] = data->args[2];
        r->args[2] = data->args[3];
        r->args[3] = data->args[5];
        break;
    case SYS_pread64:
    case SYS_pwrite64:
        return transfer_decode(s, call);
    default:
        r->kind = CALL_MUNMAP;
        r->args[0] = data->args[0];
        r->args[1] = data->args[1];
        return true;
    }
    stale_forget(s, call, r->fd);
    r->object = (uint32_t)object_of(s, r->fd)->kind;
    r->serial = object_of(s, r->fd)->serial;
    return r->object != OBJECT_NONE;
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
    int fd = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);

    if (fd < 0) {
        int error = errno;

        close(call->install);
        return -error;
    }
    object_installed(s, call, fd);
    return fd;
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
