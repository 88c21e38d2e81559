/* Codings of texts and bodies, for the Lua layer. */
#include "binding/scratch.h"
#include "binding/types.h"
#include "codec/base64.h"
#include "codec/decoder.h"

/* base64(text) -> text (RFC 4648 section 4) | nil, message, err */
static int base64(lua_State *L)
{
    struct sl_view text = slb_check_view(L, 1);
    struct sl_writer *writer = slb_push_scratch(L, text.size * 2 + 512);
    enum sl_status status = sl_base64_write(writer, text);

    if (status != SL_OK)
        return slb_push_unwritten(L, writer, status, "base64", "too long");
    return slb_push_written(L, writer);
}

/* accepted_codings() -> value for Accept-Encoding */
static int accepted_codings(lua_State *L)
{
    lua_pushstring(L, sl_decoder_accepted());
    return 1;
}

static const luaL_Reg functions[] = {
    {"base64", base64}, {"accepted_codings", accepted_codings}, {NULL, NULL}};

void slb_codec_open(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
