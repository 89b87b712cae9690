/* p2p_broker.c - the library's brokers: letters between them and the node's machine. */
#include "p2p_internal.h"

#include <stdio.h>

void brokers_print(const struct p2p_node *node, unsigned broker, char text[BROKER_TEXT_MAX])
{
    const struct mqtt_url *url = &node->brokers[broker];
    snprintf(text, BROKER_TEXT_MAX, "%s:%u", url->host, url->port);
}

static int open_broker(struct p2p_node *node, unsigned broker)
{
    char hello[TOPIC_MAX], inbox[TOPIC_MAX], relay[TOPIC_MAX];
    bool relays = node->broker_relay && node->paths & 1u << P2P_BROKER;
    struct letter will;
    rendezvous_topics(node_rendezvous(node->node), hello, inbox);
    rendezvous_relay_topic(node_rendezvous(node->node), relay);
    rendezvous_will(node_rendezvous(node->node), &will);
    struct mqtt_config config = {.url = node->brokers[broker],
                                 .topics = {hello, inbox},
                                 .bulk_topic = relays ? relay : NULL,
                                 .will_topic = will.topic,
                                 .will = will.data,
                                 .will_len = will.len};
    if (mqtt_open(&node->mqtt[broker], &config))
        return P2P_ESYSTEM;
    return loop_watch(node->loop, mqtt_fd(node->mqtt[broker])) ? 0 : P2P_ESYSTEM;
}

int brokers_open(struct p2p_node *node)
{
    int err = 0;
    for (unsigned i = 0; i < node->broker_count && !err; i++)
        err = open_broker(node, i);
    return err;
}

void brokers_close(struct p2p_node *node, unsigned grace_ms)
{
    for (unsigned i = 0; i < node->broker_count; i++) {
        if (!node->mqtt[i])
            continue;
        loop_forget(node->loop, mqtt_fd(node->mqtt[i]));
        mqtt_close(node->mqtt[i], grace_ms);
        node->mqtt[i] = NULL;
        node->broker_up[i] = false;
    }
}

void brokers_doubt(struct p2p_node *node, bool moved)
{
    for (unsigned i = 0; i < node->broker_count; i++)
        if (node->mqtt[i])
            mqtt_doubt(node->mqtt[i], moved);
}

/* No broker is connected, and each has failed at least once. */
static bool is_cut_off(const struct p2p_node *node)
{
    for (unsigned i = 0; i < node->broker_count; i++)
        if (node->broker_up[i] || !node->broker_failed[i])
            return false;
    return true;
}

static void broker_told(struct p2p_node *node, uint64_t now, unsigned broker, const struct mqtt_event *told)
{
    char name[BROKER_TEXT_MAX];
    switch (told->type) {
    case MQTT_MESSAGE:
    case MQTT_BULK:
        node_letter_input(node->node, now, broker, told->topic, told->data, told->len);
        return;
    case MQTT_CONNECTED:
        node->broker_up[broker] = true;
        node_broker_connected(node->node, now, broker);
        brokers_print(node, broker, name);
        events_put(node, &(struct p2p_event){.type = P2P_EVENT_JOINED, .text = name});
        return;
    case MQTT_DISCONNECTED:
        node_broker_disconnected(node->node, now, broker);
        break;
    case MQTT_FAILED:
    case MQTT_REFUSED:
        break;
    }
    node->broker_up[broker] = false;
    node->broker_failed[broker] = true;
    events_put(node, &(struct p2p_event){.type = P2P_EVENT_BROKER,
                                         .text = told->text,
                                         .error = P2P_EBROKER,
                                         .final = is_cut_off(node)});
}

void brokers_read(struct p2p_node *node, uint64_t now)
{
    struct mqtt_event told;
    for (unsigned i = 0; i < node->broker_count; i++) {
        if (!node->mqtt[i] || !loop_is_ready(node->loop, mqtt_fd(node->mqtt[i])))
            continue;
        while (mqtt_event(node->mqtt[i], &told)) {
            broker_told(node, now, i, &told);
            machine_drain(node, now);
        }
    }
}

/* What is dropped here is said again, by rendezvous or by QUIC. */
void brokers_write(struct p2p_node *node, uint64_t now)
{
    struct letter letter;
    while (node_letter_output(node->node, now, &letter))
        for (unsigned i = 0; i < node->broker_count; i++) {
            if (!(letter.brokers & 1u << i) || !node->mqtt[i])
                continue;
            if (letter.relay)
                (void)mqtt_publish_bulk(node->mqtt[i], letter.topic, letter.data, letter.len);
            else
                (void)mqtt_publish(node->mqtt[i], letter.topic, letter.data, letter.len);
        }
}
