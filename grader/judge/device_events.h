/* device_events.h - what the emulated IOMMU did with the device's DMA: QEMU's own
 * trace, written outside the machine, where no program in it can reach. */
#ifndef DEVICE_EVENTS_H
#define DEVICE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum device_event_kind {
    DEVICE_TRANSLATED =
        1,        /* vtd_dmar_translate: iova -> physical, the piece of a transfer that
                              lies in one page (of mask + 1 bytes); both page-aligned */
    DEVICE_FAULT, /* vtd_dmar_fault: source, reason, address, write */
    DEVICE_FAULT_RECORD, /* vtd_frr_new: the fault recording register that was written */
};

struct device_event {
    enum device_event_kind kind;
    uint16_t source;    /* bus << 8 | device << 3 | function */
    uint64_t iova;      /* TRANSLATED, FAULT */
    uint64_t physical;  /* TRANSLATED: in the machine's memory */
    uint64_t mask;      /* TRANSLATED: size of the mapping's page - 1 */
    uint32_t reason;    /* FAULT: VT-d's fault reason */
    bool write;         /* FAULT: the device wanted to write */
    uint32_t index;     /* FAULT_RECORD: its number */
    uint64_t high, low; /* FAULT_RECORD: its two halves */
};

struct device_events {
    struct device_event *list;
    size_t count;
};

/* Adds what the text (of QEMU's trace, NUL-terminated) tells. 0 or -ENOMEM. */
int device_events_parse(struct device_events *events, const char *text);

/* How many events of a kind there are. */
size_t device_events_count(const struct device_events *events, enum device_event_kind kind);

/* One line that says what the event was. */
void device_event_describe(const struct device_event *event, char *buffer, size_t size);

#endif
