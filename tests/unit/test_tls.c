/* test_tls.c - TLS with a server of this test, through two buffers: whom it trusts, what it carries, how it
 * breaks. */
#include "tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIPE_MAX = 1 << 20, DAY_S = 86400 };
static const char *const NAME = "turn.example.org", *const ADDRESS = "192.0.2.7";

/* ---- an authority, and certificates of its ---- */

static char trust_file[] = "/tmp/p2pconnect-test-tls-XXXXXX";

struct identity {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
};

static struct identity authority, stranger;

static struct identity make(bool signs, const char *name, const struct identity *by, time_t until)
{
    struct identity id;
    const uint8_t ip[4] = {192, 0, 2, 7};
    static uint8_t serial;
    serial++;
    assert_int_equal(gnutls_x509_privkey_init(&id.key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(id.key, GNUTLS_PK_ECDSA,
                                                  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                     0);
    assert_int_equal(gnutls_x509_crt_init(&id.certificate), 0);
    gnutls_x509_crt_t c = id.certificate;
    gnutls_x509_crt_set_version(c, 3);
    gnutls_x509_crt_set_key(c, id.key);
    gnutls_x509_crt_set_serial(c, &serial, 1);
    gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
    gnutls_x509_crt_set_activation_time(c, time(NULL) - 2 * DAY_S);
    gnutls_x509_crt_set_expiration_time(c, until);
    gnutls_x509_crt_set_basic_constraints(c, signs, -1);
    gnutls_x509_crt_set_key_usage(c, signs ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (!signs) {
        gnutls_x509_crt_set_subject_alt_name(c, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
                                             GNUTLS_FSAN_APPEND);
        gnutls_x509_crt_set_subject_alt_name(c, GNUTLS_SAN_IPADDRESS, ip, sizeof ip, GNUTLS_FSAN_APPEND);
    }
    by = by ? by : &id;
    assert_int_equal(gnutls_x509_crt_sign2(c, by->certificate, by->key, GNUTLS_DIG_SHA256, 0), 0);
    return id;
}

static void forget(struct identity *id)
{
    gnutls_x509_crt_deinit(id->certificate);
    gnutls_x509_privkey_deinit(id->key);
}

static int make_authorities(void **state)
{
    (void)state;
    char pem[4096];
    size_t len = sizeof pem;
    authority = make(true, "authority", NULL, time(NULL) + DAY_S);
    stranger = make(true, "stranger", NULL, time(NULL) + DAY_S);
    assert_int_equal(gnutls_x509_crt_export(authority.certificate, GNUTLS_X509_FMT_PEM, pem, &len), 0);
    int fd = mkstemp(trust_file);
    assert_true(fd >= 0 && write(fd, pem, len) == (ssize_t)len);
    close(fd);
    return setenv("SSL_CERT_FILE", trust_file, 1);
}

static int forget_authorities(void **state)
{
    (void)state;
    forget(&authority);
    forget(&stranger);
    return unlink(trust_file);
}

/* ---- a server, and the two pipes between ---- */

struct flow {
    uint8_t *data;
    size_t len;
};

struct scene {
    struct flow to_server, to_client;
    size_t piece; /* bytes that a read gives at most */
    bool cut;     /* nothing can be written, and reads find the end */
    struct identity id;
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t server;
    struct tls_trust *trust;
    struct tls *client;
};

static ptrdiff_t flow_read(const struct scene *scene, struct flow *flow, void *data, size_t len)
{
    len = len < scene->piece ? len : scene->piece;
    len = len < flow->len ? len : flow->len;
    if (!len && scene->cut)
        return 0;
    if (!len) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(data, flow->data, len);
    memmove(flow->data, flow->data + len, flow->len - len);
    flow->len -= len;
    return (ptrdiff_t)len;
}

static bool flow_write(const struct scene *scene, struct flow *flow, const void *data, size_t len)
{
    if (scene->cut || PIPE_MAX - flow->len < len)
        return false;
    memcpy(flow->data + flow->len, data, len);
    flow->len += len;
    return true;
}

static ptrdiff_t client_read(void *context, void *data, size_t len)
{
    struct scene *scene = context;
    return flow_read(scene, &scene->to_client, data, len);
}

static bool client_write(void *context, const void *data, size_t len)
{
    struct scene *scene = context;
    return flow_write(scene, &scene->to_server, data, len);
}

static ssize_t server_pull(gnutls_transport_ptr_t pointer, void *data, size_t len)
{
    struct scene *scene = pointer;
    ssize_t got = flow_read(scene, &scene->to_server, data, len);
    if (got < 0)
        gnutls_transport_set_errno(scene->server, EAGAIN);
    return got;
}

static ssize_t server_push(gnutls_transport_ptr_t pointer, const void *data, size_t len)
{
    struct scene *scene = pointer;
    return flow_write(scene, &scene->to_client, data, len) ? (ssize_t)len : -1;
}

static struct scene *scene_new(const char *host, const struct identity *by, time_t until)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    scene->to_server.data = malloc(PIPE_MAX);
    scene->to_client.data = malloc(PIPE_MAX);
    scene->piece = PIPE_MAX;
    scene->id = make(false, NAME, by, until);
    gnutls_certificate_allocate_credentials(&scene->credentials);
    assert_int_equal(
        gnutls_certificate_set_x509_key(scene->credentials, &scene->id.certificate, 1, scene->id.key), 0);
    gnutls_init(&scene->server, GNUTLS_SERVER | GNUTLS_NONBLOCK);
    gnutls_set_default_priority(scene->server);
    gnutls_credentials_set(scene->server, GNUTLS_CRD_CERTIFICATE, scene->credentials);
    gnutls_transport_set_ptr(scene->server, scene);
    gnutls_transport_set_pull_function(scene->server, server_pull);
    gnutls_transport_set_push_function(scene->server, server_push);
    scene->trust = tls_trust_new();
    assert_non_null(scene->trust);
    struct tls_carrier carrier = {client_read, client_write, scene};
    scene->client = tls_new(scene->trust, host, &carrier);
    assert_non_null(scene->client);
    return scene;
}

static void scene_free(struct scene *scene)
{
    tls_free(scene->client);
    tls_trust_free(scene->trust);
    gnutls_deinit(scene->server);
    gnutls_certificate_free_credentials(scene->credentials);
    forget(&scene->id);
    free(scene->to_server.data);
    free(scene->to_client.data);
    free(scene);
}

/* The client's verdict. */
static int shake_hands(struct scene *scene)
{
    int client = TLS_AGAIN, server = GNUTLS_E_AGAIN;
    for (unsigned i = 0; i < 100000 && (client == TLS_AGAIN || server == GNUTLS_E_AGAIN); i++) {
        if (client == TLS_AGAIN)
            client = tls_handshake(scene->client);
        if (client == TLS_BROKEN)
            return client;
        if (server == GNUTLS_E_AGAIN)
            server = gnutls_handshake(scene->server);
    }
    return client;
}

/* ---- tests ---- */

static void a_certificate_for_the_name_is_good(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 5000; piece = piece * 7 + 1) {
        struct scene *scene = scene_new(NAME, &authority, time(NULL) + DAY_S);
        scene->piece = piece;
        assert_int_equal(shake_hands(scene), 0);
        scene_free(scene);
    }
}

static void a_certificate_for_the_address_is_good(void **state)
{
    (void)state;
    struct scene *scene = scene_new(ADDRESS, &authority, time(NULL) + DAY_S);
    assert_int_equal(shake_hands(scene), 0);
    scene_free(scene);
}

static void bad_certificates_are_refused_in_words(void **state)
{
    (void)state;
    const struct {
        const char *host;
        const struct identity *by;
        time_t until;
        const char *says;
    } cases[] = {
        {"other.example.org", &authority, time(NULL) + DAY_S, "not good for other.example.org"},
        {"192.0.2.8", &authority, time(NULL) + DAY_S, "not good for 192.0.2.8"},
        {NAME, &stranger, time(NULL) + DAY_S, "no authority here vouches for it"},
        {NAME, NULL, time(NULL) + DAY_S, "not trusted"},
        {NAME, &authority, time(NULL) - DAY_S, "it has expired"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene *scene = scene_new(cases[i].host, cases[i].by, cases[i].until);
        assert_int_equal(shake_hands(scene), TLS_BROKEN);
        if (!strstr(tls_problem(scene->client), cases[i].says))
            fail_msg("%s: says %s", cases[i].says, tls_problem(scene->client));
        scene_free(scene);
    }
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    enum { LEN = 100000 };
    static uint8_t sent[LEN], got[LEN];
    struct scene *scene = scene_new(NAME, &authority, time(NULL) + DAY_S);
    assert_int_equal(shake_hands(scene), 0);
    for (size_t i = 0; i < LEN; i++)
        sent[i] = (uint8_t)(i * 7 + (i >> 8));
    assert_true(tls_write(scene->client, sent, LEN));
    size_t len = 0;
    while (len < LEN) {
        ssize_t more = gnutls_record_recv(scene->server, got + len, LEN - len);
        assert_true(more > 0);
        len += (size_t)more;
    }
    assert_memory_equal(sent, got, LEN);
    scene->piece = 999;
    for (size_t at = 0; at < LEN;) {
        ssize_t more = gnutls_record_send(scene->server, sent + at, LEN - at);
        assert_true(more > 0);
        at += (size_t)more;
    }
    memset(got, 0, LEN);
    for (len = 0; len < LEN;) {
        ptrdiff_t more = tls_read(scene->client, got + len, LEN - len);
        assert_true(more > 0 || more == TLS_AGAIN);
        len += more > 0 ? (size_t)more : 0;
    }
    assert_memory_equal(sent, got, LEN);
    assert_int_equal(tls_read(scene->client, got, LEN), TLS_AGAIN);
    gnutls_bye(scene->server, GNUTLS_SHUT_WR);
    ptrdiff_t last;
    while ((last = tls_read(scene->client, got, LEN)) == TLS_AGAIN)
        ;
    assert_int_equal(last, 0);
    scene_free(scene);
}

static void what_is_cut_underneath_ends(void **state)
{
    (void)state;
    char data[16];
    struct scene *scene = scene_new(NAME, &authority, time(NULL) + DAY_S);
    assert_int_equal(shake_hands(scene), 0);
    while (tls_read(scene->client, data, sizeof data) != TLS_AGAIN)
        ; /* tickets */
    scene->cut = true;
    assert_int_equal(tls_read(scene->client, data, sizeof data), 0);
    assert_false(tls_write(scene->client, "x", 1));
    assert_true(strlen(tls_problem(scene->client)) > 0);
    scene_free(scene);
}

static void garbage_breaks_it_at_every_stage(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        char data[16];
        struct scene *scene = scene_new(NAME, &authority, time(NULL) + DAY_S);
        if (late) {
            assert_int_equal(shake_hands(scene), 0);
            while (tls_read(scene->client, data, sizeof data) != TLS_AGAIN)
                ;
        }
        flow_write(scene, &scene->to_client, "HTTP/1.1 400 Bad Request\r\n\r\nHTTP/1.1 400 Bad", 44);
        int result = TLS_AGAIN;
        for (unsigned i = 0; i < 10 && result == TLS_AGAIN; i++)
            result = late ? (int)tls_read(scene->client, data, sizeof data) : tls_handshake(scene->client);
        assert_int_equal(result, TLS_BROKEN);
        assert_non_null(strstr(tls_problem(scene->client), "TLS failed"));
        scene_free(scene);
    }
}

static void a_file_of_authorities_that_is_not_there_is_no_trust(void **state)
{
    (void)state;
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    assert_null(tls_trust_new());
    setenv("SSL_CERT_FILE", trust_file, 1);
    tls_trust_free(NULL);
    tls_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_for_the_name_is_good),
        cmocka_unit_test(a_certificate_for_the_address_is_good),
        cmocka_unit_test(bad_certificates_are_refused_in_words),
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(what_is_cut_underneath_ends),
        cmocka_unit_test(garbage_breaks_it_at_every_stage),
        cmocka_unit_test(a_file_of_authorities_that_is_not_there_is_no_trust),
    };
    return cmocka_run_group_tests(tests, make_authorities, forget_authorities);
}
