/* http/request.h - a request head, written once and checked on the way
 *
 * Order (behaviour): request line, Host, the caller's fields, framing,
 * defaults. Parts that could split or smuggle a message are refused with a
 * reason; the writer is then as it was before the refused call.
 */
#ifndef SL_HTTP_REQUEST_H
#define SL_HTTP_REQUEST_H

#include "base/status.h"
#include "base/view.h"
#include "memory/writer.h"

/* Writes the request line and Host. `target` is in the form it travels
 * (origin-form, absolute-form for a proxy, authority-form for CONNECT, `*`).
 * `host` is the Host field's value. SL_INVALID: `*error`. */
enum sl_status sl_request_write_line(struct sl_writer *writer,
                                     struct sl_view method,
                                     struct sl_view target, struct sl_view host,
                                     const char **error);

/* Writes a field line. SL_INVALID when the name is no token, or the value holds
 * CR, LF, NUL or another control but tab. */
enum sl_status sl_request_write_field(struct sl_writer *writer,
                                      struct sl_view name, struct sl_view value,
                                      const char **error);

/* Whether a name is the client's own (Content-Length, Transfer-Encoding,
 * Connection, Upgrade, TE, Trailer, Host, Keep-Alive, Proxy-Connection). */
bool sl_request_is_framing_field(struct sl_view name);

/* Writes the empty line. */
enum sl_status sl_request_write_end(struct sl_writer *writer);

/* ---- a head that is sent many times ---- */

/* A complete head, and the offset behind the caller's fields at which the lines
 * of one sending are written. The bytes belong to the caller. */
struct sl_request_template {
    struct sl_view head;
    size_t offset;
};

/* The lines of one sending: complete field lines, and behind them a
 * Content-Length of that value; UINT64_MAX: none. */
struct sl_request_lines {
    struct sl_view fields;
    uint64_t length;
};

/* The size of the head with those lines. */
size_t sl_request_size(const struct sl_request_template *template,
                       const struct sl_request_lines *lines);
/* Writes it to `to`, which has room for that many bytes. */
void sl_request_fill(const struct sl_request_template *template,
                     const struct sl_request_lines *lines, char *to);

#endif
