/* binding/body.h - from a Lua value to the body of a request */
#ifndef SLB_BODY_H
#define SLB_BODY_H

#include "base/status.h"
#include "conn/upload.h"

#include <lua.h>

/* nil | string | sequence | lease (moved) | number (pushed, of that length) |
 * true (pushed, chunked) | array of parts, each a string, sequence, lease or
 * file, which is { file, offset, size, name }, whose position does not matter.
 * The caller keeps the value at `index` alive until the body is disposed:
 * strings and names are not copied. On failure `upload` may hold some parts,
 * and `*refused` is the name of the file that has failed, or NULL. */
enum sl_status slb_set_body(lua_State *L, int index, struct sl_upload *upload,
                            const char **refused);

/* nil, message, err for such a failure. */
int slb_push_body_refusal(lua_State *L, enum sl_status status,
                          const char *refused);

#endif
