/* boot.c - part 11, second file: a kernel, its initramfs and its parameters in guest memory, and
 * a vCPU that begins there. The contract is in boot.h. */
#include "boot.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "memory_slots.h"
#include "x86.h"

/* True if the file has all of [offset, offset + size). */
static bool file_holds(const struct boot_file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

//@begin
//@ /* TODO 1: is it a kernel of the right kind, and does all that it speaks of lie inside the
//@  * file? Copy headers out of the file with memcpy(): nothing says that they are aligned. */
//@
static bool header_read(const struct boot_file *file, Elf64_Ehdr *header)
{
    if (!file_holds(file, 0, sizeof *header))
        return false;
    memcpy(header, file->bytes, sizeof *header);
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 &&
           header->e_ident[EI_DATA] == ELFDATA2LSB && header->e_machine == EM_X86_64 &&
           header->e_phentsize == sizeof(Elf64_Phdr) &&
           file_holds(file, header->e_phoff,
                      (uint64_t)header->e_phnum * sizeof(Elf64_Phdr));
}

static Elf64_Phdr segment_read(const struct boot_file *file, const Elf64_Ehdr *header,
                               unsigned i)
{
    Elf64_Phdr segment;

    memcpy(&segment,
           (const uint8_t *)file->bytes + header->e_phoff + i * sizeof(Elf64_Phdr),
           sizeof segment);
    return segment;
}

static bool segment_is_sane(const struct boot_file *file, const Elf64_Phdr *segment)
{
    if (segment->p_type != PT_LOAD && segment->p_type != PT_NOTE)
        return true;
    if (!file_holds(file, segment->p_offset, segment->p_filesz))
        return false;
    return segment->p_type == PT_NOTE ||
           (segment->p_memsz >= segment->p_filesz &&
            segment->p_paddr <= UINT64_MAX - segment->p_memsz);
}

static bool segments_are_sane(const struct boot_file *file, const Elf64_Ehdr *header)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr segment = segment_read(file, header, i);

        if (!segment_is_sane(file, &segment))
            return false;
    }
    return true;
}

/* TODO 2: notes stand one behind the other; name and contents are padded to 4 bytes. */
static uint64_t padded(uint32_t size)
{
    return ((uint64_t)size + 3) & ~3ull;
}

/* Looks through one PT_NOTE. */
static bool note_find(const uint8_t *at, uint64_t left, uint32_t *entry)
{
    Elf64_Nhdr note;

    while (left >= sizeof note) {
        memcpy(&note, at, sizeof note);
        at += sizeof note;
        left -= sizeof note;
        const uint64_t name = padded(note.n_namesz), contents = padded(note.n_descsz);

        if (name > left || note.n_descsz > left - name)
            return false;
        if (note.n_type == BOOT_NOTE_TYPE && note.n_namesz == sizeof BOOT_NOTE_NAME &&
            memcmp(at, BOOT_NOTE_NAME, sizeof BOOT_NOTE_NAME) == 0 &&
            note.n_descsz >= sizeof *entry) {
            memcpy(entry, at + name, sizeof *entry);
            return true;
        }
        if (contents > left - name)
            return false;
        at += name + contents;
        left -= name + contents;
    }
    return false;
}

static bool entry_find(const struct boot_file *file, const Elf64_Ehdr *header,
                       uint32_t *entry)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr segment = segment_read(file, header, i);

        if (segment.p_type == PT_NOTE &&
            note_find((const uint8_t *)file->bytes + segment.p_offset, segment.p_filesz,
                      entry))
            return true;
    }
    return false;
}

/* TODO 3: where does the kernel end? Then copy. */
static uint64_t kernel_end(const struct boot_file *file, const Elf64_Ehdr *header)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr segment = segment_read(file, header, i);

        if (segment.p_type == PT_LOAD && segment.p_paddr + segment.p_memsz > end)
            end = segment.p_paddr + segment.p_memsz;
    }
    return end;
}

static int segments_copy(struct vm *vm, const struct boot_file *file,
                         const Elf64_Ehdr *header)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < header->e_phnum; i++) {
        const Elf64_Phdr segment = segment_read(file, header, i);

        if (segment.p_type == PT_LOAD)
            r = guest_write(vm, segment.p_paddr,
                            (const uint8_t *)file->bytes + segment.p_offset,
                            segment.p_filesz);
    }
    return r;
}

//@end
int boot_kernel_load(struct vm *vm, const struct boot_request *request,
                     struct boot_kernel *kernel)
{
    //@begin
    //@ (void)vm, (void)request, (void)kernel, (void)file_holds;
    //@ return -ENOSYS;
    const struct boot_file *file = &request->kernel;
    Elf64_Ehdr header;

    if (!header_read(file, &header) || !segments_are_sane(file, &header))
        return -ENOEXEC;
    if (!entry_find(file, &header, &kernel->entry))
        return -ENOTSUP;
    kernel->end = kernel_end(file, &header);
    if (kernel->end > request->ram_size)
        return -EFBIG;
    return segments_copy(vm, file, &header);
    //@end
}

//@begin
//@ /* TODO 4: as high as it goes, at a page boundary, and not below the kernel's end. */
//@
static int initramfs_write(struct vm *vm, const struct boot_request *request,
                           uint64_t kernel_end, struct boot_module *module)
{
    const struct boot_file *file = &request->initramfs;

    if (file->size == 0)
        return 0;
    if (file->size > request->ram_size)
        return -EFBIG;
    module->gpa = (request->ram_size - file->size) & ~(uint64_t)(GUEST_PAGE_SIZE - 1);
    module->size = file->size;
    if (module->gpa < kernel_end)
        return -EFBIG;
    return guest_write(vm, module->gpa, file->bytes, file->size);
}

static int command_line_write(struct vm *vm, const char *text)
{
    size_t length = strlen(text);

    if (length > BOOT_COMMAND_LINE_MAX)
        return -E2BIG;
    return guest_write(vm, BOOT_COMMAND_LINE_GPA, text, length + 1);
}

/* TODO 5: everything that start_info points to has an address of its own. */
static struct boot_parameters parameters_make(const struct boot_request *request)
{
    const uint64_t at = BOOT_START_INFO_GPA;

    return (struct boot_parameters){
        .info = {.magic = BOOT_START_INFO_MAGIC,
                 .version = 1,
                 .command_line = BOOT_COMMAND_LINE_GPA,
                 .rsdp = request->rsdp,
                 .memory_map = at + offsetof(struct boot_parameters, memory),
                 .memory_count = BOOT_MEMORY_REGIONS},
        .memory = {{.size = BOOT_LOW_END, .type = BOOT_MEMORY_RAM},
                   {.gpa = BOOT_ACPI_GPA,
                    .size = BOOT_HIGH_GPA - BOOT_ACPI_GPA,
                    .type = BOOT_MEMORY_RESERVED},
                   {.gpa = BOOT_HIGH_GPA,
                    .size = request->ram_size - BOOT_HIGH_GPA,
                    .type = BOOT_MEMORY_RAM}}};
}

//@end
int boot_parameters_write(struct vm *vm, const struct boot_request *request,
                          uint64_t kernel_end)
{
    //@begin
    //@ (void)vm, (void)request, (void)kernel_end;
    //@ return -ENOSYS;
    struct boot_parameters parameters = parameters_make(request);
    int r = initramfs_write(vm, request, kernel_end, &parameters.module);

    if (r == 0)
        r = command_line_write(vm, request->command_line);
    if (r < 0)
        return r;
    if (parameters.module.size) {
        parameters.info.module_count = 1;
        parameters.info.modules =
            BOOT_START_INFO_GPA + offsetof(struct boot_parameters, module);
    }
    return guest_write(vm, BOOT_START_INFO_GPA, &parameters, sizeof parameters);
    //@end
}

//@begin
//@ /* TODO 6: what the CPU would have after the loader's last instruction. */
//@
static void segments_set(struct kvm_sregs *sregs)
{
    const struct kvm_segment data = {.limit = 0xffffffff,
                                     .selector = SELECTOR_DATA,
                                     .type = 3,
                                     .present = 1,
                                     .db = 1,
                                     .s = 1,
                                     .g = 1};

    sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = sregs->cs = data;
    sregs->cs.selector = SELECTOR_CODE;
    sregs->cs.type = 11;
    sregs->tr = (struct kvm_segment){.limit = 0x67, .type = 11, .present = 1};
}

//@end
int boot_vcpu_start(struct vcpu *vcpu, uint32_t entry)
{
    //@begin
    //@ (void)vcpu, (void)entry;
    //@ return -ENOSYS;
    const struct kvm_regs regs = {
        .rip = entry, .rbx = BOOT_START_INFO_GPA, .rflags = RFLAGS_RESERVED};
    struct kvm_sregs sregs;

    if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
        return -errno;
    segments_set(&sregs);
    sregs.cr0 = (sregs.cr0 & ~CR0_PG) | CR0_PE;
    sregs.cr4 = 0;
    sregs.efer = 0;
    if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 ||
        ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
        return -errno;
    return 0;
    //@end
}

int boot_linux(struct vcpu *vcpu, const struct boot_request *request)
{
    struct boot_kernel kernel = {0};
    int r = boot_kernel_load(vcpu->vm, request, &kernel);

    if (r == 0)
        r = boot_parameters_write(vcpu->vm, request, kernel.end);
    if (r == 0)
        r = boot_vcpu_start(vcpu, kernel.entry);
    return r;
}
