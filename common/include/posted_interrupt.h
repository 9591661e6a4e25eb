/* posted_interrupt.h - contract of part 07, last third: an interrupt finds its vCPU,
 * whether that is running or not.
 *
 * Each vCPU has a posted-interrupt descriptor (PID): 64 bytes, aligned to 64, shared by
 * all who post and by the vCPU. (VT-d 9.12; SDM 3C 30.6)
 *
 *   bits  255:0    PIR: posted-interrupt requests, one bit for each vector
 *         256      ON: outstanding notification; one has been sent, not dealt with yet
 *         257      SN: suppress notification
 *         271:258  reserved
 *         279:272  NV: notification vector
 *         287:280  reserved
 *         319:288  NDST: notification destination, an APIC ID (x2APIC: all 32 bits)
 *         511:320  reserved
 *
 *   as 8-byte words:   pir[0]  pir[1]  pir[2]  pir[3]  control  -  -  -
 *
 *   control  63            32 31    24 23    16 15           2  1  0
 *           |      NDST      |  rsvd  |   NV   |     rsvd     |SN|ON|
 *
 * A vCPU is in one of three states (slide "VM States"):
 *
 *               pid_run()                     pid_halt()
 *   VCPU_READY ----------> VCPU_RUNNING --------------------> VCPU_HALTED
 *      ^  ^                     |                                  |
 *      |  +---------------------+                                  |
 *      |        pid_ready()           pid_wakeup(), from a         |
 *      +-----------------------------------------------------------+
 *                                     notification with NV = WNV
 *
 *   state     SN  NV                        who deals with a notification
 *   RUNNING   0   POSTED_ACTIVE_VECTOR      the processor, inside the guest: it does what
 *                                           pid_sync() does, without a VM exit. In the
 *                                           VMM it is an interrupt without effect.
 *   READY     1   (any)                     nobody: none is sent, but for an urgent one
 *   HALTED    0   POSTED_WAKEUP_VECTOR      the VMM's handler: it calls pid_wakeup()
 *
 * Rules for all functions here:
 *   - The descriptor and *state are touched only through atomic_step.h. (The checks hide
 *     them from any other access.)
 *   - A change of control keeps all bits that it is not about, reserved ones included:
 *     others may set ON at any time. So control is changed by step_fetch_or64(),
 *     step_fetch_and64() or step_compare_exchange64(), never by a store or an exchange of
 *     all of it.
 *   - While SN is 0 anybody may notify: NV and NDST are those of one state then. So
 *     pid_run() and pid_halt() change both in one step (pid_run() may take two while SN
 *     still is 1).
 *   - Steps at most, where nobody comes in between: pid_post 4, pid_run 5, pid_ready 4,
 *     pid_halt 10, pid_wakeup 4, pid_sync 10. (No hardware asks for that: the checks try
 *     every order of steps, and more of them would be too many orders.)
 */
#ifndef POSTED_INTERRUPT_H
#define POSTED_INTERRUPT_H

#include "atomic_step.h"
#include "virtual_apic.h"

struct posted_interrupt_descriptor {
    _Alignas(64) step_word pir[4];
    step_word control;
    step_word reserved[3];
};

#define PID_ON         (1ull << 0)
#define PID_SN         (1ull << 1)
#define PID_NV_SHIFT   16
#define PID_NV         (0xffull << PID_NV_SHIFT)
#define PID_NDST_SHIFT 32
#define PID_NDST       (0xffffffffull << PID_NDST_SHIFT)

/* The two vectors of the host that notifications use (the numbers are Linux's). */
#define POSTED_ACTIVE_VECTOR 0xf2u /* "ANV": posted-interrupt notification */
#define POSTED_WAKEUP_VECTOR 0xf1u /* "WNV": wake-up notification */

enum vcpu_state { VCPU_READY, VCPU_RUNNING, VCPU_HALTED };

struct posted_vcpu {
    struct posted_interrupt_descriptor *pid;
    step_word *state;          /* enum vcpu_state; shared like the descriptor */
    struct virtual_apic *apic; /* of the vCPU's own thread */

    /* Sends the interrupt `vector` to the processor `destination`. From any thread. */
    void (*notify)(void *owner, uint8_t vector, uint32_t destination);
    /* Lets the vCPU's thread go on that sleeps after pid_halt(). It looks at *state when
     * it wakes, and sleeps again if that still is VCPU_HALTED. */
    void (*wake)(void *owner);
    void *owner;
};

/* Posts an interrupt, from any thread, any number of them at once (VT-d 5.2.3): the
 * vector's bit in PIR becomes 1. Then, if ON = 0 and (SN = 0 or urgent), ON becomes 1 and
 * notify() is called once, with the NV and NDST that stood beside that very ON. Deciding
 * and setting ON are one step; where ON stays as it is nobody is notified. It does not
 * give up: if somebody has changed control meanwhile, it decides again from what is there
 * now. */
void pid_post(struct posted_vcpu *vcpu, uint8_t vector, bool urgent);

/* --- the vCPU's own thread ---------------------------------------------------------- */

/* VCPU_READY to VCPU_RUNNING on the processor with this APIC ID: SN = 0, NV = ANV, NDST.
 * A VM entry follows, and before it, as before each one, pid_sync(): what was posted
 * while SN was 1 sent no notification. */
void pid_run(struct posted_vcpu *vcpu, uint32_t apic_id);

/* VCPU_RUNNING to VCPU_READY: SN = 1. NV and NDST stay. */
void pid_ready(struct posted_vcpu *vcpu);

/* VCPU_RUNNING to VCPU_HALTED: SN = 0, NV = WNV, NDST, and ON = 0: an ON that is left
 * over from a notification that the VMM has seen already would keep all others away. (The
 * caller has found no interrupt in the virtual APIC that could be delivered.) Then it
 * looks for interrupts once more: one that was posted a moment ago has sent its
 * notification to ANV, or none at all.
 * Returns true if the thread has to sleep now; when wake() has come, it is in VCPU_READY.
 * Returns false if there is something in PIR: the vCPU is in VCPU_READY then, SN is 1.
 * But if a wake-up came first (it has left VCPU_HALTED already), it returns true: that
 * wake() is under way and must not be left over for the next halt. Once it has tried to
 * leave VCPU_HALTED only SN may change (to 1), and only if it was the one who left. */
bool pid_halt(struct posted_vcpu *vcpu, uint32_t apic_id);

/* Before a VM entry, and (by the processor) when a notification with NV = ANV comes
 * inside of the guest: clears ON, moves all of PIR into the virtual APIC's VIRR and
 * leaves PIR empty, and brings RVI up to date. (SDM 3C 30.6, steps 3, 5 and 6.)
 * Interrupts are off on this processor from here to the guest: a notification that comes
 * meanwhile is seen inside. Returns RVI. */
uint8_t pid_sync(struct posted_vcpu *vcpu);

/* --- the handler of POSTED_WAKEUP_VECTOR -------------------------------------------- */

/* Takes the vCPU from VCPU_HALTED to VCPU_READY (then SN = 1), and calls wake() when all
 * of it is done. A notification may be late: if the vCPU is not halted (any more),
 * nothing of it is changed and wake() is not called. (It may find VCPU_READY with SN
 * still 0: somebody else is between two steps of his, and SN is not its business.)
 * Exactly one leaves VCPU_HALTED for each halt, be it this function or pid_halt() itself,
 * and only that one sets SN. */
void pid_wakeup(struct posted_vcpu *vcpu);

#endif
