/* http/address.h - IP addresses as texts, by the grammar of RFC 3986 3.2.2 */
#ifndef SL_HTTP_ADDRESS_H
#define SL_HTTP_ADDRESS_H

#include "base/view.h"

#include <stdbool.h>

/* Four decimal octets without leading zeros; no rarer form. */
bool sl_is_ipv4(struct sl_view text);
/* Without brackets and zone. */
bool sl_is_ipv6(struct sl_view text);

#endif
