/* binding/tls.h - TLS contexts as userdata */
#ifndef SLB_TLS_H
#define SLB_TLS_H

#include "conn/peer.h"
#include "task/runtime.h"
#include "tls/provider.h"

struct slb_tls_context {
    struct slb_runtime *runtime;
    const struct sl_tls_provider *provider;
    struct sl_tls_context *context; /* NULL: not made, or finalised */
    struct slb_verifier *verifier;  /* NULL: no callback of the user's */
};

/* A user's verify callback. Lives as long as the context, because handshakes
 * may outlive the context's handle; without the function every peer is
 * refused. */
struct slb_verifier {
    struct slb_runtime *runtime;
    int function; /* registry reference; LUA_NOREF: gone */
};

/* Holds a peer while its texts are made into Lua values, which may run
 * finalisers. */
struct slb_peer {
    struct sl_peer *peer; /* NULL: none yet, or released */
};
struct slb_peer *slb_new_peer(lua_State *L);

/* Pushes a table of what a handshake agreed on and which peer it met; nil for
 * NULL. It takes the place of `held`, which is on top of the stack. */
void slb_push_peer(lua_State *L, struct slb_peer *held, struct sl_peer *peer);

/* The live context at `index`; raises for anything else, or a finalised one. */
struct slb_tls_context *slb_check_tls_context(lua_State *L, int index);

void slb_tls_open(lua_State *L);

#endif
