/* machine_look.c - looking into the machine from outside, while it runs: what the IOMMU did, and
 * physical memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "judge/qemu_inside.h"
#include "machine/frames.h"

/* What the IOMMU does with the device's accesses goes to a file of ours. Nothing else does:
 * each further event would cost time in every run. */
void events_arguments(struct arguments *a, int events)
{
    argument_add(a, "-D");
    argument_add(a, "/proc/self/fd/%d", events);
    for (const char *const *event =
             (const char *const[]){"vtd_dmar_translate", "vtd_dmar_fault", "vtd_frr_new",
                                   NULL};
         *event; event++) {
        argument_add(a, "-trace");
        argument_add(a, "%s", *event);
    }
}

size_t machine_events_size(const struct machine *m)
{
    struct stat s;

    return m->events >= 0 && fstat(m->events, &s) == 0 ? (size_t)s.st_size : 0;
}

char *machine_events_text(const struct machine *m, size_t from)
{
    size_t end = machine_events_size(m), size = end > from ? end - from : 0;
    char *text = calloc(1, size + 1);

    if (text && size && pread(m->events, text, size, (off_t)from) < 0)
        text[0] = 0;
    return text;
}

/* Answers to the words of machine_wake() may still lie unread before it: look for its id. */
static bool qmp_answered(struct machine *m, const char *id)
{
    for (;;) {
        cJSON *reply = qmp_line_read(m->qmp);
        const cJSON *its = cJSON_GetObjectItem(reply, "id");
        bool found = cJSON_IsString(its) && strcmp(its->valuestring, id) == 0;
        bool good = found && cJSON_HasObjectItem(reply, "return");

        cJSON_Delete(reply);
        if (found || !reply)
            return good;
    }
}

int machine_physical_read(struct machine *m, uint64_t address, void *buffer, size_t size)
{
    static unsigned count;
    char command[300], id[32];

    snprintf(id, sizeof id, "read-%d-%u", getpid(), count++);
    snprintf(command, sizeof command,
             "{\"execute\":\"pmemsave\",\"id\":\"%s\",\"arguments\":{\"val\":%" PRIu64
             ",\"size\":%zu,\"filename\":\"/proc/self/fd/%d\"}}",
             id, address, size, m->memory);
    receive_timeout_set(m->qmp, WAKE_SECONDS);
    if (write_exactly(m->qmp, command, strlen(command)) < 0 || !qmp_answered(m, id) ||
        pread(m->memory, buffer, size, 0) != (ssize_t)size)
        return -EIO;
    return 0;
}
