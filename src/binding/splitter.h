/* binding/splitter.h - a stream as Lua values: server-sent events, JSON texts
 *
 * in:    binding/body_splitter.c, binding/event_parser.c
 * below: events/sse.c, events/record.c
 *
 * The owner has the bytes and shows them in views. A value that is ready stays
 * so until it was pushed: only then its bytes are consumed, so that an error
 * while it is made loses nothing.
 */
#ifndef SLB_SPLITTER_H
#define SLB_SPLITTER_H

#include "base/debug.h"
#include "events/record.h"
#include "events/sse.h"

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct slb_splitter {
    union {
        struct {            /* of the value that is ready: */
            uint32_t used;  /* bytes up to its end, within one view */
            uint32_t taken; /* low bits of the owner's count, see below */
        };
        size_t unfinished; /* once it is over: bytes of what was not complete */
    };
    unsigned char id_value; /* user value of the handle that keeps the ID */
    bool has_records;       /* JSON texts, else events */
    bool is_ready;
    bool is_live; /* begun, and not over */
    /* of a body's: */
    bool is_at_end;
    bool is_whole; /* all of the body is there */
    bool is_owner; /* the response is disposed at its end */
    union { /* the last, so that a splitter of events may end behind its own */
        struct sl_sse sse;
        struct {
            struct sl_records parser;
            struct sl_record record;
        } json;
    };
};

/* The size of a splitter of events. */
#define SLB_EVENT_SPLITTER_SIZE \
    (offsetof(struct slb_splitter, sse) + sizeof(struct sl_sse))

/* The caller keeps the limits for as long as the splitter. NULL: the default.
 */
void slb_splitter_init_events(struct slb_splitter *splitter,
                              struct sl_pool *pool,
                              const struct sl_sse_limits *limits);
void slb_splitter_init_records(struct slb_splitter *splitter,
                               struct sl_pool *pool, size_t limit);
/* Gives back what it holds. Its properties stay. Idempotent. */
void slb_splitter_fini(struct slb_splitter *splitter);

/* The first upvalues of a C function that gives events: making one asks nothing
 * by name. */
enum {
    SLB_EVENT_TYPE = 1, /* the metatable */
    SLB_EVENT_KEY_TYPE,
    SLB_EVENT_KEY_DATA,
    SLB_EVENT_MESSAGE,
    SLB_EVENT_UPVALUES = SLB_EVENT_MESSAGE
};

/* Pushes what slb_push_split fills. To be called before slb_split: between that
 * and slb_push_split nothing may allocate. */
static inline void slb_prepare_split(lua_State *L,
                                     const struct slb_splitter *splitter)
{
    if (splitter->has_records)
        lua_pushnil(L);
    else
        lua_createtable(L, 0, sl_sse_has_id(&splitter->sse) ? 3 : 2);
}

/* SL_OK: a value is ready. SL_AGAIN: the bytes were used up. Failures: see
 * slb_push_split_failure. */
static inline enum sl_status slb_split(struct slb_splitter *splitter,
                                       struct sl_view bytes)
{
    enum sl_status status;
    size_t used;

    if (splitter->is_ready)
        return SL_OK;
    sl_assert(bytes.size <= UINT32_MAX);
    status = splitter->has_records
                 ? sl_records_feed(&splitter->json.parser, bytes, &used,
                                   &splitter->json.record)
                 : sl_sse_feed(&splitter->sse, bytes, &used);
    splitter->used = (uint32_t)used;
    splitter->is_ready = status == SL_OK;
    return status;
}

/* Whether a value is still ready for which there was no memory, but another
 * reader has taken its bytes: the owner's count is not `taken` any more, as it
 * was told to slb_push_split. */
static inline bool slb_is_split_stale(const struct slb_splitter *splitter,
                                      uint64_t taken)
{
    return splitter->is_ready && splitter->taken != (uint32_t)taken;
}

/* The bytes have ended. SL_OK: a last value is ready; SL_END: there is none. */
enum sl_status slb_split_end(struct slb_splitter *splitter);

/* Makes the value that is ready of what is on top: an event, or text, number,
 * of what ("line" or "record") and whether it is cut. `check` raises if the
 * handle at index 1 has ended, or if its bytes are not those any more which the
 * owner's count `taken` stands for. `*consumed`: bytes for the owner to consume
 * now, if the handle is still live. The count of values. */
int slb_push_split(lua_State *L, struct slb_splitter *splitter,
                   void (*check)(lua_State *L, uint64_t taken), uint64_t taken,
                   size_t *consumed);

/* The value was pushed, and no byte behind it is there yet: holds no more than
 * a splitter that waits. */
static inline void slb_split_rest(struct slb_splitter *splitter)
{
    if (!splitter->has_records && !splitter->is_ready)
        sl_sse_rest(&splitter->sse);
}

/* nil, message, err; `attempt` names whose bytes they are. */
int slb_push_split_failure(lua_State *L, const struct slb_splitter *splitter,
                           const char *attempt);

/* Pushes what users read by name, of the handle at index 1 and also once it is
 * over:
 *
 *   last_id     of the events so far; nil: none
 *   retry       the reconnection time in milliseconds; nil: not set
 *   unfinished  bytes of the event that has begun and is not complete; at the
 *               end of the bytes they are dropped
 *
 * False: it is none of them, and nil was pushed. */
bool slb_push_split_property(lua_State *L, struct slb_splitter *splitter,
                             const char *name);

/* Pushes the metatable of events. */
void slb_push_event_type(lua_State *L);
/* Pushes what are the first upvalues. */
void slb_push_event_upvalues(lua_State *L);
/* Sets `__index` of a registered type: `index`, whose upvalue 1 is a table of
 * the methods, which is also `methods` of the metatable. The methods have the
 * upvalues of functions that give events. */
void slb_set_index(lua_State *L, const char *type, const luaL_Reg *methods,
                   lua_CFunction index);

#endif
