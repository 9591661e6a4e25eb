/* words.c - operations and their results in words, for messages. */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>

#include "exit_loop.h"

void op_describe(const struct lab02_op *op, char *buffer, size_t size)
{
    char hva[32] = "NULL";

    if (op->ram != LAB02_NO_RAM)
        snprintf(hva, sizeof hva, "ram + %#" PRIx64, op->offset);
    switch (op->kind) {
    case LAB02_ADD:
        snprintf(buffer, size,
                 "memory_slot_add(gpa %#" PRIx64 ", size %#" PRIx64 ", hva %s, flags %#x)",
                 op->gpa, op->length, hva, op->flags);
        break;
    case LAB02_REMOVE:
        snprintf(buffer, size,
                 op->flags ? "memory_slot_remove(the slot that call %d gave)"
                           : "memory_slot_remove(slot %d)",
                 op->flags ? op->slot + 1 : op->slot);
        break;
    case LAB02_LOG_DIRTY:
        snprintf(buffer, size, "memory_slot_log_dirty(slot %d, %s)", op->slot,
                 op->length ? "true" : "false");
        break;
    case LAB02_LOG_BYTES:
        snprintf(buffer, size, "dirty_log_bytes(%#" PRIx64 ")", op->length);
        break;
    case LAB02_FETCH:
        snprintf(buffer, size, "dirty_log_fetch(slot %d, %" PRIu64 " bytes of room)",
                 op->slot, op->length);
        break;
    case LAB02_PAGES:
    case LAB02_FAR_PAGES:
        snprintf(buffer, size, "dirty_log_pages(slot %d, max %" PRIu64 ")", op->slot,
                 op->length);
        break;
    case LAB02_LOAD:
        snprintf(buffer, size, "guest_load(), which calls your guest_write(),");
        break;
    case LAB02_RUN:
        snprintf(buffer, size, "vcpu_run(), VM %u,", op->vm);
        break;
    default:
        snprintf(buffer, size, "%s(gpa %#" PRIx64 ", length %#" PRIx64 ")",
                 op->kind == LAB02_TO_HVA ? "gpa_to_hva"
                 : op->kind == LAB02_READ ? "guest_read"
                                          : "guest_write",
                 op->gpa, op->length);
        break;
    }
}

static void hva_describe(int64_t value, char *buffer, size_t size)
{
    if (value == LAB02_NO_HVA)
        snprintf(buffer, size, "NULL");
    else if (value < 0)
        snprintf(buffer, size, "ram - %#" PRIx64, -(uint64_t)value);
    else
        snprintf(buffer, size, "ram + %#" PRIx64, (uint64_t)value);
}

static void run_describe(int64_t value, char *buffer, size_t size)
{
    static const char *const stops[] = {
        [RUN_HALTED] = "RUN_HALTED",
        [RUN_SHUTDOWN] = "RUN_SHUTDOWN",
        [RUN_KICKED] = "RUN_KICKED",
        [RUN_FAIL_ENTRY] = "RUN_FAIL_ENTRY",
        [RUN_UNKNOWN_EXIT] = "an unknown exit",
        [RUN_INTERNAL_ERROR] = "RUN_INTERNAL_ERROR",
    };
    uint64_t stop = (uint64_t)value & 0xff;

    if (value == LAB02_NO_RUN)
        snprintf(buffer, size, "nothing: the guest could not be loaded");
    else if (value > 0 && stop >= RUN_HALTED && stop <= RUN_UNKNOWN_EXIT)
        snprintf(buffer, size, "%s", stops[stop]);
    else
        snprintf(buffer, size, "%" PRId64, value);
}

void value_describe(uint32_t kind, int64_t value, char *buffer, size_t size)
{
    if (kind == LAB02_TO_HVA)
        hva_describe(value, buffer, size);
    else if (kind == LAB02_RUN && (value == -1 || !errno_name(value)))
        run_describe(value, buffer, size);
    else if (value == WANT_SLOT)
        snprintf(buffer, size, "a slot number");
    else
        errno_text_or_minus_1(value, buffer, size);
}

void region_describe(const struct kvm_userspace_memory_region *region, uint64_t ram_hva,
                     char *buffer, size_t size)
{
    char hva[32];

    hva_describe((int64_t)(region->userspace_addr - ram_hva), hva, sizeof hva);
    snprintf(buffer, size,
             "slot %u, flags %#x, gpa %#" PRIx64 ", size %#" PRIx64 ", hva %s",
             region->slot, region->flags, (uint64_t)region->guest_phys_addr,
             (uint64_t)region->memory_size, region->memory_size ? hva : "any");
}
