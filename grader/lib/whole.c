/* whole.c - files that are there whole or not at all. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/files.h"
#include "lib/whole.h"

FILE *whole_open(char *fresh, const char *path)
{
    int fd;

    path_make(fresh, "%s.XXXXXX", path);
    fd = mkstemp(fresh);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

bool whole_close(FILE *out, const char *fresh, const char *path)
{
    bool ok = out && ferror(out) == 0;

    if (out)
        ok = fclose(out) == 0 && ok;
    ok = ok && chmod(fresh, 0644) == 0 && rename(fresh, path) == 0;
    if (!ok)
        unlink(fresh);
    return ok;
}
