/* ws/extension.h - how both sides agree on permessage-deflate (RFC 7692 5, 7.1)
 *
 *   client                                        server
 *   offer  --- permessage-deflate; client_max_window_bits -------> accept
 *   agree  <-- permessage-deflate; server_no_context_takeover ---- (the answer)
 *
 *   parameter                    in an offer          in an answer
 *   server_no_context_takeover   the server must      it will
 *   client_no_context_takeover   the client can       it must
 *   server_max_window_bits       =8 to 15: must       at most what was offered
 *   client_max_window_bits       without or =8 to 15  only if offered
 */
#ifndef SL_WS_EXTENSION_H
#define SL_WS_EXTENSION_H

#include "base/view.h"
#include "ws/options.h"

#define SL_WS_WINDOW_LEAST 8
#define SL_WS_WINDOW_MOST  15

/* The longest offer or answer. */
#define SL_WS_EXTENSION_MAX 160

/* `wish` is what one side asks for: its `is_agreed` is not looked at, bits are
 * 8 to 15, and 15 asks for nothing. */

/* Writes what a client offers; returns its size. */
size_t sl_ws_extension_offer(const struct sl_ws_compression *wish,
                             char text[SL_WS_EXTENSION_MAX]);

/* Reads what a server answered to that offer: the Sec-WebSocket-Extensions of
 * its head, lines joined by commas, data NULL without any. Without an extension
 * `*agreed` is zeroes. SL_PROTOCOL: the answer does not fit the offer; `*error`
 * says why. */
enum sl_status sl_ws_extension_agree(const struct sl_ws_compression *wish,
                                     struct sl_view answer,
                                     struct sl_ws_compression *agreed,
                                     const char **error);

/* Takes the first offer of a client's that a server can accept, and writes the
 * answer: `*size` bytes. Without one `*agreed` is zeroes, and `*size` 0.
 * SL_PROTOCOL: the field is malformed; `*error` says why. */
enum sl_status sl_ws_extension_accept(const struct sl_ws_compression *wish,
                                      struct sl_view offers,
                                      struct sl_ws_compression *agreed,
                                      char text[SL_WS_EXTENSION_MAX],
                                      size_t *size, const char **error);

#endif
