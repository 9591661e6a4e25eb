/* layout.c - the texts as other tools take them: a folder a student, and the starter apart.
 *   MOSS   moss -l c -d -b starter/part.c ... students/WHO/part.c ...
 *   JPlag  java -jar jplag.jar -l c -bc starter students
 *   Dolos  dolos run -l c -i starter/part.c students/WHO/part.c ... */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/command.h"
#include "lib/json.h"
#include "similarity/similarity.h"

static bool starter_write(const char *folder, const struct lab *lab)
{
    char from[PATH_ROOM], to[PATH_ROOM], *starter = NULL;
    char *argv[] = {"grader/verbs/starters.sh", "print", from, NULL};
    bool ok;

    path_make(to, "%s/other-tools/%s/starter", folder, lab->name);
    ok = folder_make(to);
    for (int i = 0; ok && i < lab->part_count; i++) {
        path_make(from, "solutions/%s/%s", lab->name, lab->parts[i]);
        path_make(to, "%s/other-tools/%s/starter/%s", folder, lab->name, lab->parts[i]);
        ok = command_run(argv, &starter, 30) == 0 &&
             file_write(to, starter, strlen(starter));
        free(starter);
    }
    return ok;
}

static bool student_write(const char *folder, const struct course *c, const struct lab *lab,
                          const cJSON *student)
{
    const char *parts = json_text(try_counting(student), "parts");
    char from[PATH_ROOM], to[PATH_ROOM];
    bool ok = true;

    for (int i = 0; ok && parts[0] && i < lab->part_count; i++) {
        path_make(from, "%s/parts/%s/%s/%s", c->folder, parts, lab->name, lab->parts[i]);
        path_make(to, "%s/other-tools/%s/students/%s", folder, lab->name,
                  json_text(student, "folder"));
        ok = folder_make(to);
        path_make(to, "%s/other-tools/%s/students/%s/%s", folder, lab->name,
                  json_text(student, "folder"), lab->parts[i]);
        ok = ok && (file_copy(from, to) || errno == ENOENT);
    }
    return ok;
}

bool layout_write(const char *folder, const struct course *c, const struct lab *lab)
{
    const cJSON *student;
    bool ok = starter_write(folder, lab);

    cJSON_ArrayForEach(student, cJSON_GetObjectItem(c->plan, "students"))
    {
        ok = ok && student_write(folder, c, lab, student);
    }
    return ok;
}
