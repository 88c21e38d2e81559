/* codec/gzip.h - the formats around deflate: gzip, zlib, and none
 *
 *   gzip     ( header content crc32 size )+                    RFC 1952
 *   deflate  zlib header, content, adler32 | content alone     RFC 1950
 *
 * RFC 9110 8.4.1.2 says that deflate is zlib's format; some servers send the
 * content alone, so both are taken; the first two bytes tell them apart.
 */
#ifndef SL_CODEC_GZIP_H
#define SL_CODEC_GZIP_H

#include "codec/decoder.h"

extern const struct sl_format sl_format_gzip;
extern const struct sl_format sl_format_deflate;
extern const char *const sl_gzip_aliases[];

#endif
