/* gcm.c - AES-128 in Galois/counter mode with the processor's widest instructions (NIST SP 800-38D).
 *
 * Of the library 1.x and 2.x have these functions in its manager. 1.3 notes an error, or that there is none,
 * in one variable for all threads at every call: nobody here reads it, but many threads share its line of the
 * cache. */
#include "gcm.h"

#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

/* The library's code crashes for keys at odd addresses, and its header asks for 64 bytes only if told that
 * this is Linux. */
struct gcm_key {
    _Alignas(64) struct gcm_key_data data;
};

/* What of the library's manager is needed; all NULL where it does not serve. The manager itself is for queues
 * of jobs, and large. */
static struct {
    aes_gcm_pre_t expand;
    aes_gcm_enc_dec_t encrypt, decrypt;
} chosen;

static void choose(void)
{
    IMB_MGR *manager = alloc_mb_mgr(0);
    if (!manager)
        return;
    init_mb_mgr_auto(manager, NULL);
    if (!imb_get_errno(manager) && manager->features & IMB_FEATURE_AESNI) {
        chosen.expand = manager->gcm128_pre;
        chosen.encrypt = manager->gcm128_enc;
        chosen.decrypt = manager->gcm128_dec;
    }
    free_mb_mgr(manager);
}

bool gcm_is_there(void)
{
    return __builtin_cpu_supports("aes");
}

struct gcm_key *gcm_key_new(const uint8_t key[GCM_KEY_LEN])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    struct gcm_key *made = chosen.expand ? aligned_alloc(_Alignof(struct gcm_key), sizeof *made) : NULL;
    if (made)
        chosen.expand(key, &made->data);
    return made;
}

void gcm_key_free(struct gcm_key *key)
{
    if (key)
        sodium_memzero(key, sizeof *key);
    free(key);
}

void gcm_seal(const struct gcm_key *key, uint8_t *dest, const uint8_t *text, size_t len,
              const uint8_t nonce[GCM_NONCE_LEN], const uint8_t *aad, size_t aad_len)
{
    struct gcm_context_data state;
    chosen.encrypt(&key->data, &state, dest, text, len, nonce, aad, aad_len, dest + len, GCM_TAG_LEN);
    sodium_memzero(&state, sizeof state);
}

bool gcm_open(const struct gcm_key *key, uint8_t *dest, const uint8_t *text, size_t len,
              const uint8_t nonce[GCM_NONCE_LEN], const uint8_t *aad, size_t aad_len)
{
    if (len < GCM_TAG_LEN)
        return false;
    len -= GCM_TAG_LEN;
    struct gcm_context_data state;
    uint8_t tag[GCM_TAG_LEN];
    const uint8_t *sent = text + len;
    for (size_t i = 0; i < sizeof tag; i++)
        tag[i] =
            (uint8_t)~sent[i]; /* it stays wrong where the library refuses its arguments and writes none */
    chosen.decrypt(&key->data, &state, dest, text, len, nonce, aad, aad_len, tag, sizeof tag);
    sodium_memzero(&state, sizeof state);
    return !sodium_memcmp(tag, sent, sizeof tag);
}
