/* zip.h - archives that we write: the same bytes in, the same bytes out. */
#ifndef ZIP_H
#define ZIP_H

#include <stdbool.h>

struct zip;

/* Begins an archive that will be there whole or not at all. NULL with errno. */
struct zip *zip_begin(const char *path);
/* Puts a file in, under a name. */
bool zip_file(struct zip *zip, const char *name, const char *path);
/* Closes it; true: it is there. NULL: false. */
bool zip_end(struct zip *zip);

#endif
