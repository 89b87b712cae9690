/* secret.h - the room's secret, from a file, the environment or the terminal. */
#ifndef SECRET_H
#define SECRET_H

#include "options.h"

enum { SECRET_MAX = 1024 }; /* bytes; a pass phrase is below 100, a key in base64 too */

struct secret {
    char bytes[SECRET_MAX + 2]; /* a line feed and a NUL may follow while it is read */
    size_t len;
    bool given; /* else the room is open */
};

/* Takes P2PCONNECT_SECRET out of the environment and wipes it there, whether it is used or not: neither
 * children nor /proc/PID/environ shall have it. Then the file, the terminal, the environment, in this order.
 * Returns 0, or an exit code with the sentence in `complaint`. */
int secret_read(struct secret *secret, const struct options *options, char complaint[COMPLAINT_MAX]);
void secret_wipe(struct secret *secret);

#endif
