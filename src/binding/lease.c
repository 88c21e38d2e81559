#include "memory/lease.h"

#include "binding/types.h"
#include "task/userdata.h"

static const char lease_type[] = "sluice.lease";

struct slb_lease {
    struct slb_runtime *runtime;
    struct sl_lease lease;
};

struct sl_lease *slb_new_lease(lua_State *L)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct slb_lease *handle = slb_new(L, lease_type, sizeof *handle, 0);

    sl_lease_init(&handle->lease, &runtime->allocator);
    handle->runtime = runtime;
    slb_runtime_retain(runtime);
    return &handle->lease;
}

static struct sl_lease *live_of(lua_State *L, struct slb_lease *handle)
{
    if (!handle->lease.is_live)
        slb_raise_disposed(L, "lease");
    slb_check_usable(L, handle->runtime);
    return &handle->lease;
}

struct sl_lease *slb_test_lease(lua_State *L, int index)
{
    struct slb_lease *handle = slb_test(L, index, lease_type);

    return handle == NULL ? NULL : live_of(L, handle);
}

struct sl_lease *slb_check_lease(lua_State *L, int index)
{
    return live_of(L, slb_check(L, index, lease_type));
}

static const struct sl_sequence *check_content(lua_State *L)
{
    return &slb_check_lease(L, 1)->content;
}

/* lease:sequence() -> sequence over its bytes; copies nothing */
static int lease_sequence(lua_State *L)
{
    const struct sl_sequence *content;
    struct sl_sequence *sequence;

    check_content(L);
    sequence = slb_new_sequence(L);
    content = check_content(L);
    if (sl_sequence_sub(sequence, content, 0, content->size) != SL_OK)
        return luaL_error(L, "out of memory");
    return 1;
}

/* lease:tostring() -> string */
static int lease_tostring(lua_State *L)
{
    slb_push_sequence_string(L, check_content);
    return 1;
}

static int lease_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)slb_check_lease(L, 1)->content.size);
    return 1;
}

/* lease:dispose() - gives the bytes back; raises when they are gone already */
static int lease_dispose(lua_State *L)
{
    sl_lease_dispose(slb_check_lease(L, 1));
    return 0;
}

/* Closing is silent for a lease whose bytes were moved elsewhere. */
static int lease_close(lua_State *L)
{
    struct slb_lease *handle = slb_check(L, 1, lease_type);

    sl_lease_dispose(&handle->lease);
    return 0;
}

static int lease_gc(lua_State *L)
{
    struct slb_lease *handle = slb_check(L, 1, lease_type);
    struct slb_runtime *runtime = handle->runtime;

    if (runtime == NULL)
        return 0;
    if (sl_lease_dispose(&handle->lease))
        runtime->leaked++;
    handle->runtime = NULL;
    slb_runtime_release(runtime);
    return 0;
}

static int lease_describe(lua_State *L)
{
    struct slb_lease *handle = slb_check(L, 1, lease_type);

    if (!handle->lease.is_live)
        lua_pushliteral(L, "sluice.lease (disposed)");
    else
        lua_pushfstring(L, "sluice.lease (%I bytes)",
                        (LUAI_UACINT)handle->lease.content.size);
    return 1;
}

static const luaL_Reg methods[] = {{"sequence", lease_sequence},
                                   {"tostring", lease_tostring},
                                   {"dispose", lease_dispose},
                                   {NULL, NULL}};

static const luaL_Reg meta[] = {{"__len", lease_length},
                                {"__close", lease_close},
                                {"__gc", lease_gc},
                                {"__tostring", lease_describe},
                                {NULL, NULL}};

void slb_lease_open(lua_State *L)
{
    slb_type(L, lease_type, methods, meta);
}
