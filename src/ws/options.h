/* ws/options.h - what both ways of a WebSocket need to know
 *
 * in: the handshake, ws/extension.h    out: ws/incoming.h, ws/outgoing.h
 */
#ifndef SL_WS_OPTIONS_H
#define SL_WS_OPTIONS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* permessage-deflate (RFC 7692 7.1) as it was agreed on. All of it is zero when
 * it was not. */
struct sl_ws_compression {
    bool is_agreed;
    bool server_forgets; /* server_no_context_takeover: each message of the
                                * server's is compressed on its own */
    bool client_forgets; /* client_no_context_takeover: the same */
    unsigned char server_bits; /* of the server's window, 8 to 15 */
    unsigned char client_bits;
};

/* Fills `bytes` so that nobody can guess them. Statuses as sl_tls_random. */
typedef enum sl_status (*sl_ws_random)(void *bytes, size_t size);

struct sl_ws_options {
    bool is_server;  /* on this side: the peer masks its frames */
    size_t max_size; /* of a received message, also when it is inflated */
    struct sl_ws_compression compression;
    size_t compress_from; /* whole messages of fewer bytes go uncompressed */
    sl_ws_random random;  /* of the keys of a client; a server needs none */
};

#endif
