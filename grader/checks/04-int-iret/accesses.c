/* accesses.c - the part's device, one port access at a time, with a vCPU that is mere memory:
 * there each ioctl can be made to fail. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "memory.h"
#include "x86.h"

#define ACCESS_INT       0xd000u /* sites; in between there is none */
#define ACCESS_OTHER     0xd008u
#define ACCESS_IRET      0xd010u
#define ACCESS_FRAME     0xb000u
#define ACCESS_ELSEWHERE 0xd020u   /* another vCPU's only site */
#define ACCESS_PORT      0x50u     /* and vector; the device behind has ports 40h to BFh */
#define HANDLER_AT       0x123450u /* plus the vector */

enum {
    SPOIL_NOTHING,
    SPOIL_RIGHTS,
    SPOIL_GP,
    SPOIL_NO_STACK,
    SPOIL_ROM_STACK,
    SPOIL_SEGMENT
};

struct access_case {
    const char *what;
    uint32_t rip, is_write, size, port;
    unsigned spoil;
    uint32_t failing; /* ioctl */
    int error;        /* what traps->error should be */
    uint64_t counts[3];
};

static const struct access_case behind_cases[] = {
    {"OUT", ACCESS_OTHER, 1, 1, ACCESS_PORT, 0, 0, 0, {0}},
    {"OUT of 2 bytes", ACCESS_OTHER, 1, 2, ACCESS_PORT, 0, 0, 0, {0}},
    {"OUT to a port that nobody has", ACCESS_OTHER, 1, 1, 0x10, 0, 0, 0, {0}},
    {"IN", ACCESS_OTHER, 0, 1, ACCESS_PORT, 0, 0, 0, {0}},
    {"IN of 4 bytes", ACCESS_OTHER, 0, 4, 0x60, 0, 0, 0, {0}},
    {"IN from a port that nobody has", ACCESS_OTHER, 0, 2, 0x10, 0, 0, 0, {0}},
    {"IN with RIP at a site", ACCESS_INT, 0, 1, ACCESS_PORT, 0, 0, 0, {0}},
    {"OUT of 2 bytes with RIP at a site", ACCESS_INT, 1, 2, ACCESS_PORT, 0, 0, 0, {0}},
    {"OUT of 4 bytes with RIP at a site", ACCESS_IRET, 1, 4, 0x50, 0, 0, 0, {0}},
};

static const struct access_case end_cases[] = {
    {"INT", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 0, 0, {1, 0, 0}},
    {"IRET", ACCESS_IRET, 1, 1, 0xcf, 0, 0, 0, {0, 1, 0}},
    {"INT that faults", ACCESS_INT, 1, 1, ACCESS_PORT, SPOIL_RIGHTS, 0, 0, {0, 0, 1}},
    {"IRET that faults", ACCESS_IRET, 1, 1, 0xcf, SPOIL_RIGHTS, 0, 0, {0, 0, 1}},
    {"INT that faults, no gate for #GP, but one for #DF",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_GP,
     0,
     -ELOOP,
     {0}},
    {"INT, its stack in no memory",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_NO_STACK,
     0,
     -EFAULT,
     {0}},
    {"INT, its stack read-only",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_ROM_STACK,
     0,
     -EROFS,
     {0}},
    {"INT to a conforming segment",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_SEGMENT,
     0,
     -ENOTSUP,
     {0}},
    {"INT, ioctl 1 fails", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 1, -EINTR, {0}},
    {"INT, ioctl 2 fails", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 2, -EINTR, {0}},
    {"INT, ioctl 3 fails", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 3, -EINTR, {0}},
    {"INT, ioctl 4 fails", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 4, -EINTR, {0}},
    {"IRET, ioctl 3 fails", ACCESS_IRET, 1, 1, 0xcf, 0, 3, -EINTR, {0}},
    {"INT that faults, ioctl 3 fails",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_RIGHTS,
     3,
     -EINTR,
     {0}},
};

static uint64_t access_gate_low(uint8_t vector, unsigned descriptor, uint8_t dpl)
{
    const struct guest_gate gate = {.handler = HANDLER_AT + vector,
                                    .selector = selector_make(descriptor, 0),
                                    .type = GATE_INTERRUPT,
                                    .dpl = dpl,
                                    .present = 1};
    uint8_t bytes[16];

    gate_draw(&gate, bytes);
    return bytes_value(bytes, 8);
}

static void access_memory_make(struct judge *judge, struct lab04_access_input *in)
{
    static const uint8_t vectors[] = {VECTOR_NP, VECTOR_GP, 8, ACCESS_PORT};
    const uint64_t frame[5] = {0x4000, selector_make(D_USER_CODE, 3), 0x202, 0x5000,
                               selector_make(D_USER_DATA, 3)};

    emulate_memory_make(judge, in->ram);
    for (unsigned i = 0; i < COUNT(vectors); i++) {
        uint8_t *gate = in->ram + IDT_AT + 16u * vectors[i];

        bytes_set(gate, access_gate_low(vectors[i], D_KERNEL_CODE, 3), 8);
        memset(gate + 8, 0, 8);
    }
    for (unsigned i = 0; i < 5; i++)
        bytes_set(in->ram + ACCESS_FRAME + 8 * i, frame[i], 8);
    bytes_set(in->ram + ACCESS_INT, 0xcd + ACCESS_PORT * 256u, 2);
    bytes_set(in->ram + ACCESS_IRET, 0xcf48, 2);
    bytes_set(in->ram + ACCESS_ELSEWHERE, 0x21cd, 2);
    in->other_site = LAB04_AT + ACCESS_ELSEWHERE;
    in->sites[0] = LAB04_AT + ACCESS_INT;
    in->sites[1] = LAB04_AT + ACCESS_IRET;
    in->site_count = 2;
}

static void access_spoil(struct lab04_access *a, unsigned spoil, bool is_iret)
{
    const uint64_t gate = IDT_AT + 16 * ACCESS_PORT;

    if (spoil == SPOIL_NOTHING)
        return;
    a->write_at[0] = is_iret ? ACCESS_FRAME + 8 : gate;
    a->write_value[0] = is_iret ? selector_make(D_KERNEL_DATA, 0)
                                : access_gate_low(ACCESS_PORT, D_KERNEL_CODE, 0);
    if (spoil == SPOIL_GP)
        a->write_at[1] = IDT_AT + 16 * VECTOR_GP; /* becomes 0 */
    if (spoil == SPOIL_SEGMENT)
        a->write_value[0] = access_gate_low(ACCESS_PORT, D_CONFORMING_0, 3);
    if (spoil == SPOIL_NO_STACK || spoil == SPOIL_ROM_STACK) {
        a->write_at[0] = TSS_AT + 4;
        a->write_value[0] =
            LAB04_AT + (spoil == SPOIL_NO_STACK ? LAB04_RAM : LAB04_ROM) + 0x100;
    }
}

static void access_make(struct judge *judge, struct lab04_access *a,
                        const struct access_case *k)
{
    static struct lab04_case c;
    const bool is_iret = k->rip == ACCESS_IRET;

    case_begin(judge, &c, is_iret ? 0 : 3);
    *a = (struct lab04_access){.port = k->port,
                               .size = k->size,
                               .is_write = k->is_write,
                               .failing = k->failing,
                               .cpu = c.cpu};
    a->cpu.regs.rip = LAB04_AT + k->rip;
    a->cpu.regs.rflags &= ~RFLAGS_NT;
    if (is_iret)
        a->cpu.regs.rsp = LAB04_AT + ACCESS_FRAME;
    random_fill(judge, a->data, sizeof a->data);
    access_spoil(a, k->spoil, is_iret);
}

static void accesses_make(struct judge *judge, struct lab04_access_input *in,
                          const struct access_case *cases, unsigned count)
{
    access_memory_make(judge, in);
    for (in->count = 0; in->count < count; in->count++)
        access_make(judge, &in->accesses[in->count], &cases[in->count]);
}

static void install_expect(struct judge *judge, const struct lab04_access_result *r)
{
    CHECK(judge, r->install_result == 0, "int_traps_install() returns 0",
          "it returned %d for 2 sites", r->install_result);
}

/* What is no site's OUT has its answer from the bus behind, and changes nothing else. */
static void access_behind_expect(struct judge *judge, const struct access_case *k,
                                 const struct lab04_access *a,
                                 const struct lab04_access_result *r)
{
    const bool claimed = k->port >= 0x40;
    uint8_t data[8];

    memcpy(data, a->data, sizeof data);
    for (unsigned i = 0; !k->is_write && i < k->size; i++)
        data[i] = (uint8_t)(claimed ? ~data[i] : 0xff);
    CHECK(judge, r->behind == claimed && r->unclaimed == !claimed,
          "what is no site's OUT goes to the bus behind, once",
          "%s, port %#x: its device was called %u times, `unclaimed` is %u", k->what,
          k->port, r->behind, r->unclaimed);
    CHECK(judge,
          !claimed || (r->seen.address == k->port && r->seen.size == k->size &&
                       r->seen.is_write == k->is_write &&
                       memcmp(r->seen_data, a->data, k->size) == 0),
          "the device behind sees the access as it was",
          "%s, port %#x: it saw port %#" PRIx64 ", %u bytes, %s", k->what, k->port,
          r->seen.address, r->seen.size, r->seen.is_write ? "OUT" : "IN");
    CHECK(judge, memcmp(data, r->data, sizeof data) == 0,
          "an IN is answered by the bus behind",
          "%s, port %#x, %u bytes: %#" PRIx64 " became %#" PRIx64 ", not %#" PRIx64,
          k->what, k->port, k->size, bytes_value(a->data, 8), bytes_value(r->data, 8),
          bytes_value(data, 8));
    CHECK(judge,
          r->sets == 0 && r->error == 0 && !r->kicked &&
              r->ints + r->irets + r->faults == 0,
          "the guest's own port accesses are not emulated, and not counted",
          "%s: %u ioctls that set registers, error %d, ints %" PRIu64 ", irets %" PRIu64
          ", faults %" PRIu64,
          k->what, r->sets, r->error, r->ints, r->irets, r->faults);
}

void behind_make(struct judge *judge, struct lab04_access_input *in)
{
    accesses_make(judge, in, behind_cases, COUNT(behind_cases));
}

void behind_expect(struct judge *judge, const struct lab04_access_input *in,
                   const struct lab04_access_output *out)
{
    for (unsigned i = 0; i < COUNT(behind_cases); i++) {
        install_expect(judge, &out->results[i]);
        access_behind_expect(judge, &behind_cases[i], &in->accesses[i], &out->results[i]);
    }
}

static void access_end_expect(struct judge *judge, const struct access_case *k,
                              const struct lab04_access_result *r)
{
    /* SREGS are set first, REGS second: what fails is the ioctl that `failing` names. */
    const uint32_t sets = k->error == 0 ? 2 : k->failing == LAB04_IOCTLS ? 1 : 0;

    CHECK(judge, r->error == k->error, "traps->error says why it gave up",
          "%s: it is %d, not %s%s", k->what, r->error, k->error ? "-" : "",
          result_name(k->error));
    CHECK(judge, !!r->kicked == (k->error != 0),
          "a kick ends the run when the emulation gives up, and only then",
          "%s: the vCPU was %s", k->what, r->kicked ? "kicked" : "not kicked");
    CHECK(judge, r->sets == sets, "registers are set once, and not where it gives up",
          "%s: %u ioctls set registers, not %u", k->what, r->sets, sets);
    CHECK(judge,
          r->ints == k->counts[0] && r->irets == k->counts[1] && r->faults == k->counts[2],
          "counted is what the guest has got, nothing else",
          "%s: ints %" PRIu64 ", irets %" PRIu64 ", faults %" PRIu64 "; it was %" PRIu64
          ", %" PRIu64 " and %" PRIu64,
          k->what, r->ints, r->irets, r->faults, k->counts[0], k->counts[1], k->counts[2]);
    CHECK(judge, r->behind + r->unclaimed == 0, "a site's OUT is nobody else's",
          "%s: the bus behind saw it", k->what);
}

void ends_make(struct judge *judge, struct lab04_access_input *in)
{
    accesses_make(judge, in, end_cases, COUNT(end_cases));
}

void ends_expect(struct judge *judge, const struct lab04_access_output *out)
{
    for (unsigned i = 0; i < COUNT(end_cases); i++) {
        install_expect(judge, &out->results[i]);
        access_end_expect(judge, &end_cases[i], &out->results[i]);
    }
}
