/* life.c - one life of the three objects: input, plan of the pretended KVM, run; its
 * numbers in words, for messages.
 */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define PAGE 4096u

struct lab01_input input_make(uint32_t vms, uint32_t vcpus)
{
    return (struct lab01_input){.path = KVM_DEVICE_PATH,
                                .kvm_count = 1,
                                .vm_count = vms,
                                .vcpu_count = vcpus,
                                .vcpu_ids = {0, 1}};
}

struct kvm_plan plan_make(struct judge *judge)
{
    return (struct kvm_plan){
        .api_version = KVM_API_VERSION,
        .run_size = (int32_t)(PAGE * (3 + judge_random_below(judge, 1000))),
    };
}

/* A vCPU's id of more than 8 and of more than 16 bits. (KVM allows some thousand; how many is
 * for the kernel to say.) */
uint32_t id_any(struct judge *judge)
{
    return 0x10000u + (uint32_t)judge_random_below(judge, 0x7ff00000u);
}

struct run_spec life_spec(const struct lab01_input *in, const struct kvm_plan *plan)
{
    return (struct run_spec){
        .entry = LAB01_LIFE, .input = in, .input_size = sizeof *in, .plan = plan};
}

const struct evidence *life_run(struct judge *judge, const struct lab01_input *in,
                                const struct kvm_plan *plan)
{
    const struct run_spec spec = life_spec(in, plan);

    return judge_run(judge, &spec, sizeof(struct lab01_output));
}

const struct lab01_output *output_of(const struct evidence *e)
{
    return (const struct lab01_output *)(const void *)e->answer;
}

/* --- numbers in words --------------------------------------------------------------- */

/* What the dispatcher fills errors with before the call. */
#define POISON 0x5a5a5a5a

/* "0", "-2 (-ENOENT)" */
struct text result_text(int result)
{
    struct text text;

    if (result == -ENOTSUP) /* also called EOPNOTSUPP; the contract says ENOTSUP */
        snprintf(text.is, sizeof text.is, "%d (-ENOTSUP)", result);
    else
        errno_number_text(result, text.is, sizeof text.is);
    return text;
}

static struct text named(const char *const *names, size_t count, int64_t value)
{
    struct text text;

    if (value >= 0 && value < (int64_t)count)
        snprintf(text.is, sizeof text.is, "%s (%" PRId64 ")", names[value], value);
    else if ((int32_t)value == POISON)
        snprintf(text.is, sizeof text.is, "not set");
    else
        snprintf(text.is, sizeof text.is, "%" PRId64, value);
    return text;
}

struct text number_text(int64_t value)
{
    return named(NULL, 0, value);
}

struct text step_text(int32_t step)
{
    static const char *const names[] = {
        "VMM_STEP_NONE",        "VMM_STEP_OPEN_DEVICE",
        "VMM_STEP_API_VERSION", "VMM_STEP_CHECK_EXTENSION",
        "VMM_STEP_RUN_SIZE",    "VMM_STEP_CREATE_VM",
        "VMM_STEP_CREATE_VCPU", "VMM_STEP_MAP_RUN",
    };

    return named(names, COUNT(names), step);
}

struct text kind_text(int32_t kind)
{
    static const char *const names[] = {
        "VMM_OK",           "VMM_ERR_NO_DEVICE",      "VMM_ERR_NO_PERMISSION",
        "VMM_ERR_NOT_KVM",  "VMM_ERR_API_VERSION",    "VMM_ERR_MISSING_EXTENSION",
        "VMM_ERR_RUN_SIZE", "VMM_ERR_TOO_MANY_FILES", "VMM_ERR_NO_MEMORY",
        "VMM_ERR_BUSY",     "VMM_ERR_VCPU_EXISTS",    "VMM_ERR_VCPU_ID",
        "VMM_ERR_SYSCALL",
    };

    return named(names, COUNT(names), kind);
}

struct text capability_text(int64_t capability)
{
    static const struct {
        int64_t number;
        const char *name;
    } known[] = {{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
                 {KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"},
                 {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
                 {KVM_CAP_NR_MEMSLOTS, "KVM_CAP_NR_MEMSLOTS"}};
    struct text text = number_text(capability);

    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].number == capability)
            snprintf(text.is, sizeof text.is, "%s (%" PRId64 ")", known[i].name,
                     capability);
    return text;
}

/* How far the subject came: "kvm_open() 0, vm_create() -38 (-ENOSYS)" */
struct text progress_text(const struct lab01_output *out)
{
    struct text text;
    int at = snprintf(text.is, sizeof text.is, "kvm_open() returned %s",
                      result_text(out->open.result).is);

    if (out->vms[0].called)
        at += snprintf(text.is + at, sizeof text.is - (size_t)at, ", vm_create() %s",
                       result_text(out->vms[0].result).is);
    for (int i = 0; i < 2; i++)
        if (out->vcpus[0][i].called)
            at += snprintf(text.is + at, sizeof text.is - (size_t)at, ", vcpu_create() %s",
                           result_text(out->vcpus[0][i].result).is);
    return text;
}

/* The last of one VM's vCPUs has been made, and so has all before it. */
bool life_complete(const struct lab01_input *in, const struct lab01_output *out)
{
    const struct lab01_step *last = in->vcpu_count ? &out->vcpus[0][in->vcpu_count - 1]
                                    : in->vm_count ? &out->vms[0]
                                                   : &out->open;

    return last->called && last->result == 0;
}

const struct lab01_output *life_expect(struct judge *judge, const struct lab01_input *in,
                                       const struct evidence *e)
{
    CHECK(judge, life_complete(in, output_of(e)),
          "where nothing is wrong, every function works and returns 0", "%s",
          progress_text(output_of(e)).is);
    return output_of(e);
}
