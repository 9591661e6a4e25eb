/* 01-kvm-open.c - the checks of lab 01.
 *
 * Target model: the agent plays KVM (call_supervisor.h), so every answer of the kernel can
 * be chosen, and the log of calls comes from outside the subject. Target machine: the real
 * /dev/kvm; what the kernel holds is read from /proc and from its tracepoints.
 */
#include "01-kvm-open/checks.h"

#define API(section) "Linux Documentation/virt/kvm/api.rst, " section

static const struct check checks[] = {
    {
        .id = "open_asks_version_and_extensions",
        .title = "opens the device, asks for version and extensions",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = open_asks_version_and_extensions,
        .why =
            "KVM is a driver like any other: what it can do has to be asked, not assumed.",
        .handout = "Steps, 2",
        .slide = "KVM",
        .manual = API("4.1, 4.4, 4.5"),
        .hints =
            {"A device is opened like any file. Which flags does a program need that "
             "reads, writes, and may start others?",
             "Three kinds of question, all ioctls on the new descriptor: the version "
             "first, each required extension, the size of kvm_run. What does an ioctl get "
             "as its third argument when it takes none?",
             "open(path, O_RDWR | O_CLOEXEC); ioctl(fd, KVM_GET_API_VERSION, 0); a loop "
             "over kvm_required_extensions until -1 with KVM_CHECK_EXTENSION; then "
             "KVM_GET_VCPU_MMAP_SIZE. Keep version and size in *kvm."},
        .explanation =
            "O_CLOEXEC keeps the device out of programs that the VMM starts; setting the "
            "flag after open() would leave a moment without it. Version 12 has been the "
            "answer since Linux 2.6.22; new features show as extensions instead.",
    },
    {
        .id = "open_failures_are_typed",
        .title = "says why /dev/kvm cannot be opened",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = open_failures_are_typed,
        .why =
            "\"No such device\" and \"no permission\" need different help; the user sees "
            "only what you kept.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = "man 2 open; common/include/kvm_open.h",
        .hints =
            {"The table in kvm_open.h has a line for this step and one for any step.",
             "errno belongs to the last call that failed. What may happen to it before "
             "you look? And what if the caller passed no error object?",
             "One function from (step, errno) to kind: first the errnos that mean the "
             "same everywhere, then a switch over the step, then VMM_ERR_SYSCALL. "
             "vmm_error_set() fills the object if there is one and returns -errno."},
        .explanation =
            "EBUSY from open is not in the table: it means another hypervisor only "
            "when KVM_CREATE_VM says it. The step is part of the meaning.",
    },
    {
        .id = "later_failures_are_typed",
        .title = "says why a later step failed",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = later_failures_are_typed,
        .why = "The same errno means different things at different steps.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = API("4.2, 4.7") "; man 2 mmap",
        .hints = {"Is the errno that you report still the one of the failed call when you "
                  "report it? close() may change it.",
                  "The step is part of the meaning: EINVAL from KVM_CREATE_VCPU is about "
                  "the id, from mmap it is not. error->detail is the id for the two kinds "
                  "that are about the id, and 0 for all others.",
                  "Report first (that keeps errno), clean up afterwards, return what you "
                  "reported. Touch error->detail only if error is not NULL."},
        .explanation = "ENOTTY is the kernel's way to say \"this file does not know that "
                       "ioctl\": the right answer to it is that the path is not KVM.",
    },
    {
        .id = "wrong_version_is_refused",
        .title = "refuses an API version other than 12",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = wrong_version_is_refused,
        .why = "api.rst asks applications to refuse to run with any other number.",
        .handout = "Steps, 2",
        .slide = "KVM",
        .manual = API("4.1"),
        .hints =
            {"The ioctl succeeds; its answer is the problem. What is errnum then?",
             "vmm_error_set() returns -EPROTO when errnum is 0. What does the contract "
             "want kvm_open() to return here? And what is still open?",
             "errnum 0, detail = the version; ignore the result of vmm_error_set(), close "
             "the device, return -ENOTSUP."},
        .explanation =
            "A failed call and an answer one cannot live with are different: the "
            "first has an errno, the second has a value worth showing.",
    },
    {
        .id = "missing_extension_is_named",
        .title = "names the extension that is missing",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = missing_extension_is_named,
        .why = "\"KVM is too old\" helps nobody; the number of the extension does.",
        .handout = "Steps, 2",
        .slide = "KVM",
        .manual = API("4.4"),
        .hints =
            {"0 means: not there. Any positive number means: there.",
             "Several may be missing. Which one does the user get to hear of, and what "
             "is still open at that moment?",
             "Stop at the first that answers 0: detail is *capability (the loop's "
             "variable points into kvm_required_extensions), the result -ENOTSUP."},
        .explanation = "Extensions are KVM's way to grow without a new API version: a VMM "
                       "lists what it cannot do without, and asks once, at the start.",
    },
    {
        .id = "small_run_area_is_refused",
        .title = "refuses a kvm_run area that is too small",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = small_run_area_is_refused,
        .why = "Reading past a mapping is a crash far away from its cause.",
        .handout = "Steps, 2",
        .slide = "KVM",
        .manual = API("4.5, 5"),
        .hints =
            {"Which structure has to fit into the area? Exactly as large is large enough.",
             "The ioctl returns an int, sizeof is unsigned: what becomes of -1 when the "
             "two are compared?",
             "A negative answer is a failed call; otherwise compare (size_t)size with "
             "sizeof(struct kvm_run): VMM_ERR_RUN_SIZE, detail = the size, -EPROTO."},
        .explanation =
            "The area is larger than the structure: the page after it carries PIO "
            "data, one more the coalesced ring. That is why the kernel names it.",
    },
    {
        .id = "extension_value_is_handed_on",
        .title = "hands on an extension's value",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = extension_value_is_handed_on,
        .why = "Some extensions answer with a number that matters (how many vCPUs, slots).",
        .handout = "Steps, 4",
        .slide = "KVM",
        .manual = API("4.4"),
        .hints =
            {"Not a yes or no: a number.",
             "ioctl() says in its result that it failed, and in errno why. The caller of "
             "kvm_extension() has only the result.",
             "return value < 0 ? -errno : value;"},
        .explanation = "KVM_CAP_MAX_VCPUS and KVM_CAP_NR_MEMSLOTS are such numbers.",
    },
    {
        .id = "interrupted_create_vm_is_tried_again",
        .title = "tries again when a signal interrupts KVM_CREATE_VM",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = interrupted_create_vm_is_tried_again,
        .why = "A terminal that is resized must not make a VM fail.",
        .handout = "Steps, 5",
        .slide = "KVM",
        .manual = API("4.2") "; man 7 signal",
        .hints = {"Which errno says \"nothing is wrong, a signal came\"?",
                  "How many signals may come before it works? Is there a number that is "
                  "surely enough?",
                  "do fd = ioctl(...); while (fd < 0 && errno == EINTR);"},
        .explanation =
            "Creating a VM can take milliseconds, in which a signal may arrive. A "
            "bounded number of tries would only make the failure rarer.",
    },
    {
        .id = "new_objects_start_empty",
        .title = "new objects start empty, whatever lay there before",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = new_objects_start_empty,
        .why = "Memory on the stack is not zeroed; the later parts believe every field.",
        .handout = "Steps, 5",
        .slide = "KVM",
        .manual = API("4.2") "; common/include/vmm.h",
        .hints =
            {"The object that you are handed may hold anything. Which of its fields does "
             "your function write?",
             "Read struct vm and struct vcpu in vmm.h field by field: what is each before "
             "the first guest has run? And what is the third argument of KVM_CREATE_VM?",
             "Assign the whole structure at once, *vm = (struct vm){.fd = fd, .kvm = kvm}: "
             "the fields that are not named become 0 or NULL."},
        .explanation =
            "A compound literal sets every field, the ones added next year too. A "
            "kick_requested that nobody set would end the first run before it begins.",
    },
    {
        .id = "vcpu_maps_its_run_area",
        .title = "creates vCPUs and maps their kvm_run",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = vcpu_maps_its_run_area,
        .why = "kvm_run is how the kernel tells the VMM what the guest did.",
        .handout = "Steps, 7",
        .slide = "Virtual Machine Control Structure",
        .manual = API("4.7, 5"),
        .hints =
            {"The mapping belongs to the vCPU's descriptor, not to the VM's. Its size has "
             "been asked for already.",
             "Who has to see what you write there, and whose writes do you want to see? "
             "mmap has a flag for that.",
             "mmap(NULL, vm->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, "
             "vcpu->fd, 0); keep run and run_size in *vcpu."},
        .explanation =
            "With MAP_PRIVATE the first write of the VMM makes a private copy: from then "
            "on neither side sees the other. Each vCPU has an area of its own; that is why "
            "the mapping is made from its descriptor.",
    },
    {
        .id = "no_leak_whichever_call_fails",
        .title = "leaks nothing, whichever call fails",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = no_leak_whichever_call_fails,
        .why = "A VM that stays open after an error keeps its memory and its CPU state.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = "common/include/kvm_open.h, the three rules",
        .hints =
            {"For each call, ask: what is open at this moment, and who made it?",
             "A function undoes what it did itself, no more: the kvm and vm objects are "
             "the caller's. And what does its own object read as afterwards?",
             "Let each function fill the object step by step, and call its own destroyer "
             "when a step fails: a destroyer that forgives half-built objects serves "
             "both. Note that MAP_FAILED is not NULL."},
        .explanation =
            "This check makes each call fail in turn. A single exit path that "
            "works on half-built objects is easier to get right than one clean-up "
            "a branch.",
    },
    {
        .id = "destroying_twice_is_harmless",
        .title = "destroys in order, and twice without harm",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = destroying_twice_is_harmless,
        .why = "Closing a number twice closes somebody else's file the second time.",
        .handout = "Steps, 8",
        .slide = "KVM",
        .manual = "man 2 close, man 2 munmap",
        .hints = {"How does a destroyer know that it has been here before?",
                  "\"Not there\" has a value for descriptors and one for pointers: see the "
                  "three rules. 0 is a valid descriptor. In which order were the two made?",
                  "if (run) munmap(run, run_size); if (fd >= 0) close(fd); then reset the "
                  "object: fd = -1, run = NULL."},
        .explanation =
            "The mapping holds a reference to the vCPU of its own: a vCPU that is "
            "closed but mapped still lives.",
    },
    {
        .id = "kernel_sees_the_three_objects",
        .title = "the kernel holds kvm, VMs and vCPUs; then nothing",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = kernel_sees_the_three_objects,
        .why = "The real KVM is the judge of what was created.",
        .handout = "Run it",
        .slide = "KVM",
        .manual = "man 5 proc, /proc/PID/fd",
        .hints =
            {"`make run LAB=1` shows what the kernel holds for your VMM.",
             "Two VMs, each with vCPU 0 and 1, mapped; after destroying: nothing. Which "
             "descriptor does each ioctl go to? Is anything kept in a global?",
             "Objects belong to their parent: vcpu_create() uses vm->fd, vm_create() "
             "kvm->fd. An ioctl without a parameter gets 0, KVM_CREATE_VM gets 0 too."},
        .explanation = "Each object is a file of its own (anon_inode:kvm-vm, "
                       "anon_inode:kvm-vcpu:N): that is how KVM knows who may use it.",
    },
    {
        .id = "forbidden_device_says_so",
        .title = "a device that we may not open says so",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = forbidden_device_says_so,
        .why = "The most common first error of every KVM user.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = "man 2 open",
        .hints = {"The same table as for the other errnos of open.",
                  "Does kvm_open() look at the result of open() before it does anything "
                  "else, and at errno right after it?",
                  "EACCES and EPERM are VMM_ERR_NO_PERMISSION at step OPEN_DEVICE; return "
                  "-errno of the open itself."},
        .explanation = "On most systems /dev/kvm belongs to group kvm; the message that "
                       "vmm_error_describe() makes of your error says how to join it.",
    },
    {
        .id = "second_vcpu_with_the_same_id_is_refused",
        .title = "a vCPU id is used once a VM",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = second_vcpu_with_the_same_id_is_refused,
        .why = "The id is the vCPU's APIC id: two of them would answer one interrupt.",
        .handout = "Errors",
        .slide = "KVM",
        .manual = API("4.7"),
        .hints =
            {"The real KVM refuses with an errno of its own: nothing has to be remembered.",
             "Look up what the contract says for KVM_CREATE_VCPU: there is a kind for "
             "it, and something that belongs into detail.",
             "EEXIST is VMM_ERR_VCPU_EXISTS at step CREATE_VCPU, detail = id."},
        .explanation =
            "The kernel's answer is the authority; the VMM need not keep a list.",
    },
    {
        .id = "first_guest_runs_until_it_halts",
        .title = "a first guest runs on your vCPU until it halts",
        .tenths = 8,
        .target = TARGET_MACHINE,
        .run = first_guest_runs_until_it_halts,
        .why = "This is VM entry and VM exit: root mode to non-root mode and back.",
        .handout = "Run it",
        .slide = "Root and non-root modes",
        .manual = API("4.10, 5"),
        .hints = {"If the other checks pass, this one does.",
                  "It gives your vCPU memory and registers and calls KVM_RUN once; then it "
                  "reads exit_reason through your mapping.",
                  "vcpu->run has to be the shared mapping of this very vCPU."},
        .explanation =
            "kvm_entry and kvm_exit are the kernel's own notes, made where VMRUN "
            "(AMD) or VMLAUNCH (Intel) is executed: nobody in user space can "
            "write them.",
    },
};

const struct lab_checks lab_checks = {
    .name = "01-kvm-open",
    .title = "Open KVM",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
