#include "tls/peer.h"

#include "base/address.h"
#include "base/ascii.h"

/* RFC 1035 2.3.4 */
#define MOST_HOST_BYTES 255

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' ||
           byte == '.';
}

static bool is_name(struct sl_view host)
{
    /* A library may take a leading dot for "any name below"; no host has such a
     * name, and only one trailing dot is the root's. */
    if (host.data[0] == '.' || host.data[host.size - 1] == '.')
        return false;
    for (size_t i = 0; i < host.size; i++)
        if (!is_name_byte(host.data[i]))
            return false;
    return true;
}

enum sl_status sl_tls_peer_parse(const char *host, struct sl_tls_peer *peer,
                                 struct sl_failure *failure)
{
    struct sl_view given = sl_view(host, host != NULL ? strlen(host) : 0);
    struct sl_view text = given;

    if (text.size > 1 && text.data[text.size - 1] == '.')
        text.size--;
    /* Libraries take an empty name for "check no name". */
    if (text.size == 0)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "no host to verify the certificate against");
    if (text.size > MOST_HOST_BYTES)
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "host is longer than %d bytes", MOST_HOST_BYTES);
    peer->host = host;
    peer->host_size = text.size;
    peer->address_size = 0;
    if (sl_address_parse_ipv4(text, peer->address))
        peer->address_size = 4;
    else if (sl_address_parse_ipv6(given, peer->address))
        peer->address_size = 16;
    else if (!is_name(text))
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "host is neither a name nor an address");
    return SL_OK;
}

bool sl_tls_peer_has_name(const struct sl_tls_peer *peer, struct sl_view name)
{
    struct sl_view host = sl_view(peer->host, peer->host_size);
    const char *dot;
    size_t label;

    if (peer->address_size > 0 || name.size == 0)
        return false;
    if (name.size < 2 || name.data[0] != '*' || name.data[1] != '.')
        return sl_equal_ignoring_case(host, name);
    /* RFC 6125 6.4.3: "*" is the whole leftmost label. "*.test" would be every
     * name of a registry. */
    name = sl_view(name.data + 1, name.size - 1);
    dot = memchr(host.data, '.', host.size);
    if (dot == NULL || dot == host.data ||
        memchr(name.data + 1, '.', name.size - 1) == NULL)
        return false;
    label = (size_t)(dot - host.data);
    return sl_equal_ignoring_case(sl_view(dot, host.size - label), name);
}

bool sl_tls_peer_has_address(const struct sl_tls_peer *peer,
                             struct sl_view address)
{
    return peer->address_size > 0 && peer->address_size == address.size &&
           memcmp(peer->address, address.data, address.size) == 0;
}

enum sl_status sl_tls_peer_refuse(const struct sl_tls_peer *peer,
                                  const char *names, struct sl_failure *failure)
{
    int shown = peer->host_size < 80 ? (int)peer->host_size : 80;

    if (names[0] == '\0')
        return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                       "certificate is not for %.*s: it has no subject "
                       "alternative names",
                       shown, peer->host);
    return sl_fail(failure, SL_TLS, SL_STAGE_TLS,
                   "certificate is not for %.*s but for %s", shown, peer->host,
                   names);
}
