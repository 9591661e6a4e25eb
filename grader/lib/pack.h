/* pack.h - archives that we write: the same bytes in, the same bytes out. */
#ifndef PACK_H
#define PACK_H

#include <stdbool.h>

struct pack;

/* Begins an archive that will be there whole or not at all: ".zip", else .tar.gz. NULL with errno. */
struct pack *pack_begin(const char *path);
/* Puts a file in, under a name. */
bool pack_file(struct pack *pack, const char *name, const char *path);
/* Puts in all files of a folder and those below it, in the order of their names. */
bool pack_folder(struct pack *pack, const char *name, const char *path);
/* Closes it; true: it is there. NULL: false. */
bool pack_end(struct pack *pack);

#endif
