#include "http/url_write.h"

#include "base/address.h"
#include "base/ascii.h"
#include "http/url_class.h"

static const char hex_digits[] = "0123456789ABCDEF";

static char *put(char *to, struct sl_view text)
{
    if (text.size > 0)
        memcpy(to, text.data, text.size);
    return to + text.size;
}

/* Percent-encodes bytes that are not of `classes`, each with at most three
 * bytes. With `keeps_escapes`, "%xx" stays as it is: nothing is encoded twice
 * (RFC 3986 2.4). */
static char *put_escaped(char *to, struct sl_view text, unsigned classes,
                         bool keeps_escapes)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (sl_url_is_in(text.data[i], classes) ||
            (keeps_escapes && sl_url_is_escape(text, i))) {
            *to++ = text.data[i];
        } else {
            *to++ = '%';
            *to++ = hex_digits[byte >> 4];
            *to++ = hex_digits[byte & 15];
        }
    }
    return to;
}

/* Puts a path, query or fragment: as it is, or mended. */
static char *put_part(char *to, struct sl_view text, unsigned classes,
                      bool mends)
{
    return mends ? put_escaped(to, text, classes, true) : put(to, text);
}

/* RFC 3986 5.2.4, in place: the bytes written never overtake those read.
 * Returns the new end. */
static char *remove_dot_segments(char *path, char *end)
{
    char *in = path;
    char *out = path;

    /* A: dots at the front of a path without a slash go, with their slash */
    while (in < end && *in == '.') {
        size_t dots = end - in > 1 && in[1] == '.' ? 2 : 1;

        if (in + dots < end && in[dots] != '/')
            break;
        in += dots + (in + dots < end);
    }
    while (in < end) {
        char *slash = memchr(in + 1, '/', (size_t)(end - in - 1));
        char *next = slash != NULL ? slash : end;
        struct sl_view segment = sl_view(in, (size_t)(next - in));
        bool is_parent = sl_view_equal(segment, SL_VIEW("/.."));

        if (is_parent) {
            while (out > path && *--out != '/')
                continue;
        }
        if (!is_parent && !sl_view_equal(segment, SL_VIEW("/."))) {
            memmove(out, in, segment.size);
            out += segment.size;
        } else if (next == end) {
            *out++ = '/';
        }
        in = next;
    }
    return out;
}

/* RFC 3986 5.2.3: puts the reference's path in the place of the base's last
 * segment. */
static char *put_merged(char *to, const struct sl_url *base,
                        struct sl_view path, bool mends)
{
    size_t size = base->path.size;

    if (base->has_authority && size == 0)
        return put_part(put(to, SL_VIEW("/")), path, SL_URL_PATH, mends);
    while (size > 0 && base->path.data[size - 1] != '/')
        size--;
    to = put(to, sl_view(base->path.data, size));
    return put_part(to, path, SL_URL_PATH, mends);
}

static char *put_authority(char *to, const struct sl_url *url)
{
    to = put(to, SL_VIEW("//"));
    if (url->userinfo.data != NULL)
        to = put(put(to, url->userinfo), SL_VIEW("@"));
    if (url->is_ipv6)
        to = put(put(put(to, SL_VIEW("[")), url->host), SL_VIEW("]"));
    else
        to = put(to, url->host);
    if (url->port_text.data != NULL)
        to = put(put(to, SL_VIEW(":")), url->port_text);
    return to;
}

/* The most bytes that are written for one URL. */
static size_t written_size(const struct sl_url *url)
{
    return url->scheme.size + url->userinfo.size + url->host.size +
           url->port_text.size +
           3 * (url->path.size + url->query.size + url->fragment.size) + 16;
}

/* RFC 3986 5.2.2 */
static char *put_path(char *to, const struct sl_url *base,
                      const struct sl_url *reference, bool mends)
{
    struct sl_view path = reference->path;
    char *start = to;

    if (reference->scheme.size == 0 && !reference->has_authority) {
        if (path.size == 0)
            return put(to, base->path);
        if (path.data[0] != '/')
            return remove_dot_segments(start,
                                       put_merged(to, base, path, mends));
    }
    to = put_part(to, path, SL_URL_PATH, mends);
    return remove_dot_segments(start, to);
}

/* RFC 3986 5.3 */
static enum sl_status resolve(const struct sl_url *base,
                              const struct sl_url *reference, bool mends,
                              struct sl_writer *writer)
{
    bool is_absolute = reference->scheme.size > 0;
    bool has_own_authority = is_absolute || reference->has_authority;
    const struct sl_url *origin = has_own_authority ? reference : base;
    struct sl_view query = reference->query;
    struct sl_room room;
    enum sl_status status;
    char *to;
    char *path;

    if (base->scheme.size == 0)
        return SL_INVALID;
    status = sl_writer_reserve(
        writer, written_size(base) + written_size(reference), &room);
    if (status != SL_OK)
        return status;
    to = put(room.data, is_absolute ? reference->scheme : base->scheme);
    to = put(to, SL_VIEW(":"));
    if (origin->has_authority)
        to = put_authority(to, origin);
    path = to;
    to = put_path(to, base, reference, mends);
    /* RFC 3986 3.3: without an authority "//" would become one */
    if (!origin->has_authority && to - path >= 2 && path[0] == '/' &&
        path[1] == '/') {
        memmove(path + 2, path, (size_t)(to - path));
        memcpy(path, "/.", 2);
        to += 2;
    }
    if (!has_own_authority && reference->path.size == 0 && query.data == NULL)
        query = base->query;
    if (query.data != NULL)
        to = put_part(put(to, SL_VIEW("?")), query, SL_URL_QUERY, mends);
    if (reference->fragment.data != NULL)
        to = put_part(put(to, SL_VIEW("#")), reference->fragment, SL_URL_QUERY,
                      mends);
    return sl_writer_commit(writer, (size_t)(to - room.data));
}

enum sl_status sl_url_resolve(const struct sl_url *base,
                              const struct sl_url *reference,
                              struct sl_writer *writer)
{
    return resolve(base, reference, false, writer);
}

enum sl_status sl_url_follow(const struct sl_url *base,
                             const struct sl_url *location,
                             struct sl_writer *writer)
{
    return resolve(base, location, true, writer);
}

enum sl_status sl_url_write_host(const struct sl_url *url,
                                 struct sl_writer *writer)
{
    size_t size = url->host.size;
    unsigned char address[4];
    struct sl_room room;
    enum sl_status status;
    size_t i;

    if (size > 0 && url->host.data[size - 1] == '.' &&
        sl_address_parse_ipv4(sl_view(url->host.data, size - 1), address))
        size--;
    status = sl_writer_reserve(writer, size, &room);
    if (status != SL_OK)
        return status;
    for (i = 0; i < size; i++)
        room.data[i] = sl_lower(url->host.data[i]);
    return sl_writer_commit(writer, size);
}

enum sl_status sl_url_escape(struct sl_writer *writer, struct sl_view text)
{
    struct sl_room room;
    enum sl_status status;
    char *end;

    status = sl_writer_reserve(writer, 3 * text.size, &room);
    if (status != SL_OK)
        return status;
    end = put_escaped(room.data, text, SL_URL_UNRESERVED, false);
    return sl_writer_commit(writer, (size_t)(end - room.data));
}

/* What the form encoding leaves as it is, beside the space. */
static bool is_of_form(char byte)
{
    return byte == '*' ||
           (sl_url_is_in(byte, SL_URL_UNRESERVED) && byte != '~');
}

enum sl_status sl_url_escape_form(struct sl_writer *writer, struct sl_view text)
{
    struct sl_room room;
    enum sl_status status;
    char *to;

    status = sl_writer_reserve(writer, 3 * text.size, &room);
    if (status != SL_OK)
        return status;
    to = room.data;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == ' ')
            *to++ = '+';
        else if (is_of_form(text.data[i]))
            *to++ = text.data[i];
        else
            to = put_escaped(to, sl_view(text.data + i, 1), 0, false);
    }
    return sl_writer_commit(writer, (size_t)(to - room.data));
}

enum sl_status sl_url_unescape(struct sl_writer *writer, struct sl_view text)
{
    struct sl_room room;
    enum sl_status status;
    char *to;
    size_t i = 0;

    for (i = 0; i < text.size; i++) {
        if (text.data[i] == '%' && !sl_url_is_escape(text, i))
            return SL_INVALID;
    }
    status = sl_writer_reserve(writer, text.size, &room);
    if (status != SL_OK)
        return status;
    to = room.data;
    for (i = 0; i < text.size; i++) {
        if (text.data[i] == '%') {
            *to++ = (char)(sl_hex_value(text.data[i + 1]) << 4 |
                           sl_hex_value(text.data[i + 2]));
            i += 2;
        } else {
            *to++ = text.data[i];
        }
    }
    return sl_writer_commit(writer, (size_t)(to - room.data));
}
