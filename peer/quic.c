/* quic.c - streams and datagrams, encrypted and in order, with one peer (RFC 9000, 9001, 9002, 9221).
 *
 * ngtcp2 keeps the protocol; here are its settings, what goes in and out of it, and what the application
 * hears. Left out: migration and path validation (one made-up path, ice moves it), Retry, tokens, version
 * negotiation, tickets, 0-RTT, ECN (net reads no marks), qlog (CVE-2026-40170). */
#include "quic_state.h"

#include <assert.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAYLOAD_MIN = 1200,     /* RFC 9000 14.1 */
    PAYLOAD_MAX = 16000,    /* transport.md, trap 12 */
    DATAGRAM_OVERHEAD = 32, /* short header, frame and tag around a datagram (trap 6) */
    DATAGRAM_FRAME_MAX = 65535,
    ACTIVE_IDS = 2,       /* RFC 9000 18.2, the least: one path needs one */
    RTT_UNKNOWN_MS = 100, /* RFC 9002 6.2.2 says 333; ours is known to be a path that just answered a check */
    RTT_MIN_MS = 1,
    SPIN_GUARD_MS = 1, /* trap 10 */
};

ngtcp2_tstamp quic_clock(const struct quic *quic, uint64_t now)
{
    return now + quic->skew;
}

/* Two addresses nobody has: packets go where ice says; ngtcp2 sees a path that never changes (trap 11). */
static ngtcp2_path constant_path(void)
{
    static struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = 1, .sin_addr = {1}};
    static struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = 2, .sin_addr = {2}};
    return (ngtcp2_path){.local = {.addr = (ngtcp2_sockaddr *)&local, .addrlen = sizeof local},
                         .remote = {.addr = (ngtcp2_sockaddr *)&remote, .addrlen = sizeof remote}};
}

void quic_initial_id(uint8_t id[QUIC_CID_LEN], const uint8_t key[QUIC_KEY_LEN])
{
    static const char label[] = "p2pconnect/1 quic initial id";
    uint8_t hash[crypto_generichash_BYTES_MIN];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)label, sizeof label - 1, key, QUIC_KEY_LEN);
    memcpy(id, hash, QUIC_CID_LEN);
}

/* RFC 9000 17.2 and 17.3.1; RFC 8999 5: the place of the destination id. The fixed bit is not looked at:
 * ngtcp2 0.12 makes its peers clear it at random (trap 2). */
bool quic_packet_tag(uint8_t tag[QUIC_TAG_LEN], const uint8_t *data, size_t len)
{
    bool is_long = len && data[0] & 0x80;
    size_t at = is_long ? 6 : 1;
    if (len < at + QUIC_CID_LEN || (is_long && data[5] != QUIC_CID_LEN))
        return false;
    memcpy(tag, data + at, QUIC_TAG_LEN);
    return true;
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

/* Packets that proved genuine, on this thread: ngtcp2 says neither by its results nor, here, for which
 * connection. */
static _Thread_local unsigned decryptions;

static int on_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
                      const uint8_t *text, size_t len, const uint8_t *nonce, size_t nonce_len,
                      const uint8_t *aad, size_t aad_len)
{
    int err = ngtcp2_crypto_decrypt_cb(dest, aead, context, text, len, nonce, nonce_len, aad, aad_len);
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
        .encrypt = ngtcp2_crypto_encrypt_cb,
        .decrypt = on_decrypt,
        .hp_mask = ngtcp2_crypto_hp_mask_cb,
        .recv_stream_data = stream_on_data,
        .acked_stream_data_offset = stream_on_acked,
        .stream_open = stream_on_open,
        .stream_close = stream_on_close,
        .recv_retry = ngtcp2_crypto_recv_retry_cb,
        .extend_max_local_streams_bidi = streams_on_limit,
        .extend_max_local_streams_uni = streams_on_limit,
        .rand = on_random,
        .get_new_connection_id = on_new_id,
        .update_key = ngtcp2_crypto_update_key_cb,
        .stream_reset = stream_on_reset,
        .extend_max_stream_data = stream_on_window,
        .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
        .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
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

static void set_settings(const struct quic *quic, ngtcp2_settings *settings, uint64_t now)
{
    uint64_t elapsed = now - quic->started, limit = QUIC_HANDSHAKE_S * NS_PER_S;
    ngtcp2_settings_default(settings);
    settings->cc_algo = QUIC_CONGESTION_CONTROL;
    settings->initial_ts = quic_clock(quic, now);
    settings->initial_rtt = quic_likely_rtt(quic);
    settings->handshake_timeout = elapsed < limit ? limit - elapsed : 1;
    settings->max_tx_udp_payload_size = PAYLOAD_MAX;
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

/* ngtcp2 asks by itself once so much time has passed without a packet (its keep-alive); at once is after a
 * nanosecond. 0.12 has 0 for never, later ones UINT64_MAX, and take 0. */
static void set_keep_alive(struct quic *quic)
{
    if (quic->phase == QUIC_ACTIVE)
        ngtcp2_conn_set_keep_alive_timeout(quic->conn, quic->ping ? 1 : quic->keep_alive);
}

static bool start(struct quic *quic, uint64_t now, const ngtcp2_pkt_hd *first)
{
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_path path = constant_path();
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
    set_keep_alive(quic);
    return true;
}

/* A server forgets what was no client after all, and waits on. */
static void listen_again(struct quic *quic)
{
    if (quic->conn)
        ngtcp2_conn_del(quic->conn);
    quic->conn = NULL;
    tls_stop(&quic->tls);
    quic->crypto_seen = false;
    quic->flights = 0;
    flight_forget(quic);
    quic->phase = QUIC_LISTENING;
}

struct quic *quic_new(const struct quic_config *config, uint64_t now)
{
    struct quic *quic = calloc(1, sizeof *quic);
    if (!quic)
        return NULL;
    quic->client = config->client;
    memcpy(quic->key, config->key, sizeof quic->key);
    memcpy(quic->tag, config->tag, sizeof quic->tag);
    quic->rtt = config->rtt;
    quic->streams_max = config->streams_max ? config->streams_max : QUIC_STREAMS_MAX;
    quic->random = config->random;
    quic->started = now;
    quic->payload = PAYLOAD_MIN;
    quic->datagram_armed = true;
    ngtcp2_ccerr_default(&quic->close_error);
    streams_init(&quic->streams);
    if (quic->client && !start(quic, now, NULL)) {
        quic_free(quic);
        return NULL;
    }
    return quic;
}

void quic_free(struct quic *quic)
{
    if (!quic)
        return;
    quic_set_over(quic);
    streams_free(quic);
    datagram_clear(&quic->datagrams_in);
    free(quic->close_packet);
    free(quic);
}

/* RFC 9000 17.2.1 and 17.2.5: version negotiation and Retry are never sent by us, so that they come from
 * somebody else. */
static bool is_foreign(const uint8_t *data, size_t len)
{
    enum { LONG = 0x80, TYPE = 0x30, RETRY = 0x30 };
    if (!len || (data[0] & LONG && len < 7))
        return true;
    if (!(data[0] & LONG))
        return false;
    return !(data[1] | data[2] | data[3] | data[4]) || (data[0] & TYPE) == RETRY;
}

static bool accept_client(struct quic *quic, uint64_t now, const struct packet *in)
{
    ngtcp2_pkt_hd hd;
    if (ngtcp2_accept(&hd, in->data, in->len))
        return false;
    if (start(quic, now, &hd))
        return true;
    listen_again(quic);
    return false;
}

static uint64_t bytes_in_flight(const struct quic *quic)
{
    ngtcp2_conn_info info;
    ngtcp2_conn_get_conn_info(quic->conn, &info);
    return info.bytes_in_flight;
}

/* What is still out waits from now on. Whether anything is, is asked when it matters, not for every packet.
 */
static void note_received(struct quic *quic, uint64_t now)
{
    quic->decrypted = true;
    quic->skew_heard = quic->skew;
    quic->last_received = now;
    if (quic->waiting_since)
        quic->waiting_since = now;
}

void quic_input(struct quic *quic, uint64_t now, const struct packet *in)
{
    if (is_foreign(in->data, in->len))
        return;
    if (quic->phase == QUIC_CLOSING)
        close_answer(quic);
    if (quic->phase == QUIC_LISTENING && !accept_client(quic, now, in))
        return;
    if (quic->phase != QUIC_ACTIVE)
        return;
    ngtcp2_path path = constant_path();
    ngtcp2_pkt_info info = {0};
    unsigned before = decryptions;
    int err = ngtcp2_conn_read_pkt(quic->conn, &path, &info, in->data, in->len, quic_clock(quic, now));
    if (decryptions != before)
        note_received(quic, now);
    if (!quic->client && !quic->crypto_seen)
        listen_again(quic); /* the first packet had no hello that decrypted: somebody else's, or damaged */
    else if (err)
        quic_fail(quic, err);
}

static int prepare_output(struct quic *quic, ngtcp2_tstamp ts)
{
    int err = quic->failed;
    if (!err && ngtcp2_conn_get_expiry(quic->conn) <= ts)
        err = ngtcp2_conn_handle_expiry(quic->conn, ts);
    if (!err && quic->can_send)
        err = streams_open_pending(quic);
    return err;
}

void quic_keep_alive(struct quic *quic, uint64_t idle)
{
    quic->keep_alive = idle;
    set_keep_alive(quic);
}

void quic_ping(struct quic *quic)
{
    quic->ping = true;
    set_keep_alive(quic);
}

static bool write_active(struct quic *quic, uint64_t now, struct packet *out, size_t payload)
{
    ngtcp2_tstamp ts = quic_clock(quic, now);
    uint64_t before = bytes_in_flight(quic);
    if (!before)
        quic->waiting_since = 0;
    int err = prepare_output(quic, ts);
    ngtcp2_ssize len = err ? err : batch_write(quic, out, payload, ts);
    if (len < 0) {
        quic_fail(quic, (int)len);
        return quic->phase == QUIC_CLOSING && close_write(quic, now, out);
    }
    quic->not_before = 0;
    if (quic->ping && bytes_in_flight(quic) > before) { /* whatever it is asks for an answer */
        quic->ping = false;
        set_keep_alive(quic);
    }
    if (!len && flight_repeat(quic, now, out, payload))
        return true;
    if (!len) {
        if (ngtcp2_conn_get_expiry(quic->conn) <= ts)
            quic->not_before = now + SPIN_GUARD_MS * NS_PER_MS;
        return false;
    }
    /* Nothing is paced before the handshake is confirmed: 0.12 takes the estimate of the round trip for the
     * rate and charges all bytes of the handshake at once, so that the first bytes of the program left half a
     * round trip late. */
    if (quic->confirmed)
        ngtcp2_conn_update_pkt_tx_time(quic->conn, ts);
    if (!quic->waiting_since && bytes_in_flight(quic))
        quic->waiting_since = now;
    out->len = (size_t)len;
    out->segment = out->len > payload ? payload : 0;
    if (quic->waiting_since)
        flight_keep(quic, now, out);
    return true;
}

bool quic_output(struct quic *quic, uint64_t now, struct packet *out, size_t payload)
{
    payload = size_min(size_min(payload, PAYLOAD_MAX), out->len);
    if (payload < PAYLOAD_MIN)
        return false;
    quic->payload = payload;
    if (quic->phase == QUIC_LISTENING && now >= quic->started + QUIC_HANDSHAKE_S * NS_PER_S)
        quic_end(quic, QUIC_ERROR_IDLE, "the peer's handshake did not come");
    if (quic->phase == QUIC_ACTIVE)
        return write_active(quic, now, out, payload);
    if (quic->phase != QUIC_CLOSING)
        return false;
    if (quic->close_due)
        return close_write(quic, now, out);
    if (now >= quic->close_until)
        quic_set_over(quic);
    return false;
}

uint64_t quic_deadline(const struct quic *quic)
{
    if (quic->phase == QUIC_LISTENING)
        return quic->started + QUIC_HANDSHAKE_S * NS_PER_S;
    if (quic->phase == QUIC_CLOSING)
        return quic->close_due ? NEVER
                               : quic->close_until; /* due: it leaves with the output that is drained now */
    if (quic->phase == QUIC_OVER)
        return NEVER;
    ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry(quic->conn);
    if (expiry == UINT64_MAX)
        return NEVER;
    uint64_t deadline = expiry < quic->skew ? 0 : expiry - quic->skew;
    if (quic->flight && quic->repeat_at < deadline)
        deadline = quic->repeat_at;
    return deadline > quic->not_before ? deadline : quic->not_before;
}

static bool take_event(struct quic_event *event, bool *flag, enum quic_event_type type)
{
    if (!*flag)
        return false;
    *flag = false;
    *event = (struct quic_event){.type = type, .stream = -1};
    return true;
}

bool quic_event(struct quic *quic, struct quic_event *event)
{
    if (take_event(event, &quic->tell_connected, QUIC_CONNECTED) || streams_event(quic, event) ||
        take_event(event, &quic->tell_datagram, QUIC_DATAGRAM))
        return true;
    if (!take_event(event, &quic->tell_closed, QUIC_CLOSED))
        return false;
    event->error = quic->closed_error;
    memcpy(event->text, quic->closed_text, sizeof event->text);
    return true;
}

size_t quic_datagram_max(const struct quic *quic)
{
    if (quic->phase != QUIC_ACTIVE || !quic->can_send)
        return 0;
    const ngtcp2_transport_params *params = ngtcp2_conn_get_remote_transport_params(quic->conn);
    if (!params || !params->max_datagram_frame_size)
        return 0;
    return size_min(quic->payload, (size_t)params->max_datagram_frame_size) - DATAGRAM_OVERHEAD;
}

int quic_datagram_send(struct quic *quic, const void *data, size_t len)
{
    if (quic->phase != QUIC_ACTIVE || !quic->can_send)
        return QUIC_GONE;
    if (len > quic_datagram_max(quic))
        return QUIC_TOO_LONG;
    return datagram_push(&quic->datagrams_out, data, len) ? 0 : QUIC_NOMEM;
}

ptrdiff_t quic_datagram_receive(struct quic *quic, void *data, size_t len)
{
    const struct datagram *datagram = datagram_first(&quic->datagrams_in);
    if (!datagram) {
        quic->datagram_armed = true;
        return QUIC_BLOCKED;
    }
    size_t taken = size_min(datagram->len, len);
    if (taken)
        memcpy(data, datagram->data, taken);
    datagram_pop(&quic->datagrams_in);
    return (ptrdiff_t)taken;
}

bool quic_is_idle(const struct quic *quic)
{
    if (quic->phase == QUIC_CLOSING)
        return !quic->close_due;
    return quic->phase == QUIC_OVER || (streams_drained(quic) && !quic->datagrams_out.count);
}

void quic_info(const struct quic *quic, struct quic_info *info)
{
    *info = (struct quic_info){.last_received = quic->last_received, .waiting_since = quic->waiting_since};
    if (quic->phase != QUIC_ACTIVE)
        return;
    ngtcp2_conn_info now;
    ngtcp2_conn_get_conn_info(quic->conn, &now);
    if (!now.bytes_in_flight)
        info->waiting_since = 0;
    info->rtt = now.min_rtt == UINT64_MAX ? 0 : now.smoothed_rtt;
    info->bytes_in_flight = now.bytes_in_flight;
    info->congestion_window = now.cwnd;
}
