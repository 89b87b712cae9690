/* quic_tls.h - the TLS 1.3 session of a QUIC connection: an external PSK and nothing else (RFC 9001, RFC
 * 8446 4.2.11). */
#ifndef QUIC_TLS_H
#define QUIC_TLS_H

#include "quic_ngtcp2.h"

#include <stdbool.h>

struct quic_tls {
    ngtcp2_crypto_conn_ref ref; /* what the helper library expects behind the session */
    const uint8_t *key;         /* QUIC_KEY_LEN bytes, the connection's */
    gnutls_session_t session;
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
};

/* `tls` is all zero; `conn` answers the helper's question for the connection of `user`. False: no memory, or
 * the library failed; then tls_stop cleans up. */
bool tls_start(struct quic_tls *tls, bool client, const uint8_t *key, ngtcp2_crypto_get_conn conn,
               void *user);
/* Leaves all zero again; fine for what never started. */
void tls_stop(struct quic_tls *tls);
/* Whether the peer's hello agreed on our PSK, a fresh exchange of keys, and our protocol. */
bool tls_is_agreed(const struct quic_tls *tls);

#endif
