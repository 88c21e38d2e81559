/* http/url.h - URLs of http, https, ws, wss and http+unix, by RFC 3986
 *
 * Parsing splits and validates and copies nothing: the parts are views into the
 * text. Splitting comes before decoding, and nothing is decoded twice.
 */
#ifndef SL_HTTP_URL_H
#define SL_HTTP_URL_H

#include "base/status.h"
#include "base/view.h"
#include "memory/writer.h"

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
    int port;     /* explicit or the scheme's default; 0: none */
};

/* Any URI reference. SL_INVALID: `*error` says why (a static clause). */
enum sl_status sl_url_parse(struct sl_url *url, struct sl_view text,
                            const char **error);

/* What a request may be sent to: a scheme of http, https, ws, wss, a host that
 * is not empty (RFC 9110 4.2.1), a port of 1 to 65535, no zone, no rare form of
 * IPv4 address, no control, space or byte above 126 anywhere. */
enum sl_status sl_url_check_target(const struct sl_url *url,
                                   const char **error);

/* Writes the target of `reference` against `base` (RFC 3986 5.2.2 strict, 5.2.4,
 * 5.3) to `writer`. SL_INVALID, SL_MEMORY, SL_LIMIT. */
enum sl_status sl_url_resolve(const struct sl_url *base,
                              const struct sl_url *reference,
                              struct sl_writer *writer);

/* The host in lower case without one trailing dot, for keys, SNI, cookies. */
enum sl_status sl_url_write_host(const struct sl_url *url,
                                 struct sl_writer *writer);
/* Percent-encodes what `is_query` (or a path segment) may not hold. */
enum sl_status sl_url_escape(struct sl_writer *writer, struct sl_view text,
                             bool is_query);
/* Decodes every %xx once. SL_INVALID: a malformed one. */
enum sl_status sl_url_unescape(struct sl_writer *writer, struct sl_view text);

#endif
