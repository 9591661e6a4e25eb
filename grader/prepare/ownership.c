/* ownership.c - a build folder that somebody else made: root, with `sudo make`. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prepare/prepare.h"

#define DEPTH                                                                              \
    2 /* build/traces/NN-name: below, a folder's owner can replace what he wants */

static bool foreign(const char *path, struct stat *s)
{
    return lstat(path, s) == 0 && s->st_uid != geteuid() && !S_ISLNK(s->st_mode) &&
           access(path, W_OK) < 0;
}

static bool foreign_find(char *path, const char *folder, int depth)
{
    struct dirent *entry;
    struct stat s;
    bool found = false;
    DIR *dir;

    path_make(path, "%s", folder);
    if (foreign(path, &s))
        return true;
    dir = depth > 0 && S_ISDIR(s.st_mode) ? opendir(folder) : NULL;
    while (dir && !found && (entry = readdir(dir)))
        if (entry->d_name[0] != '.') {
            char inner[PATH_ROOM];

            path_make(inner, "%s/%s", folder, entry->d_name);
            found = foreign_find(path, inner, depth - 1);
        }
    if (dir)
        closedir(dir);
    return found;
}

bool build_is_ours(char *why, size_t size)
{
    const struct passwd *me = getpwuid(geteuid());
    char path[PATH_ROOM];

    why[0] = 0;
    if (!foreign_find(path, "build", DEPTH))
        return true;
    snprintf(why, size,
             "%.100s belongs to somebody else (was it made with sudo?). Mend it: sudo "
             "chown -R %.40s build",
             path, me ? me->pw_name : "$(id -u)");
    return false;
}
