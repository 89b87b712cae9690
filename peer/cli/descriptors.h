/* descriptors.h - how many files and sockets may be open at once. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

/* Raises the limit to `wanted`, or as far as the system lets us; the usual one is 1024. It is never lowered.
 * Returns what it is now, `wanted` at most; 0: unknown. */
unsigned descriptors_raise(unsigned wanted);

#endif
