/* codec/bare.h - codings whose format delimits and checks itself
 *
 * Functions for the tables of brotli.c and zstd.c, over the engine they name.
 * Where the engine can restart, a frame may be followed by further ones.
 */
#ifndef SL_CODEC_BARE_H
#define SL_CODEC_BARE_H

#include "codec/decoder.h"

enum sl_status sl_bare_create(const struct sl_decoder_class *class,
                              struct sl_pool *pool,
                              struct sl_decoder **decoder);
void sl_bare_destroy(struct sl_decoder *decoder);
enum sl_status sl_bare_reset(struct sl_decoder *decoder);
enum sl_status sl_bare_decode(struct sl_decoder *decoder,
                              struct sl_buffer *input, struct sl_buffer *output,
                              size_t room, const char **error);
enum sl_status sl_bare_finish(struct sl_decoder *decoder, const char **error);

#endif
