/* conn/incoming.h - a response on its way in from a connection
 *
 *   SILENT --> BEGUN --> DRAINING
 *
 *   SILENT    no byte of the response has arrived
 *   BEGUN     it is received as far as the user wants it
 *   DRAINING  the rest is not wanted: it is read and dropped to keep the
 *             connection, while that costs little
 *
 * The progress of the message itself is the response's own phase. Only wanted
 * bytes are received, so a slow consumer holds back its peer.
 *
 * Written by incoming.c alone. It answers a status; course.c decides what
 * becomes of the exchange.
 */
#ifndef SL_CONN_INCOMING_H
#define SL_CONN_INCOMING_H

#include "conn/link.h"
#include "http/response.h"

enum sl_incoming_phase {
    SL_INCOMING_SILENT,
    SL_INCOMING_BEGUN,
    SL_INCOMING_DRAINING
};

enum sl_interest {
    SL_WANT_NOTHING,
    SL_WANT_HEAD, /* the final head */
    SL_WANT_BODY, /* at least `wanted` body bytes, or the end */
    SL_WANT_WHOLE /* the end */
};

/* The most received at once: what gathers between two wake-ups where bytes flow
 * fast, and still fits into the cache next to the core. */
#define SL_FLOW ((size_t)256 * 1024)

/* The connection that bytes are received from. */
struct sl_incoming_source {
    struct sl_link *link;
    struct sl_buffer *input; /* received, not yet parsed */
    size_t flow;             /* received at once where bytes flow fast */
};

/* Events met during an advance. */
struct sl_incoming_news {
    size_t received; /* bytes from the link */
    bool continues;  /* 100 (Continue) */
};

struct sl_incoming {
    size_t wanted;
    int64_t drain_until;
    uint32_t drained; /* bytes from the wire, framing too, while DRAINING */
    uint8_t phase;    /* enum sl_incoming_phase */
    uint8_t interest; /* enum sl_interest */
    bool is_flowing;  /* the last receive brought a large piece */
    struct sl_response response; /* has an init of its own */
};

/* Keeps the interest: it is the caller's, on any connection. */
void sl_incoming_init(struct sl_incoming *incoming, struct sl_pool *pool,
                      const struct sl_response_limits *limits,
                      struct sl_request_traits traits,
                      struct sl_decoder_shelf *shelf);
void sl_incoming_fini(struct sl_incoming *incoming);

/* Parses the input, receives once if more is wanted, and parses again. SL_OK:
 * there may be more to do at once. SL_AGAIN: more is needed, or decoded bytes
 * must be taken first, or the budget is used up. SL_END: the message is
 * complete. SL_CLOSED, SL_TLS: the connection is lost. Other failures: the
 * message is unusable. `news` holds in each case. */
enum sl_status sl_incoming_advance(struct sl_incoming *incoming,
                                   const struct sl_incoming_source *source,
                                   bool wants_head, size_t *budget,
                                   struct sl_incoming_news *news,
                                   struct sl_failure *failure);

/* The rest is not wanted: it is drained until `until`, with `held` bytes of it
 * received already. */
void sl_incoming_drain(struct sl_incoming *incoming, int64_t until,
                       size_t held);
/* Whether little enough is missing to be drained. */
bool sl_incoming_is_short(const struct sl_incoming *incoming);

static inline bool sl_incoming_is_draining(const struct sl_incoming *incoming)
{
    return incoming->phase == SL_INCOMING_DRAINING;
}

static inline void sl_incoming_want(struct sl_incoming *incoming,
                                    enum sl_interest interest, size_t wanted)
{
    incoming->interest = (uint8_t)interest;
    incoming->wanted = wanted;
}

/* Whether the wanted part is there. The caller checks for the message's end. */
static inline bool sl_incoming_is_satisfied(const struct sl_incoming *incoming)
{
    const struct sl_response *response = &incoming->response;

    switch (incoming->interest) {
    case SL_WANT_HEAD:
        return response->phase > SL_PHASE_HEAD;
    case SL_WANT_BODY:
        return response->body.length >= incoming->wanted;
    case SL_WANT_NOTHING:
    case SL_WANT_WHOLE:
        break;
    }
    return false;
}

/* Whether the user wants bytes that are still to come. `wants_head`: a body is
 * being pushed, and an early answer may say that no more of it is wanted. */
static inline bool sl_incoming_is_wanted(const struct sl_incoming *incoming,
                                         bool wants_head)
{
    if (sl_incoming_is_draining(incoming))
        return true;
    if (wants_head && incoming->response.phase == SL_PHASE_HEAD)
        return true;
    return incoming->interest != SL_WANT_NOTHING &&
           !sl_incoming_is_satisfied(incoming);
}

#endif
