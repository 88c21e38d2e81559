/* conn/ws_ending.h - how a WebSocket ends: Close frames, failures, losses
 *
 *   fail, meet_close, close --> PARTING     there is something to say
 *   lose, end               --> OVER        there is not, or no more
 *
 * conn/websocket.c's other file, for its neighbours. What ended it first
 * counts.
 */
#ifndef SL_CONN_WS_ENDING_H
#define SL_CONN_WS_ENDING_H

#include "conn/websocket.h"

/* Ends it for a reason on this side: a Close frame with `code` says so. */
void sl_websocket_fail(struct sl_websocket *socket, unsigned code,
                       const struct sl_failure *failure);
/* The same for want of memory. */
void sl_websocket_run_out(struct sl_websocket *socket);
/* The peer has sent a Close frame. */
void sl_websocket_meet_close(struct sl_websocket *socket,
                             const struct sl_ws_closing *closing);
/* The connection is of no use any more: its code is SL_WS_ABNORMAL. */
void sl_websocket_lose(struct sl_websocket *socket,
                       const struct sl_failure *failure);
/* Closes the link, when `end` is known. */
void sl_websocket_end(struct sl_websocket *socket, bool is_abort);
/* Notifies the receiver of a message, or of the end. */
void sl_websocket_wake(struct sl_websocket *socket);
void sl_websocket_forget_end(struct sl_websocket *socket);

#endif
