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

/* Makes the intake, if there is none. False: out of memory. */
bool sl_websocket_have_intake(struct sl_websocket *socket);
/* Forgets what has arrived. */
void sl_websocket_drop_intake(struct sl_websocket *socket);
/* Frees the intake if nothing is in it. */
void sl_websocket_rest_intake(struct sl_websocket *socket);

#endif
