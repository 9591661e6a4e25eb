/* memory.c - the memory and the registers that an emulated INT or IRET starts from. */
#include <string.h>

#include "memory.h"
#include "x86.h"

static const uint8_t descriptor_rights[DESCRIPTORS][2] = {
    [D_KERNEL_CODE] = {0x9b, 0xa0},
    [D_KERNEL_DATA] = {0x93, 0xc0},
    [D_USER_DATA] = {0xf3, 0xc0},
    [D_USER_CODE] = {0xfb, 0xa0},
    [D_SYSTEM] = {0x8b, 0x00},
    [D_KERNEL_CODE_ABSENT] = {0x1b, 0xa0},
    [D_USER_CODE_ABSENT] = {0x7b, 0xa0},
    [D_CODE_1] = {0xbb, 0xa0},
    [D_CODE_2] = {0xdb, 0x20},
    [D_CODE32_0] = {0x9b, 0xc0},
    [D_CODE_LD] = {0x9b, 0xe0},
    [D_USER_READONLY] = {0xf1, 0xc0},
    [D_USER_DATA_ABSENT] = {0x73, 0xc0},
    [D_DATA_1] = {0xb3, 0xc0},
    [D_DATA_2] = {0xd3, 0x40},
    [D_CODE_EXECUTE_ONLY] = {0x99, 0x20},
    [D_KERNEL_DATA_ABSENT] = {0x13, 0xc0},
    [D_CODE32_3] = {0xfb, 0xc0},
    [D_USER_DOWN] = {0xf7, 0xc0},
    [D_KERNEL_READONLY] = {0x91, 0xc0},
    [D_CONFORMING_0] = {0x9f, 0xa0},
    [D_CONFORMING_3] = {0xff, 0xa0},
    [D_CONFORMING_0_ABSENT] = {0x1f, 0xa0},
    [D_CONFORMING_3_ABSENT] = {0x7f, 0xa0},
    [D_CODE32_3_ABSENT] = {0x7b, 0xc0},
    [D_USER_READONLY_ABSENT] = {0x71, 0xc0},
};

const uint8_t code_of_ring[] = {D_KERNEL_CODE, D_CODE_1, D_CODE_2, D_USER_CODE};
const uint8_t data_of_ring[] = {D_KERNEL_DATA, D_DATA_1, D_DATA_2, D_USER_DATA};

void emulate_memory_make(struct judge *judge, uint8_t *ram)
{
    random_fill(judge, ram, LAB04_RAM);
    memset(ram + GDT_AT, 0, 8);
    for (unsigned i = 1; i < DESCRIPTORS; i++) {
        ram[GDT_AT + 8 * i + 5] = descriptor_rights[i][0];
        ram[GDT_AT + 8 * i + 6] =
            (uint8_t)(descriptor_rights[i][1] | (ram[GDT_AT + 8 * i + 6] & 0x1f));
    }
    for (unsigned n = 0; n < 11; n++) /* RSP0-2 and, from n = 4 on, IST1-7 */
        bytes_set(ram + TSS_AT + 4 + 8 * n,
                  LAB04_AT + STACK_AT + 0x1000 + judge_random_below(judge, 0x2000), 8);
    /* The frame of RSP0 is in two pages. */
    bytes_set(ram + TSS_AT + 4,
              LAB04_AT + STACK_AT + 0x2000 + 16 + judge_random_below(judge, 16), 8);
}

uint16_t selector_make(unsigned index, unsigned rpl)
{
    return (uint16_t)(index * 8 + rpl);
}

void case_begin(struct judge *judge, struct lab04_case *c, unsigned cpl)
{
    struct kvm_sregs *sregs = &c->cpu.sregs;

    memset(c, 0, sizeof *c);
    random_fill(judge, &c->cpu.regs, sizeof c->cpu.regs);
    c->cpu.regs.rsp = LAB04_AT + STACK_AT + judge_random_below(judge, 0x3000);
    c->cpu.regs.rflags = (judge_random(judge) & 0x3d7fd5) | 2; /* no VM */
    sregs->cs.selector = selector_make(code_of_ring[cpl], cpl);
    sregs->ss.selector = selector_make(data_of_ring[cpl], cpl);
    sregs->cs.dpl = sregs->ss.dpl = (uint8_t)cpl;
    sregs->tr = (struct kvm_segment){
        .base = LAB04_AT + TSS_AT, .limit = TSS_BYTES - 1, .type = TSS_BUSY, .present = 1};
    sregs->tr.selector = selector_make(1 + (unsigned)judge_random_below(judge, 100),
                                       (unsigned)judge_random_below(judge, 4));
    sregs->gdt =
        (struct kvm_dtable){.base = LAB04_AT + GDT_AT, .limit = DESCRIPTORS * 8 - 1};
    sregs->idt = (struct kvm_dtable){.base = LAB04_AT + IDT_AT, .limit = IDT_BYTES - 1};
}
