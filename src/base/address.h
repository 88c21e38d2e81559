/* base/address.h - IP addresses from their texts
 *
 * The grammar of RFC 3986 3.2.2, which is that of RFC 4291 2.2 without rarer
 * forms: no text may be one address here and another one elsewhere.
 */
#ifndef SL_BASE_ADDRESS_H
#define SL_BASE_ADDRESS_H

#include "base/view.h"

#include <stdbool.h>

/* Parses four decimal octets without leading zeros. False: malformed, and
 * `address` is undefined. */
bool sl_address_parse_ipv4(struct sl_view text, unsigned char address[4]);
/* Parses a text without brackets and zone. False: as above. */
bool sl_address_parse_ipv6(struct sl_view text, unsigned char address[16]);

#endif
