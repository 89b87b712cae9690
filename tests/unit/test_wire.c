/* test_wire.c - cursors over bytes: they read and write what they should, and never past the end. */
#include "wire.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_is_written_is_read_again_in_network_order(void **state)
{
    (void)state;
    static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'a', 'b'};
    uint8_t bytes[sizeof expected];
    struct writer w = writer_of(bytes, sizeof bytes);
    put_u8(&w, 1);
    put_u16(&w, 0x0203);
    put_u32(&w, 0x04050607);
    put_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    put_bytes(&w, "ab", 2);
    assert_false(w.bad);
    assert_int_equal(w.len, sizeof bytes);
    assert_memory_equal(bytes, expected, sizeof bytes);

    struct reader r = reader_of(bytes, sizeof bytes);
    assert_int_equal(take_u8(&r), 1);
    assert_int_equal(take_u16(&r), 0x0203);
    assert_int_equal(take_u32(&r), 0x04050607);
    assert_true(take_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_memory_equal(take_bytes(&r, 2), "ab", 2);
    assert_false(r.bad);
    assert_int_equal(r.left, 0);
}

static void high_bits_survive(void **state)
{
    (void)state;
    uint8_t bytes[15];
    memset(bytes, 0xff, sizeof bytes);
    struct reader r = reader_of(bytes, sizeof bytes);
    assert_int_equal(take_u8(&r), UINT8_MAX);
    assert_int_equal(take_u16(&r), UINT16_MAX);
    assert_true(take_u32(&r) == UINT32_MAX);
    assert_true(take_u64(&r) == UINT64_MAX);
}

/* Every read, with every number of bytes missing: zero, and `bad` for good. */
static void reading_past_the_end_gives_zero_and_stays_bad(void **state)
{
    (void)state;
    static const uint8_t bytes[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t len = 0; len < 8; len++) {
        struct reader r = reader_of(bytes, len);
        if (len < 1)
            assert_int_equal(take_u8(&r), 0);
        if (len < 2)
            assert_int_equal(take_u16(&r), 0);
        if (len < 4)
            assert_int_equal(take_u32(&r), 0);
        r = reader_of(bytes, len);
        assert_null(take_bytes(&r, len + 1));
        assert_true(r.bad);
        assert_int_equal(r.left, len);
        assert_int_equal(take_u8(&r), 0);
        assert_null(take_bytes(&r, 0));
        r = reader_of(bytes, len);
        take_u64(&r);
        assert_true(r.bad);
    }
}

static void a_length_near_the_largest_number_does_not_wrap(void **state)
{
    (void)state;
    uint8_t bytes[4] = {0};
    struct reader r = reader_of(bytes, sizeof bytes);
    take_u8(&r);
    assert_null(take_bytes(&r, SIZE_MAX));
    assert_true(r.bad);
    struct writer w = writer_of(bytes, sizeof bytes);
    put_u8(&w, 1);
    assert_null(put_room(&w, SIZE_MAX));
    assert_true(w.bad);
}

static void writing_past_the_end_writes_nothing_and_stays_bad(void **state)
{
    (void)state;
    uint8_t bytes[4] = {9, 9, 9, 9};
    struct writer w = writer_of(bytes, 3);
    put_u16(&w, 0x0102);
    put_u16(&w, 0x0304);
    assert_true(w.bad);
    assert_int_equal(w.len, 2);
    put_u8(&w, 5);
    put_bytes(&w, "", 0);
    assert_true(w.bad);
    assert_memory_equal(bytes, ((const uint8_t[]){1, 2, 9, 9}), 4);
}

static void nothing_can_be_read_and_written_without_harm(void **state)
{
    (void)state;
    struct reader r = reader_of("", 0);
    assert_non_null(take_bytes(&r, 0));
    assert_false(r.bad);
    uint8_t byte;
    struct writer w = writer_of(&byte, 0);
    put_bytes(&w, NULL, 0);
    assert_int_equal(w.len, 0);
    put_u8(&w, 1);
    assert_true(w.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again_in_network_order),
        cmocka_unit_test(high_bits_survive),
        cmocka_unit_test(reading_past_the_end_gives_zero_and_stays_bad),
        cmocka_unit_test(a_length_near_the_largest_number_does_not_wrap),
        cmocka_unit_test(writing_past_the_end_writes_nothing_and_stays_bad),
        cmocka_unit_test(nothing_can_be_read_and_written_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
