/* nested_controls.c - part 10: who answers an exit of L2; the VMCS that really runs.
 * The contract of every function is in common/include/nested_controls.h. */
#include "nested_controls.h"

#include <string.h>

#include "x86.h"

/* TODO 1: would it have exited on L1's processor? One small question a kind of exit. */

enum exit_owner nested_exit_owner(const struct nested_exit *exit,
                                  const struct vmx_controls *controls12,
                                  const struct nested_bitmaps *bitmaps12)
{
    (void)exit, (void)controls12, (void)bitmaps12;
    return 0;
}

/* TODO 2: what a level wants, as a byte of a bitmap. Then OR. */

void nested_bitmaps_merge(const struct nested_bitmaps *bitmaps02,
                          const struct vmx_controls *controls01,
                          const struct nested_bitmaps *bitmaps01,
                          const struct vmx_controls *controls12,
                          const struct nested_bitmaps *bitmaps12)
{
    (void)bitmaps02, (void)controls01, (void)bitmaps01, (void)controls12, (void)bitmaps12;
}

/* TODO 3: the controls, field by field as the contract lists them. */

int nested_enter(struct nested_vmcs *vmcs02, const struct nested_vmcs *vmcs01,
                 const struct nested_vmcs *vmcs12, const struct nested_pages *pages)
{
    /* TODO 4: refuse what was not offered; then controls, guest state, host state. */
    (void)vmcs02, (void)vmcs01, (void)vmcs12, (void)pages;
    return -1;
}

/* TODO 5: a control register of L2 as L1 should find it; L1 after its VM exit. */

void nested_reflect(struct nested_vmcs *vmcs01, struct nested_vmcs *vmcs12,
                    const struct nested_vmcs *vmcs02)
{
    /* TODO 6: what L1 finds in vmcs12; then L1 itself. */
    (void)vmcs01, (void)vmcs12, (void)vmcs02;
}
