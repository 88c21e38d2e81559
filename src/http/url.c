#include "http/url.h"

#include "http/address.h"
#include "http/token.h"

/* Character classes of RFC 3986 appendix A. */
enum {
    UNRESERVED = 1,
    SUB_DELIM = 2,
    COLON_AT = 4, /* ":" and "@": in a segment, not in a name */
    SLASH = 8,
    QUESTION = 16,
    DIGIT = 32,
    HEX = 64,
    ALPHA = 128
};

#define SEGMENT (UNRESERVED | SUB_DELIM | COLON_AT)
#define PATH    (SEGMENT | SLASH)
#define QUERY   (PATH | QUESTION)

static unsigned class_of(char c)
{
    if (c >= '0' && c <= '9')
        return UNRESERVED | DIGIT | HEX;
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return UNRESERVED | ALPHA | HEX;
    if ((c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z'))
        return UNRESERVED | ALPHA;
    switch (c) {
    case '-':
    case '.':
    case '_':
    case '~':
        return UNRESERVED;
    case '!':
    case '$':
    case '&':
    case '\'':
    case '(':
    case ')':
    case '*':
    case '+':
    case ',':
    case ';':
    case '=':
        return SUB_DELIM;
    case ':':
    case '@':
        return COLON_AT;
    case '/':
        return SLASH;
    case '?':
        return QUESTION;
    default:
        return 0;
    }
}

static bool is_in(char c, unsigned classes)
{
    return (class_of(c) & classes) != 0;
}

static unsigned hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return ((unsigned)(unsigned char)c | 0x20) - 'a' + 10;
}

/* Whether "%xx" stands at `i`. */
static bool is_escape(struct sl_view text, size_t i)
{
    return text.data[i] == '%' && text.size - i >= 3 &&
           is_in(text.data[i + 1], HEX) && is_in(text.data[i + 2], HEX);
}

/* Bytes at the front that are of `classes` or part of a well-formed escape. */
static size_t span(struct sl_view text, unsigned classes)
{
    size_t i = 0;

    while (i < text.size) {
        if (is_in(text.data[i], classes))
            i++;
        else if (is_escape(text, i))
            i += 3;
        else
            break;
    }
    return i;
}

static bool is_all(struct sl_view text, unsigned classes)
{
    return span(text, classes) == text.size;
}

static bool is_all_digits(struct sl_view text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (!is_in(text.data[i], DIGIT))
            return false;
    }
    return true;
}

static enum sl_status refuse(const char **error, const char *reason)
{
    *error = reason;
    return SL_INVALID;
}

/* ---- splitting ---- */

/* The first of up to four bytes; text.size when there is none. */
static size_t find_any(struct sl_view text, const char *bytes)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (text.data[i] != '\0' && strchr(bytes, text.data[i]) != NULL)
            break;
    }
    return i;
}

/* Cuts `size` bytes off the front of `rest`. */
static struct sl_view cut(struct sl_view *rest, size_t size)
{
    struct sl_view front = sl_view(rest->data, size);

    rest->data += size;
    rest->size -= size;
    return front;
}

/* RFC 3986 3.1 */
static bool is_scheme(struct sl_view text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (!is_in(text.data[i], i == 0 ? ALPHA : ALPHA | DIGIT) &&
            (i == 0 || strchr("+-.", text.data[i]) == NULL))
            return false;
    }
    return text.size > 0;
}

static int default_port(struct sl_view scheme)
{
    if (sl_equal_ignoring_case(scheme, SL_VIEW("http")) ||
        sl_equal_ignoring_case(scheme, SL_VIEW("ws")))
        return 80;
    if (sl_equal_ignoring_case(scheme, SL_VIEW("https")) ||
        sl_equal_ignoring_case(scheme, SL_VIEW("wss")))
        return 443;
    return 0;
}

/* -1: not a number of 0 to 65535. */
static int parse_port(struct sl_view text)
{
    int value = 0;
    size_t i;

    for (i = 0; i < text.size; i++) {
        value = value * 10 + (text.data[i] - '0');
        if (value > 65535)
            return -1;
    }
    return value;
}

static enum sl_status split_port(struct sl_url *url, struct sl_view text,
                                 const char **error)
{
    if (text.size == 0)
        return SL_OK;
    if (text.data[0] != ':')
        return refuse(error, "something other than a port after the host");
    cut(&text, 1);
    if (!is_all_digits(text))
        return refuse(error, "the port is not a number");
    url->port_text = text;
    return SL_OK;
}

static enum sl_status split_authority(struct sl_url *url, struct sl_view text,
                                      const char **error)
{
    size_t at = find_any(text, "@");

    if (at < text.size) {
        url->userinfo = cut(&text, at);
        cut(&text, 1);
        if (find_any(text, "@") < text.size)
            return refuse(error, "more than one \"@\" in the authority");
        /* userinfo may hold ":", but not "@", which was the cut */
        if (!is_all(url->userinfo, SEGMENT))
            return refuse(error, "invalid character in the user info");
    }
    if (text.size > 0 && text.data[0] == '[') {
        size_t end = find_any(text, "]");

        if (end == text.size)
            return refuse(error, "\"[\" without \"]\" in the host");
        url->host = sl_view(text.data + 1, end - 1);
        url->is_ipv6 = true;
        cut(&text, end + 1);
        /* RFC 3986 3.2.2: IPvFuture and zones are refused with the rest */
        if (!sl_is_ipv6(url->host))
            return refuse(error, "the host is not an IPv6 address");
    } else {
        url->host = cut(&text, find_any(text, ":"));
        if (!is_all(url->host, UNRESERVED | SUB_DELIM))
            return refuse(error, "invalid character in the host");
    }
    return split_port(url, text, error);
}

static bool has_control(struct sl_view text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return true;
    }
    return false;
}

/* RFC 3986 appendix B, with the errors that its regular expression lets pass. */
enum sl_status sl_url_parse(struct sl_url *url, struct sl_view text,
                            const char **error)
{
    struct sl_view rest = text;
    struct sl_url parts = {0};
    size_t size;
    enum sl_status status;

    if (has_control(text))
        return refuse(error, "control character in the URL");
    size = find_any(rest, ":/?#");
    if (size < rest.size && rest.data[size] == ':') {
        /* RFC 3986 4.2: a colon in the first segment would be a scheme's */
        if (!is_scheme(sl_view(rest.data, size)))
            return refuse(error, "the scheme is malformed");
        parts.scheme = cut(&rest, size);
        cut(&rest, 1);
    }
    if (rest.size >= 2 && rest.data[0] == '/' && rest.data[1] == '/') {
        cut(&rest, 2);
        parts.has_authority = true;
        status =
            split_authority(&parts, cut(&rest, find_any(rest, "/?#")), error);
        if (status != SL_OK)
            return status;
    }
    parts.path = cut(&rest, find_any(rest, "?#"));
    if (rest.size > 0 && rest.data[0] == '?') {
        cut(&rest, 1);
        parts.query = cut(&rest, find_any(rest, "#"));
    }
    if (rest.size > 0) {
        cut(&rest, 1);
        parts.fragment = rest;
    }
    /* RFC 3986 3.2.3: an empty port is the default one */
    parts.port = parts.port_text.size > 0 ? parse_port(parts.port_text)
                                          : default_port(parts.scheme);
    *url = parts;
    return SL_OK;
}

/* ---- what a request may be sent to ---- */

/* A host whose last label is a number is an IPv4 address to some resolvers, in
 * forms that hide which (RFC 3986 7.4): 0x7f.1, 2130706433, 0177.0.0.1. */
static bool is_numeric_name(struct sl_view host)
{
    size_t start = host.size;
    struct sl_view label;

    while (start > 0 && host.data[start - 1] != '.')
        start--;
    label = sl_view(host.data + start, host.size - start);
    if (label.size >= 2 && label.data[0] == '0' &&
        (label.data[1] == 'x' || label.data[1] == 'X'))
        return true;
    return label.size > 0 && is_all_digits(label);
}

/* Letters, digits, hyphen and underscore, in labels that are not empty; one dot
 * may end it. */
static enum sl_status check_name(struct sl_view host, const char **error)
{
    bool is_label_empty = true;
    size_t i;

    if (host.data[host.size - 1] == '.')
        host.size--;
    for (i = 0; i < host.size; i++) {
        char c = host.data[i];

        if (c == '.' && is_label_empty)
            break;
        if (c != '.' && c != '-' && c != '_' && !is_in(c, ALPHA | DIGIT))
            return refuse(error, "invalid character in the host");
        is_label_empty = c == '.';
    }
    if (is_label_empty)
        return refuse(error, "the host has an empty label");
    if (is_numeric_name(host) && !sl_is_ipv4(host))
        return refuse(error, "the host is a malformed IPv4 address");
    return SL_OK;
}

/* RFC 9110 4.2.1: an empty host is invalid. */
static enum sl_status check_host(const struct sl_url *url, const char **error)
{
    if (!url->has_authority || url->host.size == 0)
        return refuse(error, "the URL has no host");
    return url->is_ipv6 ? SL_OK : check_name(url->host, error);
}

static enum sl_status check_unix(const struct sl_url *url, const char **error)
{
    if (!url->has_authority || url->host.size == 0)
        return refuse(error, "the URL has no socket path");
    if (url->is_ipv6 || url->port_text.data != NULL)
        return refuse(error, "a socket path has no port");
    return SL_OK;
}

enum sl_status sl_url_check_target(const struct sl_url *url, const char **error)
{
    bool is_websocket = sl_equal_ignoring_case(url->scheme, SL_VIEW("ws")) ||
                        sl_equal_ignoring_case(url->scheme, SL_VIEW("wss"));
    bool is_unix = sl_equal_ignoring_case(url->scheme, SL_VIEW("http+unix"));
    enum sl_status status;

    if (url->scheme.size == 0)
        return refuse(error, "the URL has no scheme");
    if (!is_unix && default_port(url->scheme) == 0)
        return refuse(error, "the scheme is not supported");
    status = is_unix ? check_unix(url, error) : check_host(url, error);
    if (status != SL_OK)
        return status;
    if (!is_unix && (url->port < 1 || url->port > 65535))
        return refuse(error, "the port is not between 1 and 65535");
    /* RFC 9110 2.2: nothing else may be sent */
    if (!is_all(url->path, PATH))
        return refuse(error, "the path holds what must be percent-encoded");
    if (!is_all(url->query, QUERY))
        return refuse(error, "the query holds what must be percent-encoded");
    if (!is_all(url->fragment, QUERY))
        return refuse(error, "the fragment holds what must be percent-encoded");
    /* RFC 6455 3 */
    if (is_websocket && url->fragment.data != NULL)
        return refuse(error, "a WebSocket URL has no fragment");
    return SL_OK;
}

/* ---- writing ---- */

static const char hex_digits[] = "0123456789ABCDEF";

static char *put(char *to, struct sl_view text)
{
    if (text.size > 0)
        memcpy(to, text.data, text.size);
    return to + text.size;
}

/* At most three bytes for each. With `keeps_escapes`, "%xx" stays as it is:
 * nothing is encoded twice (RFC 3986 2.4). */
static char *put_escaped(char *to, struct sl_view text, unsigned classes,
                         bool keeps_escapes)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (is_in(text.data[i], classes) ||
            (keeps_escapes && is_escape(text, i))) {
            *to++ = text.data[i];
        } else {
            *to++ = '%';
            *to++ = hex_digits[byte >> 4];
            *to++ = hex_digits[byte & 15];
        }
    }
    return to;
}

/* RFC 3986 5.2.4, in place: what is kept never overtakes what is read. Returns
 * the new end. */
static char *remove_dot_segments(char *path, char *end)
{
    char *in = path;
    char *out = path;

    /* A: dots at the front of a path without a slash take theirs along */
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

/* RFC 3986 5.2.3: the reference's path in the place of the base's last
 * segment. */
static char *put_merged(char *to, const struct sl_url *base,
                        struct sl_view path)
{
    size_t size = base->path.size;

    if (base->has_authority && size == 0)
        return put_escaped(put(to, SL_VIEW("/")), path, PATH, true);
    while (size > 0 && base->path.data[size - 1] != '/')
        size--;
    to = put_escaped(to, sl_view(base->path.data, size), PATH, true);
    return put_escaped(to, path, PATH, true);
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

/* No more than this is written of one URL. */
static size_t written_size(const struct sl_url *url)
{
    return url->scheme.size + url->userinfo.size + url->host.size +
           url->port_text.size +
           3 * (url->path.size + url->query.size + url->fragment.size) + 16;
}

/* RFC 3986 5.2.2 */
static char *put_path(char *to, const struct sl_url *base,
                      const struct sl_url *reference)
{
    char *start = to;

    if (reference->scheme.size == 0 && !reference->has_authority) {
        if (reference->path.size == 0)
            return put_escaped(to, base->path, PATH, true);
        if (reference->path.data[0] != '/')
            return remove_dot_segments(start,
                                       put_merged(to, base, reference->path));
    }
    to = put_escaped(to, reference->path, PATH, true);
    return remove_dot_segments(start, to);
}

enum sl_status sl_url_resolve(const struct sl_url *base,
                              const struct sl_url *reference,
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

    status = sl_writer_reserve(
        writer, written_size(base) + written_size(reference), &room);
    if (status != SL_OK)
        return status;
    to = put(room.data, is_absolute ? reference->scheme : base->scheme);
    if (to > room.data)
        to = put(to, SL_VIEW(":"));
    if (origin->has_authority)
        to = put_authority(to, origin);
    path = to;
    to = put_path(to, base, reference);
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
        to = put_escaped(put(to, SL_VIEW("?")), query, QUERY, true);
    if (reference->fragment.data != NULL)
        to = put_escaped(put(to, SL_VIEW("#")), reference->fragment, QUERY,
                         true);
    return sl_writer_commit(writer, (size_t)(to - room.data));
}

enum sl_status sl_url_write_host(const struct sl_url *url,
                                 struct sl_writer *writer)
{
    size_t size = url->host.size;
    struct sl_room room;
    enum sl_status status;
    size_t i;

    if (size > 0 && url->host.data[size - 1] == '.')
        size--;
    status = sl_writer_reserve(writer, size, &room);
    if (status != SL_OK)
        return status;
    for (i = 0; i < size; i++) {
        char c = url->host.data[i];

        room.data[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return sl_writer_commit(writer, size);
}

enum sl_status sl_url_escape(struct sl_writer *writer, struct sl_view text,
                             bool is_query)
{
    /* in a query the delimiters of its own fields must not be taken for them */
    unsigned classes = is_query ? UNRESERVED : SEGMENT;
    struct sl_room room;
    enum sl_status status;
    char *end;

    status = sl_writer_reserve(writer, 3 * text.size, &room);
    if (status != SL_OK)
        return status;
    end = put_escaped(room.data, text, classes, false);
    return sl_writer_commit(writer, (size_t)(end - room.data));
}

enum sl_status sl_url_unescape(struct sl_writer *writer, struct sl_view text)
{
    struct sl_room room;
    enum sl_status status;
    char *to;
    size_t i = 0;

    for (i = 0; i < text.size; i++) {
        if (text.data[i] == '%' && !is_escape(text, i))
            return SL_INVALID;
    }
    status = sl_writer_reserve(writer, text.size, &room);
    if (status != SL_OK)
        return status;
    to = room.data;
    for (i = 0; i < text.size; i++) {
        if (text.data[i] == '%') {
            *to++ = (char)(hex_value(text.data[i + 1]) << 4 |
                           hex_value(text.data[i + 2]));
            i += 2;
        } else {
            *to++ = text.data[i];
        }
    }
    return sl_writer_commit(writer, (size_t)(to - room.data));
}
