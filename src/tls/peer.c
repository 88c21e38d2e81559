#include "tls/peer.h"

#include <stdint.h>

/* RFC 1035 2.3.4 */
#define MOST_HOST_BYTES 255

/* ---- literal addresses ---- */

static bool parse_ipv4(struct sl_view text, unsigned char *address)
{
    size_t at = 0;

    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        size_t start;

        if (i > 0 && (at >= text.size || text.data[at++] != '.'))
            return false;
        start = at;
        while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9' &&
               at - start < 4)
            value = value * 10 + (unsigned)(text.data[at++] - '0');
        /* A leading zero has meant octal: nobody knows any more. */
        if (at == start || value > 255 ||
            (at - start > 1 && text.data[start] == '0'))
            return false;
        address[i] = (unsigned char)value;
    }
    return at == text.size;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* RFC 4291 2.2, all three forms */
static bool parse_ipv6(struct sl_view text, unsigned char address[16])
{
    unsigned char groups[16] = {0};
    size_t used = 0;
    size_t gap = SIZE_MAX; /* bytes before "::" */
    size_t at = 0;

    if (text.size >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        gap = 0;
        at = 2;
    }
    while (at < text.size) {
        size_t start = at;
        unsigned value = 0;

        while (at < text.size && at - start < 4 &&
               hex_value(text.data[at]) >= 0)
            value = value << 4 | (unsigned)hex_value(text.data[at++]);
        if (at < text.size && text.data[at] == '.') {
            if (used > 12 ||
                !parse_ipv4(sl_view(text.data + start, text.size - start),
                            groups + used))
                return false;
            used += 4;
            break;
        }
        if (at == start || used > 14)
            return false;
        groups[used++] = (unsigned char)(value >> 8);
        groups[used++] = (unsigned char)value;
        if (at == text.size)
            break;
        if (text.data[at++] != ':' || at == text.size)
            return false;
        if (text.data[at] == ':') {
            if (gap != SIZE_MAX)
                return false;
            gap = used;
            at++;
        }
    }
    if (gap == SIZE_MAX ? used != 16 : used > 14)
        return false;
    memset(address, 0, 16);
    if (gap == SIZE_MAX)
        gap = used;
    memcpy(address, groups, gap);
    memcpy(address + 16 - (used - gap), groups + gap, used - gap);
    return true;
}

/* ---- names ---- */

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' ||
           byte == '.';
}

static bool is_name(struct sl_view host)
{
    /* A library may take a leading dot for "any name below"; nobody is called
     * so, and the root's trailing one was taken off where the URL was read. */
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
    struct sl_view text = sl_view(host, host != NULL ? strlen(host) : 0);

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
    if (parse_ipv4(text, peer->address))
        peer->address_size = 4;
    else if (parse_ipv6(text, peer->address))
        peer->address_size = 16;
    else if (!is_name(text))
        return sl_fail(failure, SL_INVALID, SL_STAGE_TLS,
                       "host is neither a name nor an address");
    return SL_OK;
}

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static bool is_same(struct sl_view a, struct sl_view b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool sl_tls_peer_has_name(const struct sl_tls_peer *peer, struct sl_view name)
{
    struct sl_view host = sl_view(peer->host, peer->host_size);
    const char *dot;
    size_t label;

    if (peer->address_size > 0 || name.size == 0)
        return false;
    if (name.size < 2 || name.data[0] != '*' || name.data[1] != '.')
        return is_same(host, name);
    /* RFC 6125 6.4.3: "*" is the whole leftmost label. "*.test" would be every
     * name of a registry. */
    name = sl_view(name.data + 1, name.size - 1);
    dot = memchr(host.data, '.', host.size);
    if (dot == NULL || dot == host.data ||
        memchr(name.data + 1, '.', name.size - 1) == NULL)
        return false;
    label = (size_t)(dot - host.data);
    return is_same(sl_view(dot, host.size - label), name);
}

bool sl_tls_peer_has_address(const struct sl_tls_peer *peer,
                             struct sl_view address)
{
    return peer->address_size > 0 && peer->address_size == address.size &&
           memcmp(peer->address, address.data, address.size) == 0;
}
