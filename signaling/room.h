/* room.h - inside signaling/: names as characters. What others need of rooms is in rendezvous.h. */
#ifndef ROOM_H
#define ROOM_H

#include <stddef.h>
#include <stdint.h>

/* Writes RFC 4648 base32 in lower case without padding, and a NUL. `len` is a multiple of 5 bytes, 8
 * characters each. */
void base32_print(char *out, const uint8_t *bytes, size_t len);

#endif
