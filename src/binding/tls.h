/* binding/tls.h - TLS contexts as userdata */
#ifndef SLB_TLS_H
#define SLB_TLS_H

#include "binding/runtime.h"
#include "tls/provider.h"

struct slb_tls_context {
    struct slb_runtime *runtime;
    const struct sl_tls_provider *provider;
    struct sl_tls_context *context;
};

struct slb_tls_context *slb_check_tls_context(lua_State *L, int index);

void slb_tls_open(lua_State *L);

#endif
