/* http/framing.h - where a response's body ends, and whether to go on after it
 *
 * RFC 9112 section 6.3, stricter where behaviour allows: every doubt is an
 * error, because a guess here is how one response is taken for another.
 */
#ifndef SL_HTTP_FRAMING_H
#define SL_HTTP_FRAMING_H

#include "http/head.h"

enum sl_framing_kind {
    SL_FRAMING_NONE,    /* no body at all */
    SL_FRAMING_LENGTH,  /* exactly `length` bytes */
    SL_FRAMING_CHUNKED, /* chunks, then trailers */
    SL_FRAMING_CLOSE    /* everything until the connection ends */
};

/* The traits of a request that change what its response means. */
struct sl_request_traits {
    bool is_head;
    bool is_connect;
    bool wants_upgrade;     /* 101 is acceptable */
    bool wants_close;       /* we sent Connection: close */
    bool follows_redirects; /* a redirect's body is of no interest */
};

#define SL_CODINGS 2

struct sl_framing {
    uint64_t length;  /* for SL_FRAMING_LENGTH */
    int32_t idle;     /* seconds that the server then waits; -1: unknown */
    uint8_t kind;     /* enum sl_framing_kind */
    bool keeps_alive; /* the connection may be used again afterwards */
    bool is_upgrade;  /* 101, accepted */
};

/* Content-Encoding, outermost (to be removed first) at 0: views into the head.
 */
struct sl_content_codings {
    struct sl_view names[SL_CODINGS];
    size_t count;
    bool has_many; /* more than SL_CODINGS */
};

/* Whether a response redirects (RFC 9110 15.4): 301, 302, 303, 307 or 308 with
 * a Location. */
bool sl_is_redirect(const struct sl_head *head);

/* SL_PROTOCOL: `error` says why. */
enum sl_status sl_framing_decide(struct sl_framing *framing,
                                 struct sl_content_codings *codings,
                                 const struct sl_head *head,
                                 struct sl_request_traits request,
                                 const char **error);

#endif
