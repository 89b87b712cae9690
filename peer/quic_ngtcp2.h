/* quic_ngtcp2.h - the two generations of ngtcp2 behind one set of names: those of 1.x, the younger.
 *
 * Debian 12 and Ubuntu 24.04 ship 0.12, Debian 13 and the backports 1.11. Everything that differs between
 * them, as far as it is used here, is in this file; the generations talk to each other on the wire. */
#ifndef QUIC_NGTCP2_H
#define QUIC_NGTCP2_H

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#if NGTCP2_VERSION_NUM < 0x000c00 || (NGTCP2_VERSION_NUM >= 0x000d00 && NGTCP2_VERSION_NUM < 0x010000)
#error "ngtcp2 0.12 or 1.x is needed"
#endif

/* BBR of 0.12 is version 1, which drops four packets of five where buffers are shallow, and 2, which drops
 * few once quic_pace.c paces it; that of 1.0 to 1.10 we have not measured. */
#define QUIC_IS_PACED_BY_US (NGTCP2_VERSION_NUM < 0x010000)
#if QUIC_IS_PACED_BY_US
#define QUIC_ALGORITHM_BBR NGTCP2_CC_ALGO_BBR2
#else
#define QUIC_ALGORITHM_BBR NGTCP2_CC_ALGO_BBR
#endif
#if NGTCP2_VERSION_NUM >= 0x010000 && NGTCP2_VERSION_NUM < 0x010b00
#define QUIC_ALGORITHM_DEFAULT NGTCP2_CC_ALGO_CUBIC
#else
#define QUIC_ALGORITHM_DEFAULT QUIC_ALGORITHM_BBR
#endif

/* 0.12 waits for ever for the acknowledgement of an end that a one-way stream of the peer does not have: it
 * never says that such a stream is closed, and keeps some 300 bytes of each. */
#define QUIC_ONE_WAY_NEVER_CLOSES (NGTCP2_VERSION_NUM < 0x010000)

#if NGTCP2_VERSION_NUM >= 0x010000

static inline void original_dcid_is_present(ngtcp2_transport_params *params)
{
    params->original_dcid_present = 1;
}

static inline int stream_shutdown_write(ngtcp2_conn *conn, int64_t stream, uint64_t code)
{
    return ngtcp2_conn_shutdown_stream_write(conn, 0, stream, code);
}

static inline int stream_shutdown_read(ngtcp2_conn *conn, int64_t stream, uint64_t code)
{
    return ngtcp2_conn_shutdown_stream_read(conn, 0, stream, code);
}

static inline void received_close(ngtcp2_conn *conn, ngtcp2_ccerr *error)
{
    *error = *ngtcp2_conn_get_ccerr(conn);
}

#else

typedef ngtcp2_crypto_level ngtcp2_encryption_level;
typedef ngtcp2_connection_close_error ngtcp2_ccerr;
typedef ngtcp2_conn_stat ngtcp2_conn_info;

#define NGTCP2_ENCRYPTION_LEVEL_1RTT NGTCP2_CRYPTO_LEVEL_APPLICATION
#define NGTCP2_CCERR_TYPE_APPLICATION NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION
#define ngtcp2_ccerr_default ngtcp2_connection_close_error_default
#define ngtcp2_ccerr_set_liberr ngtcp2_connection_close_error_set_transport_error_liberr
#define ngtcp2_ccerr_set_tls_alert ngtcp2_connection_close_error_set_transport_error_tls_alert
#define ngtcp2_ccerr_set_application_error ngtcp2_connection_close_error_set_application_error
#define ngtcp2_conn_get_conn_info ngtcp2_conn_get_conn_stat

static inline void original_dcid_is_present(ngtcp2_transport_params *params)
{
    (void)params; /* 0.12 takes its presence for granted */
}

static inline int stream_shutdown_write(ngtcp2_conn *conn, int64_t stream, uint64_t code)
{
    return ngtcp2_conn_shutdown_stream_write(conn, stream, code);
}

static inline int stream_shutdown_read(ngtcp2_conn *conn, int64_t stream, uint64_t code)
{
    return ngtcp2_conn_shutdown_stream_read(conn, stream, code);
}

static inline void received_close(ngtcp2_conn *conn, ngtcp2_ccerr *error)
{
    ngtcp2_conn_get_connection_close_error(conn, error);
}

#endif
#endif
