/* binding/head.h - request heads: made once, sent as often as is wanted */
#ifndef SLB_HEAD_H
#define SLB_HEAD_H

#include "binding/runtime.h"

/* A head of that many bytes needs no memory of its own to be filled. */
#define SLB_HEAD_ROOM ((size_t)1024)

/* The head at `index` as it is sent with a body of `length` bytes and the field
 * lines at `fields` (a string or nil). The bytes are the head's own, in `room`,
 * or in a value that this pushes: good while those are. */
struct sl_view slb_fill_head(lua_State *L, int index, int fields,
                             uint64_t length, char room[SLB_HEAD_ROOM]);

#endif
