#include "binding/types.h"
#include "memory/sequence.h"
#include "memory/writer.h"
#include "task/wait.h"
#include "sluice.h"

int sluice_pollfd(lua_State *L)
{
    return sl_loop_pollfd(&slb_runtime(L)->loop);
}

double sluice_timeout(lua_State *L)
{
    int64_t timeout = sl_loop_timeout(&slb_runtime(L)->loop);

    return timeout == SL_NEVER ? -1 : (double)timeout / 1e9;
}

int sluice_step(lua_State *L, double max_seconds)
{
    struct slb_runtime *runtime = slb_runtime(L);
    enum sl_status status =
        slb_step(L, runtime, sl_clock_from_seconds(max_seconds), SL_NEVER);

    if (status == SL_MISUSE)
        luaL_error(L, "step: already inside a step of this loop");
    if (status == SL_MEMORY)
        luaL_error(L, "out of memory");
    return runtime->waiting > 0 || runtime->loop.operations > 0;
}

size_t sluice_sequence_size(lua_State *L, int index)
{
    return slb_check_sequence(L, index)->size;
}

const char *sluice_sequence_at(lua_State *L, int index, size_t offset,
                               size_t *size)
{
    const struct sl_sequence *sequence = slb_check_sequence(L, index);
    struct sl_view view = {"", 0};

    if (offset < sequence->size)
        view = sl_sequence_at(sequence, offset);
    *size = view.size;
    return view.data;
}

char *sluice_writer_reserve(lua_State *L, int index, size_t size)
{
    struct sl_room room;

    if (sl_writer_reserve(slb_check_writer(L, index), size, &room) != SL_OK)
        return NULL;
    return room.data;
}

void sluice_writer_commit(lua_State *L, int index, size_t size)
{
    if (sl_writer_commit(slb_check_writer(L, index), size) != SL_OK)
        luaL_error(L, "commit: more than was reserved");
}
