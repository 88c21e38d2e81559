#include "tls/base64.h"

#include <limits.h>
#include <openssl/evp.h>

enum sl_status sl_base64_write(struct sl_writer *writer, struct sl_view bytes)
{
    size_t size = (bytes.size + 2) / 3 * 4;
    struct sl_room room;
    enum sl_status status;

    if (bytes.size > INT_MAX / 2)
        return SL_LIMIT;
    /* The library ends its text with a NUL. */
    status = sl_writer_reserve(writer, size + 1, &room);
    if (status != SL_OK)
        return status;
    EVP_EncodeBlock((unsigned char *)room.data,
                    (const unsigned char *)bytes.data, (int)bytes.size);
    return sl_writer_commit(writer, size);
}
