/* tls/peer.h - the peer that a connection is to, as certificates name it
 *
 * RFC 9110 4.3.4 and RFC 6125: a name is compared with the DNS alternative
 * names, a literal address with the IP ones, and neither with anything else.
 */
#ifndef SL_TLS_PEER_H
#define SL_TLS_PEER_H

#include "base/status.h"
#include "base/view.h"

#include <stdbool.h>

struct sl_tls_peer {
    unsigned char address[16]; /* when the host is a literal address */
    size_t address_size;       /* 4 or 16; 0: the host is a name */
    size_t host_size;
    const char *host; /* not copied; its first `host_size` bytes */
};

/* Parses a host. The dot of a rooted name ("a.test.") is left out: it is for
 * resolvers, and no certificate has it. SL_INVALID: empty, too long for a name,
 * or neither name nor address. */
enum sl_status sl_tls_peer_parse(const char *host, struct sl_tls_peer *peer,
                                 struct sl_failure *failure);

/* Whether a DNS alternative name is the peer's: the same without regard to
 * case, or with "*" for its whole first label when two more follow. False for
 * an address. */
bool sl_tls_peer_has_name(const struct sl_tls_peer *peer, struct sl_view name);

/* Whether an IP alternative name (4 or 16 bytes) is the peer's. False for a
 * name. */
bool sl_tls_peer_has_address(const struct sl_tls_peer *peer,
                             struct sl_view address);

/* Says that a certificate for `names`, as text, is not the peer's. SL_TLS. */
enum sl_status sl_tls_peer_refuse(const struct sl_tls_peer *peer,
                                  const char *names,
                                  struct sl_failure *failure);

#endif
