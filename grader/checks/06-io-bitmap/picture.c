/* picture.c - the student's bitmap and what was decided by it, for `make trace`
 * (grader/pages/bitmap.html). */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "checks.h"

/* The ports whose bit is 0, as pairs of the first and the last one: a list of 65,536 is long. */
static cJSON *passing_list(const uint8_t *pages)
{
    cJSON *list = cJSON_CreateArray();

    for (uint32_t port = 0; port < IO_PORTS; port++) {
        const uint32_t first = port;

        while (port < IO_PORTS && !page_bit(pages, port))
            port++;
        if (port > first) {
            cJSON_AddItemToArray(list, cJSON_CreateNumber(first));
            cJSON_AddItemToArray(list, cJSON_CreateNumber(port - 1));
        }
    }
    return list;
}

static cJSON *device_object(const struct lab06_device *device)
{
    cJSON *object = cJSON_CreateObject();

    cJSON_AddNumberToObject(object, "first", device->first);
    cJSON_AddNumberToObject(object, "count", device->count);
    cJSON_AddBoolToObject(object, "passed", device->kind == IO_DEVICE_PASSED);
    return object;
}

static cJSON *access_object(const struct picture_access *access)
{
    cJSON *object = cJSON_CreateObject();

    cJSON_AddNumberToObject(object, "port", (double)access->port);
    cJSON_AddNumberToObject(object, "size", (double)access->size);
    cJSON_AddStringToObject(object, "text", access->text);
    cJSON_AddBoolToObject(object, "due", access->due);
    cJSON_AddBoolToObject(object, "decided", access->decided);
    if (access->ran)
        cJSON_AddBoolToObject(object, "exited", access->exited);
    return object;
}

void picture_keep(const struct script *s, const struct picture_access *accesses,
                  uint32_t count)
{
    cJSON *view = cJSON_CreateObject(), *devices, *list;
    char *text;

    cJSON_AddItemToObject(view, "passing", passing_list(s->out->snapshots[0]));
    devices = cJSON_AddArrayToObject(view, "devices");
    for (uint32_t i = 0; i < s->devices; i++)
        cJSON_AddItemToArray(devices, device_object(&s->in.devices[i]));
    list = cJSON_AddArrayToObject(view, "accesses");
    for (uint32_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, access_object(&accesses[i]));
    text = cJSON_PrintUnformatted(view);
    if (text)
        judge_view(s->judge, "bitmap", text);
    cJSON_free(text);
    cJSON_Delete(view);
}
