/* binding/handshake.h - what both sides of a WebSocket agreed on, as options */
#ifndef SLB_HANDSHAKE_H
#define SLB_HANDSHAKE_H

#include "task/runtime.h"
#include "ws/extension.h"
#include "ws/handshake.h"

/* Reads the parameters of permessage-deflate from the table at index 1, by
 * their names of RFC 7692 7.1; raises for others than it allows. As they are
 * read they were agreed on. */
void slb_read_compression(lua_State *L, struct sl_ws_compression *terms);

#endif
