/* codec/mask.h - masking of WebSocket payloads (RFC 6455 5.3)
 *
 * Byte i of a payload is XORed with byte i modulo 4 of a key, which also takes
 * the masking off again. Many bytes are done at a time, while they are copied
 * to where they are sent from.
 */
#ifndef SL_CODEC_MASK_H
#define SL_CODEC_MASK_H

#include <stddef.h>
#include <stdint.h>

#define SL_MASK_SIZE 4

/* Copies `size` bytes of a payload, masked, from `from` to `to`, which may be
 * the same but not overlap otherwise. `offset` is the place of the first of
 * them in the payload. */
void sl_mask_copy(char *to, const char *from, size_t size,
                  const unsigned char key[SL_MASK_SIZE], uint64_t offset);

#endif
