/* test_mqtt_post.c - what passes between a broker's thread and its owner: bulk crowds nothing else out. */
#include "mqtt_post.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct post *post_make(void)
{
    static struct post post;
    assert_true(post_open(&post));
    post_enter(&post, POST_UP);
    return &post;
}

static void bulk_that_arrives_leaves_room_for_messages(void **state)
{
    (void)state;
    struct post *post = post_make();
    struct mqtt_event event;
    unsigned bulk = 0, messages = 0;
    for (unsigned i = 0; i < 2 * MQTT_QUEUE_MAX; i++)
        post_tell(post, MQTT_BULK, "relay", "x", 1);
    for (unsigned i = 0; i < MQTT_QUEUE_MAX - MQTT_BULK_MAX; i++)
        post_tell(post, MQTT_MESSAGE, "hello", "y", 1);
    assert_int_equal(post_dropped(post), 2 * MQTT_QUEUE_MAX - MQTT_BULK_MAX);
    while (post_take(post, &event)) {
        bulk += event.type == MQTT_BULK;
        messages += event.type == MQTT_MESSAGE;
        assert_string_equal(event.topic, event.type == MQTT_BULK ? "relay" : "hello");
    }
    assert_int_equal(bulk, MQTT_BULK_MAX);
    assert_int_equal(messages, MQTT_QUEUE_MAX - MQTT_BULK_MAX);
    post_tell(post, MQTT_BULK, "relay", "x", 1); /* there is room again */
    assert_true(post_take(post, &event));
    post_free(post);
}

static void bulk_leaves_after_all_messages(void **state)
{
    (void)state;
    struct post *post = post_make();
    assert_true(post_publish_bulk(post, "relay", "x", 1));
    const struct post_node *first = post_next(post);
    assert_int_equal(first->type, MQTT_BULK);
    assert_true(post_publish(post, "hello", "y", 1)); /* while the first is being written */
    post_left(post, first);
    assert_true(post_publish_bulk(post, "relay", "z", 1));
    const struct post_node *second = post_next(post);
    assert_int_equal(second->type, MQTT_MESSAGE);
    post_left(post, second);
    const struct post_node *third = post_next(post);
    assert_int_equal(third->type, MQTT_BULK);
    assert_int_equal(*third->data, 'z');
    post_left(post, third);
    assert_null(post_next(post));
    post_free(post);
}

static void bulk_waits_only_while_connected_and_only_so_much(void **state)
{
    (void)state;
    struct post *post = post_make();
    for (unsigned i = 0; i < MQTT_BULK_MAX; i++)
        assert_true(post_publish_bulk(post, "relay", "x", 1));
    assert_false(post_publish_bulk(post, "relay", "x", 1));
    assert_true(post_publish(post, "hello", "y", 1));
    post_enter(post, POST_DOWN);
    assert_int_equal(post_dropped(post), 1 + MQTT_BULK_MAX + 1);
    assert_null(post_next(post));
    assert_false(post_publish_bulk(post, "relay", "x", 1));
    post_free(post);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulk_that_arrives_leaves_room_for_messages),
        cmocka_unit_test(bulk_leaves_after_all_messages),
        cmocka_unit_test(bulk_waits_only_while_connected_and_only_so_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
