/* nice_tls - a handshake on the path of the libnice peers, keyed by the password exchange, with GnuTLS.
 *
 * TLS 1.3 by an external key, ECDHE-PSK, its records carried in datagrams: one round trip, and the server may
 * speak in its first flight. That costs what QUIC's handshake does. A program on libnice usually has
 * DTLS 1.2, which takes two. */
#ifndef NICE_TLS_H
#define NICE_TLS_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

enum { NICE_TLS_KEY = 32, NICE_TLS_BUFFER = 16384 };

/* Sends one datagram; false when there is no path yet. */
typedef bool nice_tls_send(void *user, const void *data, size_t length);

struct nice_tls {
    gnutls_session_t session;
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
    bool done;
    unsigned char key[NICE_TLS_KEY];
    unsigned char buffer[NICE_TLS_BUFFER]; /* arrived, not yet read */
    size_t used;
    nice_tls_send *send;
    void *user;
};

/* 0 or a GnuTLS error; TLS must not move afterwards. */
int nice_tls_start(struct nice_tls *tls, bool server, const unsigned char key[NICE_TLS_KEY],
                   nice_tls_send *send, void *user);

void nice_tls_arrived(struct nice_tls *tls, const void *data, size_t length);

/* Goes on with the handshake: 1 when data may be sent, 0 when something must arrive first, or a GnuTLS error.
 */
int nice_tls_step(struct nice_tls *tls);

/* Bytes of data read, 0 when none has arrived, or a GnuTLS error. */
int nice_tls_read(struct nice_tls *tls, void *data, size_t size);

/* 0 or a GnuTLS error. */
int nice_tls_write(struct nice_tls *tls, const void *data, size_t length);

void nice_tls_end(struct nice_tls *tls);

#endif
