/* file_data.h - bytes and zeros, into a file at an offset. */
#ifndef FILE_DATA_H
#define FILE_DATA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of it. False: errno. */
bool file_data_write(int fd, const uint8_t *data, size_t len, uint64_t at);
/* Zeros are a hole where the file system has any. What is behind the file's end is left to who sets its
 * length. Ends early, with true, when *stop. False: errno. */
bool file_data_write_zeros(int fd, uint64_t at, uint64_t len, const atomic_bool *stop);
/* What was written is on its way to the disk; nothing is waited for, and a system that cannot is none the
 * worse. */
void file_data_hurry(int fd);

#endif
