/* Public suffixes by libpsl: its file where the system has one that is newer,
 * or what it was built with. */
#include "binding/types.h"
#include "task/userdata.h"

#include <libpsl.h>

static const char suffixes_type[] = "sluice.suffixes";

struct suffixes {
    psl_ctx_t *list;
};

/* public_suffixes() -> suffixes | nil: there is no list, or no memory */
static int public_suffixes(lua_State *L)
{
    struct suffixes *suffixes = slb_new(L, suffixes_type, sizeof *suffixes, 0);

    suffixes->list = psl_latest(NULL);
    if (suffixes->list == NULL)
        lua_pushnil(L);
    return 1;
}

/* suffixes:is_public(domain) -> whether a domain in lower case is one. Without
 * a rule the last label of a name is one. */
static int is_public(lua_State *L)
{
    const struct suffixes *suffixes = slb_check(L, 1, suffixes_type);

    lua_pushboolean(
        L, psl_is_public_suffix(suffixes->list, luaL_checkstring(L, 2)));
    return 1;
}

static int suffixes_gc(lua_State *L)
{
    struct suffixes *suffixes = luaL_checkudata(L, 1, suffixes_type);

    psl_free(suffixes->list); /* but for the one that is built in */
    suffixes->list = NULL;
    return 0;
}

static const luaL_Reg methods[] = {{"is_public", is_public}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", suffixes_gc}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"public_suffixes", public_suffixes},
                                     {NULL, NULL}};

void slb_suffixes_open(lua_State *L)
{
    slb_type(L, suffixes_type, methods, meta);
    luaL_setfuncs(L, functions, 0);
}
