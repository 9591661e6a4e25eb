/* lab: 6
 * tries: have the qualification decoded by the words that reports are made of
 * says: undefined reference to `vmx_qualification_describe'
 * end of description */
#include "vmx.h"

__attribute__((constructor)) static void borrow(void)
{
    char words[80];

    vmx_qualification_describe(VMX_EXIT_IO_INSTRUCTION, 0x30008, words, sizeof words);
}
