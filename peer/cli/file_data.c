/* file_data.c - bytes and zeros, into a file at an offset. */
#include "file_data.h"

#include "file_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_data_write(int fd, const uint8_t *data, size_t len, uint64_t at)
{
    while (len > 0) {
        ssize_t written = pwrite(fd, data, len, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written, len -= (size_t)written, at += (uint64_t)written;
    }
    return true;
}

/* Zeros over what is no hole already, for file systems that cannot make holes. */
static bool overwrite(int fd, uint64_t at, uint64_t end, const atomic_bool *stop)
{
    static const uint8_t zeros[LEAF_LEN];
    while (at < end && !atomic_load(stop)) {
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return true; /* a hole up to the end */
        at = data < 0 || (uint64_t)data < at ? at : (uint64_t)data;
        size_t len = at >= end ? 0 : end - at < LEAF_LEN ? (size_t)(end - at) : LEAF_LEN;
        if (!file_data_write(fd, zeros, len, at))
            return false;
        at += len;
    }
    return true;
}

/* False: the system or the file system has none. */
static bool punch_hole(int fd, uint64_t at, uint64_t end)
{
#ifdef FALLOC_FL_PUNCH_HOLE
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)(end - at)) == 0;
#else
    (void)fd, (void)at, (void)end;
    return false;
#endif
}

bool file_data_write_zeros(int fd, uint64_t at, uint64_t len, const atomic_bool *stop)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    uint64_t size = (uint64_t)status.st_size, end = at + len < size ? at + len : size;
    return at >= size || punch_hole(fd, at, end) || overwrite(fd, at, end, stop);
}

void file_data_hurry(int fd)
{
#ifdef SYNC_FILE_RANGE_WRITE /* Linux */
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd;
#endif
}
