/* spec/support/refusal.c - a kernel that refuses: `require "support.refusal"`
 *
 * For scripts in a process of their own: what was refused stays refused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <lauxlib.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <lua.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int refuse(lua_State *L, unsigned number)
{
    unsigned error = (unsigned)luaL_optinteger(L, 1, EPERM);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        lua_pushnil(L);
        lua_pushstring(L, strerror(errno));
        return 2;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* refusal.io_uring(error = EPERM) -> true | nil, message: making a ring fails so
 * from now on in this process, as a container's system call filter would have
 * it */
static int refuse_io_uring(lua_State *L)
{
    return refuse(L, SYS_io_uring_setup);
}

/* refusal.io_uring_enter(error = EPERM) -> true | nil, message: a ring that
 * exists gets no more calls through */
static int refuse_io_uring_enter(lua_State *L)
{
    return refuse(L, SYS_io_uring_enter);
}

static const luaL_Reg functions[] = {{"io_uring", refuse_io_uring},
                                     {"io_uring_enter", refuse_io_uring_enter},
                                     {NULL, NULL}};

int luaopen_support_refusal(lua_State *L);

int luaopen_support_refusal(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
