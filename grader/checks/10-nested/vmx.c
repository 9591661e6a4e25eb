/* vmx.c - small_hypervisor.vmx.c has the emulated Intel CPU for itself; the emulator is asked, at
 * each VM exit, what L2 had in its registers. */
#include "l2.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../silicon/silicon.h"

#define JOB_DATA  0x60000u
#define VMX_EXITS 40u

static struct silicon_program program;

static void vmx_run(struct judge *judge, enum step end)
{
    const uint64_t l2_at = 0x8000 + random_below(judge, 16) * PAGE,
                   late_at = 0x40000 + random_below(judge, 16) * PAGE;

    if (silicon_new(judge)->judge != judge) /* SKIPs where there is no Bochs */
        return;
    program = (struct silicon_program){.judge = judge, .exit_limit = VMX_EXITS};
    program.image = judge_program(judge, "small_hypervisor.vmx", SILICON_PROGRAM_MAX,
                                  &program.image_size);
    life_begin(judge, SILICON_JOB_HPA + l2_at, SILICON_JOB_HPA + late_at, true, end);
    program.data_size = JOB_DATA;
    program.data = calloc(1, JOB_DATA);
    memcpy(program.data, &life.job, sizeof life.job);
    memcpy(program.data + l2_at, life.memory, L2_SIZE);
    memcpy(program.data + late_at, life.late, sizeof life.late);
    silicon_program_run(&program);
    life_follow();
    CHECK(judge, !program.hangs, "the program comes to its end",
          "it was still there after 10 seconds, after %u VM exits: somebody executed HLT, "
          "and "
          "nothing wakes the processor (HLT of L2 has to exit)",
          program.exit_count);
    CHECK(judge, program.exit_count > 0,
          "L2 runs on the processor, and comes back by a VM exit",
          "the emulator saw no VM exit%s; job->end is %u, detail %#" PRIx64
          " (2 = a hole, 4 = no support, 5 = not entered: an error number of SDM 3D 31.4)",
          program.shut_down ? ", and then the CPU shut down (triple fault)" : "",
          (unsigned)((struct hypervisor_job *)(void *)program.data)->end,
          ((struct hypervisor_job *)(void *)program.data)->end_detail);
}

/* R14 and R15 are L2's, still in the processor when the emulator stopped at the exit. */
static void exit_witness(struct judge *judge, uint32_t i)
{
    const uint64_t *registers = program.exits[i].registers;

    CHECK(judge,
          registers[SILICON_R14] == life.exits[i].place &&
              registers[SILICON_R15] == life.exits[i].number,
          "the VM exits are those of L2's steps, in order",
          "VM exit %u: L2 was at step %" PRIu64 " with %#" PRIx64
          " in R15; expected the exit for "
          "a %s of step %" PRIu64 " with %#" PRIx64,
          i + 1, registers[SILICON_R14], registers[SILICON_R15],
          kind_name(life.exits[i].kind), life.exits[i].place, life.exits[i].number);
}

void l2_is_launched_by_vmx(struct judge *judge)
{
    const uint32_t primary = PRIMARY_HLT_EXITING | PRIMARY_USE_IO_BITMAPS;

    vmx_run(judge, STEP_HALT);
    exit_witness(judge, 0);
    CHECK(judge, (program.vmcs.primary & primary) == primary,
          "HLT and the port of L1's device exit, and no other port",
          "the processor's primary controls are %#x, %#x are missing", program.vmcs.primary,
          primary & ~program.vmcs.primary);
    CHECK(judge, program.vmcs.secondary & SECONDARY_ENABLE_EPT,
          "L2's memory is behind an EPT", "the processor's secondary controls are %#x",
          program.vmcs.secondary);
    CHECK(judge, (program.vmcs.ept_pointer & 0x3f) == (EPTP_WALK_4 | EPTP_WRITE_BACK),
          "the EPT pointer names 4 levels, tables in write-back memory",
          "the processor's EPT pointer is %#" PRIx64, program.vmcs.ept_pointer);
}

void vmx_exits_are_answered(struct judge *judge)
{
    const uint64_t *mailbox, *late;

    vmx_run(judge, STEP_HALT);
    for (uint32_t i = 0; i < life.exit_count && i < program.exit_count; i++)
        exit_witness(judge, i);
    CHECK(judge, program.exit_count == life.exit_count,
          "L2 exits as often as its script says, not more and not less",
          "the emulator saw %u VM exits, not %u; job->end is %" PRIu64 ", detail %#" PRIx64,
          program.exit_count, life.exit_count,
          ((struct hypervisor_job *)(void *)program.data)->end,
          ((struct hypervisor_job *)(void *)program.data)->end_detail);
    mailbox = (void *)(program.data + (life.job.l2_base - SILICON_JOB_HPA) + MAILBOX_AT);
    late = (void *)(program.data + (life.job.late_to - SILICON_JOB_HPA));
    job_expect(judge, (void *)program.data);
    l2_expect(judge, mailbox, "GenuineIntel", late);
}

/* (What L2's number is by then is vmx_exits_are_answered's business.) */
void vmx_hole_ends_l2(struct judge *judge)
{
    uint64_t place;

    vmx_run(judge, STEP_HOLE);
    CHECK(judge, program.exit_count == life.exit_count,
          "a hole is an exit, and the last one", "the emulator saw %u VM exits, not %u",
          program.exit_count, life.exit_count);
    place = program.exits[life.exit_count - 1].registers[SILICON_R14];
    CHECK(judge, place == life.place, "L2's last exit is at its last step",
          "it was at step %" PRIu64 ", not %" PRIu64, place, life.place);
    end_expect(judge, (void *)program.data, true);
}
