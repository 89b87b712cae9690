/* heap.h - a heap for who moves much. */
#ifndef HEAP_H
#define HEAP_H

/* What streams hold comes and goes by the megabyte. Given back to the system each time, it must be asked for
 * and zeroed again: a third of a receiver's system time. So some is kept. */
void heap_keep(void);

#endif
