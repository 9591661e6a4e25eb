/* call_decode.c - which call is it, on which object? */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>

#include "machine/supervised_call.h"

#define DEVICE_PATH "/dev/kvm"

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

bool call_decode(struct call_supervisor *s, struct supervised_call *call)
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
    object_stale_forget(s, call, r->fd);
    r->object = (uint32_t)object_of(s, r->fd)->kind;
    r->serial = object_of(s, r->fd)->serial;
    return r->object != OBJECT_NONE;
}
