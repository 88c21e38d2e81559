#include "binding/scratch.h"

#include "task/outcome.h"
#include "task/userdata.h"

/* The writer's pool is the runtime's; NULL once finalised. */
static const char scratch_type[] = "sluice.scratch";

struct sl_writer *slb_push_scratch(lua_State *L, size_t max_size)
{
    struct slb_runtime *runtime = slb_runtime(L);
    struct sl_writer *writer = slb_new(L, scratch_type, sizeof *writer, 0);

    sl_writer_init(writer, &runtime->pool, 512, max_size);
    slb_runtime_retain(runtime);
    return writer;
}

static int scratch_gc(lua_State *L)
{
    struct sl_writer *writer = slb_check(L, 1, scratch_type);
    struct sl_pool *pool = writer->pool;

    if (pool == NULL)
        return 0;
    sl_writer_dispose(writer);
    writer->pool = NULL;
    slb_runtime_release(
        (struct slb_runtime *)(void *)((char *)pool -
                                       offsetof(struct slb_runtime, pool)));
    return 0;
}

int slb_push_written(lua_State *L, struct sl_writer *writer)
{
    struct sl_view view = sl_writer_view(writer);

    lua_pushlstring(L, view.data, view.size);
    sl_writer_dispose(writer);
    return 1;
}

int slb_push_unwritten(lua_State *L, struct sl_writer *writer,
                       enum sl_status status, const char *attempt,
                       const char *error)
{
    struct sl_failure failure;
    size_t limit = writer->max_size;

    sl_writer_dispose(writer);
    if (status == SL_LIMIT)
        sl_fail(&failure, status, SL_STAGE_QUEUE,
                "does not fit into %zu bytes (fixed)", limit);
    else if (status == SL_INVALID)
        sl_fail(&failure, status, SL_STAGE_QUEUE, "%s", error);
    else
        return slb_push_outcome(L, status, attempt);
    return slb_push_failure(L, &failure, attempt);
}

struct sl_view slb_check_view(lua_State *L, int index)
{
    struct sl_view view;

    view.data = luaL_checklstring(L, index, &view.size);
    return view;
}

static const luaL_Reg scratch_meta[] = {{"__gc", scratch_gc}, {NULL, NULL}};

void slb_scratch_open(lua_State *L)
{
    slb_type(L, scratch_type, NULL, scratch_meta);
}
