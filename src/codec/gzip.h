/* codec/gzip.h - the formats around deflate: gzip, zlib, and none
 *
 *   gzip     ( header content crc32 size )+                    RFC 1952
 *   deflate  zlib header, content, adler32 | content alone     RFC 1950
 *
 * RFC 9110 8.4.1.2 says that deflate is zlib's format; some servers send the
 * content alone, so both are taken, told apart by the first two bytes.
 * Functions for the tables of inflate.c and isal.c, over the engine they name.
 */
#ifndef SL_CODEC_GZIP_H
#define SL_CODEC_GZIP_H

#include "codec/decoder.h"

extern const char *const sl_gzip_aliases[];

enum sl_status sl_gzip_create(const struct sl_decoder_class *class,
                              struct sl_pool *pool,
                              struct sl_decoder **decoder);
enum sl_status sl_deflate_create(const struct sl_decoder_class *class,
                                 struct sl_pool *pool,
                                 struct sl_decoder **decoder);
void sl_gzip_destroy(struct sl_decoder *decoder);
enum sl_status sl_gzip_reset(struct sl_decoder *decoder);
enum sl_status sl_gzip_decode(struct sl_decoder *decoder,
                              struct sl_buffer *input, struct sl_buffer *output,
                              size_t room, const char **error);
enum sl_status sl_gzip_finish(struct sl_decoder *decoder, const char **error);

#endif
