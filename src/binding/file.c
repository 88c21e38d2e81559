/* Files of Lua: regular ones as request bodies, whose size is known, and
 * reading them never waits for another process; terminals. */
#include "base/status.h"
#include "binding/types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

static int push_reason(lua_State *L, const char *reason)
{
    lua_pushnil(L);
    lua_pushstring(L, reason);
    return 2;
}

/* Pushes nil, the reason, and a code and the errno where no descriptor was
 * free. */
static int push_error(lua_State *L, int error)
{
    struct sl_failure failure;

    sl_fail_system(&failure, SL_LIMIT, SL_STAGE_QUEUE, error);
    push_reason(L, failure.reason);
    if (error != EMFILE && error != ENFILE)
        return 2;
    lua_pushstring(L, sl_status_name(SL_LIMIT));
    lua_pushinteger(L, error);
    return 4;
}

/* Pushes nil and a reason: `info` is not of a regular file. */
static int push_kind(lua_State *L, const struct stat *info)
{
    const char *kind = "something else";

    if (S_ISDIR(info->st_mode))
        kind = "a directory";
    else if (S_ISFIFO(info->st_mode))
        kind = "a FIFO";
    else if (S_ISCHR(info->st_mode) || S_ISBLK(info->st_mode))
        kind = "a device";
    else if (S_ISSOCK(info->st_mode))
        kind = "a socket";
    lua_pushnil(L);
    lua_pushfstring(L, "regular file expected, got %s", kind);
    return 2;
}

static int close_file(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* open_file(path) -> file for reading | nil, reason, code, errno
 * Opens regular files alone, and never waits, for the writer of a FIFO for
 * example. */
static int open_file(lua_State *L)
{
    size_t size;
    const char *path = luaL_checklstring(L, 1, &size);
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    struct stat info;
    int fd;

    stream->closef = NULL; /* closed, until it is open */
    luaL_setmetatable(L, LUA_FILEHANDLE);
    if (strlen(path) != size)
        return push_reason(L, "the name contains a zero byte");
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        int error = errno; /* ENXIO, of a socket for example */

        if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
            return push_kind(L, &info);
        return push_error(L, error);
    }
    if (fstat(fd, &info) != 0) {
        int error = errno;

        close(fd);
        return push_error(L, error);
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return push_kind(L, &info);
    }
    stream->f = fdopen(fd, "rb");
    if (stream->f == NULL) {
        int error = errno;

        close(fd);
        return push_error(L, error);
    }
    stream->closef = close_file;
    return 1;
}

/* file_size(file) -> bytes | nil, reason */
static int file_size(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    struct stat info;

    if (stream->closef == NULL)
        return luaL_argerror(L, 1, "file is closed");
    if (fstat(fileno(stream->f), &info) != 0)
        return push_error(L, errno);
    if (!S_ISREG(info.st_mode))
        return push_kind(L, &info);
    lua_pushinteger(L, (lua_Integer)info.st_size);
    return 1;
}

/* is_terminal(file) -> whether a person may be reading what is written there */
static int is_terminal(lua_State *L)
{
    const luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

    lua_pushboolean(L,
                    stream->closef != NULL && isatty(fileno(stream->f)) == 1);
    return 1;
}

static const luaL_Reg functions[] = {{"open_file", open_file},
                                     {"file_size", file_size},
                                     {"is_terminal", is_terminal},
                                     {NULL, NULL}};

void slb_file_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
