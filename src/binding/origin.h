/* binding/origin.h - an origin as userdata: what sends requests there */
#ifndef SLB_ORIGIN_H
#define SLB_ORIGIN_H

#include "conn/exchange.h"
#include "task/runtime.h"

/* values: the TLS contexts for the host and for the proxy, whose verify
 * callbacks live as long as this */
struct slb_origin {
    struct slb_runtime *runtime;
    struct sl_origin *origin;
    struct sl_exchanges *exchanges; /* of its client; retained by the handle */
};

extern const char slb_origin_type[];

#endif
