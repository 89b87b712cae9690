/* quic.c - streams and datagrams, encrypted and in order, with one peer (RFC 9000, 9001, 9002, 9221).
 *
 * ngtcp2 keeps the protocol; here is what goes in and out of it, and what the application hears. How it
 * begins is quic_start.c's. Left out: migration and path validation (one made-up path, ice moves it), Retry,
 * tokens, version negotiation, tickets, 0-RTT, ECN (net reads no marks), qlog (CVE-2026-40170). */
#include "quic_state.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAYLOAD_MIN = 1200,     /* RFC 9000 14.1 */
    DATAGRAM_OVERHEAD = 32, /* short header, frame and tag around a datagram (trap 6) */
    SPIN_GUARD_MS = 1,      /* trap 10 */
};

ngtcp2_tstamp quic_clock(const struct quic *quic, uint64_t now)
{
    return now + quic->skew;
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
    quic->congestion = config->congestion;
    quic->payload_max =
        config->payload_max ? size_min(config->payload_max, QUIC_PAYLOAD_MAX) : QUIC_PAYLOAD_USUAL;
    quic->streams_max = config->streams_max ? config->streams_max : QUIC_STREAMS_MAX;
    quic->random = config->random;
    quic->started = now;
    quic->payload = PAYLOAD_MIN;
    quic->datagram_armed = true;
    ngtcp2_ccerr_default(&quic->close_error);
    streams_init(&quic->streams);
    if (quic->client && !quic_start(quic, now, NULL)) {
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
    if (quic_start(quic, now, &hd))
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

/* What is still out waits from now on, where something was acknowledged. */
static void note_received(struct quic *quic, uint64_t now, uint64_t before)
{
    quic->decrypted = true;
    quic->skew_heard = quic->skew;
    quic->last_received = now;
    if (!quic->waiting_since || bytes_in_flight(quic) >= before)
        return;
    quic->waiting_since = now;
    quic->hurry = 0;
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
    ngtcp2_path path = quic_path();
    ngtcp2_pkt_info info = {0};
    unsigned decrypted = quic_decryptions();
    uint64_t before = quic->waiting_since ? bytes_in_flight(quic) : 0;
    int err = ngtcp2_conn_read_pkt(quic->conn, &path, &info, in->data, in->len, quic_clock(quic, now));
    if (quic_decryptions() != decrypted)
        note_received(quic, now, before);
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
    quic_set_keep_alive(quic);
}

void quic_ping(struct quic *quic)
{
    quic->ping = true;
    quic_set_keep_alive(quic);
}

/* What is due of ngtcp2, as batch_write; *before gets the bytes in flight without it. */
static ngtcp2_ssize write_due(struct quic *quic, struct packet *out, size_t payload, uint64_t *before,
                              ngtcp2_tstamp ts)
{
    int err = prepare_output(quic, ts); /* may give up some of what is in flight */
    *before = bytes_in_flight(quic);
    return err ? err : batch_write(quic, out, payload, quic_pace_burst(quic, ts, *before), ts);
}

/* Something left that asks for an answer. */
static void note_asked(struct quic *quic)
{
    quic->hurry = 0;
    if (quic->ping) {
        quic->ping = false;
        quic_set_keep_alive(quic);
    }
}

static bool write_active(struct quic *quic, uint64_t now, struct packet *out, size_t payload)
{
    if (!bytes_in_flight(quic))
        quic->waiting_since = 0;
    uint64_t before;
    ngtcp2_tstamp ts;
    ngtcp2_ssize len;
    do {
        ts = quic_clock(quic, now);
        len = write_due(quic, out, payload, &before, ts);
    } while (!len && flight_hurry(quic, now));
    if (len < 0) {
        quic_fail(quic, (int)len);
        return quic->phase == QUIC_CLOSING && close_write(quic, now, out);
    }
    quic->not_before = 0;
    if (bytes_in_flight(quic) > before)
        note_asked(quic);
    if (!len && flight_repeat(quic, now, out, payload))
        return true;
    if (!len) {
        quic->hurry = 0;
        quic_pace_idle(quic, ts, streams_next(quic) || quic->datagrams_out.count);
        if (ngtcp2_conn_get_expiry(quic->conn) <= ts)
            quic->not_before = now + SPIN_GUARD_MS * NS_PER_MS;
        return false;
    }
    /* Nothing is paced before the handshake is confirmed: 0.12 takes the estimate of the round trip for the
     * rate and charges all bytes of the handshake at once, so that the first bytes of the program left half a
     * round trip late. */
    if (quic->confirmed)
        quic_pace(quic, ts, before);
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
    payload = size_min(size_min(payload, quic->payload_max), out->len);
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

bool quic_is_confirmed(const struct quic *quic)
{
    return quic->confirmed;
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
    info->rtt_least = now.min_rtt == UINT64_MAX ? 0 : now.min_rtt;
    info->bytes_in_flight = now.bytes_in_flight;
    info->congestion_window = now.cwnd;
}
