/* codec/codings.h - the content codings there are, each where its library is
 *
 * decoder.c picks from these what the build has; tests run all of them.
 */
#ifndef SL_CODEC_CODINGS_H
#define SL_CODEC_CODINGS_H

#include "codec/decoder.h"

extern const struct sl_decoder_class sl_coding_gzip_zlib;    /* inflate.c */
extern const struct sl_decoder_class sl_coding_deflate_zlib; /* inflate.c */
extern const struct sl_decoder_class sl_coding_gzip_isal;    /* isal.c */
extern const struct sl_decoder_class sl_coding_deflate_isal; /* isal.c */
extern const struct sl_decoder_class sl_coding_brotli;       /* brotli.c */
extern const struct sl_decoder_class sl_coding_zstd;         /* zstd.c */

#endif
