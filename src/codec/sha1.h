/* codec/sha1.h - SHA-1 (RFC 3174), for the handshake of WebSocket and no more
 *
 * It proves there that a server has read the key; nothing secret depends on it.
 * Hashes that have to keep something secret are the TLS library's
 * (tls/provider.h), which takes milliseconds to begin.
 */
#ifndef SL_CODEC_SHA1_H
#define SL_CODEC_SHA1_H

#include "base/view.h"

#define SL_SHA1_SIZE 20

void sl_sha1(struct sl_view bytes, unsigned char digest[SL_SHA1_SIZE]);

#endif
