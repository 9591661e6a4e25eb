/* device_events.c - QEMU's trace lines as plain records. A line is "NAME ARGUMENTS", in some
 * versions with "PID@TIME:" before it. */
#define _GNU_SOURCE
#include "judge/device_events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The arguments of the event called name, if the line is one; else NULL. */
static const char *line_arguments(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    size_t length = strlen(name);

    return at && (at == line || at[-1] == ':') && at[length] == ' ' ? at + length + 1
                                                                    : NULL;
}

static bool translated_read(const char *line, struct device_event *e)
{
    const char *at = line_arguments(line, "vtd_dmar_translate");
    unsigned bus, slot, function;

    if (!at || sscanf(at, "dev %x:%x.%x iova %" SCNx64 " -> gpa %" SCNx64 " mask %" SCNx64,
                      &bus, &slot, &function, &e->iova, &e->physical, &e->mask) != 6)
        return false;
    e->kind = DEVICE_TRANSLATED;
    e->source = (uint16_t)(bus << 8 | slot << 3 | function);
    return true;
}

static bool fault_read(const char *line, struct device_event *e)
{
    const char *at = line_arguments(line, "vtd_dmar_fault");
    int write;

    if (!at || sscanf(at, "sid %" SCNx16 " fault %u addr %" SCNx64 " write %d", &e->source,
                      &e->reason, &e->iova, &write) != 4)
        return false;
    e->kind = DEVICE_FAULT;
    e->write = write != 0;
    return true;
}

static bool record_read(const char *line, struct device_event *e)
{
    const char *at = line_arguments(line, "vtd_frr_new");

    if (!at || sscanf(at, "index %u high %" SCNx64 " low %" SCNx64, &e->index, &e->high,
                      &e->low) != 3)
        return false;
    e->kind = DEVICE_FAULT_RECORD;
    e->source = (uint16_t)e->high;
    return true;
}

static int event_add(struct device_events *events, const struct device_event *event)
{
    struct device_event *list =
        reallocarray(events->list, events->count + 1, sizeof *events->list);

    if (!list)
        return -ENOMEM;
    events->list = list;
    list[events->count++] = *event;
    return 0;
}

int device_events_parse(struct device_events *events, const char *text)
{
    int r = 0;

    while (r == 0 && *text) {
        const char *end = strchrnul(text, '\n');
        char line[300];
        struct device_event event = {0};

        snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
        if (translated_read(line, &event) || fault_read(line, &event) ||
            record_read(line, &event))
            r = event_add(events, &event);
        text = *end ? end + 1 : end;
    }
    return r;
}

size_t device_events_count(const struct device_events *events, enum device_event_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < events->count; i++)
        n += events->list[i].kind == kind;
    return n;
}

void device_event_describe(const struct device_event *e, char *buffer, size_t size)
{
    int used = snprintf(buffer, size, "device %02x:%02x.%u: ", e->source >> 8,
                        e->source >> 3 & 31, e->source & 7);

    if (used < 0 || (size_t)used >= size)
        return;
    buffer += used;
    size -= (size_t)used;
    if (e->kind == DEVICE_TRANSLATED)
        snprintf(buffer, size, "IOVA 0x%" PRIx64 " -> physical 0x%" PRIx64, e->iova,
                 e->physical);
    else if (e->kind == DEVICE_FAULT)
        snprintf(buffer, size, "%s of IOVA 0x%" PRIx64 " refused, reason 0x%02x",
                 e->write ? "write" : "read", e->iova, e->reason);
    else
        snprintf(buffer, size, "fault record %u: 0x%016" PRIx64 " 0x%016" PRIx64, e->index,
                 e->high, e->low);
}
