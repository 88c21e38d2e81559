/* conn/ws_deadline.h - when a wait of a WebSocket is over; when to ping
 *
 *   silence   heard_at --ping_interval--> a ping --pong_timeout--> lost
 *   idle      message_at --idle--> closed, SL_WS_GOING_AWAY
 *   closing   close_due --> lost, or over
 *   sending   moved_at --send_timeout--> lost
 *
 * conn/websocket.c's other file. Pings and silence do not count while nothing
 * is received because the queue is full.
 */
#ifndef SL_CONN_WS_DEADLINE_H
#define SL_CONN_WS_DEADLINE_H

#include "conn/websocket.h"

/* Sets the timer for the next deadline. */
void sl_websocket_arm(struct sl_websocket *socket);
/* The timer's function: a turn, a deadline, or too early. */
void sl_websocket_time_came(struct sl_timer *timer);

#endif
