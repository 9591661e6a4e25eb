/* foreign_kernel.c - bzImage by the 32-bit boot protocol; multiboot images. */
#define _GNU_SOURCE
#include "foreign_kernel.h"

#include <elf.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "foreign_format.h"
#include "memory_slots.h"

#define AT_PARAMETERS 0x7000ull /* struct boot_params, or the multiboot information */
#define SECTOR        512u
#define PROTOCOL_MIN  0x20au /* has pref_address and init_size (Linux 2.6.31) */
#define LOADER_OTHER  0xffu

#define MULTIBOOT_LOADED 0x2badb002u

/* What EAX, EBX, ESI are at the entry. */
struct entry {
    uint32_t eip, eax, ebx, esi;
};

static int entry_set(struct vcpu *vcpu, const struct entry *entry)
{
    struct kvm_regs regs;
    int r = boot_vcpu_start(vcpu, entry->eip);

    if (r < 0)
        return r;
    if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0)
        return -errno;
    regs.rax = entry->eax;
    regs.rbx = entry->ebx;
    regs.rsi = entry->esi;
    return ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0 ? -errno : 0;
}

static int command_line_put(struct vm *vm, const char *text)
{
    const size_t length = strlen(text);

    if (length > BOOT_COMMAND_LINE_MAX)
        return -E2BIG;
    return guest_write(vm, BOOT_COMMAND_LINE_GPA, text, length + 1);
}

/* --- bzImage ---------------------------------------------------------------------------------- */

static int bzimage_load(struct vm *vm, const struct boot_request *request,
                        const struct setup_header *header, uint64_t *end)
{
    const struct boot_file *file = &request->kernel;
    const uint64_t sectors = header->setup_sects ? header->setup_sects : 4;
    const uint64_t setup = (sectors + 1) * SECTOR;
    const uint64_t at =
        header->pref_address > BOOT_HIGH_GPA ? header->pref_address : BOOT_HIGH_GPA;

    if (header->version < PROTOCOL_MIN || setup >= file->size)
        return -ENOEXEC;
    *end = at + header->init_size;
    if (*end < at || *end > request->ram_size ||
        file->size - setup > request->ram_size - BOOT_HIGH_GPA)
        return -EFBIG;
    return guest_write(vm, BOOT_HIGH_GPA, (const uint8_t *)file->bytes + setup,
                       file->size - setup);
}

/* As far up as it goes; 0: there is none. */
static int ramdisk_put(struct vm *vm, const struct boot_request *request, uint64_t end,
                       struct setup_header *header)
{
    const struct boot_file *file = &request->initramfs;
    uint64_t at;

    if (file->size == 0)
        return 0;
    if (file->size > request->ram_size)
        return -EFBIG;
    at = (request->ram_size - file->size) & ~(uint64_t)(GUEST_PAGE_SIZE - 1);
    if (at < end || at + file->size - 1 > header->initrd_addr_max)
        return -EFBIG;
    header->ramdisk_image = (uint32_t)at;
    header->ramdisk_size = (uint32_t)file->size;
    return guest_write(vm, at, file->bytes, file->size);
}

static int bzimage_boot(struct vm *vm, const struct boot_request *request,
                        struct entry *entry)
{
    struct boot_params parameters = {
        .acpi_rsdp_addr = request->rsdp,
        .e820_entries = 3,
        .e820_table = {
            {0, BOOT_LOW_END, BOOT_MEMORY_RAM},
            {BOOT_ACPI_GPA, BOOT_HIGH_GPA - BOOT_ACPI_GPA, BOOT_MEMORY_RESERVED},
            {BOOT_HIGH_GPA, request->ram_size - BOOT_HIGH_GPA, BOOT_MEMORY_RAM}}};
    uint64_t end;
    int r;

    bzimage_header_read(&request->kernel, &parameters.hdr);
    r = bzimage_load(vm, request, &parameters.hdr, &end);
    if (r == 0)
        r = ramdisk_put(vm, request, end, &parameters.hdr);
    if (r < 0)
        return r;
    parameters.hdr.type_of_loader = LOADER_OTHER;
    parameters.hdr.cmd_line_ptr = BOOT_COMMAND_LINE_GPA;
    *entry = (struct entry){.eip = BOOT_HIGH_GPA, .esi = AT_PARAMETERS};
    return guest_write(vm, AT_PARAMETERS, &parameters, sizeof parameters);
}

/* --- multiboot ------------------------------------------------------------------------------ */

struct multiboot_memory {
    uint32_t size; /* of the rest */
    uint64_t gpa, length;
    uint32_t type;
} __attribute__((packed));

struct multiboot_parameters {
    struct {
        uint32_t flags; /* which members are there */
        uint32_t low_kib, high_kib, device, command_line, modules[2], symbols[4];
        uint32_t map_size, map;
    } info;
    struct multiboot_memory memory[2];
};

#define INFO_MEMORY       (1u << 0)
#define INFO_COMMAND_LINE (1u << 2)
#define INFO_MAP          (1u << 6)

/* A piece of the file to guest memory; the rest up to `size` is zero there already. */
static int piece_load(struct vm *vm, const struct boot_request *request, uint64_t offset,
                      uint64_t stored, uint64_t gpa, uint64_t size)
{
    const struct boot_file *file = &request->kernel;

    if (offset > file->size || stored > file->size - offset || size < stored)
        return -ENOEXEC;
    if (gpa > request->ram_size || size > request->ram_size - gpa)
        return -EFBIG;
    return guest_write(vm, gpa, (const uint8_t *)file->bytes + offset, stored);
}

static int multiboot_load_places(struct vm *vm, const struct boot_request *request,
                                 const struct multiboot_header *h, size_t at)
{
    const uint64_t before = h->header - (uint64_t)h->load; /* of the header, in memory */
    const uint64_t offset = at - before;
    const uint64_t stored =
        h->load_end ? (uint64_t)h->load_end - h->load : request->kernel.size - offset;

    if (before > at)
        return -ENOEXEC;
    return piece_load(vm, request, offset, stored, h->load,
                      h->bss_end ? (uint64_t)h->bss_end - h->load : stored);
}

static bool is_elf32(const struct boot_file *file, Elf32_Ehdr *header)
{
    if (file->size < sizeof *header)
        return false;
    memcpy(header, file->bytes, sizeof *header);
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS32 && header->e_machine == EM_386 &&
           header->e_phentsize == sizeof(Elf32_Phdr);
}

static int multiboot_load_elf(struct vm *vm, const struct boot_request *request,
                              uint32_t *entry)
{
    const struct boot_file *file = &request->kernel;
    Elf32_Ehdr header;
    int r = 0;

    if (!is_elf32(file, &header) || header.e_phoff > file->size ||
        header.e_phnum > (file->size - header.e_phoff) / sizeof(Elf32_Phdr))
        return -ENOEXEC;
    *entry = header.e_entry;
    for (unsigned i = 0; r == 0 && i < header.e_phnum; i++) {
        Elf32_Phdr p;

        memcpy(&p, (const uint8_t *)file->bytes + header.e_phoff + i * sizeof p, sizeof p);
        if (p.p_type == PT_LOAD && p.p_memsz)
            r = piece_load(vm, request, p.p_offset, p.p_filesz, p.p_paddr, p.p_memsz);
    }
    return r;
}

static struct multiboot_parameters multiboot_parameters(const struct boot_request *request)
{
    const uint64_t high = request->ram_size - BOOT_HIGH_GPA;
    const uint32_t size = sizeof(struct multiboot_memory);

    return (struct multiboot_parameters){
        .info = {.flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MAP,
                 .low_kib = BOOT_LOW_END >> 10,
                 .high_kib = (uint32_t)(high >> 10),
                 .command_line = BOOT_COMMAND_LINE_GPA,
                 .map_size = 2 * size,
                 .map = AT_PARAMETERS + offsetof(struct multiboot_parameters, memory)},
        .memory = {{size - 4, 0, BOOT_LOW_END, BOOT_MEMORY_RAM},
                   {size - 4, BOOT_HIGH_GPA, high, BOOT_MEMORY_RAM}}};
}

static int multiboot_boot(struct vm *vm, const struct boot_request *request,
                          struct entry *entry)
{
    const struct multiboot_parameters parameters = multiboot_parameters(request);
    struct multiboot_header header;
    size_t at;
    int r;

    *entry = (struct entry){.eax = MULTIBOOT_LOADED, .ebx = AT_PARAMETERS};
    multiboot_header_find(&request->kernel, &header, &at);
    entry->eip = header.entry;
    r = header.flags & MULTIBOOT_PLACES ? multiboot_load_places(vm, request, &header, at)
                                        : multiboot_load_elf(vm, request, &entry->eip);
    return r < 0 ? r : guest_write(vm, AT_PARAMETERS, &parameters, sizeof parameters);
}

/* --- together ------------------------------------------------------------------------------------ */

int foreign_kernel_boot(struct vcpu *vcpu, const struct boot_request *request)
{
    const bool is_bzimage = foreign_kernel_kind(&request->kernel) == FOREIGN_BZIMAGE;
    struct entry entry;
    int r = is_bzimage ? bzimage_boot(vcpu->vm, request, &entry)
                       : multiboot_boot(vcpu->vm, request, &entry);

    if (r == 0)
        r = command_line_put(vcpu->vm, request->command_line);
    return r < 0 ? r : entry_set(vcpu, &entry);
}
