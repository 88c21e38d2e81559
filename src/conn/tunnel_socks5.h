/* conn/tunnel_socks5.h - a tunnel by SOCKS5 (RFC 1928, RFC 1929)
 *
 *   METHOD --> REPLY -> open
 *      \-> LOGIN -/
 *
 * A name is resolved by the proxy; a literal travels as an address. Not one
 * byte behind the last reply is received: what follows is the other host's.
 */
#ifndef SL_CONN_TUNNEL_SOCKS5_H
#define SL_CONN_TUNNEL_SOCKS5_H

#include "conn/tunnel.h"

extern const struct sl_tunnel_class sl_tunnel_socks5;

#endif
