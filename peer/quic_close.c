/* quic_close.c - how a connection ends, by either side or by silence (RFC 9000 10). */
#include "quic_state.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* The end: nothing more is sent or taken. */
void quic_set_over(struct quic *quic)
{
    flight_forget(quic);
    if (quic->conn)
        ngtcp2_conn_del(quic->conn);
    quic->conn = NULL;
    tls_stop(&quic->tls);
    sodium_memzero(quic->key, sizeof quic->key);
    datagram_clear(&quic->datagrams_out);
    quic->phase = QUIC_OVER;
}

static void tell_closed(struct quic *quic, int64_t error, const char *text, size_t len)
{
    if (len > sizeof quic->closed_text - 1)
        len = sizeof quic->closed_text - 1;
    quic->closed_error = error;
    memcpy(quic->closed_text, text, len);
    quic->closed_text[len] = 0;
    quic->tell_closed = true;
}

void quic_end(struct quic *quic, int64_t error, const char *text)
{
    quic_set_over(quic);
    tell_closed(quic, error, text, strlen(text));
}

static void tell_peer_closed(struct quic *quic, int64_t error, const char *text, size_t len)
{
    static const char unnamed[] = "it ended the handshake and could not say why";
    if (len)
        tell_closed(quic, error, text, len);
    else
        tell_closed(quic, error, unnamed, sizeof unnamed - 1);
}

/* The peer's CONNECTION_CLOSE arrived: RFC 9000 10.2.2, nothing is answered. An application's code and reason
 * do not travel before the handshake is done, where everybody could read them (10.2.3). */
static void close_received(struct quic *quic)
{
    ngtcp2_ccerr error;
    ngtcp2_ccerr_default(&error);
    received_close(quic->conn, &error);
    char text[sizeof quic->closed_text];
    size_t len = error.reasonlen < sizeof text ? error.reasonlen : sizeof text;
    if (len)
        memcpy(text, error.reason, len);
    bool handshake = !ngtcp2_conn_get_handshake_completed(quic->conn);
    quic_set_over(quic);
    bool refused = (error.error_code & ~UINT64_C(0xff)) == NGTCP2_CRYPTO_ERROR;
    if (error.type == NGTCP2_CCERR_TYPE_APPLICATION)
        tell_closed(quic, (int64_t)error.error_code, text, len);
    else if (error.error_code == NGTCP2_NO_ERROR || error.error_code == NGTCP2_APPLICATION_ERROR)
        tell_peer_closed(quic, QUIC_ERROR_NONE, text, len);
    else if (handshake && refused)
        quic_end(quic, QUIC_ERROR_KEY, "the peer refused our key");
    else
        quic_end(quic, QUIC_ERROR_PROTOCOL, "the peer says that we broke the protocol");
}

/* Our CONNECTION_CLOSE leaves with the next output; the event follows it, so that who hears it may free at
 * once. */
static void close_begin(struct quic *quic, int64_t error, const char *text)
{
    tell_closed(quic, error, text, strlen(text));
    quic->tell_closed = false;
    quic->close_due = true;
    quic->phase = QUIC_CLOSING;
}

/* A negative result of ngtcp2 that ends the connection. */
void quic_fail(struct quic *quic, int err)
{
    bool connected = ngtcp2_conn_get_handshake_completed(quic->conn);
    switch (err) {
    case NGTCP2_ERR_DRAINING:
        close_received(quic);
        return;
    case NGTCP2_ERR_IDLE_CLOSE:
        quic_end(quic, QUIC_ERROR_IDLE, "nothing was heard for too long");
        return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
        quic_end(quic, QUIC_ERROR_IDLE, "the handshake was not answered");
        return;
    case NGTCP2_ERR_NOMEM:
        close_begin(quic, QUIC_ERROR_PROTOCOL, "out of memory");
        break;
    default:
        close_begin(quic, connected ? QUIC_ERROR_PROTOCOL : QUIC_ERROR_KEY,
                    connected ? ngtcp2_strerror(err) : "the peer has another key, or none");
    }
    if (err == NGTCP2_ERR_CRYPTO)
        ngtcp2_ccerr_set_tls_alert(&quic->close_error, ngtcp2_conn_get_tls_alert(quic->conn), NULL, 0);
    else
        ngtcp2_ccerr_set_liberr(&quic->close_error, err, NULL, 0);
}

/* RFC 9000 10.2.1: what comes after the close is answered with it, ever more seldom. */
void close_answer(struct quic *quic)
{
    unsigned heard = ++quic->close_heard;
    if (quic->close_packet && !(heard & (heard - 1)))
        quic->close_due = true;
}

bool close_write(struct quic *quic, uint64_t now, struct packet *out)
{
    quic->close_due = !quic->close_packet; /* twice at first: who leaves does not hear whether it arrived */
    quic->tell_closed = quic->tell_closed || !quic->close_packet;
    if (!quic->close_packet) {
        quic->close_packet = malloc(CLOSE_PACKET_MAX);
        ngtcp2_ssize len = 0;
        if (quic->close_packet)
            len = ngtcp2_conn_write_connection_close(quic->conn, NULL, NULL, quic->close_packet,
                                                     CLOSE_PACKET_MAX, &quic->close_error,
                                                     quic_clock(quic, now));
        quic->close_until = now + 3 * ngtcp2_conn_get_pto(quic->conn); /* RFC 9000 10.2 */
        quic->close_len = len > 0 ? (size_t)len : 0;
        ngtcp2_conn_del(quic->conn);
        quic->conn = NULL;
        tls_stop(&quic->tls);
        datagram_clear(&quic->datagrams_out);
    }
    if (!quic->close_len || out->len < quic->close_len) {
        if (!quic->close_len)
            quic_set_over(quic);
        return false;
    }
    memcpy(out->data, quic->close_packet, quic->close_len);
    out->len = quic->close_len;
    out->segment = 0;
    return true;
}

void quic_close(struct quic *quic, uint64_t now, uint64_t code, const char *reason)
{
    (void)now;
    if (quic->phase >= QUIC_CLOSING)
        return;
    if (quic->phase == QUIC_LISTENING) {
        quic_end(quic, (int64_t)code, reason);
    } else {
        size_t len = size_min(strlen(reason), sizeof quic->close_text);
        memcpy(quic->close_text, reason, len);
        ngtcp2_ccerr_set_application_error(&quic->close_error, code, (const uint8_t *)quic->close_text, len);
        close_begin(quic, (int64_t)code, reason);
    }
    streams_abandon(quic);
}
