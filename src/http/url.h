/* http/url.h - URLs of http, https, ws, wss and http+unix, by RFC 3986
 *
 * Parsing splits and validates and copies nothing: the parts are views into the
 * text. Splitting comes before decoding, and nothing is decoded twice.
 * url_write.h writes new texts from URLs.
 */
#ifndef SL_HTTP_URL_H
#define SL_HTTP_URL_H

#include "base/status.h"
#include "base/view.h"

#include <stdbool.h>

struct sl_url {
    struct sl_view scheme;   /* as written */
    struct sl_view userinfo; /* data NULL: absent; the same for the others */
    struct sl_view host;     /* without brackets */
    struct sl_view port_text;
    struct sl_view path;
    struct sl_view query;
    struct sl_view fragment;
    bool has_authority;
    bool is_ipv6; /* the host stood in brackets */
    int port;     /* explicit or the scheme's default, to 65535; 0: none */
};

/* Splits any URI reference. SL_INVALID: `*error` says why (a static clause). */
enum sl_status sl_url_parse(struct sl_url *url, struct sl_view text,
                            const char **error);

/* Accepts URLs that a request may be sent to: a scheme of http, https, ws, wss
 * or http+unix, a host that is not empty (RFC 9110 4.2.1), a port of 1 to
 * 65535, no zone, no rare form of IPv4 address.
 *
 * Path and query travel as they were given, by a user or by a server, so that a
 * signature over them holds. Bytes that cannot travel are refused: controls,
 * spaces, bytes outside ASCII, '"', '<', '>', '\\', and '%' without its digits.
 * '[', ']', '^', '`', '{', '|' and '}' are no part of RFC 3986's grammar
 * either, but servers make and take such URLs, so these pass.
 *
 * SL_INVALID: `*error` names the part, and the character in it. */
enum sl_status sl_url_check_target(const struct sl_url *url,
                                   const char **error);

#endif
