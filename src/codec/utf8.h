/* codec/utf8.h - whether bytes in pieces are UTF-8 (RFC 3629)
 *
 * Refuses what is not the shortest form, surrogates, and what lies above
 * U+10FFFF. A character may be cut anywhere: what the next byte must be is
 * carried over, so that text is checked once, as it arrives.
 */
#ifndef SL_CODEC_UTF8_H
#define SL_CODEC_UTF8_H

#include "base/status.h"
#include "base/view.h"

#include <stdint.h>

struct sl_utf8 {
    uint8_t missing; /* bytes of the character that has begun */
    uint8_t low;     /* bounds of the next of them */
    uint8_t high;
    bool is_broken;
};

void sl_utf8_init(struct sl_utf8 *utf8);

/* SL_OK: all of it may stand in UTF-8, where the last character may be
 * incomplete. SL_DECODE: a byte may not stand where it does; repeats until
 * init. */
enum sl_status sl_utf8_check(struct sl_utf8 *utf8, struct sl_view bytes);

/* No more bytes follow. SL_OK: complete. SL_DECODE: not, or broken. */
enum sl_status sl_utf8_end(const struct sl_utf8 *utf8);

#endif
