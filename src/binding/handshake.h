/* binding/handshake.h - what both sides of a WebSocket agreed on, as options */
#ifndef SLB_HANDSHAKE_H
#define SLB_HANDSHAKE_H

#include "task/runtime.h"
#include "ws/extension.h"
#include "ws/handshake.h"

/* SHA-1, as ws/handshake.h wants it. SL_MEMORY, SL_UNSUPPORTED. */
enum sl_status slb_sha1(struct sl_view bytes,
                        unsigned char digest[SL_WS_DIGEST_SIZE]);

/* Reads the parameters of permessage-deflate from the table at index 1, by
 * their names of RFC 7692 7.1; raises for others than it allows. As they are
 * read they were agreed on. */
void slb_read_compression(lua_State *L, struct sl_ws_compression *terms);

#endif
