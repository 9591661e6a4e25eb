/* silicon_job.h - a job for the emulated Intel CPU, and the record of what the CPU did.
 *
 * The machine is Bochs with a ROM of ours (common/silicon/): it takes the job out of the
 * ROM, fills memory and a VMCS as the job says, enters the guest, notes every VM exit, and
 * goes on as the job's rules say. Guest and tables are data to it.
 *
 * Physical memory (HPA):
 *
 *   0x0000000  page tables of the runtime
 *   0x0100000  the runtime
 *   0x0200000  the log: struct silicon_log, then the records
 *   0x0800000  the job, copied from the ROM
 *   0x0e00000  SILICON_TABLES_HPA: tables and bitmaps that the judge makes (2 MiB)
 *   0x1000000  SILICON_RAM_HPA: memory of the guest, tables of the student (up to 256 MiB)
 */
#ifndef SILICON_JOB_H
#define SILICON_JOB_H

#include <stdint.h>

#include "vmx.h"

#define SILICON_LOG_HPA    0x00200000ull
#define SILICON_JOB_HPA    0x00800000ull
#define SILICON_TABLES_HPA 0x00e00000ull
#define SILICON_RAM_HPA    0x01000000ull
#define SILICON_RAM_END    0x10000000ull

#define SILICON_JOB_MAX     (0x1f0000u) /* what fits into a ROM of 2 MiB beside the runtime */
#define SILICON_RECORDS_MAX 40000u

/* --- the job -------------------------------------------------------------------------------- */

/* What the runtime does after an exit, by its basic reason. The default is to stop. */
enum silicon_action {
    SILICON_STOP = 0,
    SILICON_SKIP,    /* go on behind the instruction; IN reads ones */
    SILICON_RECOVER, /* go on at the address in the guest's R15 */
    SILICON_REFLECT, /* deliver the intercepted exception to the guest */
    SILICON_RESUME,  /* go on where the guest was */
};

/* VMCALL is the guest's way to speak to the runtime: RAX is one of these. Each is recorded
 * (RBX and RCX as well) and then skipped; any other value ends the job. */
enum silicon_call {
    SILICON_CALL_END = 0x100, /* the guest is done */
    SILICON_CALL_NOTE,        /* nothing but the record */
    SILICON_CALL_EVENT, /* inject the job's next event with the VM entry that follows */
    SILICON_CALL_INVALIDATE, /* INVEPT: forget cached translations */
    SILICON_CALL_WRITE,      /* carry out the job's next memory write, no INVEPT */
};

/* An event for VM entry (SDM 3C 25.8.3). The values are written as they are. */
struct silicon_event {
    uint32_t info, error_code, instruction_length;
    uint32_t reserved;
};

struct silicon_write {
    uint64_t hpa, value; /* 8 bytes */
};

/* Bytes of the job that are copied to memory before the guest starts. */
struct silicon_segment {
    uint64_t hpa;
    uint32_t offset; /* from the job's first byte */
    uint32_t length;
};

/* Memory whose content says where it is: each 8-byte word at hpa in [from, to) that is a
 * multiple of step is set to silicon_pattern(nonce, hpa), before segments are copied. */
struct silicon_fill {
    uint64_t from, to;
    uint64_t step; /* a multiple of 8; 0: no fill */
};

#define SILICON_JOB_MAGIC    0x314b534au /* "JSK1" */
#define SILICON_EVENTS_MAX   64
#define SILICON_WRITES_MAX   64
#define SILICON_SEGMENTS_MAX 64

struct silicon_job {
    uint32_t magic;
    uint32_t size; /* of the whole job, segments included */
    uint64_t nonce;
    uint32_t record_limit; /* the job ends after that many exits */
    uint32_t event_count, write_count, segment_count;
    struct silicon_fill fill;
    struct vmx_guest_state guest;
    struct vmx_controls controls;
    uint64_t registers[16]; /* of the guest, in the order of enum silicon_register */
    uint8_t actions[VMX_EXIT_REASON_COUNT]; /* enum silicon_action */
    struct silicon_event events[SILICON_EVENTS_MAX];
    struct silicon_write writes[SILICON_WRITES_MAX];
    struct silicon_segment segments[SILICON_SEGMENTS_MAX];
};

/* The processor's own numbering (RSP is in the VMCS). */
enum silicon_register {
    SILICON_RAX,
    SILICON_RCX,
    SILICON_RDX,
    SILICON_RBX,
    SILICON_RSP,
    SILICON_RBP,
    SILICON_RSI,
    SILICON_RDI,
    SILICON_R8,
    SILICON_R9,
    SILICON_R10,
    SILICON_R11,
    SILICON_R12,
    SILICON_R13,
    SILICON_R14,
    SILICON_R15,
};

static inline uint64_t silicon_pattern(uint64_t nonce, uint64_t hpa)
{
    uint64_t x = nonce ^ hpa * 0x9e3779b97f4a7c15ull;

    return (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
}

/* --- the log ---------------------------------------------------------------------------------- */

/* One VM exit: fields of the VMCS as VMREAD gave them, and registers of the guest. */
struct silicon_record {
    uint32_t exit_reason;
    uint32_t instruction_length;
    uint64_t qualification;
    uint64_t guest_physical_address, guest_linear_address;
    uint64_t rip, rsp, rflags;
    uint32_t cs_selector, instruction_info;
    uint32_t interruption_info, interruption_error_code;
    uint32_t idt_vectoring_info, idt_vectoring_error_code;
    uint64_t rax, rbx, rcx;
    uint64_t time; /* TSC at the exit: the emulator's count of instructions */
};

enum silicon_end {
    SILICON_END_NONE = 0, /* no closing record: the run did not get there */
    SILICON_ENDED,        /* the guest said so: SILICON_CALL_END */
    SILICON_STOPPED,      /* the last record's exit was not to be gone on from */
    SILICON_FULL,         /* record_limit */
    SILICON_NOT_ENTERED,  /* VMLAUNCH or VMRESUME failed: detail = VM-instruction error */
    SILICON_BAD_STATE,    /* the VM entry failed on the guest state: detail = exit reason */
    SILICON_NO_VMX,       /* the CPU has no VMX, or its firmware forbids it */
    SILICON_NO_CONTROL, /* a control is not offered: detail = field << 32 | missing bits */
    SILICON_BAD_JOB,    /* detail = line of the runtime's check */
    SILICON_HOST_FAULT, /* an exception in the runtime: detail = vector, extra = rip */
};

#define SILICON_LOG_MAGIC 0x3147474cu /* "LGG1" */

struct silicon_log {
    uint32_t magic;
    uint32_t end; /* enum silicon_end; written last */
    uint64_t nonce;
    uint64_t detail, extra;
    uint32_t record_count;
    uint32_t events_used;
    uint64_t checksum; /* of all from nonce on (this as 0), then the records */
    uint64_t start_time, end_time;
    uint64_t final_registers[16];
    uint64_t vmx_basic, ept_vpid_capabilities; /* MSRs 480h, 48Ch */
    uint64_t
        controls_offered[5]; /* capability MSRs: pin, primary, secondary, exit, entry */
};

#define SILICON_RECORDS_HPA (SILICON_LOG_HPA + 4096)

/* Over words of 8 bytes; size is a multiple of 8. */
static inline uint64_t silicon_checksum(uint64_t sum, const void *bytes, uint64_t size)
{
    const uint64_t *word = bytes;

    for (uint64_t i = 0; i < size / 8; i++)
        sum = ((sum ^ word[i]) * 0x9e3779b97f4a7c15ull) ^ sum >> 31;
    return sum;
}

#endif
