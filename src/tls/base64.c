#include "tls/base64.h"

#include "tls/provider.h"

#include <limits.h>

enum sl_status sl_base64_write(struct sl_writer *writer, struct sl_view bytes)
{
    const struct sl_tls_provider *provider = sl_tls_providers[0];
    size_t size = (bytes.size + 2) / 3 * 4;
    struct sl_room room;
    enum sl_status status;

    if (provider == NULL)
        return SL_UNSUPPORTED;
    if (bytes.size > INT_MAX / 2)
        return SL_LIMIT;
    if (bytes.size == 0)
        return SL_OK;
    status = sl_writer_reserve(writer, size + 1, &room);
    if (status != SL_OK)
        return status;
    room.size = size;
    status = provider->base64(bytes, room);
    if (status != SL_OK)
        return status;
    return sl_writer_commit(writer, size);
}
