/* silicon_test.c - the emulated Intel CPU and the runtime in its ROM do what they say. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "silicon/silicon.h"

/* A job lives as long as its check's process: here, too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* --- a judge that only remembers ------------------------------------------------------------ */

static jmp_buf end;
static char said[2200];
static enum { NOTHING, FAILED, SKIPPED, ERRED } verdict;

uint64_t judge_random(struct judge *judge)
{
    static uint64_t state = 1;

    (void)judge;
    return state = state * 6364136223846793005ull + 1442695040888963407ull;
}

enum cage judge_cage(const struct judge *judge)
{
    (void)judge;
    return CAGE_BUBBLEWRAP;
}

void check_fail(struct judge *judge, const char *asked, const char *seen, ...)
{
    va_list list;

    (void)judge, (void)asked;
    va_start(list, seen);
    vsnprintf(said, sizeof said, seen, list);
    va_end(list);
    verdict = FAILED;
    longjmp(end, 1);
}

void check_skip(struct judge *judge, const char *reason)
{
    (void)judge;
    snprintf(said, sizeof said, "%s", reason);
    verdict = SKIPPED;
    longjmp(end, 1);
}

void judge_error(struct judge *judge, const char *format, ...)
{
    va_list list;

    (void)judge;
    va_start(list, format);
    vsnprintf(said, sizeof said, format, list);
    va_end(list);
    verdict = ERRED;
    longjmp(end, 1);
}

/* --- guests ------------------------------------------------------------------------------------ */

/* GUEST(name, "instructions"): 64-bit code as bytes. */
#define GUEST(name, text)                                                                  \
    __asm__(".section .rodata\n" #name ":\n" text "\n" #name "_end:\n.previous\n");        \
    extern const uint8_t name[], name##_end[]

#define CALL(number) "movl $" #number ", %eax\n vmcall\n"
#define END          CALL(0x100)

/* 16-bit: the bytes by hand, so that the assembler's mode stays. */
GUEST(ports, "movl $0x11223344, %eax\n inb $0x42, %al\n movl %eax, %ebx\n" CALL(
                 0x101) "movw $0x1234, %dx\n outw %ax, %dx\n hlt\n" END);
GUEST(hole, "leaq 1f(%rip), %r15\n movl $0x30000000, %ebx\n movl (%rbx), %ecx\n"
            "1: leaq 2f(%rip), %r15\n movl %ecx, 8(%rbx)\n 2:" END);
GUEST(store, "movq 0x8000, %rax\n addq $1, %rax\n movq %rax, 0x8008\n" END);
GUEST(undefined, "leaq 1f(%rip), %r15\n ud2\n 1:" END);
GUEST(spin, "1: jmp 1b\n");
GUEST(real, ".byte 0xb8, 0x01, 0x01, 0x0f, 0x01, 0xc1\n" /* mov ax, 101h; vmcall */
            ".byte 0xb8, 0x00, 0x01, 0x0f, 0x01, 0xc1\n");
GUEST(writes, CALL(0x104) "movq 0x8000, %rbx\n" CALL(0x101) END);

#define SIZE(name) ((size_t)(name##_end - name))
#define START(name)                                                                        \
    struct silicon *s = silicon_new(NULL);                                                 \
    silicon_guest(s, name, SIZE(name), GUEST_LONG64)

/* Runs it; what the judge was told is the result. */
static int run(struct silicon *s)
{
    verdict = NOTHING;
    said[0] = 0;
    if (setjmp(end) == 0)
        silicon_run_to_end(s, "the guest gets to its end");
    if (verdict == SKIPPED)
        skip();
    if (verdict == ERRED)
        print_message("%s\n", said);
    return (int)verdict;
}

static uint32_t reason(const struct silicon *s, uint32_t n)
{
    assert_true(n < s->log.record_count);
    return s->records[n].exit_reason;
}

/* --- tests --------------------------------------------------------------------------------------- */

static void exits_are_recorded(void **state)
{
    START(ports);
    (void)state;
    s->job.actions[VMX_EXIT_IO_INSTRUCTION] = SILICON_SKIP;
    s->job.actions[VMX_EXIT_HLT] = SILICON_SKIP;
    assert_int_equal(run(s), NOTHING);
    assert_int_equal(s->log.record_count, 5);
    assert_int_equal(reason(s, 0), VMX_EXIT_IO_INSTRUCTION);
    assert_int_equal(s->records[0].qualification, 0x42u << 16 | 1 << 6 | 1 << 3);
    assert_int_equal(reason(s, 1), VMX_EXIT_VMCALL);
    assert_int_equal(s->records[1].rbx, 0x112233ff); /* IN read ones */
    assert_int_equal(reason(s, 2), VMX_EXIT_IO_INSTRUCTION);
    assert_int_equal(s->records[2].qualification, 0x1234u << 16 | 1);
    assert_int_equal(reason(s, 3), VMX_EXIT_HLT);
    assert_int_equal(silicon_count(s, VMX_EXIT_VMCALL), 2);
}

static void faulting_accesses_are_recovered(void **state)
{
    START(hole);
    (void)state;
    s->job.actions[VMX_EXIT_EPT_VIOLATION] = SILICON_RECOVER;
    assert_int_equal(run(s), NOTHING);
    assert_int_equal(s->log.record_count, 3);
    assert_int_equal(reason(s, 0), VMX_EXIT_EPT_VIOLATION);
    assert_int_equal(s->records[0].guest_physical_address, 0x30000000);
    assert_int_equal(s->records[0].qualification & 0x1bf, 0x181);
    assert_int_equal(s->records[1].guest_physical_address, 0x30000008);
    assert_int_equal(s->records[1].qualification & 0x1bf, 0x182);
}

static void memory_goes_in_and_comes_out(void **state)
{
    const uint64_t number = judge_random(NULL);
    uint64_t result;

    START(store);
    (void)state;
    silicon_put(s, SILICON_RAM_HPA + 0x8000, &number, sizeof number);
    s->job.fill =
        (struct silicon_fill){SILICON_RAM_HPA + 0x200000, SILICON_RAM_HPA + 0x400000, 4096};
    silicon_window(s, SILICON_RAM_HPA + 0x8000, 16);
    silicon_window(s, SILICON_RAM_HPA + 0x3ff000, 4096);
    assert_int_equal(run(s), NOTHING);
    memcpy(&result, s->windows[0].bytes + 8, sizeof result);
    assert_int_equal(result, number + 1);
    memcpy(&result, s->windows[1].bytes, sizeof result);
    assert_int_equal(result, silicon_pattern(s->job.nonce, SILICON_RAM_HPA + 0x3ff000));
}

static void intercepted_exceptions_exit(void **state)
{
    START(undefined);
    (void)state;
    s->job.controls.exception_bitmap = 1u << 6;
    s->job.actions[VMX_EXIT_EXCEPTION_OR_NMI] = SILICON_RECOVER;
    assert_int_equal(run(s), NOTHING);
    assert_int_equal(reason(s, 0), VMX_EXIT_EXCEPTION_OR_NMI);
    assert_int_equal(s->records[0].interruption_info, 0x80000306);
}

/* Without an IDT #UD becomes a triple fault. */
static void other_exceptions_do_not(void **state)
{
    START(undefined);
    (void)state;
    assert_int_equal(run(s), FAILED);
    assert_non_null(strstr(said, "TRIPLE_FAULT"));
}

static void spinning_guest_ends(void **state)
{
    START(spin);
    (void)state;
    assert_int_equal(run(s), FAILED);
    assert_non_null(strstr(said, "PREEMPTION_TIMER"));
}

static void other_modes_start(void **state)
{
    const enum guest_mode modes[] = {GUEST_REAL16, GUEST_PROTECTED32};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct silicon *s = silicon_new(NULL);

        silicon_guest(s, real, SIZE(real), modes[i]);
        if (modes[i] ==
            GUEST_PROTECTED32) /* the same bytes mean other instructions there */
            s->job.registers[SILICON_RAX] = SILICON_CALL_END,
            silicon_put(s, SILICON_RAM_HPA + GUEST_LOAD_GPA, "\x0f\x01\xc1", 3);
        assert_int_equal(run(s), NOTHING);
        assert_int_equal(s->log.record_count, i == 0 ? 2 : 1);
    }
}

static void impossible_state_is_told(void **state)
{
    START(store);
    (void)state;
    s->job.guest.rflags = 0; /* bit 1 has to be set */
    assert_int_equal(run(s), FAILED);
    assert_non_null(strstr(said, "guest state"));
    assert_non_null(
        strstr(said, "GUEST_RFLAGS: bit 1 is always 1")); /* Bochs' reason, in our words */
}

static void impossible_control_is_told(void **state)
{
    START(store);
    (void)state;
    s->job.controls.ept_pointer |= 1u << 11; /* reserved */
    assert_int_equal(run(s), FAILED);
    assert_non_null(strstr(said, "error 7"));
    assert_non_null(strstr(said, "EPT_POINTER"));
}

static void missing_control_is_told(void **state)
{
    START(store);
    (void)state;
    s->job.controls.pin |= 1u << 31;
    verdict = NOTHING;
    if (setjmp(end) == 0)
        silicon_run(s);
    assert_int_equal(verdict, SKIPPED);
    assert_non_null(strstr(said, "PIN_BASED_CONTROLS"));
}

static void writes_happen_when_asked_for(void **state)
{
    START(writes);
    (void)state;
    silicon_write_add(s, SILICON_RAM_HPA + 0x8000, 0x77665544);
    assert_int_equal(run(s), NOTHING);
    assert_int_equal(s->records[1].rbx, 0x77665544);
}

static void too_many_exits_end_the_run(void **state)
{
    START(ports);
    (void)state;
    s->job.actions[VMX_EXIT_IO_INSTRUCTION] = SILICON_RESUME; /* the same again and again */
    s->job.record_limit = 100;
    assert_int_equal(run(s), FAILED);
    assert_int_equal(s->log.record_count, 100);
    assert_non_null(strstr(said, "more than 100"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exits_are_recorded),
        cmocka_unit_test(faulting_accesses_are_recovered),
        cmocka_unit_test(memory_goes_in_and_comes_out),
        cmocka_unit_test(intercepted_exceptions_exit),
        cmocka_unit_test(other_exceptions_do_not),
        cmocka_unit_test(spinning_guest_ends),
        cmocka_unit_test(other_modes_start),
        cmocka_unit_test(impossible_state_is_told),
        cmocka_unit_test(impossible_control_is_told),
        cmocka_unit_test(missing_control_is_told),
        cmocka_unit_test(writes_happen_when_asked_for),
        cmocka_unit_test(too_many_exits_end_the_run),
    };

    return cmocka_run_group_tests_name("silicon", tests, NULL, NULL);
}
