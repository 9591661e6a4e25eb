/* pci_bridge.h - contract of part 11, fourth file: a PCI bus, and on it the device of part 08.
 *
 * Configuration mechanism 1: two registers of 32 bits at I/O ports. What is read from or
 * written to CFCh to CFFh goes to the register that CF8h names, as if both were one access:
 *
 *   CF8h  31  30     24 23      16 15    11 10    8 7        2 1  0
 *        +--+---------+----------+--------+-------+----------+----+
 *        |EN|    0    |   bus    | device | funct.| register | 0  |   byte of configuration
 *        +--+---------+----------+--------+-------+----------+----+   space: register * 4 +
 *                                                                     port - CFCh
 *
 *   Configuration space, type 0 header (little endian):
 *   00h  device ID | vendor ID          04h  status | command
 *   08h  class, subclass, interface, revision
 *   0Ch  BIST | header type | latency | cache line
 *   10h  BAR 0   ... 24h BAR 5          30h  expansion ROM
 *   34h  capabilities pointer (status bit 4: there are some)
 *   3Ch  latency | grant | interrupt pin | interrupt line
 *
 * Source: PCI Local Bus Specification 3.0, 3.2.2.3.2 (mechanism 1), 6.1 to 6.2.5 (header, BARs);
 * Linux Documentation/driver-api/vfio.rst; Documentation/virt/kvm/api.rst, 4.75 (KVM_IRQFD). */
#ifndef PCI_BRIDGE_H
#define PCI_BRIDGE_H

#include "device_assign.h"
#include "vmm.h"

#define PCI_ADDRESS_PORT 0xcf8u
#define PCI_DATA_PORT    0xcfcu
#define PCI_ENABLE       (1u << 31)

#define PCI_HOST_BRIDGE_ID    0x12378086u /* 00:00.0: device 1237h of vendor 8086h */
#define PCI_HOST_BRIDGE_CLASS 0x06000000u /* its registers at 08h; all its others are 0 */

#define PCI_PASSED_DEVICE 5u          /* 00:05.0 */
#define PCI_WINDOW_GPA    0xe0000000u /* where BAR 0 begins before the guest moves it */

/* The passed-through function, as its guest sees it. */
struct pci_passed {
    struct device_assignment assignment; /* part 08: registers, memory */
    uint16_t command;                    /* as the guest wrote it */
    uint32_t bar;                        /* BAR 0 as it reads: address and zeros */
    uint8_t line;                        /* register 3Ch: a note of the guest's to itself */
    uint32_t gsi;
    int trigger, resample; /* eventfds between VFIO's INTx and KVM, or -1 */
};

struct pci_bridge {
    struct vm *vm;
    struct device address_ports, data_ports;
    uint32_t address; /* what CF8h reads as */
    bool has_passed;
    struct pci_passed passed;
};

/* An empty bus but for the host bridge: both pairs of ports on vm->pio (four ports each, the
 * address first). Returns 0 or what device_bus_add() returned. */
int pci_bridge_init(struct pci_bridge *bridge, struct vm *vm);

/* The devices' access functions (owner: the bridge).
 *   - CF8h: only an access of 4 bytes is the register. It keeps what was written. Others read
 *     ones, and are ignored when they write.
 *   - CFCh to CFFh: without PCI_ENABLE, on another bus, or where there is no function: ones,
 *     and writes are ignored. That is how a guest finds out what is there. The host bridge
 *     ignores writes. */
void pci_address_access(void *owner, const struct bus_access *access);
void pci_data_access(void *owner, const struct bus_access *access);

/* Gives the guest the device (vfio_open() has opened it) as 00:05.0. In this order: all memory
 * of the VM for DMA (device_assign_memory()), then the wire of its INTA:
 *
 *   device --INTx--> VFIO --trigger--> KVM_IRQFD: gsi up --> guest's handler
 *                     ^                                            |
 *                     +--resample (unmask)--- gsi down <-- EOI ----+
 *
 * INTx is a level: VFIO masks it at the device when it comes, and KVM says when the guest has
 * done with it. trigger and resample are eventfds (EFD_CLOEXEC); VFIO_DEVICE_SET_IRQS for
 * VFIO_PCI_INTX_IRQ_INDEX twice: ACTION_TRIGGER, ACTION_UNMASK, each with its eventfd; then
 * KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE. command starts as 0, bar as PCI_WINDOW_GPA, line as gsi.
 * On failure nothing stays (memory unmapped, eventfds closed). Returns 0 or what failed. */
int pci_bridge_pass(struct pci_bridge *bridge, struct vfio_device *device, uint32_t gsi,
                    struct vfio_error *error);

/* Takes the device away: KVM_IRQFD (DEASSIGN), INTx disconnected (DATA_NONE, ACTION_TRIGGER,
 * count 0), eventfds closed, device_unassign(). What fails does not stop the rest. */
void pci_bridge_remove(struct pci_bridge *bridge);

/* Configuration space of the passed function, bytes [offset, offset + size), offset + size <=
 * 256. What stands here comes from us, all other bytes from the device (pread(), pwrite() at
 * config_offset of part 08):
 *
 *   04h command       reads as the guest wrote it. Written: the device gets the value with
 *                     PCI_COMMAND_MEMORY set (our mapping of its registers stays), then the
 *                     BAR is placed: below
 *   06h status        bit 4 reads as 0: there are no capabilities
 *   10h BAR 0         the bits below the size of the BAR are 0, whatever is written: so a guest
 *                     that writes ones reads the size. Not written to the device
 *   14h to 27h        the other BARs: 0, also when written
 *   30h to 33h, 34h   no ROM, no capabilities: 0
 *   3Ch line          keeps what is written
 *   40h to FFh        0: capabilities of the real device that this bridge does not emulate
 *
 * The BAR's memory slot is there exactly while the guest's command has PCI_COMMAND_MEMORY: it is
 * made at bar (device_assign_bar()) and removed (memory_slot_remove(), bar_slot -1) when
 * command or BAR is written and it is not where it belongs. */
void pci_passed_read(struct pci_passed *passed, unsigned offset, uint8_t *data,
                     unsigned size);
void pci_passed_write(struct pci_passed *passed, unsigned offset, const uint8_t *data,
                      unsigned size);

#endif
