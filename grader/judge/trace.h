/* trace.h - the kernel's KVM tracepoints as plain records. */
#ifndef TRACE_H
#define TRACE_H

#include <stddef.h>
#include <stdint.h>

enum kvm_event_kind {
    EVENT_OTHER = 0,
    EVENT_ENTRY,          /* kvm_entry: rip */
    EVENT_EXIT,           /* kvm_exit: reason (SVM's), rip, info1, info2 */
    EVENT_USERSPACE_EXIT, /* kvm_userspace_exit: reason (KVM_EXIT_*), value = errno */
    EVENT_PIO,            /* kvm_pio: write, address = port, size, count, value */
    EVENT_MMIO,           /* kvm_mmio: write, address = gpa, size, value */
    EVENT_PAGE_FAULT,     /* kvm_page_fault: address, info1 = error code */
    EVENT_INJECT,         /* kvm_inj_virq: value = vector */
    EVENT_NESTED,         /* kvm_nested_*: name says which; but for these four: */
    EVENT_NESTED_ENTRY, /* VMRUN by L1: rip, address = its VMCB, value = nested CR3 (info2:
                             nested paging is on), info1 = RIP of L2 */
    EVENT_NESTED_INTERCEPTS, /* what that VMCB asks for: value = exceptions, info1 and info2 =
                                  the intercepts at its offsets 0Ch and 10h */
    EVENT_NESTED_EXIT,       /* an exit of L2, to L0: as EVENT_EXIT */
    EVENT_NESTED_REFLECT,    /* and on to L1: reason, info1, info2 as L1 sees them */
    EVENT_INJECT_EXCEPTION, /* kvm_inj_exception: value = vector */
    EVENT_MSI,  /* kvm_msi_set_irq: a device's message: address, value = its data */
    EVENT_LINE, /* kvm_set_irq: value = GSI, write = level */
};

/* SVM exit codes that labs look at (AMD APM volume 2, appendix C). */
#define SVM_EXIT_EXCEPTION 0x040 /* + vector, up to 05Fh */
#define SVM_EXIT_INTR      0x060
#define SVM_EXIT_VINTR                                                                     \
    0x064 /* the guest can take an interrupt now: the window that KVM asked for */
#define SVM_EXIT_CPUID    0x072
#define SVM_EXIT_HLT      0x078
#define SVM_EXIT_IOIO     0x07b
#define SVM_EXIT_MSR      0x07c
#define SVM_EXIT_SHUTDOWN 0x07f
#define SVM_EXIT_VMRUN    0x080
#define SVM_EXIT_VMMCALL  0x081
#define SVM_EXIT_VMLOAD   0x082
#define SVM_EXIT_VMSAVE   0x083
#define SVM_EXIT_STGI     0x084
#define SVM_EXIT_CLGI     0x085
#define SVM_EXIT_NPF      0x400

struct kvm_event {
    enum kvm_event_kind kind;
    char name[28];
    uint64_t time_ns;
    int32_t thread; /* tid that was running */
    uint32_t reason;
    uint64_t rip;
    uint64_t address;
    uint64_t value;
    uint64_t info1, info2;
    uint32_t size;
    uint32_t count;
    uint32_t write;
};

struct kvm_events {
    struct kvm_event *list;
    size_t count;
};

/* A recorded run in a file: this, then struct kvm_event after struct kvm_event. */
#define TRACE_MAGIC 0x3243525456534d4bull

struct trace_head {
    uint64_t magic;
    uint64_t seed;     /* of the grading */
    char guest[48];    /* "pattern.bin": the guest program, or "" */
    char program[160]; /* the ELF file of the part that ran as the guest's L1, or "" */
};

/* Reads the formats that machine_build() saved, unless this process has them. That takes 2.5 ms:
 * whoever does it before it forks spares its children that. 0 or -errno. */
int kvm_events_prepare(const char *formats_path);

/* Decodes ring-buffer pages with the formats that machine_build() saved. 0 or -errno. */
int kvm_events_decode(struct kvm_events *events, const void *pages, size_t size,
                      const char *formats_path);

/* How many events of a kind; of EXIT and USERSPACE_EXIT only those with that reason,
 * unless it is KVM_EVENT_ANY. */
#define KVM_EVENT_ANY 0xffffffffu
size_t kvm_events_count(const struct kvm_events *events, enum kvm_event_kind kind,
                        uint32_t reason);

/* "hlt", "io", "npf", "#UD", ... of an SVM exit code, or "?"; one word of at most 9 letters. */
const char *svm_exit_name(uint32_t code);

/* One line that says what the event was. */
void kvm_event_describe(const struct kvm_event *event, char *buffer, size_t size);

#endif
