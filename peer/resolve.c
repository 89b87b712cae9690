/* resolve.c - turns host names into addresses without making anybody wait: one thread a name.
 *
 * getaddrinfo may block for a minute and cannot be stopped. So each question has a thread that owns a share
 * of the answer's box: whoever comes last, the thread or the resolver, frees it. */
#include "resolve.h"
#include "bell.h"
#include "socket_address.h"
#include "worker.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct question {
    struct box *box;
    struct question *next;
    uint16_t port;
    struct resolved answer;
};

struct box {
    pthread_mutex_t lock;
    unsigned shares; /* threads, and the resolver */
    struct question *answered;
    struct bell bell; /* rings while an answer waits */
};

struct resolver {
    struct box *box;
    unsigned pending;
};

static void box_leave(struct box *box)
{
    pthread_mutex_lock(&box->lock);
    bool last = --box->shares == 0;
    pthread_mutex_unlock(&box->lock);
    if (!last)
        return;
    while (box->answered) {
        struct question *question = box->answered;
        box->answered = question->next;
        free(question);
    }
    bell_close(&box->bell);
    pthread_mutex_destroy(&box->lock);
    free(box);
}

struct resolver *resolver_new(void)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    struct box *box = calloc(1, sizeof *box);
    if (!resolver || !box || !bell_open(&box->bell)) {
        free(resolver);
        free(box);
        return NULL;
    }
    pthread_mutex_init(&box->lock, NULL);
    box->shares = 1;
    resolver->box = box;
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    box_leave(resolver->box);
    free(resolver);
}

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned long value = 0;
    if (!*text)
        return false;
    for (; *text >= '0' && *text <= '9' && value <= 65535; text++)
        value = value * 10 + (unsigned long)(*text - '0');
    if (*text || value == 0 || value > 65535)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* An address, maybe with a port: IPv6 with a port is in brackets. */
static bool parse_address(const char *text, char host[256], uint16_t *port)
{
    struct addr address;
    if (!addr_parse(&address, text))
        return false;
    if (address.port)
        *port = address.port;
    addr_print_ip(&address, host);
    return true;
}

bool resolver_parse(const char *text, uint16_t default_port, char host[256], uint16_t *port)
{
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    *port = default_port;
    if (parse_address(text, host, port))
        return true;
    if (len == 0 || len > 255 || strcspn(text, " \t\r\n/@[]") < len || (colon && strchr(colon + 1, ':')))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return !colon || parse_port(colon + 1, port);
}

static void take_first_of_each(struct question *question, const struct addrinfo *list)
{
    struct resolved *answer = &question->answer;
    bool have[2] = {false, false};
    for (const struct addrinfo *entry = list; entry; entry = entry->ai_next) {
        if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6)
            continue;
        bool *had = &have[entry->ai_family == AF_INET6];
        if (!*had && answer->count < RESOLVE_ADDRESSES_MAX) {
            struct addr *address = &answer->addresses[answer->count++];
            *address = socket_address_get(entry->ai_addr);
            address->port = question->port;
        }
        *had = true;
    }
}

static void *answer_question(void *argument)
{
    struct question *question = argument;
    struct box *box = question->box;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *list = NULL;
    int err = getaddrinfo(question->answer.host, NULL, &hints, &list);
    if (err == 0) {
        take_first_of_each(question, list);
        freeaddrinfo(list);
    }
    if (question->answer.count == 0)
        snprintf(question->answer.why, sizeof question->answer.why, "%s",
                 err ? gai_strerror(err) : "no address");
    pthread_mutex_lock(&box->lock);
    question->next = box->answered;
    box->answered = question;
    bell_ring(&box->bell);
    pthread_mutex_unlock(&box->lock);
    box_leave(box);
    return NULL;
}

bool resolver_ask(struct resolver *resolver, const char *host, uint16_t port, int tag)
{
    struct question *question = calloc(1, sizeof *question);
    if (!question)
        return false;
    struct box *box = resolver->box;
    question->box = box;
    question->port = port;
    question->answer.tag = tag;
    snprintf(question->answer.host, sizeof question->answer.host, "%s", host);
    pthread_mutex_lock(&box->lock);
    box->shares++;
    pthread_mutex_unlock(&box->lock);
    if (!worker_start(answer_question, question)) {
        free(question);
        box_leave(box);
        return false;
    }
    resolver->pending++;
    return true;
}

int resolver_fd(const struct resolver *resolver)
{
    return bell_fd(&resolver->box->bell);
}

bool resolver_next(struct resolver *resolver, struct resolved *out)
{
    struct box *box = resolver->box;
    pthread_mutex_lock(&box->lock);
    struct question *question = box->answered;
    if (question)
        box->answered = question->next;
    if (!box->answered)
        bell_hush(&box->bell);
    pthread_mutex_unlock(&box->lock);
    if (!question)
        return false;
    *out = question->answer;
    free(question);
    resolver->pending--;
    return true;
}

unsigned resolver_pending(const struct resolver *resolver)
{
    return resolver->pending;
}
