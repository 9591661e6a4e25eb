/* evidence.c - collecting the agent's frames, and questions about them. */
#define _GNU_SOURCE
#include "judge/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/frames.h"

/* A copy of size bytes with a NUL behind, or NULL. */
static void *copy_terminated(const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);

    if (copy) {
        if (size)
            memcpy(copy, bytes, size);
        copy[size] = 0;
    }
    return copy;
}

static int text_store(char **slots, const void *payload, size_t size)
{
    uint32_t checkpoint;

    if (size < sizeof checkpoint)
        return -EPROTO;
    memcpy(&checkpoint, payload, sizeof checkpoint);
    if (checkpoint >= RUN_CHECKPOINTS_MAX || slots[checkpoint])
        return -EPROTO;
    slots[checkpoint] = copy_terminated((const char *)payload + sizeof checkpoint,
                                        size - sizeof checkpoint);
    return slots[checkpoint] ? 0 : -ENOMEM;
}

static int window_store(struct evidence *e, const void *payload, size_t size)
{
    struct window_data head;

    if (size < sizeof head)
        return -EPROTO;
    memcpy(&head, payload, sizeof head);
    if (head.checkpoint >= RUN_CHECKPOINTS_MAX || head.window >= RUN_WINDOWS_MAX ||
        head.length != size - sizeof head || e->windows[head.checkpoint][head.window].bytes)
        return -EPROTO;
    e->windows[head.checkpoint][head.window].bytes =
        copy_terminated((const uint8_t *)payload + sizeof head, head.length);
    e->windows[head.checkpoint][head.window].length = head.length;
    return e->windows[head.checkpoint][head.window].bytes ? 0 : -ENOMEM;
}

static int calls_store(struct evidence *e, const void *payload, size_t size)
{
    size_t at = 0;

    e->calls_raw = copy_terminated(payload, size);
    e->calls_size = size;
    e->calls = calloc(size / sizeof(struct call_record) + 1, sizeof *e->calls);
    if (!e->calls_raw || !e->calls)
        return -ENOMEM;
    while (at + sizeof(struct call_record) <= size) {
        const struct call_record *record = (const void *)(e->calls_raw + at);

        at += sizeof *record;
        if (record->payload > size - at)
            return -EPROTO;
        e->calls[e->call_count++] = (struct call){record, e->calls_raw + at};
        at += (record->payload + 7u) & ~7u;
    }
    return 0;
}

static int answer_store(struct evidence *e, const void *payload, size_t size,
                        uint64_t nonce)
{
    if (size < sizeof e->header)
        return -EPROTO;
    memcpy(&e->header, payload, sizeof e->header);
    e->header.output_size = (uint32_t)(size - sizeof e->header);
    e->answer =
        copy_terminated((const uint8_t *)payload + sizeof e->header, e->header.output_size);
    e->complete = e->header.completion == arena_completion(nonce);
    return e->answer ? 0 : -ENOMEM;
}

/* The subject stands: whoever wants to looks around, then it goes on. */
static int checkpoint_hold(const struct evidence_source *source, const void *payload,
                           size_t size)
{
    uint32_t checkpoint;

    if (size != sizeof checkpoint)
        return -EPROTO;
    memcpy(&checkpoint, payload, sizeof checkpoint);
    if (source->at_checkpoint)
        source->at_checkpoint(source->context, checkpoint);
    for (uint32_t i = 0; i < source->handover_count; i++)
        if (source->handovers[i].checkpoint == checkpoint)
            return frame_send(source->channel, FRAME_CONTINUE, NULL, 0,
                              &source->handovers[i], sizeof source->handovers[i]);
    return frame_send(source->channel, FRAME_CONTINUE, NULL, 0, NULL, 0);
}

static int frame_store(struct evidence *e, const struct frame_header *header,
                       const void *payload, const struct evidence_source *source)
{
    switch (header->type) {
    case FRAME_FDS:
        return text_store(e->fds, payload, header->length);
    case FRAME_MAPS:
        return text_store(e->maps, payload, header->length);
    case FRAME_WINDOW:
        return window_store(e, payload, header->length);
    case FRAME_CALLS:
        return calls_store(e, payload, header->length);
    case FRAME_TRACE:
        return source->formats_path ? kvm_events_decode(&e->events, payload, header->length,
                                                        source->formats_path)
                                    : -EPROTO;
    case FRAME_OUTPUT:
        e->output = copy_terminated(payload, header->length);
        return e->output ? 0 : -ENOMEM;
    case FRAME_ANSWER:
        return answer_store(e, payload, header->length, source->nonce);
    case FRAME_END:
        if (header->length != sizeof e->end)
            return -EPROTO;
        memcpy(&e->end, payload, sizeof e->end);
        return 0;
    case FRAME_CHECKPOINT:
        return checkpoint_hold(source, payload, header->length);
    default:
        return -EPROTO;
    }
}

#define WAITING_MS 100 /* between two looks at the deadline */

/* Until something comes. 0, or what is said of the deadline. */
static int evidence_wait(const struct evidence_source *source)
{
    struct pollfd come = {.fd = source->channel, .events = POLLIN};
    int r = 0;

    while (source->deadline && r == 0 && poll(&come, 1, WAITING_MS) == 0)
        r = deadline_look(source->deadline);
    return r;
}

int evidence_receive(struct evidence *e, const struct evidence_source *source)
{
    struct frame_header header = {0};
    int r = 0;

    memset(e, 0, sizeof *e);
    while (r == 0 && header.type != FRAME_END) {
        void *payload = NULL;

        r = evidence_wait(source);
        if (r == 0)
            r = frame_receive(source->channel, &header, &payload);
        if (r == 0 && source->keep)
            r = frame_send(*source->keep, header.type, NULL, 0, payload, header.length);
        if (r == 0)
            r = frame_store(e, &header, payload, source);
        free(payload);
    }
    return r;
}

void evidence_free(struct evidence *e)
{
    for (int c = 0; c < RUN_CHECKPOINTS_MAX; c++) {
        free(e->fds[c]);
        free(e->maps[c]);
        for (int w = 0; w < RUN_WINDOWS_MAX; w++)
            free(e->windows[c][w].bytes);
    }
    free(e->answer);
    free(e->output);
    free(e->calls);
    free(e->calls_raw);
    free(e->events.list);
    free(e->device.list);
    memset(e, 0, sizeof *e);
}

/* Names that the kernel gave begin with "anon_inode:" or a path. The subject chooses names
 * too, but they stand behind "/memfd:"; so what matters is how a name begins. */
static bool name_begins(const char *name, const char *text)
{
    size_t length = strlen(text);

    return strncmp(name, text, length) == 0 ||
           (name[0] == '/' && strncmp(name + 1, text, length) == 0);
}

unsigned evidence_fds(const struct evidence *e, unsigned checkpoint, const char *text,
                      unsigned *flags)
{
    unsigned found = 0, number, bits;
    const char *line = e->fds[checkpoint];

    while (line && *line) {
        const char *end = strchrnul(line, '\n');
        char one[256], target[200];

        snprintf(one, sizeof one, "%.*s", (int)(end - line), line);
        if (sscanf(one, "%u %o %199s", &number, &bits, target) == 3 &&
            name_begins(target, text)) {
            found++;
            if (flags)
                *flags = bits;
        }
        line = *end ? end + 1 : end;
    }
    return found;
}

unsigned evidence_maps(const struct evidence *e, unsigned checkpoint, const char *text,
                       uint64_t *size)
{
    unsigned found = 0;
    const char *line = e->maps[checkpoint];

    if (size)
        *size = 0;
    while (line && *line) {
        const char *end = strchrnul(line, '\n');
        uint64_t from, to;
        char one[512], name[200];

        snprintf(one, sizeof one, "%.*s", (int)(end - line), line);
        if (sscanf(one, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %199s", &from, &to,
                   name) == 3 &&
            name_begins(name, text)) {
            found++;
            if (size)
                *size += to - from;
        }
        line = *end ? end + 1 : end;
    }
    return found;
}

static bool call_is(const struct call *call, uint32_t kind, unsigned long request)
{
    return call->record->kind == kind &&
           (kind != CALL_IOCTL || (uint32_t)call->record->args[0] == (uint32_t)request);
}

const struct call *evidence_call(const struct evidence *e, uint32_t kind,
                                 unsigned long request, unsigned n)
{
    for (size_t i = 0; i < e->call_count; i++)
        if (call_is(&e->calls[i], kind, request) && n-- == 0)
            return &e->calls[i];
    return NULL;
}

unsigned evidence_call_count(const struct evidence *e, uint32_t kind, unsigned long request)
{
    unsigned n = 0;

    for (size_t i = 0; i < e->call_count; i++)
        n += call_is(&e->calls[i], kind, request);
    return n;
}

static const char *request_name(uint32_t request)
{
    static const struct {
        uint32_t request;
        const char *name;
    } names[] = {
        {KVM_GET_API_VERSION, "KVM_GET_API_VERSION"},
        {KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION"},
        {KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE"},
        {(uint32_t)KVM_CREATE_VM, "KVM_CREATE_VM"},
        {(uint32_t)KVM_CREATE_VCPU, "KVM_CREATE_VCPU"},
        {(uint32_t)KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION"},
        {(uint32_t)KVM_GET_DIRTY_LOG, "KVM_GET_DIRTY_LOG"},
        {(uint32_t)KVM_RUN, "KVM_RUN"},
        {(uint32_t)KVM_SET_GSI_ROUTING, "KVM_SET_GSI_ROUTING"},
        {(uint32_t)KVM_IRQFD, "KVM_IRQFD"},
        {KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR"},
        {KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP"},
        {(uint32_t)KVM_CREATE_PIT2, "KVM_CREATE_PIT2"},
        {(uint32_t)KVM_IRQ_LINE, "KVM_IRQ_LINE"},
        {(uint32_t)KVM_GET_SUPPORTED_CPUID, "KVM_GET_SUPPORTED_CPUID"},
        {(uint32_t)KVM_SET_CPUID2, "KVM_SET_CPUID2"},
        {(uint32_t)KVM_GET_SREGS, "KVM_GET_SREGS"},
        {(uint32_t)KVM_SET_SREGS, "KVM_SET_SREGS"},
        {(uint32_t)KVM_SET_REGS, "KVM_SET_REGS"},
        {VFIO_GET_API_VERSION, "VFIO_GET_API_VERSION"},
        {VFIO_CHECK_EXTENSION, "VFIO_CHECK_EXTENSION"},
        {VFIO_SET_IOMMU, "VFIO_SET_IOMMU"},
        {VFIO_GROUP_GET_STATUS, "VFIO_GROUP_GET_STATUS"},
        {VFIO_GROUP_SET_CONTAINER, "VFIO_GROUP_SET_CONTAINER"},
        {VFIO_GROUP_UNSET_CONTAINER, "VFIO_GROUP_UNSET_CONTAINER"},
        {VFIO_GROUP_GET_DEVICE_FD, "VFIO_GROUP_GET_DEVICE_FD"},
        {VFIO_DEVICE_GET_INFO, "VFIO_DEVICE_GET_INFO"},
        {VFIO_DEVICE_GET_REGION_INFO, "VFIO_DEVICE_GET_REGION_INFO"},
        {VFIO_DEVICE_GET_IRQ_INFO, "VFIO_DEVICE_GET_IRQ_INFO"},
        {VFIO_DEVICE_SET_IRQS, "VFIO_DEVICE_SET_IRQS"},
        {VFIO_DEVICE_RESET, "VFIO_DEVICE_RESET"},
        {VFIO_IOMMU_MAP_DMA, "VFIO_IOMMU_MAP_DMA"},
        {VFIO_IOMMU_UNMAP_DMA, "VFIO_IOMMU_UNMAP_DMA"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].request == request)
            return names[i].name;
    return "?";
}

/* A small number is one; others are pointers, which say nothing. */
static void argument_describe(uint64_t argument, char *buffer, size_t size)
{
    if (argument < 0x10000)
        snprintf(buffer, size, ", %" PRIu64, argument);
    else
        snprintf(buffer, size, ", &...");
}

void call_describe(const struct call *call, char *buffer, size_t size)
{
    static const char *const objects[] = {
        "?", "kvm", "vm", "vcpu", "closed descriptor", "container", "group", "device"};
    const struct call_record *r = call->record;
    const char *object =
        objects[r->object < sizeof objects / sizeof objects[0] ? r->object : 0];
    char result[64] = "", argument[32];

    if (r->result < 0)
        snprintf(result, sizeof result, " = -1 (%s%s)", strerrorname_np((int)-r->result),
                 r->injected ? ", made to fail by the check" : "");
    switch (r->kind) {
    case CALL_OPEN:
        snprintf(buffer, size, "open(\"%s\")%s", (const char *)call->payload, result);
        break;
    case CALL_CLOSE:
        snprintf(buffer, size, "close(%s %u)%s", object, r->serial, result);
        break;
    case CALL_MMAP:
        snprintf(buffer, size, "mmap(%s %u, %" PRIu64 " bytes)%s", object, r->serial,
                 r->args[0], result);
        break;
    case CALL_MUNMAP:
        snprintf(buffer, size, "munmap(%" PRIu64 " bytes)%s", r->args[1], result);
        break;
    case CALL_READ:
    case CALL_WRITE:
        snprintf(buffer, size, "%s(%s %u, %" PRIu64 " bytes, offset %#" PRIx64 ")%s",
                 r->kind == CALL_READ ? "pread" : "pwrite", object, r->serial, r->args[0],
                 r->args[1], result);
        break;
    default:
        argument_describe(r->args[1], argument, sizeof argument);
        snprintf(buffer, size, "ioctl(%s %u, %s%s)%s", object, r->serial,
                 request_name((uint32_t)r->args[0]), argument, result);
        break;
    }
}

static uint64_t window_number(const struct evidence *e, unsigned checkpoint,
                              unsigned window, size_t offset, size_t size)
{
    uint64_t value = 0;

    if (offset + size <= e->windows[checkpoint][window].length)
        memcpy(&value, e->windows[checkpoint][window].bytes + offset, size);
    return value;
}

uint64_t window_u64(const struct evidence *e, unsigned checkpoint, unsigned window,
                    size_t offset)
{
    return window_number(e, checkpoint, window, offset, sizeof(uint64_t));
}

uint32_t window_u32(const struct evidence *e, unsigned checkpoint, unsigned window,
                    size_t offset)
{
    return (uint32_t)window_number(e, checkpoint, window, offset, sizeof(uint32_t));
}
