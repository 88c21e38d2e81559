/* conn/tunnel_http.h - a tunnel by CONNECT (RFC 9110 9.3.6)
 *
 *   CONNECT host:port -> 1xx* 2xx: open
 *                             any other status: refused -> its body
 *
 * A server speaks only when spoken to, so bytes behind the head of a 2xx have
 * no sender in the tunnel: they are refused.
 */
#ifndef SL_CONN_TUNNEL_HTTP_H
#define SL_CONN_TUNNEL_HTTP_H

#include "conn/tunnel.h"

extern const struct sl_tunnel_class sl_tunnel_http;

#endif
