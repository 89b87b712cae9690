/* memory_file.h - what the library has learnt of networks, kept between runs in the user's state folder. */
#ifndef MEMORY_FILE_H
#define MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "p2pconnect.h"

enum { MEMORY_FILE_WHY_MAX = 200 };

/* $XDG_STATE_HOME/p2pconnect/paths, or ~/.local/state/p2pconnect/paths. Returns its bytes into `out`; 0:
 * there is nothing to be had, and `why` says why, or is empty where there is no file. Never an error. */
size_t memory_file_read(uint8_t out[P2P_MEMORY_MAX], char why[MEMORY_FILE_WHY_MAX]);
/* Adds what the node has learnt to what is there by now; the file is the user's alone, and whole at any
 * moment. `why` says why not, or is empty. */
void memory_file_write(const struct p2p_node *node, char why[MEMORY_FILE_WHY_MAX]);

#endif
