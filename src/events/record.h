/* events/record.h - JSON texts that follow each other in one stream
 *
 * in:  the bytes of a stream, cut anywhere    out: binding/splitter.c
 *
 *     {"a":1} LF {"a":2} LF           JSON lines: a text ends with its line
 *     RS {"a": LF 1} LF RS 7 LF       a JSON text sequence (RFC 7464): a text
 *                                     ends with a LF outside of it, or at RS
 *
 * The first byte of a stream says which of the two it is. Blank lines are no
 * records; a byte order mark before the first one is skipped. What a text holds
 * is left to the decoder, which is also the one to find what is wrong with it.
 */
#ifndef SL_EVENTS_RECORD_H
#define SL_EVENTS_RECORD_H

#include "base/status.h"
#include "base/view.h"
#include "memory/writer.h"

#include <stdint.h>

#define SL_RECORD_LIMIT ((size_t)16 * 1024 * 1024)

struct sl_record {
    struct sl_view text; /* without its LF or CRLF; good until the next feed,
                          * and while the bytes that were fed stay */
    uint64_t number;     /* of its first line, or in a sequence of the record */
    bool is_cut;         /* RFC 7464 2.4: more of it may be missing */
};

struct sl_records {
    size_t limit; /* of a record, without what ends it */
    enum sl_status failed;
    struct sl_writer kept; /* of a record that has begun */
    uint64_t number;       /* of the record that has begun */
    uint64_t depth;        /* of arrays and objects that are open in it */
    bool is_begun;         /* the stream */
    bool is_sequence;
    bool is_given; /* the next feed begins with another record */
    bool is_in_string;
    bool is_escaped;
};

void sl_records_init(struct sl_records *records, struct sl_pool *pool,
                     size_t limit);
/* Gives back what it holds. Idempotent. */
void sl_records_fini(struct sl_records *records);

/* Uses `*used` of the bytes. SL_OK: a record is complete, and what is left is
 * for the next call. SL_AGAIN: all were used, more are needed. SL_LIMIT,
 * SL_MEMORY: for good, and sl_records_explain says why. */
enum sl_status sl_records_feed(struct sl_records *records, struct sl_view bytes,
                               size_t *used, struct sl_record *record);
/* The stream has ended. SL_OK: its last record, whose end was left out; SL_END:
 * there is none. */
enum sl_status sl_records_end(struct sl_records *records,
                              struct sl_record *record);
/* After SL_LIMIT and SL_MEMORY. Returns the status. */
enum sl_status sl_records_explain(const struct sl_records *records,
                                  struct sl_failure *failure);

#endif
