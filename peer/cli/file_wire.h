/* file_wire.h - what travels between send and receive: streams, records and frames.
 *
 * The sender opens one stream of kind STREAM_OFFER, writes the manifest and ends it; the receiver answers on
 * the way back with frames. Then the sender opens LANES streams of kind STREAM_LANE and writes records, each
 * whole on one lane. README.md has the protocol on one page. */
#ifndef FILE_WIRE_H
#define FILE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STREAM_OFFER = 'm',
    STREAM_LANE = 'l',
    LANES = 4, /* a stream's window is 2 MiB: four of them fill 335 Mbit/s at 200 ms, 1.6 Gbit/s at 40 ms */
    LEAF_LEN =
        131072, /* bytes of a leaf: eight of them in memory are the 1 MiB that a killed receiver loses */
    HASH_LEN = 32,
    RECORD_LEN = 16, /* bytes of a record's head */
    FRAME_LEN = 5,   /* bytes of a frame's head */
    FRAME_MAX = 65536,
    REASON_MAX = 200, /* bytes of a reason, UTF-8 */
    FINISH_LEN = 8 + 4 + HASH_LEN,
    SIGN_S = 30,    /* who has said nothing for so long says that it is there */
    SILENCE_S = 180 /* and who has not said even that is given up: longer than a peer is kept that cannot be
                       heard (120 s), so that it is about those who can and are silent */
};

/* Sender to receiver, on lanes. */
enum record_kind {
    RECORD_DATA = 'D',   /* `len` bytes of leaf `leaf` follow */
    RECORD_ZERO = 'Z',   /* `len` leaves from `leaf` on are nothing but zeros */
    RECORD_FINISH = 'F', /* the file is through: a struct finish follows */
    RECORD_FAILED = 'X', /* it will not come: `len` bytes of a reason follow */
    RECORD_SIGN = 'N'    /* nothing, but a sign of life */
};

struct record {
    uint8_t kind;
    uint32_t file; /* which entry of the manifest */
    uint32_t leaf, len;
};

struct finish {
    uint64_t size;
    uint32_t leaves_sent; /* DATA, and leaves of ZERO: how many must have arrived */
    uint8_t root[HASH_LEN];
};

/* Receiver to sender, on the way back of the offer. */
enum frame_kind {
    FRAME_ACCEPT = 'A',
    FRAME_REFUSE = 'R', /* a reason; at any time */
    FRAME_HAVE = 'H',   /* file, first leaf, flags, hashes of leaves that are there */
    FRAME_SKIP = 'S',   /* file, reason: cannot be taken */
    FRAME_GO = 'G',     /* all that is there has been told: begin */
    FRAME_CREDIT = 'C', /* so many bytes of leaves (8) may have been sent by now, see credit.h */
    FRAME_SIGN = 'N',   /* nothing, but a sign of life */
    FRAME_DONE = 'D'    /* files that are there now, files that failed */
};

enum {
    HAVE_HEAD = 9,
    HAVE_WHOLE = 1, /* the file has its name already: send nothing, say whether it is the same */
    HAVE_ZEROS = 2, /* instead of hashes their number (4): so many leaves are nothing but zeros */
    HAVE_ZEROS_LEN = HAVE_HEAD + 4
};

void wire_put16(uint8_t *at, uint16_t value);
void wire_put32(uint8_t *at, uint32_t value);
void wire_put64(uint8_t *at, uint64_t value);
uint16_t wire_get16(const uint8_t *at);
uint32_t wire_get32(const uint8_t *at);
uint64_t wire_get64(const uint8_t *at);

void record_write(uint8_t out[RECORD_LEN], const struct record *record);
/* False: no such kind, or a length that its kind does not have. */
bool record_read(struct record *record, const uint8_t in[RECORD_LEN]);
/* How many bytes follow its head. */
uint32_t record_body(const struct record *record);
void finish_write(uint8_t out[FINISH_LEN], const struct finish *finish);
void finish_read(struct finish *finish, const uint8_t in[FINISH_LEN]);

void frame_write(uint8_t out[FRAME_LEN], enum frame_kind kind, size_t len);
/* False: no such kind, or longer than FRAME_MAX. */
bool frame_read(const uint8_t in[FRAME_LEN], enum frame_kind *kind, size_t *len);

/* How many leaves a file of that size has. */
uint64_t leaves_of(uint64_t size);

#endif
