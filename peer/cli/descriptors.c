/* descriptors.c - how many files and sockets may be open at once. */
#include "descriptors.h"

#include <sys/resource.h>

unsigned descriptors_raise(unsigned wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < wanted) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            limit.rlim_cur = before;
    }
    return limit.rlim_cur < wanted ? (unsigned)limit.rlim_cur : wanted;
}
