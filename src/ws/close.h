/* ws/close.h - why a WebSocket is closed: codes and reasons (RFC 6455 5.5.1,
 * 7.4)
 *
 *   Close frame   [ code, 2 bytes ][ reason, UTF-8, at most 123 bytes ] or none
 */
#ifndef SL_WS_CLOSE_H
#define SL_WS_CLOSE_H

#include "base/status.h"
#include "base/view.h"
#include "ws/frame.h"

#include <stdbool.h>
#include <stddef.h>

enum sl_ws_code {
    SL_WS_NORMAL = 1000,
    SL_WS_GOING_AWAY = 1001,
    SL_WS_PROTOCOL = 1002,
    SL_WS_NO_CODE =
        1005, /* reported where a Close frame had none; never sent */
    SL_WS_ABNORMAL =
        1006, /* reported where there was no Close frame; never sent */
    SL_WS_BAD_TEXT = 1007,
    SL_WS_TOO_LARGE = 1009,
    SL_WS_NO_EXTENSION = 1010,
    SL_WS_INTERNAL = 1011
};

#define SL_WS_REASON_MAX ((size_t)(SL_WS_CONTROL_MAX - 2))

struct sl_ws_closing {
    unsigned code;
    struct sl_view reason; /* in the payload it was read from */
};

/* Whether a Close frame may have this code: one that is registered for the
 * wire, or one of libraries and applications, 3000 to 4999. */
bool sl_ws_may_send_code(unsigned code);

/* The code to close with after a failure. */
unsigned sl_ws_code_of(enum sl_status status);

/* Reads the payload of a Close frame; without one the code is SL_WS_NO_CODE.
 * SL_PROTOCOL: one byte alone, or a code that may not be sent. SL_DECODE: the
 * reason is not UTF-8. */
enum sl_status sl_ws_closing_read(struct sl_view payload,
                                  struct sl_ws_closing *closing);

/* Writes the payload of a Close frame; SL_WS_NO_CODE without a reason has
 * none. SL_INVALID: the code may not be sent, the reason is too long or not
 * UTF-8. */
enum sl_status sl_ws_closing_write(const struct sl_ws_closing *closing,
                                   char payload[SL_WS_CONTROL_MAX],
                                   size_t *size);

#endif
