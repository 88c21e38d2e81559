/* events/sse.h - server-sent events, by the HTML standard (9.2.6)
 *
 * in:  the bytes of a stream, cut anywhere    out: binding/splitter.c
 *
 *     : a comment          is ignored
 *     event: tick          the type
 *     id: 17               the last event ID, from this event on
 *     data: one            the data: "one LF two"
 *     data: two
 *                          a blank line: the event is complete
 *
 * Lines end with LF, CRLF or CR. An event is complete with the first byte that
 * ends its blank line: where that is CR, a LF that follows belongs to it. Bytes
 * are not checked to be UTF-8.
 *
 * Where the value lies in one piece it is shown there and not copied. What has
 * to outlast a feed, of an event that is not complete, is kept in a draft of it
 * (events/draft.h), which is given back once there is nothing to keep:
 * thousands of streams may wait at a time for an event to begin.
 */
#ifndef SL_EVENTS_SSE_H
#define SL_EVENTS_SSE_H

#include "base/status.h"
#include "base/view.h"
#include "events/draft.h"
#include "memory/pool.h"

#include <stdint.h>

#define SL_SSE_LINE_LIMIT  ((size_t)16 * 1024 * 1024)
#define SL_SSE_EVENT_LIMIT ((size_t)64 * 1024 * 1024)
#define SL_SSE_NO_RETRY    UINT64_MAX

/* The views are good until the parser is fed again, and while the bytes that
 * were fed stay. */
struct sl_sse_event {
    struct sl_view type; /* empty: "message" */
    struct sl_view data;
    uint64_t retry; /* milliseconds, at most INT64_MAX, if it was set since the
                     * last event; else SL_SSE_NO_RETRY */
};

struct sl_sse_limits {
    size_t line;  /* bytes, without its end */
    size_t event; /* bytes from the last event to the next one's end, with
                   * comments and blank lines */
};

/* An ID up to this needs no block. */
#define SL_SSE_ID_ROOM 24

struct sl_sse {
    struct sl_pool *pool;
    const struct sl_sse_limits *limits;
    struct sl_draft *draft; /* of an event that has begun; NULL: none has */
    struct sl_view shown;   /* data that lies in the input, or is given */
    uint64_t retry;         /* set last, by this stream or an earlier one */
    uint64_t lines;         /* that have ended */
    uint64_t events;        /* that were given */
    size_t since;           /* bytes of lines since the last event */
    union {
        char room[SL_SSE_ID_ROOM];
        struct sl_kept kept; /* a longer one */
    } id;                    /* the last event ID */
    unsigned char id_size;   /* of the one in `room`; 255: it is kept */
    unsigned char failed;    /* a status */
    unsigned char marked;    /* bytes of the byte order mark; 3: behind it */
    bool is_shown;           /* the data is `shown`, in the input */
    bool is_given;           /* the next feed begins with another event */
    bool has_retry;          /* was set since the last event */
    bool is_plain;         /* the event that is given, and it leaves nothing to
                            * end; the next one is likely plain, too */
    bool is_behind_cr : 1; /* a LF belongs to it */
    bool has_type : 1;     /* the event that has begun, in its draft */
    bool has_id : 1;       /* the event that has begun */
    bool had_id : 1;       /* the last event ID was set, perhaps to none */
    bool is_id_new : 1;    /* and not noted since */
    bool is_line_fault : 1;
};

/* The caller keeps the limits for as long as the parser. NULL: the default. */
void sl_sse_init(struct sl_sse *parser, struct sl_pool *pool,
                 const struct sl_sse_limits *limits);
/* Gives back what it holds. Idempotent. */
void sl_sse_fini(struct sl_sse *parser);
/* Begins another stream; the last event ID and `retry` stay. */
void sl_sse_reset(struct sl_sse *parser);

/* Sets the last event ID, of an earlier stream for example. SL_MEMORY. */
enum sl_status sl_sse_set_id(struct sl_sse *parser, struct sl_view id);
/* The last event ID; empty: there is none. Good until the next feed. */
struct sl_view sl_sse_id(const struct sl_sse *parser);

static inline bool sl_sse_has_id(const struct sl_sse *parser)
{
    return parser->id_size > 0;
}

/* Notes the last event ID: it is new no more, until it is set again. */
static inline void sl_sse_note_id(struct sl_sse *parser)
{
    parser->is_id_new = false;
}

/* For sl_sse_feed. Nothing is under way, and the bytes likely begin with a
 * plain event, as nearly all are: one line of data and a blank line, both there
 * and ended by LF, within the limits. */
enum sl_status sl_sse_feed_plain(struct sl_sse *parser, struct sl_view bytes,
                                 size_t *used);
enum sl_status sl_sse_feed_any(struct sl_sse *parser, struct sl_view bytes,
                               size_t *used);

/* Uses `*used` of the bytes. SL_OK: an event is complete, see sl_sse_given, and
 * what is left is for the next call. SL_AGAIN: all were used, more are needed.
 * SL_LIMIT, SL_MEMORY: the parser fails from now on until reset, and
 * sl_sse_explain says why. */
static inline enum sl_status sl_sse_feed(struct sl_sse *parser,
                                         struct sl_view bytes, size_t *used)
{
    return parser->is_plain ? sl_sse_feed_plain(parser, bytes, used)
                            : sl_sse_feed_any(parser, bytes, used);
}
/* The type of the event that has begun, or is given; empty: "message". */
struct sl_view sl_sse_type(const struct sl_sse *parser);
/* After SL_OK, until the next feed: the event. */
static inline struct sl_sse_event sl_sse_given(const struct sl_sse *parser)
{
    struct sl_sse_event event = {
        .type = parser->has_type ? sl_sse_type(parser) : sl_view(NULL, 0),
        .data = parser->shown,
        .retry = parser->has_retry ? parser->retry : SL_SSE_NO_RETRY};

    return event;
}
/* The event that was given has been taken, and no byte behind it is there yet:
 * forgets it now, since the next feed may be long in coming. */
void sl_sse_rest(struct sl_sse *parser);
/* After SL_LIMIT and SL_MEMORY. Returns the status. */
enum sl_status sl_sse_explain(const struct sl_sse *parser,
                              struct sl_failure *failure);

/* Bytes of the event that has begun and is not complete. Where the stream ends,
 * they are dropped. */
size_t sl_sse_unfinished(const struct sl_sse *parser);

#endif
