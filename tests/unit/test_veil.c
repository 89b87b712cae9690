/* test_veil.c - the veil returns what it hid to who knows the room's name, and to nobody else. */
#include "veil.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t key[VEIL_KEY_LEN];

static struct message sample(void)
{
    struct message message = {.type = MESSAGE_HELLO,
                              .from = "abcdefghijklm234",
                              .about = {.purpose = "abcdefghijklmno-", .slots = SLOTS_MAX, .fresh = true}};
    randombytes_buf(message.about.nonce, NONCE_LEN);
    return message;
}

/* As it arrives: the three members are not there. */
static struct message arrived(const struct message *message)
{
    struct message back = *message;
    memset(back.about.purpose, 0, sizeof back.about.purpose);
    back.about.slots = 0;
    back.about.fresh = false;
    return back;
}

static void what_was_hidden_returns(void **state)
{
    static const char *const purposes[] = {"a", "chat", "abcdefghijklmno-"};
    (void)state;
    for (unsigned i = 0; i < 3 * (SLOTS_MAX + 1) * 256; i++) {
        struct message message = sample();
        memset(message.about.purpose, 0, sizeof message.about.purpose);
        strcpy(message.about.purpose, purposes[i % 3]);
        message.about.slots = (uint8_t)(i / 3 % (SLOTS_MAX + 1));
        message.about.fresh = (uint8_t)(i / 3 / (SLOTS_MAX + 1));
        veil_close(key, &message);
        struct message back = arrived(&message);
        assert_true(veil_open(key, &back));
        assert_memory_equal(&back, &message, sizeof back);
    }
}

static void every_bit_counts(void **state)
{
    struct message message = sample();
    (void)state;
    veil_close(key, &message);
    for (unsigned bit = 0; bit < VEIL_LEN * 8; bit++) {
        struct message back = arrived(&message);
        back.veil[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(veil_open(key, &back));
    }
}

static void it_belongs_to_its_message_and_its_room(void **state)
{
    struct message message = sample(), back;
    uint8_t other[VEIL_KEY_LEN];
    (void)state;
    veil_close(key, &message);
    back = arrived(&message);
    back.type = MESSAGE_PAKE1;
    assert_false(veil_open(key, &back));
    back = arrived(&message);
    back.from[0]++;
    assert_false(veil_open(key, &back));
    back = arrived(&message);
    back.about.nonce[15] ^= 1;
    assert_false(veil_open(key, &back));
    back = arrived(&message);
    veil_key(other, "demo2");
    assert_false(veil_open(other, &back));
    assert_true(veil_open(key, &back));
}

/* Whoever knows the name can veil anything; what breaks the rules is refused all the same. */
static void what_breaks_the_rules_is_refused(void **state)
{
    static const char *const purposes[] = {"", "Chat", "ch at", "chat1", "ch\xc3\xa4t"};
    (void)state;
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++) {
        struct message message = sample();
        memset(message.about.purpose, 0, sizeof message.about.purpose);
        strcpy(message.about.purpose, purposes[i]);
        veil_close(key, &message);
        assert_false(veil_open(key, &message));
    }
    struct message message = sample();
    message.about.slots = SLOTS_MAX + 1;
    veil_close(key, &message);
    assert_false(veil_open(key, &message));
}

/* For those who write the other side: made by this code, and by tests/adversary/peer.py on its own. */
static void the_veil_is_as_it_was(void **state)
{
    struct message message = {.type = MESSAGE_PAKE1,
                              .from = "k3qv7xw2abcdefgh",
                              .about = {.purpose = "chat", .slots = 8, .fresh = true}};
    char hex[2 * VEIL_LEN + 1];
    (void)state;
    veil_close(key, &message);
    sodium_bin2hex(hex, sizeof hex, message.veil, VEIL_LEN);
    assert_string_equal(hex, "aad70df67b6d6f611d1190da0f62f0dff4257aef36eeced53df7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_hidden_returns),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(it_belongs_to_its_message_and_its_room),
        cmocka_unit_test(what_breaks_the_rules_is_refused),
        cmocka_unit_test(the_veil_is_as_it_was),
    };
    if (sodium_init() < 0)
        return 1;
    veil_key(key, "demo");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
