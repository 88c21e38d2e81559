#include "conn/tunnel_http.h"

#include "codec/base64.h"
#include "http/request.h"

#include <stdio.h>

/* The bytes wanted by a receive; a head is seldom larger. */
#define RECEIVE_WANT ((size_t)4 * 1024)

/* "[" host "]:" port; no name is longer (RFC 1035). */
#define AUTHORITY_SIZE 300

struct http {
    struct sl_tunnel tunnel;
    char authority[AUTHORITY_SIZE];
};

static struct http *from(struct sl_tunnel *tunnel)
{
    return (struct http *)(void *)tunnel;
}

/* ---- the request ---- */

static enum sl_status write_encoded(struct sl_tunnel *tunnel,
                                    struct sl_writer *pair)
{
    const struct sl_tunnel_target *target = &tunnel->target;
    const char *password = target->password != NULL ? target->password : "";
    enum sl_status status;

    status = sl_writer_write(pair, sl_view(target->user, strlen(target->user)));
    if (status == SL_OK)
        status = sl_writer_write(pair, SL_VIEW(":"));
    if (status == SL_OK)
        status = sl_writer_write(pair, sl_view(password, strlen(password)));
    if (status == SL_OK)
        status = sl_writer_write(&tunnel->output,
                                 SL_VIEW("Proxy-Authorization: Basic "));
    if (status == SL_OK)
        status = sl_base64_write(&tunnel->output, sl_writer_view(pair));
    if (status == SL_OK)
        status = sl_writer_write(&tunnel->output, SL_VIEW("\r\n"));
    return status;
}

/* RFC 7617 2 */
static enum sl_status write_credentials(struct sl_tunnel *tunnel,
                                        const char **error)
{
    const char *given = tunnel->target.authorization;
    struct sl_writer pair;
    enum sl_status status;

    if (given != NULL)
        return sl_request_write_field(&tunnel->output,
                                      SL_VIEW("Proxy-Authorization"),
                                      sl_view(given, strlen(given)), error);
    if (tunnel->target.user == NULL)
        return SL_OK;
    sl_writer_init(&pair, tunnel->pool, tunnel->output.initial_size,
                   tunnel->output.max_size);
    status = write_encoded(tunnel, &pair);
    sl_writer_dispose(&pair);
    return status;
}

static enum sl_status begin(struct sl_tunnel *tunnel,
                            struct sl_failure *failure)
{
    struct http *http = from(tunnel);
    const struct sl_tunnel_target *target = &tunnel->target;
    const char *error = "out of memory";
    bool is_literal = strchr(target->host, ':') != NULL;
    int length =
        snprintf(http->authority, sizeof http->authority,
                 is_literal ? "[%s]:%d" : "%s:%d", target->host, target->port);
    struct sl_view authority = sl_view(http->authority, (size_t)length);
    enum sl_status status;

    tunnel->want = RECEIVE_WANT;
    if (sl_refusal_create(tunnel->allocator, tunnel->pool, &tunnel->answer) !=
        SL_OK)
        return sl_fail(failure, SL_MEMORY, SL_STAGE_PROXY, "out of memory");
    if (length >= AUTHORITY_SIZE)
        return sl_fail(failure, SL_INVALID, SL_STAGE_PROXY,
                       "host and port exceed %d bytes (fixed)",
                       AUTHORITY_SIZE - 1);
    status = sl_request_write_line(&tunnel->output, SL_VIEW("CONNECT"),
                                   authority, authority, &error);
    if (status == SL_OK)
        status = write_credentials(tunnel, &error);
    if (status == SL_OK)
        status = sl_request_write_end(&tunnel->output);
    if (status == SL_LIMIT)
        return sl_fail(failure, status, SL_STAGE_PROXY,
                       "the credentials do not fit into a head of "
                       "%zu bytes (fixed)",
                       tunnel->output.max_size);
    return status == SL_OK
               ? status
               : sl_fail(failure, status, SL_STAGE_PROXY, "%s", error);
}

/* ---- the answer ---- */

static bool has_credentials(const struct sl_tunnel_target *target)
{
    return target->user != NULL || target->authorization != NULL;
}

/* The meaning of a status, as far as known; the proxy's own words are not
 * used. */
static const char *meaning(const struct http *http, int status)
{
    switch (status) {
    case 403:
        return ": it does not allow that";
    case 405:
    case 501:
        return ": it makes no tunnels";
    case 401: /* some answer wrong credentials so */
    case 407:
        return has_credentials(&http->tunnel.target)
                   ? ": it does not accept the credentials"
                   : ": it asks for credentials";
    case 502:
        return ": it cannot reach that host";
    case 504:
        return ": that host did not answer";
    default:
        return "";
    }
}

/* The final head is there. SL_AGAIN: the proxy has refused. */
static enum sl_status judge(struct http *http, struct sl_failure *failure)
{
    struct sl_tunnel *tunnel = &http->tunnel;
    int status = tunnel->answer->response.head.status;

    if (status < 200 || status > 299) {
        tunnel->is_refused = true;
        sl_fail(&tunnel->refused, SL_PROXY, SL_STAGE_PROXY,
                "answered %d to CONNECT %s%s", status, http->authority,
                meaning(http, status));
        return SL_AGAIN;
    }
    if (tunnel->input.length > 0)
        return sl_fail(failure, SL_PROXY, SL_STAGE_PROXY,
                       "bytes follow the head of its answer to CONNECT %s",
                       http->authority);
    return SL_OK;
}

/* Without " (limits.head)" at the end. */
static size_t words_size(const char *error)
{
    const char *option = strstr(error, " (limits.");

    return option != NULL ? (size_t)(option - error) : strlen(error);
}

static enum sl_status read_head(struct http *http, struct sl_failure *failure)
{
    struct sl_response *response = &http->tunnel.answer->response;
    enum sl_response_event event = SL_EVENT_INTERIM;
    char room[SL_EXCESS_ROOM];
    const char *error;
    enum sl_status status;

    do
        status =
            sl_response_step(response, &http->tunnel.input, SIZE_MAX, &event);
    while (status == SL_OK && event == SL_EVENT_INTERIM);
    if (status == SL_AGAIN)
        return status;
    if (status == SL_OK)
        return judge(http, failure);
    if (status == SL_MEMORY)
        return sl_fail(failure, status, SL_STAGE_PROXY, "out of memory");
    /* The option that a response's words name does not limit this answer. */
    error = sl_response_explain(response, room);
    return sl_fail(failure, SL_PROXY, SL_STAGE_PROXY,
                   "its answer to CONNECT %s: %.*s", http->authority,
                   (int)words_size(error), error);
}

static enum sl_status advance(struct sl_tunnel *tunnel,
                              struct sl_failure *failure)
{
    if (!tunnel->is_refused) {
        enum sl_status status = read_head(from(tunnel), failure);

        if (!tunnel->is_refused)
            return status;
    }
    if (sl_refusal_step(tunnel->answer, &tunnel->input) == SL_AGAIN)
        return SL_AGAIN;
    *failure = tunnel->refused;
    return SL_PROXY;
}

const struct sl_tunnel_class sl_tunnel_http = {sizeof(struct http), begin,
                                               advance};
