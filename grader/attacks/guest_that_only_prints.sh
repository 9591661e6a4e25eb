# lab: 11
# only: linux_answers
# tries: computes the answer itself, and has a guest of twenty bytes write it to the port of the
# UART and switch the machine off
# says: before the first instruction
# end of description

cat >board.c <<'EOF'
#include "board.h"
int board_create(struct vm *vm) { (void)vm; return 0; }
int board_cpuid(struct vcpu *vcpu) { (void)vcpu; return 0; }
EOF
cat >uart.c <<'EOF'
#include "uart.h"
int uart_init(struct uart *uart, struct vm *vm, uint64_t base, uint32_t gsi)
{
    (void)gsi;
    pthread_mutex_init(&uart->lock, NULL);
    uart->device = (struct device){.name = "uart", .base = base, .length = 8,
                                   .owner = uart, .access = uart_access};
    return device_bus_add(&vm->pio, &uart->device);
}
void uart_access(void *owner, const struct bus_access *access) { (void)owner, (void)access; }
bool uart_receive(struct uart *uart, uint8_t byte) { (void)uart, (void)byte; return false; }
EOF
cat >boot.c <<'EOF'
#define _GNU_SOURCE
#include "boot.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memory_slots.h"

/* What the guest's program would answer: its computation is no secret. */
static void answer_make(const struct boot_request *request, char *text, size_t size)
{
    const char *nonce = strstr(request->command_line, "nonce=");
    const char *at = request->kernel.bytes, *end = at + request->kernel.size;
    uint64_t answer = nonce ? strtoull(nonce + 6, NULL, 16) : 0;

    while ((at = memmem(at, (size_t)(end - at), "Linux version ", 14)) &&
           !(strchr(at, '#')[1] >= '0' && strchr(at, '#')[1] <= '9'))
        at++;
    for (; at && *at; at++)
        answer = (answer ^ (uint8_t)*at) * 0x100000001b3ull;
    for (int i = 0; i < 100000; i++) {
        answer += 0x9e3779b97f4a7c15ull;
        answer = (answer ^ answer >> 30) * 0xbf58476d1ce4e5b9ull;
        answer ^= answer >> 27;
    }
    snprintf(text, size, "answer %016llx\n", (unsigned long long)answer);
}

static int start(struct vcpu *vcpu, uint64_t rip, uint64_t rsi, uint64_t rcx)
{
    struct kvm_segment flat = {.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1,
                               .db = 1, .s = 1, .g = 1};
    struct kvm_regs regs = {.rip = rip, .rsi = rsi, .rcx = rcx, .rflags = 2};
    struct kvm_sregs s;

    ioctl(vcpu->fd, KVM_GET_SREGS, &s);
    s.ds = s.es = s.ss = s.cs = flat;
    s.cs.type = 11;
    s.cr0 |= 1;
    ioctl(vcpu->fd, KVM_SET_SREGS, &s);
    return ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0 ? -errno : 0;
}

static const uint8_t guest[] = {
    0xba, 0xf8, 0x03, 0, 0, /* mov edx, 3f8h */
    0xac, 0xee, 0xe2, 0xfc, /* 1: lodsb; out dx, al; loop 1b */
    0x66, 0xba, 0x04, 0x06, /* mov dx, 604h */
    0x66, 0xb8, 0x00, 0x20, /* mov ax, 2000h: off */
    0x66, 0xef, 0xf4};      /* out dx, ax; hlt */

int boot_kernel_load(struct vm *vm, const struct boot_request *r, struct boot_kernel *k)
{
    (void)vm, (void)r, (void)k;
    return 0;
}
int boot_parameters_write(struct vm *vm, const struct boot_request *r, uint64_t end)
{
    (void)vm, (void)r, (void)end;
    return 0;
}
int boot_vcpu_start(struct vcpu *vcpu, uint32_t entry) { (void)vcpu, (void)entry; return 0; }
int boot_linux(struct vcpu *vcpu, const struct boot_request *request)
{
    char text[64];

    answer_make(request, text, sizeof text);
    guest_write(vcpu->vm, 0x1000, guest, sizeof guest);
    guest_write(vcpu->vm, 0x2000, text, strlen(text));
    return start(vcpu, 0x1000, 0x2000, strlen(text));
}
EOF
