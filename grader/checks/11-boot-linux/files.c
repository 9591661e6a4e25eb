/* files.c - kernels made up for the occasion, and what is left of them in guest memory (target
 * model). */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define SEGMENTS  4
#define PAGE      4096u
#define NOTE_ROOM 512u
#define WINDOW    (1u << 20)

/* Windows into guest memory. */
#define WINDOW_LOW  0 /* from 0: parameters, command line */
#define WINDOW_HIGH 1 /* the seven MiB above, one after the other */
#define WINDOWS     8

struct place {
    struct judge *judge;
    struct lab11_files in;
    uint32_t used; /* of in.bytes */
    Elf64_Ehdr header;
    Elf64_Phdr segments[SEGMENTS]; /* the last one is the PT_NOTE */
    uint32_t headers_at;
    uint32_t entry; /* in the note */
    const struct evidence *e;
    const struct lab11_files_output *out;
};

/* --- a kernel ------------------------------------------------------------------------------------ */

static uint32_t bytes_add(struct place *p, const void *bytes, uint32_t size)
{
    const uint32_t at = p->used;

    if (at + size > sizeof p->in.bytes)
        judge_error(p->judge, "the check's kernel is too large");
    memcpy(p->in.bytes + at, bytes, size);
    p->used += size;
    return at;
}

static void junk_add(struct place *p, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        const uint8_t byte = (uint8_t)judge_random(p->judge);

        bytes_add(p, &byte, 1);
    }
}

static void note_add(struct place *p, uint32_t type, const char *name, uint32_t name_size,
                     const void *contents, uint32_t size)
{
    const Elf64_Nhdr note = {.n_namesz = name_size, .n_descsz = size, .n_type = type};

    bytes_add(p, &note, sizeof note);
    bytes_add(p, name, name_size);
    bytes_add(p, "\0\0\0", (4 - name_size % 4) % 4);
    bytes_add(p, contents, size);
    bytes_add(p, "\0\0\0", (4 - size % 4) % 4);
}

/* Among others of the same type, of the same name, with odd lengths. */
static void notes_add(struct place *p, bool with_entry)
{
    const uint64_t other = 0x1234567, entry = p->entry;
    const uint32_t from = p->used;

    note_add(p, 3, "GNU", 4, "an identity of 21 by.", 21);
    note_add(p, BOOT_NOTE_TYPE, "Xe", 3, &other, 4);
    note_add(p, BOOT_NOTE_TYPE, "Linux", 6, &other, 8);
    note_add(p, 6, BOOT_NOTE_NAME, 4, "linux", 6);
    if (with_entry)
        note_add(p, BOOT_NOTE_TYPE, BOOT_NOTE_NAME, 4, &entry,
                 random_bool(p->judge) ? 8 : 4);
    note_add(p, 5, BOOT_NOTE_NAME, 4, &other, 8);
    p->segments[SEGMENTS - 1] = (Elf64_Phdr){.p_type = PT_NOTE,
                                             .p_offset = from,
                                             .p_filesz = p->used - from,
                                             .p_memsz = p->used - from,
                                             .p_paddr = 0xdead000};
}

/* One from 1 MiB on, one behind it with a .bss, one below 640 KiB. */
static void segment_add(struct place *p, unsigned n, uint64_t gpa, uint32_t size,
                        uint32_t zeros)
{
    const uint32_t at = p->used;

    junk_add(p, size);
    p->segments[n] = (Elf64_Phdr){.p_type = PT_LOAD,
                                  .p_offset = at,
                                  .p_filesz = size,
                                  .p_memsz = size + zeros,
                                  .p_paddr = gpa,
                                  .p_vaddr = 0xffffffff80000000ull + gpa};
}

static void headers_add(struct place *p)
{
    p->header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1},
                             .e_type = ET_EXEC,
                             .e_machine = EM_X86_64,
                             .e_phentsize = sizeof(Elf64_Phdr),
                             .e_phnum = SEGMENTS,
                             .e_entry = 0x1111111,
                             .e_phoff = p->headers_at};
    memcpy(p->in.bytes, &p->header, sizeof p->header);
    memcpy(p->in.bytes + p->headers_at, p->segments, sizeof p->segments);
    p->in.kernel_size = p->used;
}

static struct place *place_new(struct judge *judge, bool with_entry)
{
    struct place *p = calloc(1, sizeof *p);
    uint32_t odd;

    if (!p)
        judge_error(judge, "out of memory");
    p->judge = judge;
    p->entry = 0x100000 + (uint32_t)judge_random_below(judge, 0x400000);
    p->in.ram_size = LAB11_FILES_RAM;
    p->in.rsdp = 0xe0000 + judge_random_below(judge, 0x1000) * 16;
    p->in.load = 1;
    snprintf(p->in.command_line, sizeof p->in.command_line, "console=ttyS0 nonce=%" PRIx64,
             judge_random(judge));
    p->in.command_line_length = (uint32_t)strlen(p->in.command_line);
    p->used = sizeof p->header;
    odd = (uint32_t)judge_random_below(judge, 7);
    junk_add(p, odd); /* nothing in a file has to be aligned */
    p->headers_at = p->used;
    p->used += sizeof p->segments;
    segment_add(p, 0, 0x100000 + judge_random_below(judge, 256) * 16,
                20000 + (uint32_t)judge_random_below(judge, 9000), 0);
    segment_add(p, 1, 0x200000 + judge_random_below(judge, 256) * PAGE,
                5000 + (uint32_t)judge_random_below(judge, 999),
                0x100000 + (uint32_t)judge_random_below(judge, 0x100000));
    notes_add(p, with_entry);
    segment_add(p, 2, 0x30000 + judge_random_below(judge, 1000) * 3,
                3000 + (uint32_t)judge_random_below(judge, 999), 0);
    headers_add(p);
    return p;
}

static void place_run(struct place *p)
{
    struct kvm_plan plan = plan_make();
    struct window windows[WINDOWS];
    const struct run_spec spec = {.entry = LAB11_FILES,
                                  .input = &p->in,
                                  .input_size = sizeof p->in,
                                  .plan = &plan,
                                  .windows = windows,
                                  .window_count = WINDOWS};

    for (unsigned i = 0; i < WINDOWS; i++)
        windows[i] = (struct window){
            .name = "guest-ram", .offset = i * (uint64_t)WINDOW, .length = WINDOW};
    p->e = judge_run(p->judge, &spec, sizeof *p->out);
    p->out = (const void *)p->e->answer;
    CHECK(p->judge, p->out->ready, "the earlier parts give the guest memory",
          "they did not (labs 01 and 02)");
    for (unsigned i = 0; i < WINDOWS; i++)
        CHECK(p->judge, p->e->windows[0][i].length == WINDOW,
              "guest memory can be looked at from outside", "it could not be read");
}

/* One byte of guest memory. */
static uint8_t guest_byte(const struct place *p, uint64_t gpa)
{
    return p->e->windows[0][gpa / WINDOW].bytes[gpa % WINDOW];
}

static void returned(const struct place *p, int result, int due, const char *function,
                     const char *when)
{
    char is[40], wanted[40];

    CHECK(p->judge, result == due, "each function returns what the contract says",
          "%s: %s is to return %s; it returned %s", when, function,
          errno_text(due, wanted, sizeof wanted), errno_text(result, is, sizeof is));
}

static void memory_is(const struct place *p, uint64_t gpa, const uint8_t *due,
                      uint64_t size, const char *what)
{
    for (uint64_t i = 0; i < size; i++)
        CHECK(p->judge, guest_byte(p, gpa + i) == (due ? due[i] : 0),
              "guest memory has exactly what belongs there",
              "%s from GPA %#" PRIx64 " on: byte %" PRIu64 " is %02xh, not %02xh", what,
              gpa, i, guest_byte(p, gpa + i), due ? due[i] : 0);
}

/* --- loading ------------------------------------------------------------------------------------------ */

static uint64_t end_due(const struct place *p)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < SEGMENTS; i++)
        if (p->segments[i].p_type == PT_LOAD &&
            p->segments[i].p_paddr + p->segments[i].p_memsz > end)
            end = p->segments[i].p_paddr + p->segments[i].p_memsz;
    return end;
}

void kernel_lies_where_it_says(struct judge *judge)
{
    struct place *p = place_new(judge, true);

    place_run(p);
    returned(p, p->out->load, 0, "boot_kernel_load()", "a good kernel");
    for (unsigned i = 0; i < SEGMENTS - 1; i++) {
        const Elf64_Phdr *s = &p->segments[i];

        memory_is(p, s->p_paddr, p->in.bytes + s->p_offset, s->p_filesz, "a segment");
        memory_is(p, s->p_paddr + s->p_filesz, NULL, PAGE, "behind a segment");
    }
    CHECK(judge, p->out->entry == p->entry, "the entry is that of Xen's note of type 18",
          "the note says %#x; found was %#x", p->entry, p->out->entry);
    CHECK(judge, p->out->end == end_due(p), "the kernel ends behind its .bss",
          "it ends at %#" PRIx64 "; found was %#" PRIx64, end_due(p), p->out->end);
}

/* --- what is no kernel ------------------------------------------------------------------------------- */

struct defect {
    const char *what;
    int due;
    void (*make)(struct place *p);
};

static void cut_short(struct place *p)
{
    p->in.kernel_size = sizeof(Elf64_Ehdr) - 1;
}

static void no_elf(struct place *p)
{
    p->in.bytes[1] = 'e';
}

static void is_32_bit(struct place *p)
{
    p->in.bytes[EI_CLASS] = ELFCLASS32;
}

static void is_big_endian(struct place *p)
{
    p->in.bytes[EI_DATA] = ELFDATA2MSB;
}

static void is_arm(struct place *p)
{
    p->in.bytes[offsetof(Elf64_Ehdr, e_machine)] = 183;
}

static void headers_outside(struct place *p)
{
    const uint64_t at = p->in.kernel_size - sizeof(Elf64_Phdr) * SEGMENTS + 1;

    memcpy(p->in.bytes + offsetof(Elf64_Ehdr, e_phoff), &at, sizeof at);
}

static void headers_wrap(struct place *p)
{
    const uint64_t at = UINT64_MAX - sizeof(Elf64_Phdr) + 1;

    memcpy(p->in.bytes + offsetof(Elf64_Ehdr, e_phoff), &at, sizeof at);
}

static void headers_of_another_size(struct place *p)
{
    p->in.bytes[offsetof(Elf64_Ehdr, e_phentsize)] = sizeof(Elf64_Phdr) + 8;
}

static void segment_set(struct place *p, unsigned n, size_t field, uint64_t value)
{
    memcpy(p->in.bytes + p->headers_at + n * sizeof(Elf64_Phdr) + field, &value,
           sizeof value);
}

static void segment_outside(struct place *p)
{
    segment_set(p, 2, offsetof(Elf64_Phdr, p_offset),
                p->in.kernel_size - p->segments[2].p_filesz + 1);
}

static void segment_offset_wraps(struct place *p)
{
    segment_set(p, 1, offsetof(Elf64_Phdr, p_offset), UINT64_MAX - 100);
}

static void note_outside(struct place *p)
{
    segment_set(p, SEGMENTS - 1, offsetof(Elf64_Phdr, p_filesz), p->in.kernel_size);
}

static void memory_smaller_than_file(struct place *p)
{
    segment_set(p, 0, offsetof(Elf64_Phdr, p_memsz), p->segments[0].p_filesz - 1);
}

static void address_wraps(struct place *p)
{
    segment_set(p, 1, offsetof(Elf64_Phdr, p_paddr), UINT64_MAX - PAGE);
}

static void past_the_ram(struct place *p)
{
    segment_set(p, 1, offsetof(Elf64_Phdr, p_memsz),
                p->in.ram_size - p->segments[1].p_paddr + 1);
}

static const struct defect defects[] = {
    {"a file of 63 bytes", -ENOEXEC, cut_short},
    {"no ELF file", -ENOEXEC, no_elf},
    {"an ELF file of 32 bits", -ENOEXEC, is_32_bit},
    {"a big-endian ELF file", -ENOEXEC, is_big_endian},
    {"a kernel for ARM", -ENOEXEC, is_arm},
    {"program headers that end past the file", -ENOEXEC, headers_outside},
    {"program headers at the end of 2^64", -ENOEXEC, headers_wrap},
    {"program headers of another size", -ENOEXEC, headers_of_another_size},
    {"a segment that ends past the file", -ENOEXEC, segment_outside},
    {"a segment whose offset wraps", -ENOEXEC, segment_offset_wraps},
    {"a PT_NOTE that ends past the file", -ENOEXEC, note_outside},
    {"p_memsz < p_filesz", -ENOEXEC, memory_smaller_than_file},
    {"a segment that wraps around 2^64", -ENOEXEC, address_wraps},
    {"a .bss that ends a byte past the RAM", -EFBIG, past_the_ram},
};

static void defect_check(struct judge *judge, const struct defect *defect)
{
    struct place *p = place_new(judge, true);

    defect->make(p);
    place_run(p);
    returned(p, p->out->load, defect->due, "boot_kernel_load()", defect->what);
    for (unsigned i = 0; i < SEGMENTS - 1; i++)
        memory_is(p, p->segments[i].p_paddr, NULL, 64, "a kernel that was refused");
    free(p);
}

void bad_kernels_are_refused(struct judge *judge)
{
    for (size_t i = 0; i < sizeof defects / sizeof defects[0]; i++)
        defect_check(judge, &defects[i]);
    struct place *p = place_new(judge, false);

    place_run(p);
    returned(p, p->out->load, -ENOTSUP, "boot_kernel_load()",
             "a kernel without PVH's note");
    memory_is(p, p->segments[0].p_paddr, NULL, 64, "a kernel that was refused");
}

/* --- parameters ---------------------------------------------------------------------------------------- */

static struct place *parameters_new(struct judge *judge, uint32_t initramfs_size)
{
    struct place *p = place_new(judge, true);

    p->in.load = 0;
    p->in.parameters = 1;
    p->in.kernel_end = 0x123456;
    p->in.initramfs_size = initramfs_size;
    junk_add(p, initramfs_size);
    return p;
}

static void number_is(const struct place *p, const char *what, uint64_t is, uint64_t due)
{
    CHECK(p->judge, is == due, "start_info and what it points to are as the contract says",
          "%s is to be %#" PRIx64 ", it is %#" PRIx64, what, due, is);
}

static void memory_map_check(const struct place *p, const struct boot_memory *memory)
{
    const struct boot_memory due[BOOT_MEMORY_REGIONS] = {
        {.gpa = 0, .size = 0x9fc00, .type = 1},
        {.gpa = 0xe0000, .size = 0x20000, .type = 2},
        {.gpa = 0x100000, .size = p->in.ram_size - 0x100000, .type = 1}};
    char what[60];

    for (unsigned i = 0; i < BOOT_MEMORY_REGIONS; i++) {
        snprintf(what, sizeof what, "the beginning of region %u", i);
        number_is(p, what, memory[i].gpa, due[i].gpa);
        snprintf(what, sizeof what, "the size of region %u", i);
        number_is(p, what, memory[i].size, due[i].size);
        snprintf(what, sizeof what, "the type of region %u", i);
        number_is(p, what, memory[i].type, due[i].type);
        number_is(p, "a reserved field of the map", memory[i].reserved, 0);
    }
}

static void start_info_check(const struct place *p, const struct boot_parameters *b)
{
    const bool has = p->in.initramfs_size > 0;
    const uint64_t at = BOOT_START_INFO_GPA;

    number_is(p, "the magic", b->info.magic, 0x336ec578);
    number_is(p, "the version", b->info.version, 1);
    number_is(p, "flags", b->info.flags, 0);
    number_is(p, "the number of modules", b->info.module_count, has);
    number_is(p, "the address of the modules", b->info.modules,
              has ? at + offsetof(struct boot_parameters, module) : 0);
    number_is(p, "the address of the command line", b->info.command_line,
              BOOT_COMMAND_LINE_GPA);
    number_is(p, "the address of the RSDP", b->info.rsdp, p->in.rsdp);
    number_is(p, "the address of the memory map", b->info.memory_map,
              at + offsetof(struct boot_parameters, memory));
    number_is(p, "the number of regions", b->info.memory_count, BOOT_MEMORY_REGIONS);
    number_is(p, "the reserved field", b->info.reserved, 0);
    memory_map_check(p, b->memory);
}

static void initramfs_check(const struct place *p, const struct boot_module *module)
{
    const uint64_t size = p->in.initramfs_size;
    const uint64_t at = size ? (p->in.ram_size - size) / PAGE * PAGE : 0;

    number_is(p, "the address of the initramfs", module->gpa, at);
    number_is(p, "the size of the initramfs", module->size, size);
    number_is(p, "the module's command line", module->command_line, 0);
    if (size)
        memory_is(p, at, p->in.bytes + p->in.kernel_size, size, "the initramfs");
}

static void parameters_check(struct judge *judge, uint32_t initramfs_size)
{
    struct place *p = parameters_new(judge, initramfs_size);
    struct boot_parameters b;

    place_run(p);
    returned(p, p->out->parameters, 0, "boot_parameters_write()", "all of it fits");
    memcpy(&b, p->e->windows[0][WINDOW_LOW].bytes + BOOT_START_INFO_GPA, sizeof b);
    start_info_check(p, &b);
    initramfs_check(p, &b.module);
    memory_is(p, BOOT_COMMAND_LINE_GPA, (const uint8_t *)p->in.command_line,
              p->in.command_line_length + 1, "the command line");
}

void parameters_lie_in_memory(struct judge *judge)
{
    parameters_check(judge, 70000 + (uint32_t)judge_random_below(judge, 4000));
    parameters_check(judge, 16 * PAGE);
    parameters_check(judge, 0);
}

/* --- what does not fit --------------------------------------------------------------------------------- */

static void fit_check(struct judge *judge, uint32_t initramfs, uint64_t kernel_end,
                      uint32_t command_line, int due, const char *when)
{
    struct place *p = parameters_new(judge, initramfs);

    p->in.kernel_end = kernel_end;
    if (command_line)
        p->in.command_line_length = command_line;
    place_run(p);
    returned(p, p->out->parameters, due, "boot_parameters_write()", when);
    free(p);
}

void parameters_that_do_not_fit(struct judge *judge)
{
    const uint32_t size = 3 * PAGE + 1 + (uint32_t)judge_random_below(judge, PAGE - 1);
    const uint64_t at = LAB11_FILES_RAM - 4 * PAGE;
    struct place *p;

    fit_check(judge, size, at, 0, 0, "the kernel ends where the initramfs has to begin");
    fit_check(judge, size, at + 1, 0, -EFBIG, "the kernel ends one byte higher");
    fit_check(judge, 0, LAB11_FILES_RAM, 0, 0, "no initramfs, and a kernel to the end");
    fit_check(judge, size, at, 2047, 0, "a command line of 2047 characters");
    fit_check(judge, size, at, 2048, -E2BIG, "a command line of 2048 characters");
    fit_check(judge, size, at + 1, 5000, -EFBIG, "nothing fits");
    p = parameters_new(judge, 600000); /* more than there is RAM */
    p->in.ram_size = 0x180000;
    p->in.kernel_end = 0x100000;
    place_run(p);
    returned(p, p->out->parameters, -EFBIG, "boot_parameters_write()",
             "an initramfs of 600,000 bytes, and 524,288 above the kernel");
}
