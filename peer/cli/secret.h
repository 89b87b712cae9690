/* secret.h - the room's secret, from a file, the environment or the terminal. */
#ifndef SECRET_H
#define SECRET_H

#include "options.h"

#include <stddef.h>

enum {
    SECRET_MAX = 1024,           /* bytes; a pass phrase is below 100, a key in base64 too */
    SECRET_ROOM_MAX = 128,       /* bytes of a code's NAME */
    TURN_PASSWORD_TEXT_MAX = 763 /* bytes (RFC 8489 9.2.2: as long as the other texts) */
};

struct secret {
    char bytes[SECRET_MAX + 3]; /* CR LF may follow while it is read, then a NUL */
    size_t len;
    char room[SECRET_ROOM_MAX + 1];                 /* of a code; else empty */
    bool given;                                     /* else the room is open */
    char turn_password[TURN_PASSWORD_TEXT_MAX + 1]; /* empty: none */
};

/* Keeps `memory` out of swap where the system lets us (failing to is no error), and the whole program out of
 * cores and of other programs' sight. sodium_munlock wipes it and lets go of it. */
void secret_guard(void *memory, size_t len);

/* Takes P2PCONNECT_SECRET, P2PCONNECT_CODE and P2PCONNECT_TURN_PASSWORD out of the environment and wipes them
 * where they stand, whether they are used or not: neither children nor /proc/PID/environ shall have them. To
 * be called before anything else. */
void secret_take_environment(struct environment_secrets *taken);

/* Whether a code is to be asked, read or was in the environment, so that no --room is needed. */
bool secret_names_room(const struct options *options);

/* Reads the secret, or a code with the room in it. What was said on the command line stands before the
 * environment. Returns 0, or an exit code with the sentence in `complaint`, which never has any of the secret
 * in it. */
int secret_read(struct secret *secret, const struct options *options, char complaint[COMPLAINT_MAX]);
void secret_wipe(struct secret *secret);

#endif
