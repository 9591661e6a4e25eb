/* core_test.c - unit tests of the core (common/): what the labs stand on and no check judges.
 * Linked with everything in common/vmm and solutions, under ASan and UBSan. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "event_trace.h"
#include "exit_names.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "kvm_open.h"
#include "vmx.h"
#include "x86.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- vmm_error --------------------------------------------------------------------------- */

#define STEPS (VMM_STEP_MAP_RUN + 1)
#define KINDS (VMM_ERR_SYSCALL + 1)

/* The whole line; it lives until the next call. */
static const char *described(enum vmm_step step, enum vmm_error_kind kind, int errnum,
                             int64_t detail)
{
    const struct vmm_error error = {step, kind, errnum, detail};
    static char line[512];
    int length = vmm_error_describe(&error, line, sizeof line);

    assert_in_range(length, 1, sizeof line - 1);
    assert_int_equal(strlen(line), length);
    return line;
}

static void every_step_and_kind_gives_one_line(void **state)
{
    (void)state;
    for (int step = 0; step < STEPS; step++)
        for (int kind = 0; kind < KINDS; kind++) {
            const char *line =
                described((enum vmm_step)step, (enum vmm_error_kind)kind, EIO, 7);

            assert_null(strchr(line, '\n'));
            assert_null(strchr(line, '%'));
            assert_null(strstr(line, "unknown"));
            assert_null(strstr(line, "(null)"));
        }
}

static void no_two_steps_and_no_two_kinds_read_the_same(void **state)
{
    char *lines[STEPS * KINDS];
    size_t count = 0;

    (void)state;
    for (int step = 0; step < STEPS; step++)
        for (int kind = 0; kind < KINDS; kind++)
            lines[count++] =
                strdup(described((enum vmm_step)step, (enum vmm_error_kind)kind, 0, 7));
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(lines[i], lines[j]);
    while (count > 0)
        free(lines[--count]);
}

static void the_errno_is_shown_only_where_a_call_failed(void **state)
{
    (void)state;
    assert_non_null(strstr(described(VMM_STEP_OPEN_DEVICE, VMM_ERR_NO_DEVICE, ENXIO, 0),
                           strerror(ENXIO)));
    assert_null(
        strstr(described(VMM_STEP_API_VERSION, VMM_ERR_API_VERSION, 0, 11), strerror(0)));
}

static void kinds_with_a_detail_show_all_of_it(void **state)
{
    static const enum vmm_error_kind kinds[] = {VMM_ERR_API_VERSION,
                                                VMM_ERR_MISSING_EXTENSION, VMM_ERR_RUN_SIZE,
                                                VMM_ERR_VCPU_EXISTS, VMM_ERR_VCPU_ID};
    static const int64_t details[] = {0, 12345, INT64_MAX, INT64_MIN};
    char number[32];

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (size_t j = 0; j < COUNT(details); j++) {
            snprintf(number, sizeof number, "%" PRId64, details[j]);
            assert_non_null(
                strstr(described(VMM_STEP_RUN_SIZE, kinds[i], 0, details[j]), number));
        }
}

static void the_fix_at_the_end_of_a_line_is_not_cut_off(void **state)
{
    (void)state;
    assert_non_null(
        strstr(described(VMM_STEP_OPEN_DEVICE, VMM_ERR_NO_PERMISSION, EACCES, 0),
               "log in again) (Permission denied)"));
    assert_non_null(
        strstr(described(VMM_STEP_API_VERSION, VMM_ERR_API_VERSION, 0, INT64_MIN),
               "newer than 2.6.22"));
}

static void a_short_buffer_is_terminated_and_the_full_length_returned(void **state)
{
    const struct vmm_error error = {VMM_STEP_CREATE_VM, VMM_ERR_BUSY, EBUSY, 0};
    char whole[512], part[64];
    int length = vmm_error_describe(&error, whole, sizeof whole);

    (void)state;
    for (size_t size = 1; size <= sizeof part; size++) {
        memset(part, 'x', sizeof part);
        assert_int_equal(vmm_error_describe(&error, part, size), length);
        assert_int_equal(strlen(part), size - 1);
        assert_memory_equal(part, whole, size - 1);
        if (size < sizeof part)
            assert_int_equal(part[size], 'x');
    }
    assert_int_equal(vmm_error_describe(&error, NULL, 0), length);
}

static void values_that_are_no_step_or_kind_are_named_as_unknown(void **state)
{
    (void)state;
    assert_non_null(strstr(described(VMM_STEP_NONE, (enum vmm_error_kind)KINDS, 0, 0),
                           "unknown error"));
    assert_non_null(strstr(described((enum vmm_step)STEPS, VMM_OK, 0, 0), "unknown error"));
    assert_non_null(strstr(described((enum vmm_step) - 1, (enum vmm_error_kind) - 1, 0, 0),
                           "unknown error"));
    assert_non_null(
        strstr(described((enum vmm_step)INT_MAX, VMM_OK, 0, 0), "unknown error"));
}

static void setting_an_error_fills_it_and_returns_the_negative_errno(void **state)
{
    struct vmm_error error;

    (void)state;
    memset(&error, 0x5a, sizeof error);
    assert_int_equal(
        vmm_error_set(&error, VMM_STEP_CREATE_VCPU, VMM_ERR_VCPU_EXISTS, EEXIST, 3),
        -EEXIST);
    assert_int_equal(error.step, VMM_STEP_CREATE_VCPU);
    assert_int_equal(error.kind, VMM_ERR_VCPU_EXISTS);
    assert_int_equal(error.errnum, EEXIST);
    assert_int_equal(error.detail, 3);
}

static void setting_an_error_without_errno_returns_eproto(void **state)
{
    struct vmm_error error;

    (void)state;
    assert_int_equal(
        vmm_error_set(&error, VMM_STEP_API_VERSION, VMM_ERR_API_VERSION, 0, 11), -EPROTO);
    assert_int_equal(error.errnum, 0);
}

static void setting_no_error_object_still_returns_the_result(void **state)
{
    (void)state;
    assert_int_equal(vmm_error_set(NULL, VMM_STEP_MAP_RUN, VMM_ERR_NO_MEMORY, ENOMEM, 0),
                     -ENOMEM);
}

/* --- event_trace ------------------------------------------------------------------------- */

/* Notes an MMIO exit at this address: the address says which event it is. */
static void mmio_note(struct event_trace *trace, uint64_t address)
{
    struct kvm_run run = {.exit_reason = KVM_EXIT_MMIO};

    run.mmio.phys_addr = address;
    run.mmio.len = 4;
    event_trace_add(trace, &run);
}

static void an_empty_trace_has_no_recent_event(void **state)
{
    struct event ring[4];
    const struct event_trace trace = {.ring = ring, .capacity = COUNT(ring)};

    (void)state;
    assert_null(event_trace_recent(&trace, 0));
    assert_null(event_trace_recent(&trace, SIZE_MAX));
}

static void a_trace_that_is_not_full_ends_at_its_first_event(void **state)
{
    struct event ring[4];
    struct event_trace trace = {.ring = ring, .capacity = COUNT(ring)};

    (void)state;
    memset(ring, 0x5a, sizeof ring);
    mmio_note(&trace, 100);
    mmio_note(&trace, 101);
    assert_int_equal(event_trace_recent(&trace, 0)->address, 101);
    assert_int_equal(event_trace_recent(&trace, 1)->address, 100);
    assert_null(event_trace_recent(&trace, 2));
}

static void a_full_trace_overwrites_its_oldest_events(void **state)
{
    enum { CAPACITY = 5 };
    struct event *ring = malloc(CAPACITY * sizeof *ring); /* so that ASan sees its end */
    struct event_trace trace = {.ring = ring, .capacity = CAPACITY};

    (void)state;
    for (uint64_t n = 1; n <= 3 * CAPACITY + 2; n++) {
        mmio_note(&trace, n);
        assert_int_equal(trace.total, n);
        for (uint64_t back = 0; back < CAPACITY && back < n; back++)
            assert_int_equal(event_trace_recent(&trace, back)->address, n - back);
        assert_null(event_trace_recent(&trace, n < CAPACITY ? n : CAPACITY));
    }
    free(ring);
}

static void a_trace_of_one_event_keeps_the_newest(void **state)
{
    struct event ring[1];
    struct event_trace trace = {.ring = ring, .capacity = 1};

    (void)state;
    mmio_note(&trace, 1);
    mmio_note(&trace, 2);
    assert_int_equal(event_trace_recent(&trace, 0)->address, 2);
    assert_null(event_trace_recent(&trace, 1));
}

static void a_trace_without_room_takes_nothing_and_has_nothing(void **state)
{
    struct event_trace trace = {.ring = NULL, .capacity = 0};

    (void)state;
    mmio_note(&trace, 1);
    assert_int_equal(trace.total, 0);
    assert_null(event_trace_recent(&trace, 0));
}

static void a_port_access_is_noted_with_size_count_and_direction(void **state)
{
    struct event ring[1];
    struct event_trace trace = {.ring = ring, .capacity = 1};
    struct kvm_run run = {.exit_reason = KVM_EXIT_IO};

    (void)state;
    run.io.port = 0x3f8;
    run.io.size = 2;
    run.io.count = 9;
    run.io.direction = KVM_EXIT_IO_OUT;
    event_trace_add(&trace, &run);
    const struct event *event = event_trace_recent(&trace, 0);
    assert_int_equal(event->reason, KVM_EXIT_IO);
    assert_int_equal(event->address, 0x3f8);
    assert_int_equal(event->size, 2);
    assert_int_equal(event->count, 9);
    assert_int_equal(event->is_write, 1);
    run.io.direction = KVM_EXIT_IO_IN;
    event_trace_add(&trace, &run);
    assert_int_equal(event_trace_recent(&trace, 0)->is_write, 0);
}

static void a_memory_access_is_noted_with_its_address(void **state)
{
    struct event ring[1];
    struct event_trace trace = {.ring = ring, .capacity = 1};
    struct kvm_run run = {.exit_reason = KVM_EXIT_MMIO};

    (void)state;
    run.mmio.phys_addr = 0xfee000b0ull << 8;
    run.mmio.len = 8;
    run.mmio.is_write = 1;
    event_trace_add(&trace, &run);
    const struct event *event = event_trace_recent(&trace, 0);
    assert_int_equal(event->address, 0xfee000b0ull << 8);
    assert_int_equal(event->size, 8);
    assert_int_equal(event->count, 1);
    assert_int_equal(event->is_write, 1);
}

static void an_exit_without_an_access_has_no_address_and_no_size(void **state)
{
    struct event ring[1];
    struct event_trace trace = {.ring = ring, .capacity = 1};
    struct kvm_run run = {.exit_reason = KVM_EXIT_HLT};

    (void)state;
    memset(&run.io, 0xff, sizeof run.io); /* left over from an earlier exit */
    event_trace_add(&trace, &run);
    const struct event *event = event_trace_recent(&trace, 0);
    assert_int_equal(event->reason, KVM_EXIT_HLT);
    assert_int_equal(event->address, 0);
    assert_int_equal(event->size, 0);
    assert_int_equal(event->count, 1);
    assert_int_equal(event->is_write, 0);
}

/* --- exit_names -------------------------------------------------------------------------- */

static void exits_of_x86_have_the_names_of_the_header(void **state)
{
    static const struct {
        uint32_t reason;
        const char *name;
    } exits[] = {
        {KVM_EXIT_UNKNOWN, "UNKNOWN"},     {KVM_EXIT_IO, "IO"},
        {KVM_EXIT_DEBUG, "DEBUG"},         {KVM_EXIT_HLT, "HLT"},
        {KVM_EXIT_MMIO, "MMIO"},           {KVM_EXIT_IRQ_WINDOW_OPEN, "IRQ_WINDOW_OPEN"},
        {KVM_EXIT_SHUTDOWN, "SHUTDOWN"},   {KVM_EXIT_FAIL_ENTRY, "FAIL_ENTRY"},
        {KVM_EXIT_INTR, "INTR"},           {KVM_EXIT_INTERNAL_ERROR, "INTERNAL_ERROR"},
        {KVM_EXIT_X86_RDMSR, "X86_RDMSR"}, {KVM_EXIT_X86_WRMSR, "X86_WRMSR"},
        {KVM_EXIT_HYPERCALL, "HYPERCALL"}, {KVM_EXIT_SYSTEM_EVENT, "SYSTEM_EVENT"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(exits); i++)
        assert_string_equal(exit_name(exits[i].reason), exits[i].name);
}

static void numbers_that_are_no_exit_are_a_question_mark(void **state)
{
    (void)state;
    assert_string_equal(exit_name(1000), "?");
    assert_string_equal(exit_name(UINT32_MAX), "?");
}

static void no_two_exits_share_a_name(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(exit_name(i), "?") != 0)
                assert_string_not_equal(exit_name(i), exit_name(j));
}

/* --- vmx_names ------------------------------------------------------------------------------ */

static void vmx_exits_and_fields_have_the_names_of_the_manual(void **state)
{
    (void)state;
    assert_string_equal(vmx_exit_name(VMX_EXIT_EPT_VIOLATION), "EPT_VIOLATION");
    assert_string_equal(vmx_exit_name(0), "EXCEPTION_OR_NMI");
    assert_string_equal(vmx_exit_name(3), "?");
    assert_string_equal(vmx_exit_name(VMX_EXIT_REASON_COUNT), "?");
    assert_string_equal(vmx_exit_name(UINT32_MAX), "?");
    assert_string_equal(vmcs_field_name(VMCS_GUEST_RIP), "GUEST_RIP");
    assert_string_equal(vmcs_field_name(VMCS_VIRTUAL_PROCESSOR_ID), "VIRTUAL_PROCESSOR_ID");
    assert_string_equal(vmcs_field_name(0x2001), "?");
    assert_string_equal(vmcs_field_name(UINT32_MAX), "?");
}

static void vmx_events_are_named_with_type_and_vector(void **state)
{
    static const struct {
        uint32_t info;
        const char *words;
    } events[] = {
        {0x80000b0d, "hardware exception 13, error code"},
        {0x80000080 | 4 << 8, "software interrupt 128"},
        {0x80000202, "NMI 2"},
        {0x800000ff, "external interrupt 255"},
        {0x00000b0d, "no event"},
    };
    char words[100];

    (void)state;
    for (size_t i = 0; i < COUNT(events); i++) {
        vmx_event_describe(events[i].info, words, sizeof words);
        assert_string_equal(words, events[i].words);
    }
}

static void vmx_qualifications_are_told_in_words(void **state)
{
    static const struct {
        uint32_t reason;
        uint64_t qualification;
        const char *words;
    } exits[] = {
        {VMX_EXIT_EPT_VIOLATION, 0x08a,
         "write, page allows r--, while translating a linear address"},
        {VMX_EXIT_EPT_VIOLATION, 0x19c,
         "fetch, page allows rw-, while accessing a linear address"},
        {VMX_EXIT_EPT_VIOLATION, 0x003, "read and write, page allows ---"},
        {VMX_EXIT_IO_INSTRUCTION, 0x03f80000, "OUT of 1 byte at port 0x3f8 (DX)"},
        {VMX_EXIT_IO_INSTRUCTION, 0xffff003b, "REP INS of 4 bytes at port 0xffff (DX)"},
        {VMX_EXIT_IO_INSTRUCTION, 0x00800049, "IN of 2 bytes at port 0x80 (immediate)"},
        {VMX_EXIT_IO_INSTRUCTION, 0x00800002,
         "OUT of 3 bytes at port 0x80 (DX), a reserved size"},
        {VMX_EXIT_CR_ACCESS, 0x0f03, "MOV to CR3 from R15"},
        {VMX_EXIT_CR_ACCESS, 0x0018, "MOV from CR8 to RAX"},
        {VMX_EXIT_CR_ACCESS, 0x12340070, "LMSW of 0x1234 from memory"},
        {VMX_EXIT_MOV_DR, 0x0317, "MOV from DR7 to RBX"},
        {VMX_EXIT_TASK_SWITCH, 0xc0000028,
         "to TSS selector 0x28 by a task gate in the IDT"},
        {VMX_EXIT_APIC_ACCESS, 0x10b0, "write at offset 0xb0"},
        {VMX_EXIT_VIRTUALIZED_EOI, 0x55, "vector 85"},
        {VMX_EXIT_HLT, 0x55, ""},
        {UINT32_MAX, 0x55, ""},
    };
    char words[100];

    (void)state;
    for (size_t i = 0; i < COUNT(exits); i++) {
        vmx_qualification_describe(exits[i].reason, exits[i].qualification, words,
                                   sizeof words);
        assert_string_equal(words, exits[i].words);
    }
}

static void vmx_controls_are_named_in_their_own_field(void **state)
{
    char words[100];

    (void)state;
    vmx_controls_describe(VMCS_PRIMARY_PROCESSOR_CONTROLS,
                          PRIMARY_HLT_EXITING | PRIMARY_USE_IO_BITMAPS, words,
                          sizeof words);
    assert_string_equal(words, "HLT_EXITING USE_IO_BITMAPS");
    vmx_controls_describe(VMCS_SECONDARY_PROCESSOR_CONTROLS, 0x82, words, sizeof words);
    assert_string_equal(words, "ENABLE_EPT UNRESTRICTED_GUEST");
    vmx_controls_describe(VMCS_PIN_BASED_CONTROLS, 1u << 31 | 1, words, sizeof words);
    assert_string_equal(words, "EXTERNAL_INTERRUPT_EXITING bit31");
    vmx_controls_describe(VMCS_VM_ENTRY_CONTROLS, 0, words, sizeof words);
    assert_string_equal(words, "");
}

static void vmx_words_are_cut_off_at_the_end_of_the_buffer(void **state)
{
    char whole[2000], part[80];

    (void)state;
    vmx_controls_describe(VMCS_PRIMARY_PROCESSOR_CONTROLS, UINT32_MAX, whole, sizeof whole);
    for (size_t size = 0; size <= sizeof part; size++) {
        memset(part, 'x', sizeof part);
        vmx_controls_describe(VMCS_PRIMARY_PROCESSOR_CONTROLS, UINT32_MAX, part, size);
        if (size > 0) {
            assert_int_equal(strlen(part), size - 1);
            assert_memory_equal(part, whole, size - 1);
        }
        if (size < sizeof part)
            assert_int_equal(part[size], 'x');
    }
}

/* --- guest_ram --------------------------------------------------------------------------- */

static void new_ram_is_zeroed_aligned_and_shared(void **state)
{
    struct guest_ram ram;
    char link[64], target[128] = "", byte = 0;

    (void)state;
    assert_int_equal(guest_ram_create(&ram, "test", 5 * GUEST_PAGE_SIZE), 0);
    assert_int_equal(ram.size, 5 * GUEST_PAGE_SIZE);
    assert_int_equal((uintptr_t)ram.hva % GUEST_PAGE_SIZE, 0);
    for (size_t i = 0; i < ram.size; i++)
        assert_int_equal(ram.hva[i], 0);
    ram.hva[ram.size - 1] = 0x5a;
    assert_int_equal(pread(ram.fd, &byte, 1, (off_t)ram.size - 1), 1);
    assert_int_equal(byte, 0x5a);
    snprintf(link, sizeof link, "/proc/self/fd/%d", ram.fd);
    assert_true(readlink(link, target, sizeof target - 1) > 0);
    assert_non_null(strstr(target, "memfd:guest-test"));
    guest_ram_destroy(&ram);
}

static void ram_can_be_destroyed_twice(void **state)
{
    struct guest_ram ram;
    struct stat unused;

    (void)state;
    assert_int_equal(guest_ram_create(&ram, "test", GUEST_PAGE_SIZE), 0);
    int fd = ram.fd;
    guest_ram_destroy(&ram);
    assert_int_equal(ram.fd, -1);
    assert_null(ram.hva);
    assert_int_equal(fstat(fd, &unused), -1);
    /* Somebody else gets the number: the second destroy must not close it. */
    int other = dup(2);
    assert_int_equal(other, fd);
    guest_ram_destroy(&ram);
    assert_int_equal(fstat(other, &unused), 0);
    close(other);
}

static void ram_that_cannot_be_made_is_not_there_and_leaks_nothing(void **state)
{
    struct guest_ram ram;
    int before = dup(2), after;

    (void)state;
    close(before);
    memset(&ram, 0x5a, sizeof ram);
    assert_int_equal(guest_ram_create(&ram, "empty", 0), -EINVAL);
    assert_int_equal(ram.fd, -1);
    assert_null(ram.hva);
    after = dup(2);
    assert_int_equal(after, before);
    close(after);
    guest_ram_destroy(&ram);
}

/* --- guest_loader ------------------------------------------------------------------------ */

/* A VM that exists only on our side: one slot from GPA 0. KVM does not know of it, so that
 * guest_load() prepares the memory and then fails with EBADF at its first ioctl. */
struct machine {
    struct guest_ram ram;
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
};

static void machine_make(struct machine *m, size_t ram_size)
{
    memset(m, 0, sizeof *m);
    assert_int_equal(guest_ram_create(&m->ram, "test", ram_size), 0);
    m->kvm.fd = m->vm.fd = m->vcpu.fd = -1;
    m->vm.kvm = &m->kvm;
    m->vm.slots[0] = (struct memory_slot){.size = ram_size, .hva = m->ram.hva};
    m->vcpu.vm = &m->vm;
}

static uint64_t entry_at(const struct machine *m, uint64_t gpa)
{
    uint64_t entry;

    memcpy(&entry, m->ram.hva + gpa, sizeof entry);
    return entry;
}

static void a_guest_of_an_unknown_mode_is_refused(void **state)
{
    struct machine m;

    (void)state;
    machine_make(&m, 0x20000);
    assert_int_equal(guest_load(&m.vcpu, "\xf4", 1, (enum guest_mode)17), -EINVAL);
    assert_int_equal(m.ram.hva[GUEST_LOAD_GPA], 0);
    guest_ram_destroy(&m.ram);
}

static void a_guest_that_does_not_fit_is_refused(void **state)
{
    static const uint8_t image[GUEST_PAGE_SIZE + 1] = {0xf4};
    struct machine m;

    (void)state;
    machine_make(&m, GUEST_LOAD_GPA + GUEST_PAGE_SIZE);
    assert_int_equal(guest_load(&m.vcpu, image, sizeof image, GUEST_REAL16), -EFAULT);
    guest_ram_destroy(&m.ram);
}

static void a_real_mode_guest_gets_its_image_and_no_tables(void **state)
{
    struct machine m;

    (void)state;
    machine_make(&m, 0x20000);
    assert_int_equal(guest_load(&m.vcpu, "\x90\xf4", 2, GUEST_REAL16), -EBADF);
    assert_memory_equal(m.ram.hva + GUEST_LOAD_GPA, "\x90\xf4", 2);
    for (uint64_t gpa = 0; gpa < GUEST_LOAD_GPA; gpa += 8)
        assert_int_equal(entry_at(&m, gpa), 0);
    guest_ram_destroy(&m.ram);
}

static void a_long_mode_guest_gets_page_tables_for_one_gib(void **state)
{
    const uint64_t bits = PTE_PRESENT | PTE_WRITABLE, address = 0x000ffffffffff000ull;
    struct machine m;

    (void)state;
    machine_make(&m, 0x20000);
    assert_int_equal(guest_load(&m.vcpu, "\xf4", 1, GUEST_LONG64), -EBADF);
    uint64_t pml4e = entry_at(&m, GUEST_PML4_GPA);
    assert_int_equal(pml4e & bits, bits);
    uint64_t pdpte = entry_at(&m, pml4e & address);
    assert_int_equal(pdpte & bits, bits);
    assert_int_equal(pdpte & PTE_LARGE, 0);
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t pde = entry_at(&m, (pdpte & address) + 8 * i);

        assert_int_equal(pde & (bits | PTE_LARGE), bits | PTE_LARGE);
        assert_int_equal(pde & address, i << 21);
    }
    assert_int_equal(entry_at(&m, GUEST_PML4_GPA + 8), 0);
    assert_int_equal(entry_at(&m, (pml4e & address) + 8), 0);
    guest_ram_destroy(&m.ram);
}

static void the_code_segment_of_the_gdt_fits_the_mode(void **state)
{
    const uint64_t l = 1ull << 53, d = 1ull << 54;
    struct machine m;

    (void)state;
    machine_make(&m, 0x20000);
    assert_int_equal(guest_load(&m.vcpu, "\xf4", 1, GUEST_PROTECTED32), -EBADF);
    assert_int_equal(entry_at(&m, GUEST_GDT_GPA), 0);
    assert_int_equal(entry_at(&m, GUEST_GDT_GPA + SELECTOR_CODE) & (l | d), d);
    assert_int_equal(guest_load(&m.vcpu, "\xf4", 1, GUEST_LONG64), -EBADF);
    assert_int_equal(entry_at(&m, GUEST_GDT_GPA + SELECTOR_CODE) & (l | d), l);
    assert_int_equal(entry_at(&m, GUEST_GDT_GPA + SELECTOR_DATA), DESCRIPTOR_DATA);
    guest_ram_destroy(&m.ram);
}

/* --- arena ------------------------------------------------------------------------------- */

static int numbers_compare(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static void the_completion_record_differs_for_each_nonce(void **state)
{
    enum { NONCES = 100000 };
    uint64_t *records = calloc(NONCES, sizeof *records), nonce = 0;

    (void)state;
    assert_non_null(records);
    for (int i = 0; i < NONCES; i++) {
        records[i] = arena_completion(nonce);
        nonce +=
            i < NONCES / 2 ? 1 : 0x9e3779b97f4a7c15ull; /* small ones, then wide apart */
    }
    qsort(records, NONCES, sizeof *records, numbers_compare);
    for (int i = 1; i < NONCES; i++)
        assert_true(records[i] != records[i - 1]);
    free(records);
}

static void an_untouched_arena_is_not_complete(void **state)
{
    const struct arena_header untouched = {0};

    (void)state;
    for (uint64_t nonce = 0; nonce < 100000; nonce++)
        assert_true(arena_completion(nonce) != untouched.completion);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_true(arena_completion(1ull << bit) != (1ull << bit));
}

static void input_and_output_of_the_arena_do_not_touch(void **state)
{
    (void)state;
    assert_true(sizeof(struct arena_header) <= ARENA_INPUT_AT);
    assert_true(ARENA_INPUT_AT + ARENA_INPUT_MAX <= ARENA_OUTPUT_AT);
    assert_true(ARENA_OUTPUT_AT + ARENA_OUTPUT_MAX <= ARENA_SIZE);
}

/* --- required_extensions ----------------------------------------------------------------- */

static void the_required_extensions_are_few_different_and_end(void **state)
{
    size_t count = 0;

    (void)state;
    while (kvm_required_extensions[count] >= 0) {
        for (size_t i = 0; i < count; i++)
            assert_int_not_equal(kvm_required_extensions[i],
                                 kvm_required_extensions[count]);
        count++;
        assert_in_range(count, 1, 8); /* PLAN_EXTENSIONS of the pretended KVM */
    }
    assert_int_equal(kvm_required_extensions[count], -1);
    assert_int_not_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest errors[] = {
        cmocka_unit_test(every_step_and_kind_gives_one_line),
        cmocka_unit_test(no_two_steps_and_no_two_kinds_read_the_same),
        cmocka_unit_test(the_errno_is_shown_only_where_a_call_failed),
        cmocka_unit_test(kinds_with_a_detail_show_all_of_it),
        cmocka_unit_test(the_fix_at_the_end_of_a_line_is_not_cut_off),
        cmocka_unit_test(a_short_buffer_is_terminated_and_the_full_length_returned),
        cmocka_unit_test(values_that_are_no_step_or_kind_are_named_as_unknown),
        cmocka_unit_test(setting_an_error_fills_it_and_returns_the_negative_errno),
        cmocka_unit_test(setting_an_error_without_errno_returns_eproto),
        cmocka_unit_test(setting_no_error_object_still_returns_the_result),
    };
    const struct CMUnitTest traces[] = {
        cmocka_unit_test(an_empty_trace_has_no_recent_event),
        cmocka_unit_test(a_trace_that_is_not_full_ends_at_its_first_event),
        cmocka_unit_test(a_full_trace_overwrites_its_oldest_events),
        cmocka_unit_test(a_trace_of_one_event_keeps_the_newest),
        cmocka_unit_test(a_trace_without_room_takes_nothing_and_has_nothing),
        cmocka_unit_test(a_port_access_is_noted_with_size_count_and_direction),
        cmocka_unit_test(a_memory_access_is_noted_with_its_address),
        cmocka_unit_test(an_exit_without_an_access_has_no_address_and_no_size),
    };
    const struct CMUnitTest names[] = {
        cmocka_unit_test(exits_of_x86_have_the_names_of_the_header),
        cmocka_unit_test(numbers_that_are_no_exit_are_a_question_mark),
        cmocka_unit_test(no_two_exits_share_a_name),
    };
    const struct CMUnitTest vmx[] = {
        cmocka_unit_test(vmx_exits_and_fields_have_the_names_of_the_manual),
        cmocka_unit_test(vmx_events_are_named_with_type_and_vector),
        cmocka_unit_test(vmx_qualifications_are_told_in_words),
        cmocka_unit_test(vmx_controls_are_named_in_their_own_field),
        cmocka_unit_test(vmx_words_are_cut_off_at_the_end_of_the_buffer),
    };
    const struct CMUnitTest guests[] = {
        cmocka_unit_test(new_ram_is_zeroed_aligned_and_shared),
        cmocka_unit_test(ram_can_be_destroyed_twice),
        cmocka_unit_test(ram_that_cannot_be_made_is_not_there_and_leaks_nothing),
        cmocka_unit_test(a_guest_of_an_unknown_mode_is_refused),
        cmocka_unit_test(a_guest_that_does_not_fit_is_refused),
        cmocka_unit_test(a_real_mode_guest_gets_its_image_and_no_tables),
        cmocka_unit_test(a_long_mode_guest_gets_page_tables_for_one_gib),
        cmocka_unit_test(the_code_segment_of_the_gdt_fits_the_mode),
    };
    const struct CMUnitTest contracts[] = {
        cmocka_unit_test(the_completion_record_differs_for_each_nonce),
        cmocka_unit_test(an_untouched_arena_is_not_complete),
        cmocka_unit_test(input_and_output_of_the_arena_do_not_touch),
        cmocka_unit_test(the_required_extensions_are_few_different_and_end),
    };
    int failed = 0;

    failed += cmocka_run_group_tests_name("vmm_error", errors, NULL, NULL);
    failed += cmocka_run_group_tests_name("event_trace", traces, NULL, NULL);
    failed += cmocka_run_group_tests_name("exit_names", names, NULL, NULL);
    failed += cmocka_run_group_tests_name("vmx_names", vmx, NULL, NULL);
    failed += cmocka_run_group_tests_name("guest_ram and guest_loader", guests, NULL, NULL);
    failed += cmocka_run_group_tests_name("arena and extensions", contracts, NULL, NULL);
    return failed ? 1 : 0;
}
