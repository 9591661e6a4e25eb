/* 11-boot-linux.c - dispatcher of lab 11: boots a Linux with all parts. */
#define _GNU_SOURCE
#include "11-boot-linux.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "subject.h"

#define DEVICE "0000:00:05.0"

/* --- LAB11_BOOT ------------------------------------------------------------------------------ */

static int file_map(struct boot_file *file, const char *path)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC), error;
    void *bytes;

    if (fd < 0 || fstat(fd, &s) < 0)
        return -errno;
    bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    error = errno;
    close(fd);
    if (bytes == MAP_FAILED)
        return -error;
    *file = (struct boot_file){bytes, (size_t)s.st_size};
    return 0;
}

/* The device's group, "/dev/vfio/N". */
static int group_find(char *path, size_t size)
{
    char link[256];
    ssize_t n =
        readlink("/sys/bus/pci/devices/" DEVICE "/iommu_group", link, sizeof link - 1);

    if (n < 0)
        return -errno;
    link[n] = 0;
    snprintf(path, size, "/dev/vfio/%.20s", strrchr(link, '/') + 1);
    return 0;
}

static void boot_note(const struct linux_vm *machine, struct lab11_boot_output *out)
{
    out->step = machine->step;
    out->status = machine->stop.status;
    out->detail = machine->stop.detail;
    out->powered_off = machine->platform.powered_off;
    out->reset = machine->platform.reset;
    out->device_error = machine->device_error;
    out->unclaimed = machine->unclaimed;
    memcpy(out->exits, machine->exits, sizeof out->exits);
}

static void boot(struct subject *subject)
{
    const struct lab11_boot *in = subject->input;
    struct lab11_boot_output *out = subject->output;
    static struct linux_vm machine;
    char group[64];
    struct linux_vm_request request = {.command_line = in->command_line,
                                       .ram_size = (uint64_t)in->ram_mib << 20,
                                       .has_pci = in->has_pci,
                                       .address = DEVICE,
                                       .keys = in->terminal ? 0 : -1,
                                       .console = in->terminal ? 1 : -1,
                                       .ready = in->terminal ? NULL : subject_checkpoint,
                                       .ended = in->terminal ? NULL : subject_checkpoint};

    subject->output_size = sizeof *out;
    out->result = file_map(&request.kernel, LAB11_KERNEL);
    if (out->result == 0)
        out->result = file_map(&request.initramfs, LAB11_INITRAMFS);
    if (out->result == 0 && in->device) {
        out->result = group_find(group, sizeof group);
        request.group_path = group;
    }
    if (out->result < 0)
        return;
    out->result = linux_vm_run(&machine, &request);
    boot_note(&machine, out);
}

const subject_entry subject_entries[LAB11_ENTRIES] = {[LAB11_BOOT] = boot};
const size_t subject_entry_count = LAB11_ENTRIES;
