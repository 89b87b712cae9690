/* file_part.h - what an unfinished file is called: NAME.0123456789abcdef.part, beside its later place. */
#ifndef FILE_PART_H
#define FILE_PART_H

#include <stdbool.h>
#include <stddef.h>

enum { PART_NAME_MAX = 256 };

/* `path` as in the manifest; the digits are 64 bits of BLAKE2b over all of it. A long name is cut. */
void part_name(char out[PART_NAME_MAX], const char *path);
/* Whether a name (without folders) looks like one. */
bool part_name_is(const char *name, size_t len);

#endif
