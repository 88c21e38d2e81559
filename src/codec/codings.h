/* codec/codings.h - the content codings, each in the file of its library
 *
 * decoder.c picks the codings of this build; tests run all of them.
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
