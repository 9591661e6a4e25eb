/* replay.c - a subject that has done no work: it hands in what another one handed in under
 * another seed. A check that it passes is unsound (make attacks NAMED=replay). */
#define _GNU_SOURCE
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/call_supervisor.h"
#include "subject.h"

#define RECORDING_MAX (16u << 20)
#define FDS_MAX       256
#define RUN_DATA_AT   4096

/* One of the recording's descriptors, or of its mappings. */
struct twin {
    int fd;        /* ours; 0: none */
    uint8_t *area; /* that it was mapped at, or NULL */
    uint64_t length;
};

static struct player {
    uint64_t words[RECORDING_MAX / 8];
    size_t size;
    struct twin twins[FDS_MAX]; /* by the number in the recording */
} player;

/* --- the recording, at the end of our own file ---------------------------------------------- */

static bool recording_read(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    off_t end = lseek(fd, 0, SEEK_END);
    struct replay_tail tail = {.magic = 0};

    if (fd < 0 || pread(fd, &tail, sizeof tail, end - (off_t)sizeof tail) != sizeof tail ||
        tail.magic != REPLAY_MAGIC || tail.size > sizeof player.words)
        return false;
    player.size = tail.size;
    off_t from = end - (off_t)(sizeof tail + tail.size);
    bool whole = pread(fd, player.words, player.size, from) == (ssize_t)player.size;
    close(fd);
    return whole;
}

static const struct replay_head *recording_head(void)
{
    return (const void *)player.words;
}

static const uint8_t *recording_output(void)
{
    return (const uint8_t *)player.words + sizeof(struct replay_head);
}

static const uint8_t *recording_calls(void)
{
    return recording_output() + recording_head()->output_size;
}

/* --- its calls -------------------------------------------------------------------------------- */

static struct twin *twin_of(int64_t fd)
{
    static struct twin none;

    return fd >= 0 && fd < FDS_MAX ? &player.twins[fd] : &none;
}

/* A call that gave a descriptor gives ours. */
static void twin_note(const struct call_record *call, int fd)
{
    if (fd > 0 && call->result > 0)
        *twin_of(call->result) = (struct twin){.fd = fd};
}

/* The vCPU's page as the VMM had left it. */
static void run_state_write(const struct twin *vcpu, const struct call_run_state *state)
{
    if (!vcpu->area)
        return;
    memcpy(vcpu->area, state->head, sizeof state->head);
    if (vcpu->length >= RUN_DATA_AT + sizeof state->data)
        memcpy(vcpu->area + RUN_DATA_AT, state->data, sizeof state->data);
}

/* KVM_IRQFD and its like want an eventfd where the recording had one. */
static int eventfd_twin(int64_t number)
{
    struct twin *twin = twin_of(number);

    if (twin->fd == 0)
        twin->fd = eventfd(0, EFD_CLOEXEC);
    return twin->fd;
}

static uint64_t dirty_argument(const struct call_record *call)
{
    static uint64_t bitmap[64];
    static struct kvm_dirty_log log;

    log = (struct kvm_dirty_log){.slot = (uint32_t)call->args[2], .dirty_bitmap = bitmap};
    return (uintptr_t)&log;
}

/* What the call's argument was: a structure of ours, or the number itself. */
static uint64_t call_argument(const struct call_record *call, const void *payload)
{
    static union {
        uint8_t bytes[PLAN_PAYLOAD];
        struct kvm_irqfd irqfd;
        int32_t descriptor;
    } copy;

    if ((uint32_t)call->args[0] == (uint32_t)KVM_GET_DIRTY_LOG)
        return dirty_argument(call);
    if (call->payload == 0 || (uint32_t)call->args[0] == (uint32_t)KVM_RUN)
        return call->args[1];
    memcpy(copy.bytes, payload, call->payload < sizeof copy ? call->payload : sizeof copy);
    if ((uint32_t)call->args[0] == (uint32_t)KVM_IRQFD)
        copy.irqfd.fd = (uint32_t)eventfd_twin(copy.irqfd.fd);
    if ((uint32_t)call->args[0] == (uint32_t)VFIO_GROUP_SET_CONTAINER)
        copy.descriptor = twin_of(copy.descriptor)->fd;
    return (uintptr_t)&copy;
}

static void ioctl_play(const struct call_record *call, const void *payload)
{
    const struct twin *twin = twin_of(call->fd);

    if ((uint32_t)call->args[0] == (uint32_t)KVM_RUN && call->payload)
        run_state_write(twin, payload);
    twin_note(call, ioctl(twin->fd ? twin->fd : call->fd, call->args[0],
                          call_argument(call, payload)));
}

static void mmap_play(const struct call_record *call)
{
    struct twin *twin = twin_of(call->fd);
    uint8_t *area = mmap(NULL, call->args[0], (int)call->args[1], (int)call->args[2],
                         twin->fd, (off_t)call->args[3]);

    if (area == MAP_FAILED)
        return;
    twin->area = area;
    twin->length = call->args[0];
}

/* The recording's addresses are not ours: something of that length is unmapped. */
static void munmap_play(const struct call_record *call)
{
    uint8_t *area = NULL;

    for (int i = 0; i < FDS_MAX && !area; i++)
        if (player.twins[i].area && player.twins[i].length == call->args[1]) {
            area = player.twins[i].area;
            player.twins[i].area = NULL;
        }
    if (!area)
        area = mmap(NULL, call->args[1], PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area, call->args[1]);
}

static void transfer_play(const struct call_record *call, const void *payload)
{
    uint8_t bytes[4096] = {0};
    size_t length = call->args[0] < sizeof bytes ? call->args[0] : sizeof bytes;
    int fd = twin_of(call->fd)->fd;

    if (call->payload)
        memcpy(bytes, payload, call->payload < 8 ? call->payload : 8);
    ssize_t n = call->kind == CALL_READ ? pread(fd, bytes, length, (off_t)call->args[1])
                                        : pwrite(fd, bytes, length, (off_t)call->args[1]);

    (void)n; /* whatever it was told: the next call is that of the recording */
}

static void call_play(const struct call_record *call, const void *payload)
{
    switch (call->kind) {
    case CALL_OPEN:
        twin_note(call, open(payload, (int)call->args[0]));
        break;
    case CALL_IOCTL:
        ioctl_play(call, payload);
        break;
    case CALL_MMAP:
        mmap_play(call);
        break;
    case CALL_MUNMAP:
        munmap_play(call);
        break;
    case CALL_CLOSE:
        close(twin_of(call->fd)->fd ? twin_of(call->fd)->fd : call->fd);
        break;
    default:
        transfer_play(call, payload);
        break;
    }
}

static void calls_play(void)
{
    const uint8_t *at = recording_calls(), *end = at + recording_head()->calls_size;

    while (at < end) {
        struct call_record call;

        memcpy(&call, at, sizeof call);
        at += sizeof call;
        call_play(&call, at);
        at += (call.payload + 7u) & ~7u;
    }
}

/* --- its memory, and the rest ----------------------------------------------------------------- */

static void window_write(const struct replay_window *window, const uint8_t *bytes)
{
    int fd = memfd_create(window->name, MFD_CLOEXEC);

    if (fd < 0 || pwrite(fd, bytes, window->length, (off_t)window->offset) < 0)
        perror("replay: a window");
}

/* Memory as it was at a checkpoint: files of the same names. */
static void windows_write(uint32_t checkpoint)
{
    const uint8_t *at = recording_calls() + recording_head()->calls_size;

    for (uint32_t i = 0; i < recording_head()->windows; i++) {
        struct replay_window window;

        memcpy(&window, at, sizeof window);
        at += sizeof window;
        if (window.checkpoint == checkpoint)
            window_write(&window, at);
        at += window.length;
    }
}

static void play(struct subject *subject)
{
    if (!recording_read())
        return;
    calls_play();
    memcpy(subject->output, recording_output(), recording_head()->output_size);
    subject->output_size = recording_head()->output_size;
    for (uint32_t i = 0; i < recording_head()->checkpoints; i++) {
        windows_write(i);
        subject_checkpoint();
    }
}

#define ENTRIES 64 /* more than any lab's dispatcher has */

const subject_entry subject_entries[ENTRIES] = {[0 ... ENTRIES - 1] = play};
const size_t subject_entry_count = ENTRIES;
