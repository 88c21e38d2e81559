/* tls/base64.h - base64 (RFC 4648 4) by the default TLS library */
#ifndef SL_TLS_BASE64_H
#define SL_TLS_BASE64_H

#include "base/status.h"
#include "base/view.h"
#include "memory/writer.h"

/* Appends the encoding of `bytes`. SL_LIMIT, SL_MEMORY, SL_UNSUPPORTED (a build
 * without TLS) leave `writer` alone. */
enum sl_status sl_base64_write(struct sl_writer *writer, struct sl_view bytes);

#endif
