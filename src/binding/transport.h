/* binding/transport.h - a connected byte stream as userdata
 *
 *   transport.c              connecting, both directions, ends
 *   transport_completion.c   one direction, to be awaited later
 */
#ifndef SLB_TRANSPORT_H
#define SLB_TRANSPORT_H

#include "conn/channel.h"
#include "task/runtime.h"

/* values of a transport: its two completions, once asked for; the string being
 * sent and the buffer to fill when a receive is done, kept alive */
enum {
    SLB_TRANSPORT_SENDING = 1,
    SLB_TRANSPORT_RECEIVING,
    SLB_TRANSPORT_TEXT,
    SLB_TRANSPORT_TARGET
};

struct slb_transport {
    struct slb_runtime *runtime;
    struct sl_channel *channel; /* NULL: never made, or finalised */
    struct sl_channel *ending;  /* finalised, but a coroutine waits for it */
    struct sl_pool *pool;       /* what the last receive rented from, held */
    bool is_closed;
    bool is_unix;
    char host[256]; /* for messages; or a path */
    int port;
};

extern const char slb_transport_type[];

/* The transport at `index`, whatever its state. */
struct slb_transport *slb_transport_at(lua_State *L, int index);

/* The same; raises when it was finalised. The results of a transport that was
 * closed during a wait are still there. */
struct slb_transport *slb_check_transport(lua_State *L, int index);

/* The transport at index 1; raises when it is closed. */
struct slb_transport *slb_check_open_transport(lua_State *L);

struct sl_channel_operation *slb_transport_core(struct slb_transport *handle,
                                                bool is_send);

/* Begins an operation with the arguments of transport:send or :receive, which
 * are on the stack. Raises for misuse. */
void slb_begin_transport(lua_State *L, struct slb_transport *handle,
                         bool is_send);

/* Awaits the results of a direction of the transport at index 1, which is alone
 * on the stack; a wait is reserved. Yields. */
int slb_await_transport(lua_State *L, struct slb_transport *handle,
                        bool is_send);

#endif
