/* test_quic_buffer.c - a queue of bytes, whether they are copied or put and taken in place. */
#include "quic_buffer.h"

#include "fail_alloc.h"
#include "given.h"

#include <string.h>

enum { STEPS = 20000, LEN_MAX = 3 * CHUNK_BYTES, HELD_MAX = 20 * CHUNK_BYTES, RUNS = 8 };

/* A sender's buffer and a receiver's, one byte after the other of a pattern: what was put in, handed out of
 * the one, and taken out of each, in bytes since the beginning. */
struct both {
    struct chunk_pool pool;
    struct buffer out, in;
    uint64_t put, sent, dropped, taken;
};

static uint8_t pattern_at(uint64_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) * 13 + (at >> 16));
}

static size_t below(size_t limit)
{
    return random_below(&seeded, (uint32_t)limit);
}

static void fill(uint8_t *data, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = pattern_at(at + i);
}

static void check(const uint8_t *data, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], pattern_at(at + i));
}

static void put_copy(struct both *both, size_t len)
{
    static uint8_t data[LEN_MAX];
    fill(data, both->put, len);
    assert_int_equal(buffer_append(&both->out, &both->pool, data, len), len);
    assert_int_equal(buffer_append(&both->in, &both->pool, data, len), len);
    both->put += len;
}

static size_t put_in_place_of(struct buffer *buffer, struct both *both, size_t len, size_t used)
{
    struct iovec runs[RUNS];
    size_t room = 0, count = buffer_reserve(buffer, &both->pool, runs, RUNS, len);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(runs[i].iov_len, 1, CHUNK_BYTES);
        fill(runs[i].iov_base, both->put + room, runs[i].iov_len);
        room += runs[i].iov_len;
    }
    assert_int_equal(room, len);
    assert_true(buffer_commit(buffer, &both->pool, used));
    return used;
}

static void put_in_place(struct both *both, size_t len)
{
    size_t used = below(len + 1);
    put_in_place_of(&both->out, both, len, used);
    both->put += put_in_place_of(&both->in, both, len, used);
}

static void take_copy(struct both *both, size_t len)
{
    static uint8_t data[LEN_MAX];
    size_t got = buffer_take(&both->in, &both->pool, data, len);
    check(data, both->taken, got);
    both->taken += got;
}

static size_t check_runs(const struct iovec *runs, size_t count, uint64_t at)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        check(runs[i].iov_base, at + len, runs[i].iov_len);
        len += runs[i].iov_len;
    }
    return len;
}

static void take_in_place(struct both *both)
{
    struct iovec runs[RUNS];
    size_t shown = check_runs(runs, buffer_peek(&both->in, runs, RUNS), both->taken);
    assert_true(shown || !both->in.len);
    size_t used = below(shown + 1);
    buffer_consume(&both->in, &both->pool, used);
    both->taken += used;
}

static void send_and_drop(struct both *both, size_t limit)
{
    struct iovec runs[RUNS];
    size_t len = check_runs(runs, buffer_unsent(&both->out, runs, RUNS, limit), both->sent);
    assert_true(len <= limit);
    buffer_sent(&both->out, len);
    both->sent += len;
    size_t drop = below((size_t)(both->sent - both->dropped) + 1);
    buffer_drop(&both->out, &both->pool, drop);
    both->dropped += drop;
}

static void step(struct both *both)
{
    size_t len = 1 + below(below(4) ? LEN_MAX : 64);
    switch (below(5)) {
    case 0:
        put_copy(both, both->in.len + both->out.len < HELD_MAX ? len : 0);
        break;
    case 1:
        if (both->in.len + both->out.len < HELD_MAX)
            put_in_place(both, len);
        break;
    case 2:
        take_copy(both, len);
        break;
    case 3:
        take_in_place(both);
        break;
    default:
        send_and_drop(both, len);
    }
    assert_int_equal(both->in.len, both->put - both->taken);
    assert_int_equal(both->out.len, both->put - both->dropped);
    assert_int_equal(both->out.unsent, both->put - both->sent);
}

static void bytes_come_out_as_they_went_in_whichever_way_they_go(void **state)
{
    (void)state;
    static struct both both;
    for (unsigned i = 0; i < STEPS; i++)
        step(&both);
    assert_true(both.taken > 100 * CHUNK_BYTES && both.dropped > 100 * CHUNK_BYTES);
    buffer_clear(&both.in, &both.pool);
    buffer_clear(&both.out, &both.pool);
    pool_free(&both.pool); /* asserts that no chunk is missing */
}

static void what_is_called_between_takes_the_reservation_back(void **state)
{
    (void)state;
    struct chunk_pool pool = {0};
    struct buffer buffer = {0};
    struct iovec runs[RUNS];
    assert_int_equal(buffer_append(&buffer, &pool, "abc", 3), 3);
    buffer_sent(&buffer, 3);
    assert_int_equal(buffer_reserve(&buffer, &pool, runs, RUNS, 2 * CHUNK_BYTES), 3);
    assert_int_equal(buffer_append(&buffer, &pool, "def", 3), 3);
    assert_false(buffer_commit(&buffer, &pool, 1));
    assert_int_equal(buffer_reserve(&buffer, &pool, runs, RUNS, 2 * CHUNK_BYTES), 3);
    buffer_sent(&buffer, 3);
    buffer_drop(&buffer, &pool, 6); /* the chunk that it began in is gone */
    assert_false(buffer_commit(&buffer, &pool, 1));
    assert_int_equal(buffer_reserve(&buffer, &pool, runs, RUNS, 2 * CHUNK_BYTES), 2);
    buffer_clear(&buffer, &pool);
    pool_free(&pool);
}

static void a_reservation_is_as_long_as_there_is_memory(void **state)
{
    (void)state;
    struct chunk_pool pool = {0};
    struct buffer buffer = {0};
    struct iovec runs[RUNS];
    fail_alloc_at(1);
    assert_int_equal(buffer_reserve(&buffer, &pool, runs, RUNS, 3 * CHUNK_BYTES), 0);
    fail_alloc_at(3);
    assert_int_equal(buffer_reserve(&buffer, &pool, runs, RUNS, 3 * CHUNK_BYTES), 2);
    fail_alloc_at(0);
    assert_false(buffer_commit(&buffer, &pool, 2 * CHUNK_BYTES + 1));
    assert_int_equal(buffer_reserve(&buffer, &pool, runs, 1, 3 * CHUNK_BYTES), 1);
    assert_true(buffer_commit(&buffer, &pool, CHUNK_BYTES));
    assert_int_equal(buffer.len, CHUNK_BYTES);
    buffer_clear(&buffer, &pool);
    pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_as_they_went_in_whichever_way_they_go),
        cmocka_unit_test(what_is_called_between_takes_the_reservation_back),
        cmocka_unit_test(a_reservation_is_as_long_as_there_is_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
