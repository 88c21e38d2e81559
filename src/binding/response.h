/* binding/response.h - a response, from the moment its request is sent */
#ifndef SLB_RESPONSE_H
#define SLB_RESPONSE_H

#include "binding/runtime.h"
#include "conn/exchange.h"

extern const char slb_response_type[];

/* values: the text once made; what was asked (a table: method, url, ...);
 * bytes kept alive for a request body that is a string */
enum { RESPONSE_TEXT = 1, RESPONSE_INFO = 2, RESPONSE_VALUES = 2 };

struct slb_response {
    struct slb_runtime *runtime;
    struct sl_exchange *exchange; /* NULL: disposed */
    struct sl_exchange *ending;   /* disposed, but coroutines wait for it */
    size_t noted;                 /* bytes told to the collector */
    uint32_t given; /* bytes read since it last had to wait, about */
    bool is_stream;
    bool is_detached; /* the body was handed over */
    bool has_text;    /* value 1 is set, the body's segments are gone */
    bool keeps_body;  /* value 1 is the request's body */
};

/* The live response at `index`; raises when disposed. */
struct slb_response *slb_check_response(lua_State *L, int index);

/* Whether it asks to go elsewhere, and its request says that this is done. */
bool slb_leads_on(const struct slb_response *response);

/* Lets go of a disposed one's exchange once nobody waits for it. */
void slb_end_response(struct slb_response *response);

/* The abandon function of waits on a response: its exchange ends now. */
void slb_abandon_response(void *response);

/* Tells the collector what the response holds, until that is given back. */
void slb_note_body(lua_State *L, struct slb_response *response);

/* nil, message, err for the exchange's failure, naming what was tried on what.
 * `index` is the response's. */
int slb_push_exchange_failure(lua_State *L, int index,
                              const struct sl_exchange *exchange);

void slb_exchange_open(lua_State *L);

#endif
