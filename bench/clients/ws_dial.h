/* bench/clients/ws_dial.h - a connection behind its WebSocket handshake */
#ifndef BENCH_WS_DIAL_H
#define BENCH_WS_DIAL_H

#include <stddef.h>

/* Connects to "ws://<address>:<port>/<path>" and reads the answer; nothing
 * behind it has arrived. Ends the program if that fails. */
int ws_dial(const char *url);

/* What the clients send: numbers of two digits, over and over. */
void ws_fill(char *bytes, size_t size);

#endif
