/* spec/support/allocations.c - counts calls of the C allocator, and lets the module's
 * own fail: `require "support.allocations"`
 *
 * Works where it is also preloaded (LD_PRELOAD), so for scripts in a process of
 * their own. Every caller is counted, the Lua interpreter too; free is not, as
 * each block freed was counted when it was made. What may fail is known by the
 * caller: code of sluice/core.so, which reaches the allocator and mmap by itself.
 *
 *   allocations.count()          calls so far in this process
 *   allocations.fail(mode, n)    from now on the module's n-th call fails: "once",
 *                                with the next one ("pair"), or all "from" there
 *   allocations.relent()         none fails any more
 *        -> how many have failed, how many calls there were
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <lauxlib.h>
#include <link.h>
#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_ulong calls;

/* ---- failing ---- */

static uintptr_t code_begin; /* of the module */
static uintptr_t code_end;
static unsigned long first_failure; /* 0: no call fails */
static unsigned long last_failure;
static atomic_ulong own_calls; /* by the module, from any of its threads */
static atomic_ulong failures;

/* Whether this call, to which it is returned there, is to fail. */
static bool must_fail(void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    unsigned long number;

    if (first_failure == 0 || at < code_begin || at >= code_end)
        return false;
    number = atomic_fetch_add(&own_calls, 1) + 1;
    if (number < first_failure || number > last_failure)
        return false;
    atomic_fetch_add(&failures, 1);
    errno = ENOMEM;
    return true;
}

static int find_module(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    if (info->dlpi_name == NULL ||
        strstr(info->dlpi_name, "sluice/core.so") == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0) {
            code_begin = info->dlpi_addr + part->p_vaddr;
            code_end = code_begin + part->p_memsz;
        }
    }
    return 1;
}

/* ---- the allocator ---- */

static void count(void)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count();
    if (must_fail(__builtin_return_address(0)))
        return NULL;
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count();
    if (must_fail(__builtin_return_address(0)))
        return NULL;
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size)
{
    count();
    if (size != 0 && must_fail(__builtin_return_address(0)))
        return NULL;
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count();
    if (must_fail(__builtin_return_address(0)))
        return NULL;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    count();
    if (must_fail(__builtin_return_address(0)))
        return ENOMEM;
    *block = __libc_memalign(alignment, size);
    return *block == NULL ? ENOMEM : 0;
}

void *mmap(void *address, size_t size, int protection, int flags, int fd,
           off_t offset)
{
    static void *(*next)(void *, size_t, int, int, int, off_t);

    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "mmap");
    if (must_fail(__builtin_return_address(0)))
        return MAP_FAILED;
    return next(address, size, protection, flags, fd, offset);
}

/* ---- for scripts ---- */

/* allocations.count() -> calls so far in this process; 0 where not preloaded */
static int count_so_far(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)atomic_load(&calls));
    return 1;
}

/* allocations.fail("once" | "pair" | "from", n) */
static int fail(lua_State *L)
{
    static const char *const modes[] = {"once", "pair", "from", NULL};
    int mode = luaL_checkoption(L, 1, NULL, modes);
    unsigned long first = (unsigned long)luaL_checkinteger(L, 2);

    dl_iterate_phdr(find_module, NULL);
    luaL_argcheck(L, code_end != 0, 1, "the module is not loaded");
    atomic_store(&own_calls, 0);
    atomic_store(&failures, 0);
    last_failure = mode == 2 ? ~0UL : first + (mode == 1);
    first_failure = first;
    return 0;
}

/* allocations.relent() -> failures, calls */
static int relent(lua_State *L)
{
    first_failure = 0;
    lua_pushinteger(L, (lua_Integer)atomic_load(&failures));
    lua_pushinteger(L, (lua_Integer)atomic_load(&own_calls));
    return 2;
}

static const luaL_Reg functions[] = {
    {"count", count_so_far}, {"fail", fail}, {"relent", relent}, {NULL, NULL}};

int luaopen_support_allocations(lua_State *L);

int luaopen_support_allocations(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
