/* codec/base64.h - bytes as text (RFC 4648 4)
 *
 * Written here because no library with it is part of every build.
 */
#ifndef SL_CODEC_BASE64_H
#define SL_CODEC_BASE64_H

#include "base/status.h"
#include "base/view.h"
#include "memory/writer.h"

/* The size of what `size` bytes become; at most SIZE_MAX / 2 of them. */
static inline size_t sl_base64_size(size_t size)
{
    return (size + 2) / 3 * 4;
}

/* Writes the encoding of `bytes`, sl_base64_size of them. */
void sl_base64_encode(char *to, struct sl_view bytes);

/* Appends the encoding of `bytes`. SL_LIMIT, SL_MEMORY leave `writer` alone. */
enum sl_status sl_base64_write(struct sl_writer *writer, struct sl_view bytes);

#endif
