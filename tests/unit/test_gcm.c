/* test_gcm.c - gcm: what it makes of known texts, what GnuTLS makes of the same, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#ifdef P2P_IPSEC_MB

#include "gcm.h"
#include <gnutls/crypto.h>
#include <sodium.h>
#include <string.h>

static uint8_t key_bytes[GCM_KEY_LEN], nonce[GCM_NONCE_LEN], aad[64], text[40000],
    sealed[sizeof text + GCM_TAG_LEN], opened[sizeof sealed];

static size_t from_hex(uint8_t *out, size_t capacity, const char *hex)
{
    size_t len;
    assert_int_equal(sodium_hex2bin(out, capacity, hex, strlen(hex), NULL, &len, NULL), 0);
    return len;
}

static struct gcm_key *key_made(void)
{
    if (!gcm_is_there())
        skip(); /* this processor has no instructions for AES */
    struct gcm_key *key = gcm_key_new(key_bytes);
    assert_non_null(key);
    return key;
}

/* McGrew and Viega, The Galois/Counter Mode of Operation, test case 4: part of what NIST's recommendation
 * refers to. */
static void the_known_text_becomes_the_known_one(void **state)
{
    (void)state;
    from_hex(key_bytes, sizeof key_bytes, "feffe9928665731c6d6a8f9467308308");
    from_hex(nonce, sizeof nonce, "cafebabefacedbaddecaf888");
    size_t aad_len = from_hex(aad, sizeof aad, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
    size_t len =
        from_hex(text, sizeof text,
                 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
                 "49a6b525b16aedf5aa0de657ba637b39");
    uint8_t known[100];
    size_t known_len =
        from_hex(known, sizeof known,
                 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d"
                 "8f6a5aac84aa051ba30b396a0aac973d58e091"
                 "5bc94fbc3221a5db94fae95ae7121a47");
    struct gcm_key *key = key_made();
    gcm_seal(key, sealed, text, len, nonce, aad, aad_len);
    assert_int_equal(len + GCM_TAG_LEN, known_len);
    assert_memory_equal(sealed, known, known_len);
    assert_true(gcm_open(key, opened, known, known_len, nonce, aad, aad_len));
    assert_memory_equal(opened, text, len);
    gcm_key_free(key);
}

static void fill(void)
{
    static const uint8_t seed[randombytes_SEEDBYTES] = {1};
    randombytes_buf_deterministic(text, sizeof text, seed);
    memcpy(key_bytes, text + 1000, sizeof key_bytes);
    memcpy(nonce, text + 2000, sizeof nonce);
    memcpy(aad, text + 3000, sizeof aad);
}

static void assert_same_as_gnutls(const struct gcm_key *key, gnutls_aead_cipher_hd_t other, size_t len,
                                  size_t aad_len)
{
    static uint8_t theirs[sizeof sealed];
    size_t their_len = sizeof theirs;
    assert_int_equal(gnutls_aead_cipher_encrypt(other, nonce, sizeof nonce, aad, aad_len, GCM_TAG_LEN, text,
                                                len, theirs, &their_len),
                     0);
    memcpy(sealed, text, len);
    gcm_seal(key, sealed, sealed, len, nonce, aad, aad_len); /* in place, as ngtcp2 has it */
    assert_int_equal(their_len, len + GCM_TAG_LEN);
    assert_memory_equal(sealed, theirs, their_len);
    assert_true(gcm_open(key, sealed, sealed, their_len, nonce, aad, aad_len));
    assert_memory_equal(sealed, text, len);
}

static void every_length_gives_what_gnutls_gives(void **state)
{
    (void)state;
    fill();
    struct gcm_key *key = key_made();
    gnutls_aead_cipher_hd_t other;
    const gnutls_datum_t datum = {.data = key_bytes, .size = sizeof key_bytes};
    assert_int_equal(gnutls_aead_cipher_init(&other, GNUTLS_CIPHER_AES_128_GCM, &datum), 0);
    for (size_t len = 0; len <= 1500; len++)
        assert_same_as_gnutls(key, other, len, 1 + len % sizeof aad);
    for (size_t len = 1501; len <= sizeof text; len += 997)
        assert_same_as_gnutls(key, other, len, 13);
    gnutls_aead_cipher_deinit(other);
    gcm_key_free(key);
}

static void one_bit_changed_is_refused_wherever_it_is(void **state)
{
    (void)state;
    enum { LEN = 40, AAD_LEN = 20 };
    fill();
    struct gcm_key *key = key_made();
    gcm_seal(key, sealed, text, LEN, nonce, aad, AAD_LEN);
    struct {
        uint8_t *at;
        size_t len;
    } places[] = {{sealed, LEN + GCM_TAG_LEN}, {aad, AAD_LEN}, {nonce, sizeof nonce}};
    for (size_t place = 0; place < sizeof places / sizeof *places; place++)
        for (size_t bit = 0; bit < 8 * places[place].len; bit++) {
            places[place].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(gcm_open(key, opened, sealed, LEN + GCM_TAG_LEN, nonce, aad, AAD_LEN));
            places[place].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    assert_true(gcm_open(key, opened, sealed, LEN + GCM_TAG_LEN, nonce, aad, AAD_LEN));
    gcm_key_free(key);
}

static void what_has_no_room_for_a_tag_is_refused(void **state)
{
    (void)state;
    fill();
    struct gcm_key *key = key_made();
    for (size_t len = 0; len < GCM_TAG_LEN; len++)
        assert_false(gcm_open(key, opened, sealed, len, nonce, aad, 1));
    gcm_key_free(key);
    gcm_key_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_text_becomes_the_known_one),
        cmocka_unit_test(every_length_gives_what_gnutls_gives),
        cmocka_unit_test(one_bit_changed_is_refused_wherever_it_is),
        cmocka_unit_test(what_has_no_room_for_a_tag_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void gcm_is_built_where_the_multi_buffer_library_is(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gcm_is_built_where_the_multi_buffer_library_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
