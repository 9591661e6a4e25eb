/* acpi_tables.h - given: what firmware tells a kernel about interrupt controllers and power.
 *
 *   RSDP -> XSDT -> FADT -> DSDT        power off, the serial port (acpi/dsdt.asl)
 *                -> MADT                the local APICs and the I/O APIC
 *                -> SSDT                the PCI bus, where there is one (acpi/pci.asl)
 *
 * Without a MADT a kernel may hang: it tries the old interrupt controllers, and the local APIC
 * of the first CPU does not hand their interrupts on as the kernel hopes.
 *
 * Source: ACPI Specification 6.4, 5.2. */
#ifndef ACPI_TABLES_H
#define ACPI_TABLES_H

#include "vmm.h"

/* Writes all tables from BOOT_ACPI_GPA on; *rsdp: where the first one is. Returns 0 or what
 * guest_write() returned. */
int acpi_tables_write(struct vm *vm, unsigned cpus, bool has_pci, uint64_t *rsdp);

#endif
