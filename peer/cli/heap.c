/* heap.c - a heap for who moves much: glibc's is told to keep some of it; what others do is theirs. */
#include "heap.h"

#include <stdlib.h> /* says whose it is */

#ifdef __GLIBC__
#include <malloc.h>

enum {
    HEAP_KEPT = 8 << 20, /* bytes of free heap that are not given back */
    HEAP_STEP = 1 << 20, /* bytes asked for at once */
};

void heap_keep(void)
{
    mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
    mallopt(M_TOP_PAD, HEAP_STEP);
}
#else
void heap_keep(void)
{
}
#endif
