/* manifest.h - is what was made once (a kernel, a snapshot) still as it was made?
 *
 *   manifest   name, size and hash of each file; written last and never changed: it names the
 *              contents, on whatever disk and in whatever image they lie
 *   times      when the files were last changed, as of the last time that the hashes were right
 *
 * To hash a snapshot takes about as long as to restore it (0.06 to 0.15 s). So it is only done
 * where the sizes are right and a time is not: that is a copy (docker keeps whole seconds, cp
 * says the present) or damage. A copy is remembered, and costs that once. */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <stdbool.h>

/* Both take names of files in folder, ended by NULL. */

/* Notes what the files are now. False with errno. */
bool manifest_write(const char *folder, const char *const *files);

/* Are they what was noted? */
bool manifest_holds(const char *folder, const char *const *files);

#endif
