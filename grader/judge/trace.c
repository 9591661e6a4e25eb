/* trace.c - libtraceevent turns the kernel's raw trace pages into struct kvm_event. */
#define _GNU_SOURCE
#include "judge/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <traceevent/event-parse.h>
#include <traceevent/kbuffer.h>

#include "exit_names.h"

#define TRACE_PAGE 4096

static const struct {
    const char *name;
    enum kvm_event_kind kind;
} kinds[] = {
    {"kvm_entry", EVENT_ENTRY},
    {"kvm_exit", EVENT_EXIT},
    {"kvm_pio", EVENT_PIO},
    {"kvm_userspace_exit", EVENT_USERSPACE_EXIT},
    {"kvm_mmio", EVENT_MMIO},
    {"kvm_page_fault", EVENT_PAGE_FAULT},
    {"kvm_inj_virq", EVENT_INJECT},
    {"kvm_inj_exception", EVENT_INJECT_EXCEPTION},
    {"kvm_msi_set_irq", EVENT_MSI},
    {"kvm_set_irq", EVENT_LINE},
    {"kvm_nested_vmexit", EVENT_NESTED_EXIT},
    {"kvm_nested_vmrun", EVENT_NESTED_ENTRY}, /* its name up to Linux 6.0 */
    {"kvm_nested_vmenter", EVENT_NESTED_ENTRY},
    {"kvm_nested_vmrun", EVENT_NESTED_ENTRY}, /* its name in Linux 6.1 */
    {"kvm_nested_intercepts", EVENT_NESTED_INTERCEPTS},
    {"kvm_nested_vmexit_inject", EVENT_NESTED_REFLECT},
};

/* The saved formats: u32 length, then name, NUL and text. */
static int formats_load(struct tep_handle *tep, const char *path)
{
    FILE *file = fopen(path, "re");
    uint32_t length;
    int r = file ? 0 : -errno;

    while (r == 0 && fread(&length, sizeof length, 1, file) == 1) {
        char *text = length < (1u << 20) ? malloc(length + 1) : NULL;

        if (!text || fread(text, length, 1, file) != 1) {
            r = -EPROTO;
        } else {
            size_t name = strnlen(text, length) + 1;

            text[length] = 0;
            if (strcmp(text, "header_page") == 0)
                tep_parse_header_page(tep, text + name, length - name, sizeof(long));
            else
                tep_parse_event(tep, text + name, length - name, "kvm");
        }
        free(text);
    }
    if (file)
        fclose(file);
    return r;
}

static uint64_t field(struct tep_event *event, struct tep_record *record, const char *name)
{
    unsigned long long value = 0;

    tep_get_field_val(NULL, event, name, record, &value, 0);
    return value;
}

static enum kvm_event_kind kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    return strncmp(name, "kvm_nested", 10) == 0 ? EVENT_NESTED : EVENT_OTHER;
}

static void nested_fill(struct kvm_event *e, struct tep_event *event,
                        struct tep_record *record)
{
    if (e->kind == EVENT_NESTED_ENTRY) {
        e->rip = field(event, record, "rip");
        e->address = field(event, record, "vmcb");
        e->info1 = field(event, record, "nested_rip");
        e->info2 = field(event, record, "tdp_enabled") | field(event, record, "npt");
        e->value = field(event, record, "guest_pgd");
    } else if (e->kind == EVENT_NESTED_INTERCEPTS) {
        e->value = field(event, record, "exceptions");
        e->info1 = field(event, record, "intercept1");
        e->info2 = field(event, record, "intercept2");
    } else {
        e->reason = (uint32_t)field(event, record, "exit_code");
        e->info1 = field(event, record, "exit_info1");
        e->info2 = field(event, record, "exit_info2");
    }
}

/* The same kind of fact has different field names in different events. */
static void event_fill(struct kvm_event *e, struct tep_event *event,
                       struct tep_record *record)
{
    e->thread = (int32_t)field(event, record, "common_pid");
    switch (e->kind) {
    case EVENT_ENTRY:
        e->rip = field(event, record, "rip");
        break;
    case EVENT_EXIT:
    case EVENT_NESTED_EXIT:
        e->reason = (uint32_t)field(event, record, "exit_reason");
        e->rip = field(event, record, "guest_rip");
        e->info1 = field(event, record, "info1");
        e->info2 = field(event, record, "info2");
        break;
    case EVENT_USERSPACE_EXIT:
        e->reason = (uint32_t)field(event, record, "reason");
        e->value = field(event, record, "errno");
        break;
    case EVENT_PIO:
        e->write = (uint32_t)field(event, record, "rw");
        e->address = field(event, record, "port");
        e->size = (uint32_t)field(event, record, "size");
        e->count = (uint32_t)field(event, record, "count");
        e->value = field(event, record, "val");
        break;
    case EVENT_MMIO:
        e->write = field(event, record, "type") == 2; /* KVM_TRACE_MMIO_WRITE */
        e->address = field(event, record, "gpa");
        e->size = (uint32_t)field(event, record, "len");
        e->value = field(event, record, "val");
        break;
    case EVENT_PAGE_FAULT:
        e->rip = field(event, record, "guest_rip");
        e->address = field(event, record, "fault_address");
        e->info1 = field(event, record, "error_code");
        break;
    case EVENT_INJECT:
        e->value = field(event, record, "vector");
        break;
    case EVENT_INJECT_EXCEPTION:
        e->value = field(event, record, "exception");
        break;
    case EVENT_MSI:
        e->address = field(event, record, "address");
        e->value = field(event, record, "data");
        break;
    case EVENT_LINE:
        e->value = field(event, record, "gsi");
        e->write = (uint32_t)field(event, record, "level");
        break;
    case EVENT_NESTED_ENTRY:
    case EVENT_NESTED_INTERCEPTS:
    case EVENT_NESTED_REFLECT:
        nested_fill(e, event, record);
        break;
    default:
        break;
    }
}

static int event_append(struct kvm_events *events, size_t *room, const struct kvm_event *e)
{
    if (events->count == *room) {
        size_t more = *room ? *room * 2 : 4096;
        struct kvm_event *list = realloc(events->list, more * sizeof *list);

        if (!list)
            return -ENOMEM;
        events->list = list;
        *room = more;
    }
    events->list[events->count++] = *e;
    return 0;
}

static int page_decode(struct kvm_events *events, size_t *room, struct tep_handle *tep,
                       struct kbuffer *buffer, void *page)
{
    unsigned long long time;
    void *data;
    int r = 0;

    kbuffer_load_subbuffer(buffer, page);
    for (data = kbuffer_read_event(buffer, &time); data && r == 0;
         data = kbuffer_next_event(buffer, &time)) {
        struct tep_record record = {
            .ts = time, .data = data, .size = kbuffer_event_size(buffer)};
        struct tep_event *event = tep_find_event_by_record(tep, &record);
        struct kvm_event e = {.time_ns = time};

        if (!event)
            continue;
        snprintf(e.name, sizeof e.name, "%s", event->name);
        e.kind = kind_of(event->name);
        event_fill(&e, event, &record);
        r = event_append(events, room, &e);
    }
    return r;
}

/* What kvm_events_prepare() has read. */
static struct {
    struct tep_handle *tep;
    char path[4096];
} formats;

int kvm_events_prepare(const char *formats_path)
{
    int r;

    if (formats.tep && strcmp(formats.path, formats_path) == 0)
        return 0;
    tep_free(formats.tep);
    formats.tep = tep_alloc();
    r = formats.tep ? formats_load(formats.tep, formats_path) : -ENOMEM;
    snprintf(formats.path, sizeof formats.path, "%s", r < 0 ? "" : formats_path);
    return r;
}

int kvm_events_decode(struct kvm_events *events, const void *pages, size_t size,
                      const char *formats_path)
{
    struct kbuffer *buffer = kbuffer_alloc(KBUFFER_LSIZE_8, KBUFFER_ENDIAN_LITTLE);
    uint8_t page[TRACE_PAGE] __attribute__((aligned(8)));
    size_t room = 0;
    int r = buffer ? kvm_events_prepare(formats_path) : -ENOMEM;

    *events = (struct kvm_events){0};
    for (size_t at = 0; r == 0 && at + TRACE_PAGE <= size; at += TRACE_PAGE) {
        memcpy(page, (const uint8_t *)pages + at, TRACE_PAGE);
        r = page_decode(events, &room, formats.tep, buffer, page);
    }
    kbuffer_free(buffer);
    return r;
}

size_t kvm_events_count(const struct kvm_events *events, enum kvm_event_kind kind,
                        uint32_t reason)
{
    size_t n = 0;

    for (size_t i = 0; i < events->count; i++)
        if (events->list[i].kind == kind &&
            (reason == KVM_EVENT_ANY || events->list[i].reason == reason))
            n++;
    return n;
}

void kvm_event_describe(const struct kvm_event *e, char *buffer, size_t size)
{
    char times[16] = "";

    if (e->count > 1)
        snprintf(times, sizeof times, " x %u", e->count);
    switch (e->kind) {
    case EVENT_ENTRY:
        snprintf(buffer, size, "enter the guest");
        break;
    case EVENT_EXIT:
        snprintf(buffer, size, "VM exit: %s (%#x)", svm_exit_name(e->reason), e->reason);
        break;
    case EVENT_USERSPACE_EXIT:
        snprintf(buffer, size, "to user space: %s",
                 (int32_t)e->value < 0 ? "interrupted" : exit_name(e->reason));
        break;
    case EVENT_PIO:
        snprintf(buffer, size, "port %#" PRIx64 " %s %u%s: %#" PRIx64, e->address,
                 e->write ? "<-" : "->", e->size, times, e->value);
        break;
    case EVENT_MMIO:
        snprintf(buffer, size, "%#" PRIx64 " %s %u: %#" PRIx64, e->address,
                 e->write ? "<-" : "->", e->size, e->value);
        break;
    case EVENT_PAGE_FAULT:
        snprintf(buffer, size, "nested page fault at gpa %#" PRIx64 ", error %#" PRIx64,
                 e->address, e->info1);
        break;
    case EVENT_INJECT:
        snprintf(buffer, size, "injects vector %#" PRIx64, e->value);
        break;
    case EVENT_INJECT_EXCEPTION:
        snprintf(buffer, size, "injects %s",
                 svm_exit_name(SVM_EXIT_EXCEPTION + (uint32_t)(e->value & 31)));
        break;
    case EVENT_MSI: /* data bits 7:0, SDM volume 3A, 11.11.2 */
        snprintf(buffer, size, "MSI with vector %#x", (unsigned)(e->value & 0xff));
        break;
    case EVENT_LINE:
        snprintf(buffer, size, "interrupt line %u %s", (unsigned)e->value,
                 e->write ? "up" : "down");
        break;
    case EVENT_NESTED_ENTRY:
        snprintf(buffer, size, "L1 enters L2 (VMRUN)");
        break;
    case EVENT_NESTED_EXIT:
        snprintf(buffer, size, "L2 exits to L0: %s (%#x)", svm_exit_name(e->reason),
                 e->reason);
        break;
    case EVENT_NESTED_REFLECT:
        snprintf(buffer, size, "reflected to L1: %s (%#x)", svm_exit_name(e->reason),
                 e->reason);
        break;
    default:
        snprintf(buffer, size, "%s", e->name);
        break;
    }
}
