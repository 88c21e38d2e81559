/* binding/response.h - a response, from the moment its request is sent
 *
 *   response.c              the handle: waiting for the answer, failures, ends
 *   response_body.c         the body, read in pieces or taken whole
 *   response_properties.c   status, headers and the like, by name
 *   push.c                  its request's body, in pieces
 *   progress.c              the progress of both bodies
 */
#ifndef SLB_RESPONSE_H
#define SLB_RESPONSE_H

#include "conn/exchange.h"
#include "task/runtime.h"

extern const char slb_response_type[];

/* values: the text once made, until then the string or the parts of the
 * request's body, kept alive; a table about the request (method, url, ...) */
enum { SLB_RESPONSE_TEXT = 1, SLB_RESPONSE_INFO = 2, SLB_RESPONSE_VALUES = 2 };

struct slb_response {
    struct slb_runtime *runtime;
    struct sl_exchange *exchange; /* NULL: disposed */
    struct sl_exchange *ending;   /* disposed, but coroutines wait for it */
    size_t noted;                 /* bytes reported to the collector */
    /* Under a budget: when the clock was read last, the items after which it is
     * read again, and how many of them are left. */
    int64_t clocked_at;
    uint32_t given; /* bytes read since it last had to wait, about */
    uint8_t pace;
    uint8_t unclocked;
    bool has_turn; /* it has waited: one item is due, however short the turn */
    bool is_stream : 1;
    bool is_detached : 1; /* the body was handed over */
    bool is_put_off : 1;  /* taking it waits for a step with time for that */
    bool has_text : 1;    /* value 1 is set, the body's segments are gone */
    bool keeps_body : 1;  /* value 1 is the request's body */
};

/* The live response at `index`; raises when disposed. */
struct slb_response *slb_check_response(lua_State *L, int index);

/* Says why its body is not to be read. */
void slb_raise_read(lua_State *L, struct slb_response *response);

/* Raises for a response that is disposed, or not to be used here, and for a
 * detached body. */
static inline void slb_check_unread(lua_State *L, struct slb_response *response)
{
    if (response->exchange == NULL || response->is_detached ||
        !slb_is_usable(response->runtime))
        slb_raise_read(L, response);
}

static inline struct sl_buffer *slb_body_of(struct slb_response *response)
{
    return &response->exchange->incoming.response.body;
}

static inline bool slb_is_complete(const struct slb_response *response)
{
    return response->exchange->phase == SL_EXCHANGE_DONE;
}

/* Its body has arrived: makes its bytes known to the collector. */
void slb_note_body(lua_State *L, struct slb_response *response);
/* They are somebody else's now. */
void slb_forget_body(struct slb_response *response);

/* For the protocol that the server has gone over to: moves the link out of the
 * response, and to `input`, which is empty, what arrived behind the head (see
 * sl_exchange_take_link). False: there is none, or it was taken already. */
bool slb_response_take_link(struct slb_response *response, struct sl_link *link,
                            struct sl_buffer *input);

/* The methods of response_body.c. */
extern const luaL_Reg slb_response_body_methods[];

/* response:dispose() */
void slb_dispose_response(struct slb_response *response);

/* ---- for readers of a body that is arriving ---- */

/* The most bytes given out before others get their turn. */
#define SLB_TURN_BYTES ((uint32_t)256 * 1024)

/* Whether the turn goes on: under a budget as long as its time, else for so
 * many bytes. */
static inline bool slb_is_within_turn(const struct slb_response *response)
{
    const struct sl_loop *loop = &response->runtime->loop;

    return sl_loop_has_budget(loop) ? !sl_loop_is_turn_over(loop)
                                    : response->given < SLB_TURN_BYTES;
}

/* Whether a reader of the body may have to wait: one of a whole body takes
 * turns under a budget alone. */
static inline bool slb_takes_turns(const struct slb_response *response,
                                   bool is_whole)
{
    return !is_whole || sl_loop_has_budget(&response->runtime->loop);
}

/* Reads the clock for slb_may_take_item. */
bool slb_is_item_in_turn(struct slb_response *response);

/* The same for small items: while they are quick, the clock is not read for
 * each of them. */
static inline bool slb_may_take_item(struct slb_response *response)
{
    if (!sl_loop_has_budget(&response->runtime->loop))
        return response->given < SLB_TURN_BYTES;
    if (response->unclocked == 0)
        return slb_is_item_in_turn(response);
    response->unclocked--;
    return true;
}

/* Whether to wait for a turn now. A body whose bytes are always there before
 * they are read must not keep tasks and timers from running. */
bool slb_is_turn_over(lua_State *L, struct slb_response *response);
/* Counts the bytes given out; a turn is over after that many pieces of any
 * size. */
static inline void slb_count_given(struct slb_response *response, size_t size,
                                   size_t pieces)
{
    if (size < SLB_TURN_BYTES / pieces)
        size = SLB_TURN_BYTES / pieces;
    response->given += size < SLB_TURN_BYTES ? (uint32_t)size : SLB_TURN_BYTES;
}

/* Called first in a continuation of slb_wait or slb_wait_turn: whether to go
 * on. If not, the exchange has failed by now. */
bool slb_may_read_on(lua_State *L, lua_KContext context,
                     struct slb_response *response);

/* Whether bytes of its body are being waited for. */
static inline bool slb_is_being_read(const struct slb_response *response)
{
    enum sl_completion_state state = response->exchange->completion.state;

    return state == SL_COMPLETION_PENDING || state == SL_COMPLETION_READY;
}

/* A reader at index 1, whose value 1 is the response, cannot read on: nil,
 * message, err; `is_loop` raises err instead. SL_MISUSE always raises. */
int slb_fail_reader(lua_State *L, struct slb_response *response,
                    enum sl_status status, bool is_loop);

/* Pushes, on top of others, the method and URL of the response's request. */
const char *slb_push_request_name(lua_State *L, int index);

/* Pushes nil, message, err for the exchange's failure, naming what was tried on
 * what. `index` is the response's. */
int slb_push_exchange_failure(lua_State *L, int index,
                              const struct sl_exchange *exchange);

/* Releases the exchange of a disposed response once it has no waiter. */
void slb_end_response(struct slb_response *response);

/* The abandon function of waits on a response: its exchange ends now. */
void slb_abandon_response(void *response);

/* The whole body of the response at index 1, which is complete, as a string,
 * made once | nil, message, err. Never yields. */
int slb_push_text(lua_State *L, struct slb_response *response);

/* Waits for the response at index 1: its head, or all of it when it is not
 * streamed.
 *   -> response | response, "redirect" (to be followed)
 *    | nil, message, err, values of Set-Cookie in a head that came before (nil:
 *      none)
 * A wait is reserved; yields. */
int slb_settle_response(lua_State *L, struct slb_response *response);

#endif
