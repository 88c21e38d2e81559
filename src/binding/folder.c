/* Folders, for recordings: made, and listed. */
#include "base/status.h"
#include "binding/types.h"
#include "task/userdata.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define LISTING "sluice.listing"

/* A directory that is being read; closed with the handle. */
struct listing {
    DIR *stream; /* NULL: none */
};

static int push_error(lua_State *L, int error)
{
    struct sl_failure failure;

    sl_fail_system(&failure, SL_INVALID, SL_STAGE_QUEUE, error);
    lua_pushnil(L);
    lua_pushstring(L, failure.reason);
    return 2;
}

static void end(struct listing *listing)
{
    if (listing->stream != NULL)
        closedir(listing->stream);
    listing->stream = NULL;
}

static int listing_gc(lua_State *L)
{
    end(luaL_checkudata(L, 1, LISTING));
    return 0;
}

/* list_folder(path) -> array of the names in it, in no order | nil, reason */
static int list_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct listing *listing = slb_new(L, LISTING, sizeof *listing, 0);
    const struct dirent *entry;
    lua_Integer count = 0;
    int error;

    lua_newtable(L);
    listing->stream = opendir(path);
    if (listing->stream == NULL)
        return push_error(L, errno);
    for (errno = 0; (entry = readdir(listing->stream)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        lua_pushstring(L, entry->d_name); /* may raise: the handle closes it */
        lua_rawseti(L, -2, ++count);
    }
    error = errno;
    end(listing);
    return error != 0 ? push_error(L, error) : 1;
}

/* make_folder(path) -> true, also if it is there | nil, reason */
static int make_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat info;

    if (mkdir(path, 0777) != 0) {
        int error = errno;

        if (error != EEXIST || stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
            return push_error(L, error);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static const luaL_Reg functions[] = {
    {"list_folder", list_folder}, {"make_folder", make_folder}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__gc", listing_gc}, {NULL, NULL}};

void slb_folder_open(lua_State *L)
{
    slb_type(L, LISTING, NULL, meta);
    luaL_setfuncs(L, functions, 0);
}
