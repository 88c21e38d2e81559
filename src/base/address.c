#include "base/address.h"

#include "base/ascii.h"

#include <stdint.h>

bool sl_address_parse_ipv4(struct sl_view text, unsigned char address[4])
{
    size_t at = 0;

    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        size_t start;

        if (i > 0 && (at >= text.size || text.data[at++] != '.'))
            return false;
        start = at;
        while (at < text.size && sl_is_digit(text.data[at]) && at - start < 4)
            value = value * 10 + (unsigned)(text.data[at++] - '0');
        /* A leading zero once meant octal: its meaning is unclear today. */
        if (at == start || value > 255 ||
            (at - start > 1 && text.data[start] == '0'))
            return false;
        address[i] = (unsigned char)value;
    }
    return at == text.size;
}

bool sl_address_parse_ipv6(struct sl_view text, unsigned char address[16])
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
               sl_hex_value(text.data[at]) <= 15)
            value = value << 4 | sl_hex_value(text.data[at++]);
        if (at < text.size && text.data[at] == '.') {
            if (used > 12 || !sl_address_parse_ipv4(
                                 sl_view(text.data + start, text.size - start),
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
