/* guest_tables.c - the tables that a boot loader leaves behind for the guest. */
#include "guest_loader.h"
#include "x86.h"

#define LARGE_PAGE (2ull << 20)

void guest_page_tables_make(struct guest_page_tables *t)
{
    const uint64_t rights = PTE_PRESENT | PTE_WRITABLE | PTE_USER;

    *t = (struct guest_page_tables){0};
    t->pml4[0] = (GUEST_PML4_GPA + GUEST_PAGE_SIZE) | rights;
    t->pdpt[0] = (GUEST_PML4_GPA + 2 * GUEST_PAGE_SIZE) | rights;
    for (uint64_t i = 0; i < 512; i++)
        t->pd[i] = i * LARGE_PAGE | rights | PTE_LARGE;
}

void guest_gdt_make(uint64_t gdt[GUEST_GDT_ENTRIES], enum guest_mode mode)
{
    gdt[0] = 0;
    gdt[1] = mode == GUEST_LONG64 ? DESCRIPTOR_CODE64 : DESCRIPTOR_CODE32;
    gdt[2] = DESCRIPTOR_DATA;
}
