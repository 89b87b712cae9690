/* veil.h - hides from those who do not know the room's name what a peer is there for.
 *
 * Purpose, slots and freshness would be the same in every run, and a public broker shows all rooms to
 * whoever asks. The veil is no secret of the pair: the room's name opens it, and whoever guesses the name
 * too. It must not hang on the room's secret, or a recorded hello would allow guesses off line. */
#ifndef VEIL_H
#define VEIL_H

#include "message.h"

enum { VEIL_KEY_LEN = 32 };

/* BLAKE2b-256(lv_cat("p2pconnect/1 veil", room's name)). */
void veil_key(uint8_t key[VEIL_KEY_LEN], const char *room);
/* Fills message->veil from purpose, slots and fresh; of a hello, pake1 or pake2 whose type, from and nonce
 * are set. */
void veil_close(const uint8_t key[VEIL_KEY_LEN], struct message *message);
/* The other way. False: made under another name, altered, or moved from another message; or what is in it
 * breaks the rules. */
bool veil_open(const uint8_t key[VEIL_KEY_LEN], struct message *message);

#endif
