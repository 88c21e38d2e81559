/* codec/crc32.h - the checksum of gzip (RFC 1952), as fast as the machine can
 *
 * Carry-less multiply where the processor has it (found out at run time), else
 * zlib's tables.
 */
#ifndef SL_CODEC_CRC32_H
#define SL_CODEC_CRC32_H

#include "base/view.h"

#include <stdint.h>

/* The checksum of all bytes so far: begin with 0, then pass the last answer. */
uint32_t sl_crc32(uint32_t before, struct sl_view bytes);

#endif
