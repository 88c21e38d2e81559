/* codec/bare.h - data that delimits and checks itself: brotli, zstd
 *
 * Where the engine can restart, a frame may be followed by further ones.
 */
#ifndef SL_CODEC_BARE_H
#define SL_CODEC_BARE_H

#include "codec/decoder.h"

extern const struct sl_format sl_format_bare;

#endif
