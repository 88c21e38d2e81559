/* conn/ws_receiving.h - what a WebSocket receives, and what follows from it
 *
 *   link --> input --> ws/incoming.c --> a message: the queue
 *                                        a ping: a pong that waits
 *                                        a Close, a violation: the end
 *
 * conn/websocket.c's other file. Nothing is received while the queue is full.
 */
#ifndef SL_CONN_WS_RECEIVING_H
#define SL_CONN_WS_RECEIVING_H

#include "conn/websocket.h"

/* Uses what was received, then receives once. Whether anything came of it;
 * `*budget` is reduced by that. */
bool sl_websocket_receive_some(struct sl_websocket *socket, size_t *budget);

#endif
