/* json.h - members of cJSON objects that may not be there. */
#ifndef JSON_H
#define JSON_H

#include <cjson/cJSON.h>

const char *json_text(const cJSON *object, const char *name); /* "" where there is none */
int json_int(const cJSON *object, const char *name);          /* 0 where there is none */

#endif
