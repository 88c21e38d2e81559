/* ws/handshake.h - the opening handshake of a client (RFC 6455 4.1, 4.2.2)
 *
 *   GET /chat HTTP/1.1                    HTTP/1.1 101 Switching Protocols
 *   Upgrade: websocket                    Upgrade: websocket
 *   Connection: Upgrade                   Connection: Upgrade
 *   Sec-WebSocket-Version: 13             Sec-WebSocket-Accept: accept of key
 *   Sec-WebSocket-Key: key         --->   Sec-WebSocket-Protocol: one of them
 *   Sec-WebSocket-Protocol: list   <---
 *
 * This unit makes the values and judges those of the answer; heads are read and
 * written by http/. SHA-1 is a function of the caller's, since TLS libraries
 * have it.
 */
#ifndef SL_WS_HANDSHAKE_H
#define SL_WS_HANDSHAKE_H

#include "base/status.h"
#include "base/view.h"

#include <stdbool.h>
#include <stddef.h>

#define SL_WS_NONCE_SIZE  16
#define SL_WS_KEY_SIZE    24
#define SL_WS_DIGEST_SIZE 20
#define SL_WS_ACCEPT_SIZE 28

/* SL_MEMORY, SL_UNSUPPORTED. */
typedef enum sl_status (*sl_ws_sha1)(struct sl_view bytes,
                                     unsigned char digest[SL_WS_DIGEST_SIZE]);

/* What a client offers. */
struct sl_ws_offer {
    char key[SL_WS_KEY_SIZE];
    const struct sl_view *protocols; /* the best first */
    size_t protocol_count;
    bool has_extensions;
};

/* The fields of an answer: lines of one name are joined by commas; data is NULL
 * without any. */
struct sl_ws_answer {
    unsigned status;
    struct sl_view upgrade;
    struct sl_view connection;
    struct sl_view accept;
    struct sl_view protocol;
    struct sl_view extensions;
};

/* Makes the key of 16 random bytes, which are new for each connection. */
void sl_ws_make_key(const unsigned char nonce[SL_WS_NONCE_SIZE],
                    char key[SL_WS_KEY_SIZE]);

/* Makes what a server answers to a key. Statuses of `sha1`. */
enum sl_status sl_ws_make_accept(sl_ws_sha1 sha1,
                                 const char key[SL_WS_KEY_SIZE],
                                 char accept[SL_WS_ACCEPT_SIZE]);

/* Whether these subprotocols may be offered: tokens, none of them twice. */
bool sl_ws_may_offer(const struct sl_view *protocols, size_t count);

/* Judges an answer. `*protocol` is the offered one that was chosen, or empty.
 * SL_PROTOCOL: it does not accept this offer; `*error` says why. Statuses of
 * `sha1`. Extensions that were offered are for the caller to read. */
enum sl_status sl_ws_check_answer(const struct sl_ws_offer *offer,
                                  const struct sl_ws_answer *answer,
                                  sl_ws_sha1 sha1, struct sl_view *protocol,
                                  const char **error);

#endif
