/* binding/client.h - connections and origins as userdata */
#ifndef SLB_CLIENT_H
#define SLB_CLIENT_H

#include "binding/runtime.h"
#include "conn/exchange.h"

struct slb_origin {
    struct slb_runtime *runtime;
    struct sl_origin *origin;
    struct sl_exchanges *exchanges; /* of its client; retained by the handle */
};

/* What one kind of request asks for, compiled once. */
struct slb_options {
    struct sl_exchange_options options;
};

/* The live origin at `index`; raises when it is none or finalised. */
struct slb_origin *slb_check_origin(lua_State *L, int index);

extern const char slb_origin_type[];
extern const char slb_options_type[];

#endif
