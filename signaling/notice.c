/* notice.c - the queue of events that wait to be pulled. They hold keys, so each is wiped when it is freed.
 */
#include "notice.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct notice *notice_new(const struct notices *notices, enum rendezvous_event_type type, const char *text,
                          size_t len)
{
    unsigned limit = type == RENDEZVOUS_TRACE ? NOTICES_TRACE_MAX : NOTICES_MAX;
    struct notice *notice = notices->count < limit ? calloc(1, sizeof *notice + len + 1) : NULL;
    if (!notice)
        return NULL;
    notice->event.type = type;
    if (text) {
        memcpy(notice->text, text, len);
        notice->event.text = notice->text;
    }
    return notice;
}

void notice_free(struct notice *notice)
{
    if (!notice)
        return;
    sodium_memzero(notice, sizeof *notice);
    free(notice);
}

void notice_set_reason(struct notice *notice, const char *reason)
{
    size_t len = strnlen(reason, REASON_MAX - 1);
    memcpy(notice->text, reason, len);
    notice->text[len] = 0;
    notice->event.text = notice->text;
}

void notices_put(struct notices *notices, struct notice *notice)
{
    if (notices->last)
        notices->last->next = notice;
    else
        notices->first = notice;
    notices->last = notice;
    notices->count++;
}

static void drop_given(struct notices *notices)
{
    notice_free(notices->given);
    notices->given = NULL;
}

bool notices_take(struct notices *notices, struct rendezvous_event *event)
{
    drop_given(notices);
    struct notice *notice = notices->first;
    if (!notice)
        return false;
    notices->first = notice->next;
    if (!notices->first)
        notices->last = NULL;
    notices->count--;
    *event = notice->event;
    notices->given = notice;
    return true;
}

void notices_clear(struct notices *notices)
{
    struct rendezvous_event event;
    while (notices_take(notices, &event))
        ;
}
