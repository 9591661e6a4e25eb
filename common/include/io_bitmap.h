/* io_bitmap.h - contract of part 06, first half: which I/O ports the guest drives itself.
 *
 * The port space of a PC has 65,536 ports of one byte, addressed by IN, OUT, INS and OUTS.
 * An access of 2 or 4 bytes at port p touches the ports p, p + 1 (, p + 2, p + 3). For each
 * port there is one bit in one of two pages that the VMCS points to:
 *
 *   IO_BITMAP_A    port 0000h ... 7fffh     byte (port & 7fffh) / 8 of its page,
 *   IO_BITMAP_B    port 8000h ... ffffh     bit  port % 8
 *
 *        byte 0                    byte 1
 *    7  6  5  4  3  2  1  0    7  6  5  4  3  2  1  0
 *   +--+--+--+--+--+--+--+--+ +--+--+--+--+--+--+--+--+
 *   |07|06|05|04|03|02|01|00| |0f|0e|0d|0c|0b|0a|09|08| ...   1: an access is a VM exit
 *   +--+--+--+--+--+--+--+--+ +--+--+--+--+--+--+--+--+       0: the guest does it itself
 *
 * An access is a VM exit if the bit of *any* port that it touches is 1, and always if it
 * wraps around, from port ffffh to port 0. Two controls of the VMCS say whether the
 * bitmaps are asked at all (vmx.h, primary processor-based controls):
 *
 *   USE_IO_BITMAPS   UNCONDITIONAL_IO_EXITING
 *         1                 0 or 1             the bitmaps decide
 *         0                    1               every access is an exit
 *         0                    0               none is
 *
 * Source: Intel SDM volume 3C, 25.6.2 (controls), 25.6.4 (bitmaps), 26.1.3 (which
 * instruction exits, and the wrap).
 */
#ifndef IO_BITMAP_H
#define IO_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IO_PORTS        0x10000u
#define IO_BITMAP_BYTES 4096u /* of each of the two */

/* Both pages as the processor reads them. */
struct io_bitmap {
    uint8_t a[IO_BITMAP_BYTES];
    uint8_t b[IO_BITMAP_BYTES];
};

/* --- one bitmap ------------------------------------------------------------------------------ */

/* Every port exits. What was in the bitmap before does not matter. */
void io_bitmap_init(struct io_bitmap *bitmap);

/* The ports first, first + 1, ... first + count - 1 do not exit any more (pass), or do exit
 * (intercept). A range does not wrap. Returns 0, or, with nothing changed,
 *   -EINVAL  count is 0
 *   -ERANGE  not all of the ports exist: the last one would lie above ffffh
 * They are checked in this order; first and count may be any numbers. */
int io_bitmap_pass(struct io_bitmap *bitmap, uint32_t first, uint32_t count);
int io_bitmap_intercept(struct io_bitmap *bitmap, uint32_t first, uint32_t count);

/* --- what the processor does ----------------------------------------------------------------- */

/* The fields of a VMCS that decide about I/O. */
struct io_controls {
    uint32_t primary; /* primary processor-based controls; the other bits may be anything */
    const struct io_bitmap
        *bitmap; /* not looked at, and maybe NULL, without USE_IO_BITMAPS */
};

/* Is an access of size bytes (1, 2 or 4) at port a VM exit? */
bool io_access_exits(const struct io_controls *controls, uint16_t port, unsigned size);

/* --- passthrough ----------------------------------------------------------------------------- */

/* What a guest may drive directly is what every party allows: e.g. the administrator, the
 * VMM and, for a nested guest, the guest hypervisor. A port exits in merged exactly if a
 * 1-byte access to it exits for one party or more. With count 0 nobody has allowed
 * anything: every port exits. merged may be the bitmap of one of the parties. */
void io_bitmap_merge(struct io_bitmap *merged, const struct io_controls *parties,
                     size_t count);

enum io_device_kind {
    IO_DEVICE_EMULATED, /* by the VMM: its ports exit */
    IO_DEVICE_PASSED,   /* given to this guest, and to nobody else */
};

struct io_device {
    enum io_device_kind kind;
    uint32_t first, count; /* its ports, a range as above */
};

/* What is wrong with a list of devices. */
struct io_conflict {
    size_t device; /* index of the one that cannot be added */
    size_t with; /* the earlier one that has the port; == device if its own range is bad */
    uint32_t port; /* the lowest port that both have; the bad range's first */
};

/* Makes the bitmap of a guest that has these devices: the ports of passed ones pass, all
 * others exit. A passed device is exclusive: a port of it cannot belong to any other device,
 * passed or emulated. (Two emulated ones may share ports: both are the VMM's own affair.)
 *
 * The devices are looked at in the order of the list: first the range of each, then whether
 * it can live with those before it, the lowest index first. The first thing that is wrong is
 * the answer. (Passed 300h-307h, emulated 2f8h-2ffh, then passed 2fch-303h: the third device
 * cannot be added, with the first, at port 300h.) Returns 0, or, with the bitmap unchanged and
 * *conflict filled in,
 *   -EINVAL, -ERANGE  the device's range is bad, as above
 *   -EBUSY            it has a port in common with an earlier one, and one of them is passed
 * *conflict is not touched on success; conflict may be NULL. */
int io_bitmap_assign(struct io_bitmap *bitmap, const struct io_device *devices,
                     size_t count, struct io_conflict *conflict);

#endif
