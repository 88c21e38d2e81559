/* spec/support/allocations.c - counts calls of the C allocator: `require
 * "support.allocations"`
 *
 * Counts where it is also preloaded (LD_PRELOAD), so for scripts in a process of
 * their own. Every caller is counted, the Lua interpreter too; free is not, as
 * each block freed was counted when it was made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong calls;

static void count(void)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size)
{
    count();
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    count();
    *block = __libc_memalign(alignment, size);
    return *block == NULL ? ENOMEM : 0;
}

/* allocations.count() -> calls so far in this process; 0 where not preloaded */
static int count_so_far(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)atomic_load(&calls));
    return 1;
}

static const luaL_Reg functions[] = {{"count", count_so_far}, {NULL, NULL}};

int luaopen_support_allocations(lua_State *L);

int luaopen_support_allocations(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
