/* quic_tls.c - the TLS 1.3 session of a QUIC connection: an external PSK and nothing else.
 *
 * Left out: certificates, tickets, 0-RTT. Both sides are proven by the binder in the client's first flight,
 * which only the holder of the PAKE's key can compute; a wrong key fails there (security.md). */
#include "quic_tls.h"

#include "quic.h"
#include "quic_protection.h"

#include <string.h>

/* One suite more than needed, for processors without AES; ECDHE-PSK is psk_dhe_ke, the only exchange of keys
 * offered. */
static const char priority[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"
    ":-GROUP-ALL:+GROUP-X25519:-KX-ALL:+ECDHE-PSK:%DISABLE_TLS13_COMPAT_MODE";
/* The same for everybody: the key belongs to one pair of peers and one session, so that its name says
 * nothing. */
static const char identity[] = "p2pconnect";
static const char alpn[] = "p2pconnect/1";

static int give_key(gnutls_session_t session, const char *username, gnutls_datum_t *key)
{
    const struct quic_tls *tls = gnutls_session_get_ptr(session);
    if (strcmp(username, identity))
        return -1;
    key->data = gnutls_malloc(QUIC_KEY_LEN);
    if (!key->data)
        return -1;
    memcpy(key->data, tls->key, QUIC_KEY_LEN);
    key->size = QUIC_KEY_LEN;
    return 0;
}

static bool set_client(struct quic_tls *tls)
{
    uint8_t key[QUIC_KEY_LEN];
    memcpy(key, tls->key, sizeof key);
    const gnutls_datum_t datum = {.data = key, .size = sizeof key};
    bool ok = !gnutls_psk_allocate_client_credentials(&tls->client) &&
              !gnutls_psk_set_client_credentials(tls->client, identity, &datum, GNUTLS_PSK_KEY_RAW) &&
              !gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->client) &&
              !ngtcp2_crypto_gnutls_configure_client_session(tls->session);
    gnutls_memset(key, 0, sizeof key);
    return ok;
}

static bool set_server(struct quic_tls *tls)
{
    if (gnutls_psk_allocate_server_credentials(&tls->server))
        return false;
    gnutls_psk_set_server_credentials_function(tls->server, give_key);
    return !gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->server) &&
           !ngtcp2_crypto_gnutls_configure_server_session(tls->session);
}

bool tls_start(struct quic_tls *tls, bool client, const uint8_t *key, ngtcp2_crypto_get_conn conn, void *user)
{
    tls->ref = (ngtcp2_crypto_conn_ref){.get_conn = conn, .user_data = user};
    tls->key = key;
    unsigned flags = client ? GNUTLS_CLIENT : GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET;
    if (gnutls_init(&tls->session, flags | GNUTLS_NO_TICKETS))
        return false;
    gnutls_session_set_ptr(tls->session, &tls->ref);
    const gnutls_datum_t protocol = {.data = (unsigned char *)alpn, .size = sizeof alpn - 1};
    bool ok = !gnutls_priority_set_direct(tls->session, priority, NULL) &&
              !gnutls_alpn_set_protocols(tls->session, &protocol, 1, GNUTLS_ALPN_MANDATORY) &&
              (client ? set_client(tls) : set_server(tls));
    if (ok)
        protection_watch(tls->session);
    return ok;
}

void tls_stop(struct quic_tls *tls)
{
    if (tls->session)
        gnutls_deinit(tls->session);
    if (tls->client)
        gnutls_psk_free_client_credentials(tls->client);
    if (tls->server)
        gnutls_psk_free_server_credentials(tls->server);
    memset(tls, 0, sizeof *tls);
}

bool tls_is_agreed(const struct quic_tls *tls)
{
    gnutls_datum_t chosen;
    return gnutls_kx_get(tls->session) == GNUTLS_KX_ECDHE_PSK &&
           !gnutls_alpn_get_selected_protocol(tls->session, &chosen) && chosen.size == sizeof alpn - 1 &&
           !memcmp(chosen.data, alpn, chosen.size);
}
