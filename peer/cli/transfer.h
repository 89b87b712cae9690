/* transfer.h - what send and receive show: how far, how fast, and what became of each file. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "events.h"
#include "file_writer.h"

enum { SIZE_WORDS_MAX = 24, SHOWN_FILE_MAX = 900, OFFER_WORDS_MAX = 1300 };

/* "1.4 GB", in powers of 1000. */
const char *size_words(char out[SIZE_WORDS_MAX], uint64_t bytes);
/* "photos and 2 more: 3 files, 1 folder, 1.4 GB". */
const char *offer_words(char out[OFFER_WORDS_MAX], const struct manifest *manifest);

/* One transfer with one peer. Begins zeroed. */
struct transfer {
    const char *verb; /* "sending to", "receiving from" */
    const struct manifest *manifest;
    struct p2p_peer *peer; /* NULL: gone */
    char id[64], name[SHOWN_NAME_MAX], kind[16];
    uint64_t begun_ns, shown_ns, rate_ns, rate_bytes;
    double rate;    /* bytes a second, smoothed */
    uint64_t moved; /* bytes that travelled */
    uint64_t held;  /* bytes that need not: they are there, */
    uint64_t zeros; /* or nothing but zeros */
    uint32_t arrived, already, failed;
};

void transfer_begin(struct transfer *transfer, const char *verb, struct p2p_peer *peer,
                    const struct manifest *manifest);
/* The event "offer". */
void transfer_offer(struct report *report, const struct transfer *transfer);
/* Shows how far it is when that is due; returns when it will be due again (ns). */
uint64_t transfer_progress(struct report *report, struct transfer *transfer, uint64_t now);
/* What became of a file: counted, and told. */
void transfer_file(struct report *report, struct transfer *transfer, const struct file_result *result);
/* The line at the end, and the event "transfer". `sentence` NULL: it went well. */
void transfer_summary(struct report *report, struct transfer *transfer, uint64_t now, const char *sentence);

#endif
