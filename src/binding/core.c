#include "binding/task.h"
#include "binding/tls.h"
#include "binding/scratch.h"
#include "binding/types.h"
#include "sluice.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* random_name() -> 16 hexadecimal digits, for temporary files */
static int random_name(lua_State *L)
{
    uint64_t bits;
    char name[17];

    if (getentropy(&bits, sizeof bits) != 0)
        return luaL_error(L, "no random bytes");
    snprintf(name, sizeof name, "%016" PRIx64, bits);
    lua_pushstring(L, name);
    return 1;
}

static const luaL_Reg functions[] = {{"random_name", random_name},
                                     {NULL, NULL}};

/* The module table `sluice.core`: what lua/sluice is made of. */
int luaopen_sluice_core(lua_State *L)
{
    luaL_checkversion(L);
    slb_runtime_open(L);
    luaL_newlib(L, functions);
    slb_wait_open(L);
    slb_task_open(L);
    slb_loop_open(L);
    slb_platform_open(L);
    slb_buffer_open(L);
    slb_sequence_open(L);
    slb_reader_open(L);
    slb_writer_open(L);
    slb_lease_open(L);
    slb_headers_open(L);
    slb_tls_open(L);
    slb_client_open(L);
    slb_scratch_open(L);
    slb_codec_open(L);
    slb_head_open(L);
    slb_url_open(L);
    slb_response_open(L);
    slb_transport_open(L);
    slb_parser_open(L);
    slb_file_open(L);
    slb_progress_open(L);
    return 1;
}
