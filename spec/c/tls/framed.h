/* spec/c/tls/framed.h - a provider without cryptography
 *
 * Same table, no library: what works over it knows no library either. It is the
 * client; a test plays the server with put and take.
 *
 *   [ kind | size, two bytes | bytes, each XOR 0x5a ]
 *
 *   client  H host                       server  W        (welcome; with bytes
 *                                                         it wants an answer)
 *           D content                            X reason (refused)
 *           A (answer)                           Q        (wants an answer)
 *           C (close)                            D C K    (K: nothing, skipped)
 *                                                M message
 *
 * While a message of the server's has begun and not ended, the client can say
 * nothing.
 */
#ifndef SPEC_C_TLS_FRAMED_H
#define SPEC_C_TLS_FRAMED_H

#include "tls/provider.h"

#define FRAMED_MOST 16384 /* bytes of a frame */

extern const struct sl_tls_provider framed_provider;

/* As its options said. */
bool framed_is_short_lived(const struct sl_tls_engine *engine);

/* One frame to the tail of `to`; at most FRAMED_MOST bytes. */
enum sl_status framed_put(struct sl_buffer *to, char kind,
                          struct sl_view bytes);

/* One whole frame from the head of `from`, its bytes into `bytes`. SL_AGAIN:
 * it is not all there; SL_LIMIT: it does not fit. */
enum sl_status framed_take(struct sl_buffer *from, char *kind, char *bytes,
                           size_t capacity, size_t *size);

#endif
