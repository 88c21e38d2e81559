/* binding/head.h - request heads: made once, sent any number of times */
#ifndef SLB_HEAD_H
#define SLB_HEAD_H

#include "task/runtime.h"
#include "http/request.h"

/* A head of up to this many bytes is filled without memory of its own. */
#define SLB_HEAD_ROOM ((size_t)1024)

struct slb_head {
    struct sl_request_template template; /* of `bytes` */
    bool has_length;                     /* each sending has a Content-Length */
    char bytes[];
};

/* The head at `index`; raises for another value. */
const struct slb_head *slb_check_head(lua_State *L, int index);

/* Fills the head for a body of `length` bytes, if it has a length, and the
 * field lines at `fields` (a string or nil; 0: none). The bytes lie in the
 * head, in `room`, or in a value that this pushes: good while those are. */
struct sl_view slb_fill_head(lua_State *L, const struct slb_head *head,
                             int fields, uint64_t length,
                             char room[SLB_HEAD_ROOM]);

#endif
