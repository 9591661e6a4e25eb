/* hash.h - a name for all that a cached thing was made from (SHA-256). */
#ifndef HASH_H
#define HASH_H

#include <stdbool.h>
#include <stddef.h>

struct hash;
struct hash *hash_new(void);
void hash_bytes(struct hash *hash, const void *bytes, size_t size);
void hash_text(struct hash *hash, const char *text);
bool hash_file(struct hash *hash, const char *path); /* name and contents */
/* Contents only, whatever its name; of a sparse file what is not zero, so that it does not
 * matter which zeros are holes. False with errno. */
bool hash_contents(struct hash *hash, const char *path);
void hash_stat(struct hash *hash, const char *path); /* name, size and time */
bool hash_folder(struct hash *hash, const char *path, const char *suffix);
/* Ends the hash: 32 hex digits. */
void hash_finish(struct hash *hash, char key[33]);

#endif
