/* nice_tls.c - a handshake on the path of the libnice peers, keyed by the password exchange, with GnuTLS.
 *
 * TLS 1.3 has no retransmission here: a lost or reordered datagram ends the run. That favours the rival,
 * which would otherwise pay for the recovery that QUIC has, and is right only for measuring on a path that
 * loses nothing. */
#include "nice_tls.h"

#include <errno.h>
#include <string.h>

enum { DATAGRAM_MAX = 1200 };

static const char TLS13[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-GROUP-ALL:+GROUP-X25519:"
                            "-CIPHER-ALL:+AES-128-GCM:%DISABLE_TLS13_COMPAT_MODE";

/* One flight of records goes out together, cut into datagrams. */
static ssize_t tls_push(gnutls_transport_ptr_t ptr, const giovec_t *iov, int count)
{
    struct nice_tls *tls = ptr;
    unsigned char datagram[DATAGRAM_MAX];
    size_t used = 0;
    for (int i = 0; i < count && used < sizeof(datagram); i++) {
        size_t room = sizeof(datagram) - used, take = iov[i].iov_len < room ? iov[i].iov_len : room;
        memcpy(datagram + used, iov[i].iov_base, take);
        used += take;
    }
    if (tls->send(tls->user, datagram, used))
        return (ssize_t)used;
    gnutls_transport_set_errno(tls->session, EAGAIN);
    return -1;
}

static ssize_t tls_pull(gnutls_transport_ptr_t ptr, void *data, size_t size)
{
    struct nice_tls *tls = ptr;
    size_t take = tls->used < size ? tls->used : size;
    if (take == 0) {
        gnutls_transport_set_errno(tls->session, EAGAIN);
        return -1;
    }
    memcpy(data, tls->buffer, take);
    tls->used -= take;
    memmove(tls->buffer, tls->buffer + take, tls->used);
    return (ssize_t)take;
}

static int tls_pull_timeout(gnutls_transport_ptr_t ptr, unsigned int ms)
{
    (void)ms;
    return ((struct nice_tls *)ptr)->used > 0;
}

static int tls_server_key(gnutls_session_t session, const char *username, gnutls_datum_t *key)
{
    (void)username;
    const struct nice_tls *tls = gnutls_transport_get_ptr(session);
    key->data = gnutls_malloc(NICE_TLS_KEY);
    if (!key->data)
        return -1;
    memcpy(key->data, tls->key, NICE_TLS_KEY);
    key->size = NICE_TLS_KEY;
    return 0;
}

static int tls_credentials(struct nice_tls *tls, bool server)
{
    int err;
    if (server) {
        if ((err = gnutls_psk_allocate_server_credentials(&tls->server)) != 0)
            return err;
        gnutls_psk_set_server_credentials_function(tls->server, tls_server_key);
        return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->server);
    }
    gnutls_datum_t key = {tls->key, NICE_TLS_KEY};
    if ((err = gnutls_psk_allocate_client_credentials(&tls->client)) != 0)
        return err;
    if ((err = gnutls_psk_set_client_credentials(tls->client, "peer", &key, GNUTLS_PSK_KEY_RAW)) != 0)
        return err;
    return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->client);
}

int nice_tls_start(struct nice_tls *tls, bool server, const unsigned char key[NICE_TLS_KEY],
                   nice_tls_send *send, void *user)
{
    unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | (server ? GNUTLS_SERVER : GNUTLS_CLIENT);
    tls->send = send, tls->user = user;
    memcpy(tls->key, key, NICE_TLS_KEY);
    flags |= server ? GNUTLS_ENABLE_EARLY_START : 0;
    int err = gnutls_init(&tls->session, flags);
    if (!err)
        err = gnutls_priority_set_direct(tls->session, TLS13, NULL);
    if (!err)
        err = tls_credentials(tls, server);
    if (err)
        return err;
    gnutls_transport_set_ptr(tls->session, tls);
    gnutls_transport_set_vec_push_function(tls->session, tls_push);
    gnutls_transport_set_pull_function(tls->session, tls_pull);
    gnutls_transport_set_pull_timeout_function(tls->session, tls_pull_timeout);
    return 0;
}

void nice_tls_arrived(struct nice_tls *tls, const void *data, size_t length)
{
    if (length > sizeof(tls->buffer) - tls->used)
        return;
    memcpy(tls->buffer + tls->used, data, length);
    tls->used += length;
}

int nice_tls_step(struct nice_tls *tls)
{
    if (tls->done)
        return 1;
    int err = gnutls_handshake(tls->session);
    if (err == GNUTLS_E_AGAIN || err == GNUTLS_E_INTERRUPTED)
        return 0;
    if (err != 0)
        return err;
    tls->done = true;
    return 1;
}

int nice_tls_read(struct nice_tls *tls, void *data, size_t size)
{
    ssize_t got = gnutls_record_recv(tls->session, data, size);
    return got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED ? 0 : (int)got;
}

int nice_tls_write(struct nice_tls *tls, const void *data, size_t length)
{
    ssize_t sent = gnutls_record_send(tls->session, data, length);
    return sent < 0 ? (int)sent : 0;
}

void nice_tls_end(struct nice_tls *tls)
{
    if (tls->session)
        gnutls_deinit(tls->session);
    if (tls->client)
        gnutls_psk_free_client_credentials(tls->client);
    if (tls->server)
        gnutls_psk_free_server_credentials(tls->server);
}
