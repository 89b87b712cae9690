/* tls.h - the client's side of TLS to a server that a name stands for: TURN servers. */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>

/* The authorities that may vouch for a name: the system's, or those of the file that SSL_CERT_FILE names. */
struct tls_trust;
/* NULL: no memory, or they cannot be read. */
struct tls_trust *tls_trust_new(void);
void tls_trust_free(struct tls_trust *trust);

/* The bytes underneath: as recv (-1 and errno EAGAIN: none now), and all or nothing (false: broken). */
struct tls_carrier {
    ptrdiff_t (*read)(void *context, void *data, size_t len);
    bool (*write)(void *context, const void *data, size_t len);
    void *context;
};

struct tls;

enum { TLS_AGAIN = -1, TLS_BROKEN = -2, TLS_TEXT_MAX = 160 };

/* A session with `host`, a name or an address, which the certificate must be for. NULL: no memory. */
struct tls *tls_new(const struct tls_trust *trust, const char *host, const struct tls_carrier *carrier);
/* Without a goodbye. NULL is fine. */
void tls_free(struct tls *tls);
/* 0: done, TLS_AGAIN: when more bytes came, TLS_BROKEN. */
int tls_handshake(struct tls *tls);
/* Bytes (> 0), 0 at the end, TLS_AGAIN or TLS_BROKEN. */
ptrdiff_t tls_read(struct tls *tls, void *data, size_t len);
/* Takes all of it. False: broken. */
bool tls_write(struct tls *tls, const void *data, size_t len);
/* What broke it, in words without a full stop. */
const char *tls_problem(const struct tls *tls);

#endif
