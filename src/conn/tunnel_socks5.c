#include "conn/tunnel_socks5.h"

#include <arpa/inet.h>

enum { VERSION = 5, LOGIN_VERSION = 1, CONNECT = 1 };
enum method { METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_REFUSED = 255 };
enum address { ADDRESS_IPV4 = 1, ADDRESS_NAME = 3, ADDRESS_IPV6 = 4 };
enum phase { METHOD, LOGIN, REPLY };

/* A text has one byte for its size. */
#define TEXT_MOST 255

#define IPV4_SIZE 4
#define IPV6_SIZE 16
#define PORT_SIZE 2

/* Version, reply, reserved, kind of address, and its first byte, which is the
 * size of a name. */
#define REPLY_FRONT 5

struct socks5 {
    struct sl_tunnel tunnel;
    enum phase phase;
};

static struct socks5 *from(struct sl_tunnel *tunnel)
{
    return (struct socks5 *)(void *)tunnel;
}

static enum sl_status refuse(struct sl_failure *failure, const char *reason)
{
    return sl_fail(failure, SL_PROXY, SL_STAGE_PROXY, "%s", reason);
}

/* ---- questions ---- */

/* An output of bytes built in place fails only for want of memory. */
static enum sl_status say(struct sl_tunnel *tunnel, const unsigned char *bytes,
                          size_t size, struct sl_failure *failure)
{
    enum sl_status status =
        sl_writer_write(&tunnel->output, sl_view((const char *)bytes, size));

    return status == SL_OK
               ? status
               : sl_fail(failure, status, SL_STAGE_PROXY, "out of memory");
}

/* Puts the text's size, then the text; answers the byte behind it. */
static unsigned char *put_text(unsigned char *to, const char *text)
{
    size_t size = strlen(text);

    *to++ = (unsigned char)size;
    memcpy(to, text, size);
    return to + size;
}

static bool fits(const char *text)
{
    return strlen(text) <= TEXT_MOST;
}

/* Offers no authentication, and a login if there are credentials. */
static enum sl_status say_methods(struct sl_tunnel *tunnel,
                                  struct sl_failure *failure)
{
    const unsigned char bytes[] = {VERSION, 2, METHOD_NONE, METHOD_PASSWORD};
    const unsigned char none[] = {VERSION, 1, METHOD_NONE};

    if (tunnel->target.user == NULL)
        return say(tunnel, none, sizeof none, failure);
    return say(tunnel, bytes, sizeof bytes, failure);
}

static enum sl_status say_login(struct sl_tunnel *tunnel,
                                struct sl_failure *failure)
{
    unsigned char bytes[1 + 2 * (1 + TEXT_MOST)] = {LOGIN_VERSION};
    unsigned char *to = put_text(bytes + 1, tunnel->target.user);

    if (tunnel->target.password != NULL)
        to = put_text(to, tunnel->target.password);
    else
        to = put_text(to, "");
    from(tunnel)->phase = LOGIN;
    tunnel->want = 2;
    return say(tunnel, bytes, (size_t)(to - bytes), failure);
}

static enum sl_status say_request(struct sl_tunnel *tunnel,
                                  struct sl_failure *failure)
{
    unsigned char bytes[4 + 1 + TEXT_MOST + PORT_SIZE] = {VERSION, CONNECT, 0};
    const struct sl_tunnel_target *target = &tunnel->target;
    unsigned char *to = bytes + 4;

    if (inet_pton(AF_INET, target->host, to) == 1) {
        bytes[3] = ADDRESS_IPV4;
        to += IPV4_SIZE;
    } else if (inet_pton(AF_INET6, target->host, to) == 1) {
        bytes[3] = ADDRESS_IPV6;
        to += IPV6_SIZE;
    } else {
        bytes[3] = ADDRESS_NAME;
        to = put_text(to, target->host);
    }
    *to++ = (unsigned char)(target->port >> 8);
    *to++ = (unsigned char)(target->port & 255);
    from(tunnel)->phase = REPLY;
    tunnel->want = REPLY_FRONT;
    return say(tunnel, bytes, (size_t)(to - bytes), failure);
}

static enum sl_status begin(struct sl_tunnel *tunnel,
                            struct sl_failure *failure)
{
    const struct sl_tunnel_target *target = &tunnel->target;
    const char *fault = NULL;

    if (target->host[0] == 0 || !fits(target->host))
        fault = "the host name is not of 1 to 255 bytes";
    else if (target->user != NULL &&
             (target->user[0] == 0 || !fits(target->user)))
        fault = "the user name is not of 1 to 255 bytes";
    else if (target->password != NULL && !fits(target->password))
        fault = "the password is longer than 255 bytes";
    if (fault != NULL)
        return sl_fail(failure, SL_INVALID, SL_STAGE_PROXY, "%s", fault);
    tunnel->want = 2;
    return say_methods(tunnel, failure);
}

/* ---- answers ---- */

/* Copies the first `size` bytes of the input; false: not all have arrived. */
static bool look(struct sl_tunnel *tunnel, unsigned char *bytes, size_t size)
{
    size_t length = tunnel->input.length;

    tunnel->want = length < size ? size - length : 0;
    return sl_buffer_copy_out(&tunnel->input, 0, (char *)bytes, size) == size;
}

static enum sl_status hear_method(struct sl_tunnel *tunnel,
                                  struct sl_failure *failure)
{
    unsigned char bytes[2];

    if (!look(tunnel, bytes, sizeof bytes))
        return SL_AGAIN;
    if (bytes[0] != VERSION)
        return refuse(failure, "its answer is not that of a SOCKS5 proxy");
    sl_buffer_consume(&tunnel->input, sizeof bytes);
    if (bytes[1] == METHOD_NONE)
        return say_request(tunnel, failure);
    if (bytes[1] == METHOD_PASSWORD && tunnel->target.user != NULL)
        return say_login(tunnel, failure);
    if (bytes[1] != METHOD_REFUSED)
        return refuse(failure, "it chose a way to log in that was not offered");
    return refuse(failure, tunnel->target.user != NULL
                               ? "it accepts neither credentials nor none"
                               : "it asks for credentials");
}

static enum sl_status hear_login(struct sl_tunnel *tunnel,
                                 struct sl_failure *failure)
{
    unsigned char bytes[2];

    if (!look(tunnel, bytes, sizeof bytes))
        return SL_AGAIN;
    if (bytes[0] != LOGIN_VERSION)
        return refuse(failure, "its answer to the credentials is malformed");
    if (bytes[1] != 0)
        return refuse(failure, "it does not accept the credentials");
    sl_buffer_consume(&tunnel->input, sizeof bytes);
    return say_request(tunnel, failure);
}

/* RFC 1928 6 */
static const char *reply_words(unsigned reply)
{
    static const char *const words[] = {
        "",
        "it failed",
        "its rules do not allow that",
        "network unreachable",
        "host unreachable",
        "connection refused",
        "time to live expired",
        "it does not know the command",
        "it does not know that kind of address",
    };

    return reply < sizeof words / sizeof *words ? words[reply]
                                                : "an unknown reply";
}

static enum sl_status fail_reply(const struct sl_tunnel *tunnel, unsigned reply,
                                 struct sl_failure *failure)
{
    const struct sl_tunnel_target *target = &tunnel->target;
    bool is_literal = strchr(target->host, ':') != NULL;

    return sl_fail(failure, SL_PROXY, SL_STAGE_PROXY,
                   is_literal ? "no connection to [%s]:%d: %s (reply %u)"
                              : "no connection to %s:%d: %s (reply %u)",
                   target->host, target->port, reply_words(reply), reply);
}

/* The size of the whole reply, by its front; 0: of no known kind. */
static size_t reply_size(const unsigned char *front)
{
    switch (front[3]) {
    case ADDRESS_IPV4:
        return 4 + IPV4_SIZE + PORT_SIZE;
    case ADDRESS_IPV6:
        return 4 + IPV6_SIZE + PORT_SIZE;
    case ADDRESS_NAME:
        return REPLY_FRONT + front[4] + PORT_SIZE;
    default:
        return 0;
    }
}

/* The reply holds the address of the proxy's own end, which is not needed. */
static enum sl_status hear_reply(struct sl_tunnel *tunnel,
                                 struct sl_failure *failure)
{
    unsigned char front[REPLY_FRONT] = {0};
    bool is_whole = look(tunnel, front, sizeof front);
    size_t size;

    if (tunnel->input.length > 0 && front[0] != VERSION)
        return refuse(failure, "its reply is not that of a SOCKS5 proxy");
    /* Some proxies send nothing more behind a refusal. */
    if (tunnel->input.length > 1 && front[1] != 0)
        return fail_reply(tunnel, front[1], failure);
    if (!is_whole)
        return SL_AGAIN;
    size = reply_size(front);
    if (size == 0)
        return refuse(failure, "its reply holds an unknown kind of address");
    if (tunnel->input.length < size) {
        tunnel->want = size - tunnel->input.length;
        return SL_AGAIN;
    }
    sl_buffer_consume(&tunnel->input, size);
    return SL_OK;
}

static enum sl_status hear(struct sl_tunnel *tunnel, struct sl_failure *failure)
{
    switch (from(tunnel)->phase) {
    case METHOD:
        return hear_method(tunnel, failure);
    case LOGIN:
        return hear_login(tunnel, failure);
    default:
        return hear_reply(tunnel, failure);
    }
}

/* Handles one answer at a time: the next one follows a question that is still
 * to be sent. */
static enum sl_status advance(struct sl_tunnel *tunnel,
                              struct sl_failure *failure)
{
    enum phase before = from(tunnel)->phase;
    enum sl_status status = hear(tunnel, failure);

    if (status == SL_OK && from(tunnel)->phase != before)
        return SL_AGAIN;
    return status;
}

const struct sl_tunnel_class sl_tunnel_socks5 = {sizeof(struct socks5), begin,
                                                 advance};
