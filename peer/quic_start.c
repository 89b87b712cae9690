/* quic_start.c - how a connection of ngtcp2 begins: its settings, what it calls back, the handshake's steps.
 */
#include "quic_protection.h"
#include "quic_state.h"

#include <assert.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

enum {
    DATAGRAM_FRAME_MAX = 65535,
    ACTIVE_IDS = 2,       /* RFC 9000 18.2, the least: one path needs one */
    RTT_UNKNOWN_MS = 100, /* RFC 9002 6.2.2 says 333; ours is known to be a path that just answered a check */
    RTT_MIN_MS = 1,
};

ngtcp2_path quic_path(void)
{
    static struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = 1, .sin_addr = {1}};
    static struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = 2, .sin_addr = {2}};
    return (ngtcp2_path){.local = {.addr = (ngtcp2_sockaddr *)&local, .addrlen = sizeof local},
                         .remote = {.addr = (ngtcp2_sockaddr *)&remote, .addrlen = sizeof remote}};
}

static void on_random(uint8_t *dest, size_t len, const ngtcp2_rand_ctx *context)
{
    const struct quic *quic = context->native_handle;
    quic->random->fill(quic->random->context, dest, len);
}

static void make_id(const struct quic *quic, ngtcp2_cid *cid, size_t len)
{
    assert(len == QUIC_CID_LEN);
    uint8_t bytes[QUIC_CID_LEN];
    memcpy(bytes, quic->tag, QUIC_TAG_LEN);
    quic->random->fill(quic->random->context, bytes + QUIC_TAG_LEN, QUIC_CID_LEN - QUIC_TAG_LEN);
    ngtcp2_cid_init(cid, bytes, QUIC_CID_LEN);
}

static int on_new_id(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t len, void *user)
{
    (void)conn;
    const struct quic *quic = user;
    make_id(quic, cid, len);
    quic->random->fill(quic->random->context, token, NGTCP2_STATELESS_RESET_TOKENLEN);
    return 0;
}

static int on_path_challenge(ngtcp2_conn *conn, uint8_t *data, void *user)
{
    (void)conn;
    const struct quic *quic = user;
    quic->random->fill(quic->random->context, data, NGTCP2_PATH_CHALLENGE_DATALEN);
    return 0;
}

static int on_crypto_data(ngtcp2_conn *conn, ngtcp2_encryption_level level, uint64_t offset,
                          const uint8_t *data, size_t len, void *user)
{
    struct quic *quic = user;
    quic->crypto_seen = true;
    return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, len, user);
}

static _Thread_local unsigned decryptions;

unsigned quic_decryptions(void)
{
    return decryptions;
}

static int on_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
                      const uint8_t *text, size_t len, const uint8_t *nonce, size_t nonce_len,
                      const uint8_t *aad, size_t aad_len)
{
    int err = protection_decrypt(dest, aead, context, text, len, nonce, nonce_len, aad, aad_len);
    decryptions += !err;
    return err;
}

static void set_connected(struct quic *quic)
{
    if (quic->can_send)
        return;
    quic->can_send = true;
    quic->tell_connected = true;
}

/* The server's key for application data is there after its own Finished: the binder has proven the client,
 * and no round trip is needed to answer it (RFC 8446 2, figure 1; RFC 9001 4.1.4). */
static int on_transmit_key(ngtcp2_conn *conn, ngtcp2_encryption_level level, void *user)
{
    (void)conn;
    struct quic *quic = user;
    if (!quic->client && level == NGTCP2_ENCRYPTION_LEVEL_1RTT && tls_is_agreed(&quic->tls))
        set_connected(quic);
    return 0;
}

static int on_confirmed(ngtcp2_conn *conn, void *user)
{
    (void)conn;
    struct quic *quic = user;
    quic->confirmed = true;
    flight_forget(quic);
    return 0;
}

static int on_handshake(ngtcp2_conn *conn, void *user)
{
    struct quic *quic = user;
    if (!tls_is_agreed(&quic->tls))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    sodium_memzero(quic->key, sizeof quic->key);
    set_connected(quic);
    return quic->client ? 0
                        : on_confirmed(conn, user); /* RFC 9001 4.1.2: the client waits for HANDSHAKE_DONE */
}

static int on_datagram(ngtcp2_conn *conn, uint32_t flags, const uint8_t *data, size_t len, void *user)
{
    (void)conn, (void)flags;
    struct quic *quic = user;
    if (datagram_push(&quic->datagrams_in, data, len) && quic->datagram_armed) {
        quic->datagram_armed = false;
        quic->tell_datagram = true;
    }
    return 0;
}

static const ngtcp2_callbacks *callbacks(void)
{
    static const ngtcp2_callbacks table = {
        .client_initial = ngtcp2_crypto_client_initial_cb,
        .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
        .recv_crypto_data = on_crypto_data,
        .handshake_completed = on_handshake,
        .handshake_confirmed = on_confirmed,
        .encrypt = protection_encrypt,
        .decrypt = on_decrypt,
        .hp_mask = protection_mask,
        .recv_stream_data = stream_on_data,
        .acked_stream_data_offset = stream_on_acked,
        .stream_open = stream_on_open,
        .stream_close = stream_on_close,
        .recv_retry = ngtcp2_crypto_recv_retry_cb,
        .extend_max_local_streams_bidi = streams_on_limit,
        .extend_max_local_streams_uni = streams_on_limit,
        .rand = on_random,
        .get_new_connection_id = on_new_id,
        .update_key = protection_update,
        .stream_reset = stream_on_reset,
        .extend_max_stream_data = stream_on_window,
        .delete_crypto_aead_ctx = protection_forget,
        .delete_crypto_cipher_ctx = protection_forget_mask,
        .recv_datagram = on_datagram,
        .get_path_challenge_data = on_path_challenge,
        .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
        .recv_tx_key = on_transmit_key,
    };
    return &table;
}

/* For the time until it is measured: the caller's estimate and a margin (trap 3). */
uint64_t quic_likely_rtt(const struct quic *quic)
{
    uint64_t rtt = quic->rtt ? quic->rtt + quic->rtt / 4 : RTT_UNKNOWN_MS * NS_PER_MS;
    return rtt > RTT_MIN_MS * NS_PER_MS ? rtt : RTT_MIN_MS * NS_PER_MS;
}

static ngtcp2_cc_algo algorithm_of(enum quic_congestion congestion)
{
    switch (congestion) {
    case QUIC_CONGESTION_CUBIC:
        return NGTCP2_CC_ALGO_CUBIC;
    case QUIC_CONGESTION_BBR:
        return QUIC_ALGORITHM_BBR;
    case QUIC_CONGESTION_DEFAULT:
        break;
    }
    return QUIC_ALGORITHM_DEFAULT;
}

static void set_settings(const struct quic *quic, ngtcp2_settings *settings, uint64_t now)
{
    uint64_t elapsed = now - quic->started, limit = QUIC_HANDSHAKE_S * NS_PER_S;
    ngtcp2_settings_default(settings);
    settings->cc_algo = algorithm_of(quic->congestion);
    settings->initial_ts = quic_clock(quic, now);
    settings->initial_rtt = quic_likely_rtt(quic);
    settings->handshake_timeout = elapsed < limit ? limit - elapsed : 1;
    settings->max_tx_udp_payload_size = quic->payload_max;
    settings->no_tx_udp_payload_size_shaping = 1;
    settings->no_pmtud = 1;
    if (quic->streams_max > QUIC_STREAMS_MAX)
        settings->max_stream_window = QUIC_STREAM_WINDOW;
    settings->rand_ctx.native_handle = (void *)quic;
}

/* Windows are fixed: ngtcp2 would grow them to these anyhow, and memory is spent only when a reader is slow.
 * Not so of very many streams, all of whose readers may stop: they grow, and what they begin with is theirs.
 */
static void set_params(const struct quic *quic, ngtcp2_transport_params *params)
{
    bool many = quic->streams_max > QUIC_STREAMS_MAX;
    uint64_t window = many ? QUIC_FIRST_WINDOW : QUIC_STREAM_WINDOW;
    ngtcp2_transport_params_default(params);
    params->initial_max_stream_data_bidi_local = window;
    params->initial_max_stream_data_bidi_remote = window;
    params->initial_max_stream_data_uni = window;
    params->initial_max_data = QUIC_WINDOW + (many ? window * quic->streams_max : 0);
    params->initial_max_streams_bidi = quic->streams_max;
    params->initial_max_streams_uni = QUIC_STREAMS_MAX;
    params->max_idle_timeout = QUIC_IDLE_S * NGTCP2_SECONDS;
    params->active_connection_id_limit = ACTIVE_IDS;
    params->max_datagram_frame_size = DATAGRAM_FRAME_MAX;
    params->disable_active_migration = 1;
    params->grease_quic_bit = 0;
}

static ngtcp2_conn *get_conn(ngtcp2_crypto_conn_ref *ref)
{
    return ((struct quic *)ref->user_data)->conn;
}

void quic_set_keep_alive(struct quic *quic)
{
    if (quic->phase == QUIC_ACTIVE)
        ngtcp2_conn_set_keep_alive_timeout(quic->conn, quic->ping ? 1 : quic->keep_alive);
}

bool quic_start(struct quic *quic, uint64_t now, const ngtcp2_pkt_hd *first)
{
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_path path = quic_path();
    ngtcp2_cid scid, dcid;
    int err;
    set_settings(quic, &settings, now);
    set_params(quic, &params);
    make_id(quic, &scid, QUIC_CID_LEN);
    if (first) {
        params.original_dcid = first->dcid;
        original_dcid_is_present(&params);
        err = ngtcp2_conn_server_new(&quic->conn, &first->scid, &scid, &path, first->version, callbacks(),
                                     &settings, &params, NULL, quic);
    } else {
        uint8_t id[QUIC_CID_LEN];
        quic_initial_id(id, quic->key);
        ngtcp2_cid_init(&dcid, id, sizeof id);
        err = ngtcp2_conn_client_new(&quic->conn, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1, callbacks(),
                                     &settings, &params, NULL, quic);
    }
    if (err || !tls_start(&quic->tls, quic->client, quic->key, get_conn, quic))
        return false;
    ngtcp2_conn_set_tls_native_handle(quic->conn, quic->tls.session);
    quic->phase = QUIC_ACTIVE;
    quic_set_keep_alive(quic);
    return true;
}
