#include "http/url.h"

#include "base/address.h"
#include "base/ascii.h"
#include "http/url_class.h"

/* The count of bytes at the front that are of `classes` or part of a
 * well-formed escape. */
static size_t span(struct sl_view text, unsigned classes)
{
    size_t i = 0;

    while (i < text.size) {
        if (sl_url_is_in(text.data[i], classes))
            i++;
        else if (sl_url_is_escape(text, i))
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
    size_t i = 0;

    while (i < text.size && sl_is_digit(text.data[i]))
        i++;
    return i == text.size;
}

static enum sl_status refuse(const char **error, const char *reason)
{
    *error = reason;
    return SL_INVALID;
}

/* ---- splitting ---- */

/* Finds the first of up to four bytes; text.size: not found. */
static size_t find_any(struct sl_view text, const char *bytes)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (text.data[i] != '\0' && strchr(bytes, text.data[i]) != NULL)
            break;
    }
    return i;
}

/* RFC 3986 3.1 */
static bool is_scheme(struct sl_view text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (!sl_url_is_in(text.data[i], i == 0 ? SL_URL_ALPHA
                                               : SL_URL_ALPHA | SL_URL_DIGIT) &&
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

static enum sl_status split_port(struct sl_url *url, struct sl_view text,
                                 const char **error)
{
    size_t i;

    if (text.size == 0)
        return SL_OK;
    if (text.data[0] != ':')
        return refuse(error, "something other than a port after the host");
    sl_view_cut(&text, 1);
    if (!is_all_digits(text))
        return refuse(error, "the port is not a number");
    for (i = 0; i < text.size; i++) {
        url->port = url->port * 10 + (text.data[i] - '0');
        if (url->port > 65535)
            return refuse(error, "the port is larger than 65535");
    }
    url->port_text = text;
    return SL_OK;
}

static bool is_ipv4(struct sl_view text)
{
    unsigned char address[4];

    return sl_address_parse_ipv4(text, address);
}

static bool is_ipv6(struct sl_view text)
{
    unsigned char address[16];

    return sl_address_parse_ipv6(text, address);
}

static enum sl_status split_authority(struct sl_url *url, struct sl_view text,
                                      const char **error)
{
    size_t at = find_any(text, "@");

    if (at < text.size) {
        url->userinfo = sl_view_cut(&text, at);
        sl_view_cut(&text, 1);
        if (find_any(text, "@") < text.size)
            return refuse(error, "more than one \"@\" in the authority");
        /* userinfo may hold ":", but not "@", which was the cut */
        if (!is_all(url->userinfo, SL_URL_SEGMENT))
            return refuse(error, "invalid character in the user info");
    }
    if (text.size > 0 && text.data[0] == '[') {
        size_t end = find_any(text, "]");

        if (end == text.size)
            return refuse(error, "\"[\" without \"]\" in the host");
        url->host = sl_view(text.data + 1, end - 1);
        url->is_ipv6 = true;
        sl_view_cut(&text, end + 1);
        /* RFC 3986 3.2.2: IPvFuture and zones are refused with the rest */
        if (!is_ipv6(url->host))
            return refuse(error, "the host is not an IPv6 address");
    } else {
        url->host = sl_view_cut(&text, find_any(text, ":"));
        if (!is_all(url->host, SL_URL_UNRESERVED | SL_URL_SUB_DELIM))
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

/* RFC 3986 appendix B, with the errors that its regular expression lets
 * pass. */
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
        parts.scheme = sl_view_cut(&rest, size);
        sl_view_cut(&rest, 1);
    }
    if (rest.size >= 2 && rest.data[0] == '/' && rest.data[1] == '/') {
        sl_view_cut(&rest, 2);
        parts.has_authority = true;
        status = split_authority(
            &parts, sl_view_cut(&rest, find_any(rest, "/?#")), error);
        if (status != SL_OK)
            return status;
    }
    parts.path = sl_view_cut(&rest, find_any(rest, "?#"));
    if (rest.size > 0 && rest.data[0] == '?') {
        sl_view_cut(&rest, 1);
        parts.query = sl_view_cut(&rest, find_any(rest, "#"));
    }
    if (rest.size > 0) {
        sl_view_cut(&rest, 1);
        parts.fragment = rest;
    }
    /* RFC 3986 3.2.3: an empty port is the default one */
    if (parts.port_text.size == 0)
        parts.port = default_port(parts.scheme);
    *url = parts;
    return SL_OK;
}

/* ---- URLs that a request may be sent to ---- */

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

/* Accepts letters, digits, hyphen and underscore, in labels that are not empty;
 * one dot may end the name. */
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
        if (c != '.' && c != '-' && c != '_' &&
            !sl_url_is_in(c, SL_URL_ALPHA | SL_URL_DIGIT))
            return refuse(error, "invalid character in the host");
        is_label_empty = c == '.';
    }
    if (is_label_empty)
        return refuse(error, "the host has an empty label");
    if (is_numeric_name(host) && !is_ipv4(host))
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

/* The messages for a byte that may not stand in a part: in the order of `told`,
 * then for any other byte, which is outside ASCII. */
#define FAULTS(part)                                                        \
    {                                                                       \
        "a space in the " part " must be percent-encoded",                  \
            "'\"' in the " part " must be percent-encoded",                 \
            "'<' in the " part " must be percent-encoded",                  \
            "'>' in the " part " must be percent-encoded",                  \
            "'\\' in the " part " must be percent-encoded",                 \
            "'#' in the " part " must be percent-encoded",                  \
            "'%' without two hexadecimal digits in the " part,              \
            "a byte outside ASCII in the " part " must be percent-encoded", \
    }

static const char *find_fault(struct sl_view text, unsigned classes,
                              const char *const faults[])
{
    static const char told[] = " \"<>\\#%";
    size_t at = span(text, classes);

    if (at == text.size)
        return NULL;
    return faults[strcspn(told, (char[]){text.data[at], '\0'})];
}

/* RFC 9110 2.2: nothing else may be sent. */
static enum sl_status check_octets(const struct sl_url *url, const char **error)
{
    static const char *const of_path[] = FAULTS("path");
    static const char *const of_query[] = FAULTS("query");
    static const char *const of_fragment[] = FAULTS("fragment");
    const char *fault = find_fault(url->path, SL_URL_PATH, of_path);

    if (fault == NULL)
        fault = find_fault(url->query, SL_URL_QUERY, of_query);
    if (fault == NULL)
        fault = find_fault(url->fragment, SL_URL_QUERY, of_fragment);
    return fault == NULL ? SL_OK : refuse(error, fault);
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
    if (!is_unix && url->port < 1)
        return refuse(error, "the port is not between 1 and 65535");
    status = check_octets(url, error);
    if (status != SL_OK)
        return status;
    /* RFC 6455 3 */
    if (is_websocket && url->fragment.data != NULL)
        return refuse(error, "a WebSocket URL has no fragment");
    return SL_OK;
}
