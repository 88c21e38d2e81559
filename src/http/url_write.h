/* http/url_write.h - what is made of URLs: targets of references, hosts, texts
 *
 * Everything is appended to a writer. SL_MEMORY, SL_LIMIT leave it alone.
 */
#ifndef SL_HTTP_URL_WRITE_H
#define SL_HTTP_URL_WRITE_H

#include "http/url.h"
#include "memory/writer.h"

/* The target of `reference` against `base` (RFC 3986 5.2.2 strict, 5.2.4, 5.3),
 * octet by octet. SL_INVALID: `base` has no scheme. */
enum sl_status sl_url_resolve(const struct sl_url *base,
                              const struct sl_url *reference,
                              struct sl_writer *writer);
/* The same for a Location, which servers write as they like: what
 * sl_url_check_target would refuse in its path, query and fragment is
 * percent-encoded, nothing twice. */
enum sl_status sl_url_follow(const struct sl_url *base,
                             const struct sl_url *location,
                             struct sl_writer *writer);

/* The host in lower case, for keys and resolvers. The trailing dot of a rooted
 * name stays: "a.test." is another origin than "a.test". That of an IPv4
 * address goes. */
enum sl_status sl_url_write_host(const struct sl_url *url,
                                 struct sl_writer *writer);
/* Percent-encodes everything but unreserved characters: what is part of a
 * field in a query cannot be taken for its delimiters. */
enum sl_status sl_url_escape(struct sl_writer *writer, struct sl_view text);
/* The same for application/x-www-form-urlencoded (WHATWG URL 5.2): a space is
 * "+", and "*" stays where "~" does not. */
enum sl_status sl_url_escape_form(struct sl_writer *writer,
                                  struct sl_view text);
/* Decodes every %xx once. SL_INVALID: a malformed one. */
enum sl_status sl_url_unescape(struct sl_writer *writer, struct sl_view text);

#endif
