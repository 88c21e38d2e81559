/* binding/websocket.h - a WebSocket as userdata
 *
 *   websocket.c              the handle: opening, receiving, ends
 *   websocket_properties.c   state, close code and the like, by name
 *   websocket_send.c         sending
 *   websocket_close.c        closing
 */
#ifndef SLB_WEBSOCKET_H
#define SLB_WEBSOCKET_H

#include "conn/websocket.h"
#include "task/runtime.h"

extern const char slb_websocket_type[];

/* values: a table about the handshake */
enum { SLB_WEBSOCKET_INFO = 1, SLB_WEBSOCKET_VALUES = 1 };

struct slb_websocket {
    struct slb_runtime *runtime;
    struct sl_websocket *socket; /* NULL: never opened, or finalised */
    struct sl_websocket *ending; /* finalised, but a coroutine waits for it */
    struct sl_pool *pool;        /* held */
    size_t noted;                /* bytes reported to the collector */
    uint32_t given; /* bytes both ways since it last had to wait, about */
    bool is_disposed;
};

/* The live WebSocket at `index`; raises when it was disposed. */
struct slb_websocket *slb_check_websocket(lua_State *L, int index);
/* The same for one that is known to be a WebSocket: checked before, it may have
 * been disposed since. */
struct slb_websocket *slb_live_websocket(lua_State *L, int index);
/* The same at index 1, with a wait reserved. */
struct slb_websocket *slb_reserve_websocket_wait(lua_State *L);
/* Both: checks it, too. */
struct slb_websocket *slb_check_waiting_websocket(lua_State *L);
/* The one at `index` after a wait, in which it may have been disposed; then it
 * may still be read. */
struct slb_websocket *slb_waited_websocket(lua_State *L, int index);

/* Counts a message of `size` bytes; whether others must get their turn now. */
bool slb_is_websocket_turn_over(lua_State *L, struct slb_websocket *handle,
                                size_t size);

/* Pushes nil, message, err for `status`: of how the WebSocket at `index` ended,
 * if it has, else for what was tried. Where it was closed the message is
 * "closed". */
int slb_push_websocket_failure(lua_State *L, int index,
                               const struct slb_websocket *handle,
                               enum sl_status status, const char *verb);

/* ---- websocket_send.c, for websocket_close.c ---- */

/* A new place for the WebSocket at index 1, as a userdata on top of the stack.
 */
struct sl_ws_place *slb_new_websocket_place(lua_State *L);
/* The abandon function of waits on a place. */
void slb_abandon_websocket_place(void *place);
/* Names the line of the program: methods in Lua stand between it and here. */
int slb_raise_websocket_misuse(lua_State *L, const char *what);
/* The string at `index`, empty unless it is given. */
struct sl_view slb_check_websocket_text(lua_State *L, int index,
                                        const char *name);

#endif
