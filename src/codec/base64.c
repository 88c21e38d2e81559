#include "codec/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
                             "wxyz0123456789+/";

/* Puts four digits for three bytes. */
static char *put(char *to, uint32_t bytes)
{
    *to++ = digits[bytes >> 18];
    *to++ = digits[bytes >> 12 & 63];
    *to++ = digits[bytes >> 6 & 63];
    *to++ = digits[bytes & 63];
    return to;
}

void sl_base64_encode(char *to, struct sl_view bytes)
{
    const unsigned char *from = (const unsigned char *)bytes.data;
    size_t left = bytes.size;

    for (; left >= 3; from += 3, left -= 3)
        to = put(to, (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 |
                         (uint32_t)from[2]);
    if (left > 0) {
        uint32_t second = left == 2 ? from[1] : 0;

        to = put(to, (uint32_t)from[0] << 16 | second << 8);
        to[-1] = '=';
        if (left == 1)
            to[-2] = '=';
    }
}

enum sl_status sl_base64_write(struct sl_writer *writer, struct sl_view bytes)
{
    size_t size = sl_base64_size(bytes.size);
    struct sl_room room;
    enum sl_status status;

    if (bytes.size == 0)
        return SL_OK;
    if (bytes.size > SIZE_MAX / 2)
        return SL_LIMIT;
    status = sl_writer_reserve(writer, size, &room);
    if (status != SL_OK)
        return status;
    sl_base64_encode(room.data, bytes);
    return sl_writer_commit(writer, size);
}
