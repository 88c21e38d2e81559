#include "http/address.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void skip(struct sl_view *text, size_t size)
{
    text->data += size;
    text->size -= size;
}

/* One to three digits without a leading zero, at most 255. Returns its size, 0
 * when there is none. */
static size_t octet_size(struct sl_view text)
{
    unsigned value = 0;
    size_t i;

    for (i = 0; i < text.size && is_digit(text.data[i]); i++) {
        value = value * 10 + (unsigned)(text.data[i] - '0');
        if (i == 3 || value > 255 || (i > 0 && text.data[0] == '0'))
            return 0;
    }
    return i;
}

/* RFC 3986 3.2.2: dec-octet "." dec-octet "." dec-octet "." dec-octet */
bool sl_is_ipv4(struct sl_view text)
{
    int i;

    for (i = 0; i < 4; i++) {
        size_t size = octet_size(text);

        if (size == 0)
            return false;
        skip(&text, size);
        if (i < 3) {
            if (text.size == 0 || text.data[0] != '.')
                return false;
            skip(&text, 1);
        }
    }
    return text.size == 0;
}

/* RFC 3986 3.2.2: eight groups, one run of them perhaps "::", the last two
 * perhaps an IPv4 address. */
bool sl_is_ipv6(struct sl_view text)
{
    bool has_gap = false;
    int groups = 0;

    if (text.size >= 2 && text.data[0] == ':' && text.data[1] == ':') {
        has_gap = true;
        skip(&text, 2);
        if (text.size == 0)
            return true;
    }
    for (;;) {
        size_t size = 0;

        while (size < text.size && is_hex(text.data[size]))
            size++;
        if (size < text.size && text.data[size] == '.') {
            groups += 2;
            return sl_is_ipv4(text) && (has_gap ? groups < 8 : groups == 8);
        }
        if (size == 0 || size > 4)
            return false;
        groups++;
        skip(&text, size);
        if (text.size == 0)
            return has_gap ? groups < 8 : groups == 8;
        if (text.data[0] != ':' || text.size == 1)
            return false;
        skip(&text, 1);
        if (text.data[0] == ':') {
            if (has_gap)
                return false;
            has_gap = true;
            skip(&text, 1);
            if (text.size == 0)
                return groups < 8;
        }
    }
}
