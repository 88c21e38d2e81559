#include "http/framing.h"

#include "base/ascii.h"
#include "http/token.h"

/* The contents of the framing fields, before they are weighed. */
struct evidence {
    size_t length_lines;
    size_t coding_lines; /* of Transfer-Encoding */
    uint64_t length;
    bool is_chunked;
    bool has_close;
    bool has_keep_alive;
    int64_t idle;
};

/* Any number of so many digits fits. */
#define SAFE_DIGITS 18

/* RFC 9110 8.6: digits alone, and no overflow. */
static bool parse_length(struct sl_view text, uint64_t *length)
{
    uint64_t value = 0;
    size_t i;

    for (i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';

        if (digit > 9 ||
            (i >= SAFE_DIGITS && value > ((uint64_t)INT64_MAX - digit) / 10))
            return false;
        value = value * 10 + digit;
    }
    *length = value;
    return text.size > 0;
}

/* RFC 9112 6.3(5): a list is good only when all its members are the same. */
static const char *read_length(struct evidence *found, struct sl_view value)
{
    /* One number, as a rule. */
    if (found->length_lines == 0 && parse_length(value, &found->length)) {
        found->length_lines = 1;
        return NULL;
    }
    do {
        const char *comma =
            value.size == 0 ? NULL : memchr(value.data, ',', value.size);
        size_t size = comma ? (size_t)(comma - value.data) : value.size;
        uint64_t length;

        if (!parse_length(sl_trim(sl_view(value.data, size)), &length))
            return "Content-Length is not a number";
        if (found->length_lines++ > 0 && length != found->length)
            return "Content-Length fields differ";
        found->length = length;
        if (comma == NULL)
            return NULL;
        value = sl_view(comma + 1, value.size - size - 1);
    } while (true);
}

/* RFC 9112 6.1: chunked and nothing else, because no other coding was
 * requested; a coding after it, or chunked twice, would hide where the body
 * ends. */
static const char *read_transfer_coding(struct evidence *found,
                                        struct sl_view value)
{
    struct sl_view coding;

    found->coding_lines++;
    while (sl_list_next(&value, &coding)) {
        if (found->is_chunked)
            return "transfer coding after chunked";
        if (!sl_equal_ignoring_case(coding, SL_VIEW("chunked")))
            return "transfer coding other than chunked";
        found->is_chunked = true;
    }
    return NULL;
}

static void read_connection(struct evidence *found, struct sl_view value)
{
    struct sl_view option;

    while (sl_list_next(&value, &option)) {
        if (sl_equal_ignoring_case(option, SL_VIEW("close")))
            found->has_close = true;
        else if (sl_equal_ignoring_case(option, SL_VIEW("keep-alive")))
            found->has_keep_alive = true;
    }
}

/* "timeout=5, max=100" (RFC 2068 19.7.1.1), the parameters in any order. */
static void read_keep_alive(struct evidence *found, struct sl_view value)
{
    static const char name[] = "timeout=";
    const size_t name_size = sizeof name - 1;
    struct sl_view parameter;
    uint64_t seconds;

    while (sl_list_next(&value, &parameter))
        if (parameter.size > name_size &&
            sl_equal_ignoring_case(sl_view(parameter.data, name_size),
                                   SL_VIEW("timeout=")) &&
            parse_length(
                sl_view(parameter.data + name_size, parameter.size - name_size),
                &seconds))
            found->idle = (int64_t)seconds;
}

/* Lists come in the order of application: the last is removed first. */
static void read_content_coding(struct sl_content_codings *codings,
                                struct sl_view value)
{
    struct sl_view coding;
    size_t i;

    while (sl_list_next(&value, &coding)) {
        if (sl_equal_ignoring_case(coding, SL_VIEW("identity")))
            continue;
        if (codings->count == SL_CODINGS)
            codings->has_many = true;
        else
            codings->count++;
        for (i = codings->count - 1; i > 0; i--)
            codings->names[i] = codings->names[i - 1];
        codings->names[0] = coding;
    }
}

/* The name at `index` has the size of `name`, and nearly always its case. */
static inline bool is_named(const struct sl_head *head, size_t index,
                            struct sl_view name)
{
    struct sl_view found = sl_head_name(head, index);

    return memcmp(found.data, name.data, name.size) == 0 ||
           sl_equal_ignoring_case(found, name);
}

/* Chooses by the size of the name, so that most names are compared once at
 * most. */
static const char *read_field(struct sl_content_codings *codings,
                              struct evidence *found,
                              const struct sl_head *head, size_t index)
{
    switch (head->fields[index].name_size) {
    case sizeof("Connection") - 1: /* and of Keep-Alive */
        if (is_named(head, index, SL_VIEW("Connection")))
            read_connection(found, sl_head_value(head, index));
        else if (is_named(head, index, SL_VIEW("Keep-Alive")))
            read_keep_alive(found, sl_head_value(head, index));
        break;
    case sizeof("Content-Length") - 1:
        if (is_named(head, index, SL_VIEW("Content-Length")))
            return read_length(found, sl_head_value(head, index));
        break;
    case sizeof("Content-Encoding") - 1:
        if (is_named(head, index, SL_VIEW("Content-Encoding")))
            read_content_coding(codings, sl_head_value(head, index));
        break;
    case sizeof("Transfer-Encoding") - 1:
        if (is_named(head, index, SL_VIEW("Transfer-Encoding")))
            return read_transfer_coding(found, sl_head_value(head, index));
        break;
    default:
        break;
    }
    return NULL;
}

static enum sl_status decide_upgrade(struct sl_framing *framing,
                                     const struct sl_head *head,
                                     struct sl_request_traits request,
                                     const char **error)
{
    if (!request.wants_upgrade) {
        *error = "101 without a request for an upgrade";
        return SL_PROTOCOL;
    }
    if (head->minor_version == 0) {
        *error = "101 in an HTTP/1.0 response";
        return SL_PROTOCOL;
    }
    framing->is_upgrade = true;
    framing->keeps_alive = false;
    return SL_OK;
}

static bool has_no_body(int status, struct sl_request_traits request)
{
    return request.is_head || status < 200 || status == 204 || status == 304;
}

enum sl_status sl_framing_decide(struct sl_framing *framing,
                                 struct sl_content_codings *codings,
                                 const struct sl_head *head,
                                 struct sl_request_traits request,
                                 const char **error)
{
    bool is_tunnel =
        request.is_connect && head->status >= 200 && head->status < 300;
    struct evidence found = {.idle = -1};
    const char *fault = NULL;
    size_t i;

    memset(framing, 0, sizeof(*framing));
    codings->count = 0;
    codings->has_many = false;
    for (i = 0; i < head->count && fault == NULL; i++)
        fault = read_field(codings, &found, head, i);
    framing->idle = -1;
    /* RFC 9112 6.3(2): a tunnel's framing fields mean nothing */
    if (is_tunnel) {
        codings->count = 0;
        return SL_OK;
    }
    if (fault == NULL && found.coding_lines > 0 && !found.is_chunked)
        fault = "Transfer-Encoding names no coding";
    if (fault == NULL && found.coding_lines > 0 && found.length_lines > 0)
        fault = "both Content-Length and Transfer-Encoding";
    /* RFC 9112 6.3(1): a response without a body ends at its head, whatever its
     * fields say. But after faulty fields the connection is not used again. */
    if (fault != NULL && !has_no_body(head->status, request)) {
        *error = fault;
        return SL_PROTOCOL;
    }

    framing->keeps_alive = fault == NULL && !found.has_close &&
                           !request.wants_close &&
                           (head->minor_version == 1 || found.has_keep_alive);
    framing->idle = found.idle < INT32_MAX ? (int32_t)found.idle : INT32_MAX;
    if (head->status == 101)
        return decide_upgrade(framing, head, request, error);
    if (has_no_body(head->status, request)) {
        framing->kind = SL_FRAMING_NONE;
    } else if (found.is_chunked) {
        framing->kind = SL_FRAMING_CHUNKED;
        /* RFC 9112 6.1: in 1.0 the framing is faulty: never reuse */
        if (head->minor_version == 0)
            framing->keeps_alive = false;
    } else if (found.length_lines > 0) {
        framing->kind = SL_FRAMING_LENGTH;
        framing->length = found.length;
    } else {
        framing->kind = SL_FRAMING_CLOSE;
        framing->keeps_alive = false;
    }
    return SL_OK;
}

bool sl_is_redirect(const struct sl_head *head)
{
    switch (head->status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
        return sl_head_find(head, 0, SL_VIEW("location")) != SIZE_MAX;
    default:
        return false;
    }
}
