/* test_quic_protection.c - the keys of 1-RTT packets: two ends agree whoever protects them, and when they
 * change.
 *
 * Calls that quic_protection.c makes are taken here, as those of test_quic.c are: which packets are left to
 * the helper, and an end that leaves it all, as one does that was built without gcm.h. */
#include "fail_alloc.h"
#include "gcm.h"
#include "quic_state.h"
#include "quic_transfer.h"
#include <assert.h>
#include <dlfcn.h>
#include <gnutls/gnutls.h>

#define OURS __attribute__((visibility("hidden")))

static const struct quic *without; /* the end that leaves all keys to the helper */
static unsigned left;              /* packets sealed by the helper */

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    assert(function);
    return function;
}

OURS gnutls_cipher_algorithm_t gnutls_cipher_get(gnutls_session_t session)
{
    gnutls_cipher_algorithm_t (*next)(gnutls_session_t);
    *(void **)&next = real("gnutls_cipher_get");
    const ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(session);
    return ref->user_data == without ? GNUTLS_CIPHER_UNKNOWN : next(session);
}

OURS int ngtcp2_crypto_encrypt_cb(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                                  const ngtcp2_crypto_aead_ctx *context, const uint8_t *text, size_t len,
                                  const uint8_t *nonce, size_t nonce_len, const uint8_t *aad, size_t aad_len)
{
    int (*next)(uint8_t *, const ngtcp2_crypto_aead *, const ngtcp2_crypto_aead_ctx *, const uint8_t *,
                size_t, const uint8_t *, size_t, const uint8_t *, size_t);
    *(void **)&next = real("ngtcp2_crypto_encrypt_cb");
    left++;
    return next(dest, aead, context, text, len, nonce, nonce_len, aad, aad_len);
}

/* Allocations of our own until one fails, counted from where a key is there that they belong to. */
static unsigned fail_install, fail_update;

OURS int ngtcp2_crypto_aead_ctx_decrypt_init(ngtcp2_crypto_aead_ctx *context, const ngtcp2_crypto_aead *aead,
                                             const uint8_t *key, size_t nonce_len)
{
    int (*next)(ngtcp2_crypto_aead_ctx *, const ngtcp2_crypto_aead *, const uint8_t *, size_t);
    *(void **)&next = real("ngtcp2_crypto_aead_ctx_decrypt_init");
    fail_alloc_at(fail_install);
    return next(context, aead, key, nonce_len);
}

OURS int ngtcp2_crypto_update_key(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret,
                                  ngtcp2_crypto_aead_ctx *rx, uint8_t *rx_key, uint8_t *rx_iv,
                                  ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_key, uint8_t *tx_iv,
                                  const uint8_t *rx_current, const uint8_t *tx_current, size_t len)
{
    int (*next)(ngtcp2_conn *, uint8_t *, uint8_t *, ngtcp2_crypto_aead_ctx *, uint8_t *, uint8_t *,
                ngtcp2_crypto_aead_ctx *, uint8_t *, uint8_t *, const uint8_t *, const uint8_t *, size_t);
    *(void **)&next = real("ngtcp2_crypto_update_key");
    fail_alloc_at(fail_update);
    return next(conn, rx_secret, tx_secret, rx, rx_key, rx_iv, tx, tx_key, tx_iv, rx_current, tx_current,
                len);
}

#if NGTCP2_VERSION_NUM >= 0x010000
#define VERSION_2 NGTCP2_PROTO_VER_V2
#else
#define VERSION_2 NGTCP2_PROTO_VER_V2_DRAFT
#endif

static uint32_t other_version; /* that clients begin with, not 1 */

OURS int ngtcp2_conn_client_new_versioned(ngtcp2_conn **conn, const ngtcp2_cid *dcid, const ngtcp2_cid *scid,
                                          const ngtcp2_path *path, uint32_t version, int callbacks_version,
                                          const ngtcp2_callbacks *callbacks, int settings_version,
                                          const ngtcp2_settings *settings, int params_version,
                                          const ngtcp2_transport_params *params, const ngtcp2_mem *mem,
                                          void *user)
{
    int (*next)(ngtcp2_conn **, const ngtcp2_cid *, const ngtcp2_cid *, const ngtcp2_path *, uint32_t, int,
                const ngtcp2_callbacks *, int, const ngtcp2_settings *, int, const ngtcp2_transport_params *,
                const ngtcp2_mem *, void *);
    *(void **)&next = real("ngtcp2_conn_client_new_versioned");
    return next(conn, dcid, scid, path, other_version ? other_version : version, callbacks_version, callbacks,
                settings_version, settings, params_version, params, mem, user);
}

enum { TOTAL = 5000000, UPDATES = 5 };

static unsigned updates;

/* RFC 9001 6: either end may begin, one that has had an acknowledgement under the keys of now. */
static void update_now_and_then(struct net *net)
{
    const struct transfer *t = net->test;
    if (updates == UPDATES || t->read < (updates + 1) * (uint64_t)TOTAL / (UPDATES + 1))
        return;
    struct quic *quic = net->end[updates % 2];
    if (!ngtcp2_conn_initiate_key_update(quic->conn, quic_clock(quic, net->now)))
        updates++;
}

static void transfer_between(int from, int without_end, void (*on_wake)(struct net *net))
{
    struct net *net = net_new(5, 1, 1);
    /* 10 Mbit/s: between two updates have to be three times the probe timeout (RFC 9001 6.5) */
    net->rate = 1250;
    net->queue = 50 * NS_PER_MS;
    without = without_end < 0 ? NULL : net->end[without_end];
    left = updates = 0;
    net_connect(net);
    struct transfer *t = transfer_start(net, from, TOTAL);
    net->on_wake = on_wake;
    net_run(net, net->now + 60 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
    without = NULL;
}

static void an_end_with_gcm_and_one_without_understand_each_other(void **state)
{
    (void)state;
    for (int from = CLIENT; from <= SERVER; from++)
        for (int end = CLIENT; end <= SERVER; end++)
            transfer_between(from, end, NULL);
}

static void keys_may_change_in_mid_transfer(void **state)
{
    (void)state;
    for (int end = -1; end <= SERVER; end++) {
        transfer_between(CLIENT, end, update_now_and_then);
        assert_int_equal(updates, UPDATES);
#ifdef P2P_IPSEC_MB
        /* of 6,000 packets and more the first 255 of each key are GnuTLS's */
        if (end < 0 && gcm_is_there())
            assert_in_range(left, 1, 2 * (UPDATES + 1) * 256 + 20);
#endif
    }
}

/* We begin none, but a server takes it. */
static void quic_version_2_has_keys_of_its_own(void **state)
{
    (void)state;
    other_version = VERSION_2;
    transfer_between(CLIENT, -1, NULL);
    other_version = 0;
    assert_in_range(left, TOTAL / 1200, 10000);
}

static void of_a_long_transfer_few_packets_are_left_to_the_helper(void **state)
{
    (void)state;
    transfer_between(CLIENT, SERVER, NULL);
    unsigned one = left;
    transfer_between(CLIENT, CLIENT, NULL);
    unsigned other = left;
#ifdef P2P_IPSEC_MB
    if (!gcm_is_there())
        skip();                                  /* this processor has no instructions for AES */
    assert_in_range(one, 1, 3500);               /* the acknowledgements of the end without */
    assert_in_range(other, TOTAL / 1200, 10000); /* what it sent */
    transfer_between(CLIENT, -1, NULL);
    assert_in_range(left, 1, 600); /* the handshake and what comes before each end has had many */
#else
    assert_in_range(one + other, TOTAL / 1200, 20000);
#endif
}

static void assert_no_connection_without_memory(void)
{
    struct net *net = net_new(5, 1, 1);
    net_settle(net);
    assert_true(fail_alloc_hit);
    assert_true(net->closed_at[CLIENT] || net->closed_at[SERVER]);
    net_free(net);
    fail_alloc_at(0);
}

/* What it leaves behind the sanitizer would report. */
static void without_memory_for_a_key_there_is_no_connection(void **state)
{
    (void)state;
#ifdef P2P_IPSEC_MB
    if (!gcm_is_there())
#endif
        skip(); /* all keys are the helper's */
    for (unsigned n = 1; n <= 2; n++) {
        fail_install = n;
        assert_no_connection_without_memory();
        fail_install = 0;
        fail_update = n;
        assert_no_connection_without_memory();
        fail_update = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_with_gcm_and_one_without_understand_each_other),
        cmocka_unit_test(keys_may_change_in_mid_transfer),
        cmocka_unit_test(quic_version_2_has_keys_of_its_own),
        cmocka_unit_test(of_a_long_transfer_few_packets_are_left_to_the_helper),
        cmocka_unit_test(without_memory_for_a_key_there_is_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
