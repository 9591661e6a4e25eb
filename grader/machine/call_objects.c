/* call_objects.c - which object each of the subject's descriptors stands for. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/supervised_call.h"

struct object *object_of(struct call_supervisor *s, int fd)
{
    static struct object none = {.kind = OBJECT_NONE, .memory = -1};

    return fd >= 0 && fd < FDS_MAX ? &s->objects[fd] : &none;
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

void object_installed(struct call_supervisor *s, struct supervised_call *call, int fd)
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

void object_stale_forget(struct call_supervisor *s, const struct supervised_call *call,
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
