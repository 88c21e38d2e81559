#include "http/request.h"

#include "base/ascii.h"
#include "http/token.h"

static char *put(char *to, struct sl_view bytes)
{
    if (bytes.size > 0)
        memcpy(to, bytes.data, bytes.size);
    return to + bytes.size;
}

/* Writes all parts, or none. */
static enum sl_status write_parts(struct sl_writer *writer,
                                  const struct sl_view *parts, size_t count)
{
    struct sl_room room;
    enum sl_status status;
    size_t size = 0;
    char *to;
    size_t i;

    for (i = 0; i < count; i++)
        size += parts[i].size;
    status = sl_writer_reserve(writer, size, &room);
    if (status != SL_OK)
        return status;
    to = room.data;
    for (i = 0; i < count; i++)
        to = put(to, parts[i]);
    return sl_writer_commit(writer, size);
}

/* Whether a text is visible ASCII alone, as in a request line. */
static bool is_visible(struct sl_view text)
{
    size_t i;

    for (i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    }
    return true;
}

enum sl_status sl_request_write_line(struct sl_writer *writer,
                                     struct sl_view method,
                                     struct sl_view target, struct sl_view host,
                                     const char **error)
{
    const struct sl_view parts[] = {
        method, SL_VIEW(" "),    target, SL_VIEW(" HTTP/1.1\r\nHost: "),
        host,   SL_VIEW("\r\n"),
    };

    if (!sl_is_token(method)) {
        *error = "not a token";
        return SL_INVALID;
    }
    if (target.size == 0) {
        *error = "the request target is empty";
        return SL_INVALID;
    }
    if (!is_visible(target)) {
        *error = "the request target holds a control, a space or a byte "
                 "outside ASCII";
        return SL_INVALID;
    }
    /* RFC 9112 3.2: Host is empty when there is no authority */
    if (!is_visible(host)) {
        *error = "the host holds a control, a space or a byte outside ASCII";
        return SL_INVALID;
    }
    return write_parts(writer, parts, sizeof(parts) / sizeof(parts[0]));
}

enum sl_status sl_request_write_field(struct sl_writer *writer,
                                      struct sl_view name, struct sl_view value,
                                      const char **error)
{
    /* RFC 9110 5.5: whitespace around a value is no part of it */
    const struct sl_view parts[] = {
        name,
        SL_VIEW(": "),
        sl_trim(value),
        SL_VIEW("\r\n"),
    };

    if (!sl_is_token(name)) {
        *error = "the field name is not a token";
        return SL_INVALID;
    }
    if (!sl_is_field_value(value)) {
        *error = "the field value holds a control character";
        return SL_INVALID;
    }
    return write_parts(writer, parts, sizeof(parts) / sizeof(parts[0]));
}

bool sl_request_is_framing_field(struct sl_view name)
{
    static const struct sl_view names[] = {
        {"Content-Length", 14},
        {"Transfer-Encoding", 17},
        {"Connection", 10},
        {"Upgrade", 7},
        {"TE", 2},
        {"Trailer", 7},
        {"Host", 4},
        {"Keep-Alive", 10},
        {"Proxy-Connection", 16},
    };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (sl_equal_ignoring_case(name, names[i]))
            return true;
    }
    return false;
}

enum sl_status sl_request_write_end(struct sl_writer *writer)
{
    return sl_writer_write(writer, SL_VIEW("\r\n"));
}

#define LENGTH_NAME SL_VIEW("Content-Length: ")

static size_t count_digits(uint64_t value)
{
    size_t count = 1;

    while (value >= 10) {
        value /= 10;
        count++;
    }
    return count;
}

static char *put_length(char *to, uint64_t length)
{
    size_t count = count_digits(length);
    size_t i;

    to = put(to, LENGTH_NAME);
    for (i = count; i > 0; i--) {
        to[i - 1] = (char)('0' + length % 10);
        length /= 10;
    }
    return put(to + count, SL_VIEW("\r\n"));
}

size_t sl_request_size(const struct sl_request_template *template,
                       const struct sl_request_lines *lines)
{
    size_t size = template->head.size + lines->fields.size;

    if (lines->length != UINT64_MAX)
        size += LENGTH_NAME.size + count_digits(lines->length) + 2;
    return size;
}

void sl_request_fill(const struct sl_request_template *template,
                     const struct sl_request_lines *lines, char *to)
{
    struct sl_view head = template->head;

    to = put(to, sl_view(head.data, template->offset));
    to = put(to, lines->fields);
    if (lines->length != UINT64_MAX)
        to = put_length(to, lines->length);
    put(to,
        sl_view(head.data + template->offset, head.size - template->offset));
}
