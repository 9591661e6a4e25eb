/* acpi_tables.c - RSDP, XSDT, FADT, MADT, and the two pieces of AML. */
#include "acpi_tables.h"

#include <errno.h>
#include <string.h>

#include "acpi/acpi_aml.h"
#include "boot.h"
#include "memory_slots.h"
#include "platform.h"

/* Where each table lies, from BOOT_ACPI_GPA on. */
#define AT_RSDP 0x0u
#define AT_XSDT 0x40u
#define AT_FADT 0x80u
#define AT_MADT 0x200u
#define AT_DSDT 0x400u
#define AT_SSDT 0x800u
#define ROOM    0x1000u

#define RSDP_SIZE     36u
#define RSDP_SIZE_OLD 20u /* what the first checksum is over */
#define HEADER_SIZE   36u
#define FADT_SIZE     244u
#define SCI_GSI       9u

#define LOCAL_APIC_GPA 0xfee00000u
#define IO_APIC_GPA    0xfec00000u
#define CPUS_MAX       16u

static void put(uint8_t *at, uint64_t value, unsigned size)
{
    memcpy(at, &value, size);
}

/* A table's bytes add up to 0; the checksum at `at` makes it so. */
static void seal(uint8_t *table, uint32_t size, unsigned at)
{
    uint8_t sum = 0;

    table[at] = 0;
    for (uint32_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + table[i]);
    table[at] = (uint8_t)-sum;
}

static void header_put(uint8_t *table, const char *signature, uint32_t size,
                       uint8_t revision)
{
    memcpy(table, signature, 4);
    put(table + 4, size, 4);
    table[8] = revision;
    memcpy(table + 10, "NRM   BOARD   ", 14);
    put(table + 24, 1, 4); /* OEM revision */
    memcpy(table + 28, "NRM ", 4);
    put(table + 32, 1, 4); /* revision of what made it */
    seal(table, size, 9);
}

static void fadt_put(uint8_t *fadt)
{
    put(fadt + 40, BOOT_ACPI_GPA + AT_DSDT, 4);
    put(fadt + 46, SCI_GSI, 2);
    put(fadt + 56, PLATFORM_PM1, 4);     /* PM1a event block ... */
    put(fadt + 64, PLATFORM_PM1 + 4, 4); /* ... and control block */
    fadt[88] = 4;                        /* their sizes */
    fadt[89] = 2;
    put(fadt + 109, 0x13, 2); /* legacy devices, keyboard controller; no ASPM */
    put(fadt + 112, 1u | 1u << 4 | 1u << 5, 4); /* WBINVD; no power, no sleep button */
    put(fadt + 140, BOOT_ACPI_GPA + AT_DSDT, 8);
    header_put(fadt, "FACP", FADT_SIZE, 3);
}

static void madt_put(uint8_t *madt, unsigned cpus)
{
    uint8_t *at = madt + 44;

    put(madt + 36, LOCAL_APIC_GPA, 4);
    put(madt + 40, 1, 4); /* there are 8259s as well */
    for (unsigned i = 0; i < cpus; i++, at += 8) {
        const uint8_t local[8] = {0, 8, (uint8_t)i, (uint8_t)i, 1}; /* enabled */

        memcpy(at, local, sizeof local);
    }
    at[0] = 1; /* I/O APIC 0, from GSI 0 on */
    at[1] = 12;
    put(at + 4, IO_APIC_GPA, 4);
    at += 12;
    const uint8_t timer[10] = {2, 10, 0, 0, 2}; /* ISA IRQ 0 comes in at pin 2 */

    memcpy(at, timer, sizeof timer);
    at += sizeof timer;
    header_put(madt, "APIC", (uint32_t)(at - madt), 3);
}

static void xsdt_put(uint8_t *xsdt, bool has_pci)
{
    static const uint32_t tables[] = {AT_FADT, AT_MADT, AT_SSDT};
    const uint32_t count = has_pci ? 3 : 2;

    for (uint32_t i = 0; i < count; i++)
        put(xsdt + HEADER_SIZE + 8 * i, BOOT_ACPI_GPA + tables[i], 8);
    header_put(xsdt, "XSDT", HEADER_SIZE + 8 * count, 1);
}

static void rsdp_put(uint8_t *rsdp)
{
    memcpy(rsdp, "RSD PTR ", 8);
    memcpy(rsdp + 9, "NRM   ", 6);
    rsdp[15] = 2;
    put(rsdp + 20, RSDP_SIZE, 4);
    put(rsdp + 24, BOOT_ACPI_GPA + AT_XSDT, 8);
    seal(rsdp, RSDP_SIZE_OLD, 8);
    seal(rsdp, RSDP_SIZE, 32);
}

int acpi_tables_write(struct vm *vm, unsigned cpus, bool has_pci, uint64_t *rsdp)
{
    uint8_t tables[ROOM] = {0};

    if (cpus > CPUS_MAX)
        return -EINVAL;
    memcpy(tables + AT_DSDT, acpi_dsdt, sizeof acpi_dsdt);
    memcpy(tables + AT_SSDT, acpi_pci, sizeof acpi_pci);
    fadt_put(tables + AT_FADT);
    madt_put(tables + AT_MADT, cpus);
    xsdt_put(tables + AT_XSDT, has_pci);
    rsdp_put(tables + AT_RSDP);
    *rsdp = BOOT_ACPI_GPA + AT_RSDP;
    return guest_write(vm, BOOT_ACPI_GPA, tables, sizeof tables);
}
