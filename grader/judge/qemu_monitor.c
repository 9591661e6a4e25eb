/* qemu_monitor.c - the monitor (QMP): one JSON object a line. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "judge/qemu_inside.h"
#include "machine/frames.h"

cJSON *qmp_line_read(int fd)
{
    char line[16384];
    size_t size = 0;

    while (size < sizeof line - 1 && read(fd, line + size, 1) == 1)
        if (line[size++] == '\n') {
            line[size] = 0;
            return cJSON_Parse(line);
        }
    return NULL;
}

cJSON *qmp_command(struct machine *m, const char *json)
{
    if (write_exactly(m->qmp, json, strlen(json)) < 0)
        return NULL;
    for (;;) {
        cJSON *reply = qmp_line_read(m->qmp), *value;

        if (!reply)
            return NULL;
        value = cJSON_DetachItemFromObject(reply, "return");
        bool failed = cJSON_HasObjectItem(reply, "error");
        cJSON_Delete(reply);
        if (value || failed)
            return value;
    }
}

bool qmp_do(struct machine *m, const char *json)
{
    cJSON *value = qmp_command(m, json);

    cJSON_Delete(value);
    return value != NULL;
}
