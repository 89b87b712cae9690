/* tls.c - the client's side of TLS to a server that a name stands for.
 *
 * TLS 1.2 or 1.3 with GnuTLS's usual ciphers; the certificate must be good for the name, at this time, by an
 * authority of the system. SSL_CERT_FILE names others in their place, as programs on OpenSSL know it. Left
 * out: certificates of our own, resumption, and revocation lists. */
#include "tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_trust {
    gnutls_certificate_credentials_t credentials;
};

struct tls {
    gnutls_session_t session;
    struct tls_carrier carrier;
    char host[256];
    char problem[TLS_TEXT_MAX];
};

struct tls_trust *tls_trust_new(void)
{
    struct tls_trust *trust = calloc(1, sizeof *trust);
    const char *file = secure_getenv("SSL_CERT_FILE");
    if (!trust)
        return NULL;
    int found = gnutls_certificate_allocate_credentials(&trust->credentials);
    if (found >= 0)
        found = file && *file
                    ? gnutls_certificate_set_x509_trust_file(trust->credentials, file, GNUTLS_X509_FMT_PEM)
                    : gnutls_certificate_set_x509_system_trust(trust->credentials);
    if (found <= 0) {
        tls_trust_free(trust);
        return NULL;
    }
    return trust;
}

void tls_trust_free(struct tls_trust *trust)
{
    if (!trust)
        return;
    if (trust->credentials)
        gnutls_certificate_free_credentials(trust->credentials);
    free(trust);
}

static ssize_t pull(gnutls_transport_ptr_t pointer, void *data, size_t len)
{
    struct tls *tls = pointer;
    ptrdiff_t got = tls->carrier.read(tls->carrier.context, data, len);
    if (got < 0)
        gnutls_transport_set_errno(tls->session, errno == EAGAIN || errno == EWOULDBLOCK ? EAGAIN : EIO);
    return got;
}

static ssize_t push(gnutls_transport_ptr_t pointer, const void *data, size_t len)
{
    struct tls *tls = pointer;
    if (tls->carrier.write(tls->carrier.context, data, len))
        return (ssize_t)len;
    gnutls_transport_set_errno(tls->session, EIO);
    return -1;
}

/* Whether it is an address: those are not told as a name (RFC 6066 3). */
static bool is_address(const char *host)
{
    return strchr(host, ':') || strspn(host, "0123456789.") == strlen(host);
}

static int set_up(struct tls *tls, const struct tls_trust *trust)
{
    gnutls_session_t session = tls->session;
    int err = gnutls_set_default_priority(session);
    if (err >= 0)
        err = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust->credentials);
    if (err >= 0 && !is_address(tls->host))
        err = gnutls_server_name_set(session, GNUTLS_NAME_DNS, tls->host, strlen(tls->host));
    gnutls_session_set_verify_cert(session, tls->host, 0);
    gnutls_transport_set_ptr(session, tls);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_push_function(session, push);
    return err;
}

struct tls *tls_new(const struct tls_trust *trust, const char *host, const struct tls_carrier *carrier)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->carrier = *carrier;
    snprintf(tls->host, sizeof tls->host, "%s", host);
    if (gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
        set_up(tls, trust) < 0) {
        tls_free(tls);
        return NULL;
    }
    return tls;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    if (tls->session)
        gnutls_deinit(tls->session);
    free(tls);
}

static bool is_passing(ptrdiff_t result)
{
    return result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED ||
           result == GNUTLS_E_WARNING_ALERT_RECEIVED || result == GNUTLS_E_REHANDSHAKE;
}

static void note_problem(struct tls *tls, int error)
{
    gnutls_datum_t words;
    unsigned status = gnutls_session_get_verify_cert_status(tls->session);
    if (error == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0) >= 0) {
        snprintf(tls->problem, sizeof tls->problem, "its certificate is not good for %.80s", tls->host);
        if (!(status & GNUTLS_CERT_UNEXPECTED_OWNER))
            snprintf(tls->problem, sizeof tls->problem, "its certificate is not trusted%s",
                     status & GNUTLS_CERT_EXPIRED            ? ": it has expired"
                     : status & GNUTLS_CERT_SIGNER_NOT_FOUND ? ": no authority here vouches for it"
                                                             : "");
        gnutls_free(words.data);
        return;
    }
    snprintf(tls->problem, sizeof tls->problem, "TLS failed: %s", gnutls_strerror(error));
}

int tls_handshake(struct tls *tls)
{
    int result = gnutls_handshake(tls->session);
    if (result >= 0)
        return 0;
    if (is_passing(result) || (result != GNUTLS_E_PUSH_ERROR && !gnutls_error_is_fatal(result)))
        return TLS_AGAIN;
    note_problem(tls, result);
    return TLS_BROKEN;
}

ptrdiff_t tls_read(struct tls *tls, void *data, size_t len)
{
    ptrdiff_t got;
    do
        got = gnutls_record_recv(tls->session, data, len);
    while (got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (got >= 0)
        return got;
    if (is_passing(got))
        return TLS_AGAIN;
    if (got == GNUTLS_E_PREMATURE_TERMINATION)
        return 0;
    note_problem(tls, (int)got);
    return TLS_BROKEN;
}

bool tls_write(struct tls *tls, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len) {
        ptrdiff_t taken = gnutls_record_send(tls->session, at, len);
        if (taken == GNUTLS_E_INTERRUPTED)
            continue;
        if (taken < 0) {
            note_problem(tls, (int)taken);
            return false;
        }
        at += taken;
        len -= (size_t)taken;
    }
    return true;
}

const char *tls_problem(const struct tls *tls)
{
    return tls->problem;
}
