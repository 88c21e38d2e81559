#include "tls/base64.h"

#include <stdint.h>

enum sl_status sl_base64_write(struct sl_writer *writer, struct sl_view bytes)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = (const unsigned char *)bytes.data;
    struct sl_room room;
    enum sl_status status;
    size_t size;
    char *to;

    if (bytes.size > SIZE_MAX / 2)
        return SL_LIMIT;
    if (bytes.size == 0)
        return SL_OK;
    size = (bytes.size + 2) / 3 * 4;
    status = sl_writer_reserve(writer, size, &room);
    if (status != SL_OK)
        return status;
    to = room.data;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        unsigned group = (unsigned)from[i] << 16;

        group |= left > 1 ? (unsigned)from[i + 1] << 8 : 0;
        group |= left > 2 ? (unsigned)from[i + 2] : 0;
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[group & 63] : '=';
    }
    return sl_writer_commit(writer, size);
}
