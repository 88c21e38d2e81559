/* codec/base64.h - bytes as text (RFC 4648 4)
 *
 * Written here because no library with it is part of every build.
 */
#ifndef SL_CODEC_BASE64_H
#define SL_CODEC_BASE64_H

#include "base/status.h"
#include "base/view.h"
#include "memory/writer.h"

/* Appends the encoding of `bytes`. SL_LIMIT, SL_MEMORY leave `writer` alone. */
enum sl_status sl_base64_write(struct sl_writer *writer, struct sl_view bytes);

#endif
