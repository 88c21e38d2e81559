#include "ws/close.h"

#include "codec/utf8.h"

#include <string.h>

bool sl_ws_may_send_code(unsigned code)
{
    /* RFC 6455 7.4: 1004 is reserved, 1005 and 1006 are only reported, 1015
     * too. 1012 to 1014 are registered with IANA. */
    if (code >= 1000 && code <= 1014)
        return code < 1004 || code > 1006;
    return code >= 3000 && code <= 4999;
}

unsigned sl_ws_code_of(enum sl_status status)
{
    switch (status) {
    case SL_OK:
    case SL_END:
        return SL_WS_NORMAL;
    case SL_PROTOCOL:
        return SL_WS_PROTOCOL;
    case SL_DECODE:
        return SL_WS_BAD_TEXT;
    case SL_LIMIT:
        return SL_WS_TOO_LARGE;
    case SL_UNSUPPORTED:
        return SL_WS_NO_EXTENSION;
    case SL_CANCELLED:
        return SL_WS_GOING_AWAY;
    default:
        return SL_WS_INTERNAL;
    }
}

static bool is_text(struct sl_view reason)
{
    struct sl_utf8 utf8;

    sl_utf8_init(&utf8);
    return sl_utf8_check(&utf8, reason) == SL_OK && sl_utf8_end(&utf8) == SL_OK;
}

enum sl_status sl_ws_closing_read(struct sl_view payload,
                                  struct sl_ws_closing *closing)
{
    unsigned code;
    struct sl_view reason;

    if (payload.size == 0) {
        closing->code = SL_WS_NO_CODE;
        closing->reason = sl_view(NULL, 0);
        return SL_OK;
    }
    if (payload.size == 1)
        return SL_PROTOCOL;
    code = (unsigned)(unsigned char)payload.data[0] << 8 |
           (unsigned char)payload.data[1];
    reason = sl_view(payload.data + 2, payload.size - 2);
    if (!sl_ws_may_send_code(code))
        return SL_PROTOCOL;
    if (!is_text(reason))
        return SL_DECODE;
    closing->code = code;
    closing->reason = reason;
    return SL_OK;
}

enum sl_status sl_ws_closing_write(const struct sl_ws_closing *closing,
                                   char payload[SL_WS_CONTROL_MAX],
                                   size_t *size)
{
    struct sl_view reason = closing->reason;

    if (closing->code == SL_WS_NO_CODE && reason.size == 0) {
        *size = 0;
        return SL_OK;
    }
    if (!sl_ws_may_send_code(closing->code) || reason.size > SL_WS_REASON_MAX ||
        !is_text(reason))
        return SL_INVALID;
    payload[0] = (char)(closing->code >> 8);
    payload[1] = (char)(closing->code & 0xff);
    if (reason.size > 0)
        memcpy(payload + 2, reason.data, reason.size);
    *size = 2 + reason.size;
    return SL_OK;
}
