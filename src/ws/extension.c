#include "ws/extension.h"

#include "base/ascii.h"
#include "base/token.h"

#include <stdio.h>
#include <string.h>

/* ---- reading (RFC 6455 9.1) ---- */

/* One extension of a list: its name, then parameters one after the other. */
struct extension {
    struct sl_view name;
    struct sl_view rest;
};

struct parameter {
    struct sl_view name;
    struct sl_view value;
    bool has_value;
};

static void skip_blanks(struct sl_view *text)
{
    while (text->size > 0 && sl_is_blank(text->data[0]))
        sl_view_cut(text, 1);
}

/* False: no token stands there. */
static bool take_token(struct sl_view *text, struct sl_view *token)
{
    *token = sl_view_cut(text, sl_token_length(*text));
    return token->size > 0;
}

/* A quoted value must be a token, too, without its quotes. */
static bool take_value(struct sl_view *text, struct sl_view *value)
{
    bool is_quoted = text->size > 0 && text->data[0] == '"';

    if (is_quoted)
        sl_view_cut(text, 1);
    if (!take_token(text, value))
        return false;
    if (!is_quoted)
        return true;
    if (text->size == 0 || text->data[0] != '"')
        return false;
    sl_view_cut(text, 1);
    return true;
}

/* SL_OK: `*parameter` is the next one. SL_END: there is none. */
static enum sl_status next_parameter(struct extension *extension,
                                     struct parameter *parameter)
{
    struct sl_view *rest = &extension->rest;

    skip_blanks(rest);
    if (rest->size == 0)
        return SL_END;
    if (rest->data[0] != ';')
        return SL_PROTOCOL;
    sl_view_cut(rest, 1);
    skip_blanks(rest);
    if (!take_token(rest, &parameter->name))
        return SL_PROTOCOL;
    parameter->has_value = rest->size > 0 && rest->data[0] == '=';
    parameter->value = sl_view(NULL, 0);
    if (!parameter->has_value)
        return SL_OK;
    sl_view_cut(rest, 1);
    return take_value(rest, &parameter->value) ? SL_OK : SL_PROTOCOL;
}

/* SL_OK: `*extension` is the next one, of good grammar. SL_END: there is
 * none. */
static enum sl_status next_extension(struct sl_view *list,
                                     struct extension *extension)
{
    struct extension checked;
    struct parameter parameter;
    enum sl_status status;

    if (!sl_list_next(list, &extension->rest))
        return SL_END;
    if (!take_token(&extension->rest, &extension->name))
        return SL_PROTOCOL;
    checked = *extension;
    do {
        status = next_parameter(&checked, &parameter);
    } while (status == SL_OK);
    return status == SL_END ? SL_OK : status;
}

static bool is_deflate(const struct extension *extension)
{
    return sl_equal_ignoring_case(extension->name,
                                  SL_VIEW("permessage-deflate"));
}

/* ---- the parameters of permessage-deflate ---- */

/* As they stand in an offer or an answer. Bits are 0 without the parameter, and
 * ANY_BITS when it has no value. */
#define ANY_BITS 16

struct terms {
    bool server_forgets;
    bool client_forgets;
    unsigned char server_bits;
    unsigned char client_bits;
};

/* RFC 7692 7.1.2: a decimal number from 8 to 15 without leading zeroes. Returns
 * 0 for anything else. */
static unsigned char read_bits(struct sl_view value)
{
    if (value.size == 1 && (value.data[0] == '8' || value.data[0] == '9'))
        return (unsigned char)(value.data[0] - '0');
    if (value.size == 2 && value.data[0] == '1' && value.data[1] >= '0' &&
        value.data[1] <= '5')
        return (unsigned char)(10 + value.data[1] - '0');
    return 0;
}

static const char *read_flag(const struct parameter *parameter, bool *flag)
{
    if (*flag)
        return "a parameter of permessage-deflate stands twice";
    if (parameter->has_value)
        return "a no_context_takeover of permessage-deflate has a value";
    *flag = true;
    return NULL;
}

static const char *read_window(const struct parameter *parameter,
                               bool may_lack_value, unsigned char *bits)
{
    if (*bits != 0)
        return "a parameter of permessage-deflate stands twice";
    if (!parameter->has_value && may_lack_value)
        *bits = ANY_BITS;
    else
        *bits = read_bits(parameter->value);
    return *bits != 0 ? NULL
                      : "max_window_bits of permessage-deflate is not 8 to 15";
}

/* What is wrong with the parameter, or NULL. */
static const char *read_parameter(const struct parameter *parameter,
                                  bool is_offer, struct terms *terms)
{
    struct sl_view name = parameter->name;

    if (sl_equal_ignoring_case(name, SL_VIEW("server_no_context_takeover")))
        return read_flag(parameter, &terms->server_forgets);
    if (sl_equal_ignoring_case(name, SL_VIEW("client_no_context_takeover")))
        return read_flag(parameter, &terms->client_forgets);
    if (sl_equal_ignoring_case(name, SL_VIEW("server_max_window_bits")))
        return read_window(parameter, false, &terms->server_bits);
    if (sl_equal_ignoring_case(name, SL_VIEW("client_max_window_bits")))
        return read_window(parameter, is_offer, &terms->client_bits);
    return "permessage-deflate has an unknown parameter";
}

/* What is wrong with them, or NULL. */
static const char *read_terms(struct extension extension, bool is_offer,
                              struct terms *terms)
{
    struct parameter parameter;
    const char *error = NULL;

    memset(terms, 0, sizeof *terms);
    while (error == NULL && next_parameter(&extension, &parameter) == SL_OK)
        error = read_parameter(&parameter, is_offer, terms);
    return error;
}

/* ---- writing ---- */

/* Terms become text. */
static size_t write_terms(const struct terms *terms,
                          char text[SL_WS_EXTENSION_MAX])
{
    char server[32] = "";
    char client[32] = "";

    if (terms->server_bits != 0)
        snprintf(server, sizeof server, "; server_max_window_bits=%u",
                 terms->server_bits);
    if (terms->client_bits == ANY_BITS)
        snprintf(client, sizeof client, "; client_max_window_bits");
    else if (terms->client_bits != 0)
        snprintf(client, sizeof client, "; client_max_window_bits=%u",
                 terms->client_bits);
    return (size_t)snprintf(
        text, SL_WS_EXTENSION_MAX, "permessage-deflate%s%s%s%s",
        terms->server_forgets ? "; server_no_context_takeover" : "",
        terms->client_forgets ? "; client_no_context_takeover" : "", server,
        client);
}

/* ---- a client ---- */

size_t sl_ws_extension_offer(const struct sl_ws_compression *wish,
                             char text[SL_WS_EXTENSION_MAX])
{
    struct terms terms = {wish->server_forgets, wish->client_forgets, 0,
                          ANY_BITS};

    if (wish->server_bits < SL_WS_WINDOW_MOST)
        terms.server_bits = wish->server_bits;
    if (wish->client_bits < SL_WS_WINDOW_MOST)
        terms.client_bits = wish->client_bits;
    return write_terms(&terms, text);
}

/* Why terms do not answer the wish, or NULL. RFC 7692 7.1: a server accepts a
 * parameter of an offer by repeating it. */
static const char *judge(const struct sl_ws_compression *wish,
                         const struct terms *terms)
{
    if (wish->server_forgets && !terms->server_forgets)
        return "server_no_context_takeover was not accepted";
    if (wish->server_bits < SL_WS_WINDOW_MOST && terms->server_bits == 0)
        return "server_max_window_bits was not accepted";
    if (terms->server_bits > wish->server_bits)
        return "server_max_window_bits exceeds what was offered";
    if (terms->client_bits > wish->client_bits)
        return "client_max_window_bits exceeds what was offered";
    return NULL;
}

static unsigned char bits_or(unsigned char bits, unsigned char otherwise)
{
    return bits != 0 ? bits : otherwise;
}

/* `client_bits`: of a client that was told nothing. */
static void settle(const struct terms *terms, unsigned char client_bits,
                   struct sl_ws_compression *agreed)
{
    agreed->is_agreed = true;
    agreed->server_forgets = terms->server_forgets;
    agreed->client_forgets = terms->client_forgets;
    agreed->server_bits = bits_or(terms->server_bits, SL_WS_WINDOW_MOST);
    agreed->client_bits = bits_or(terms->client_bits, client_bits);
}

enum sl_status sl_ws_extension_agree(const struct sl_ws_compression *wish,
                                     struct sl_view answer,
                                     struct sl_ws_compression *agreed,
                                     const char **error)
{
    struct extension extension;
    struct terms terms;
    enum sl_status status;

    memset(agreed, 0, sizeof *agreed);
    *error = NULL;
    while ((status = next_extension(&answer, &extension)) == SL_OK) {
        if (!is_deflate(&extension))
            *error = "an extension was not offered";
        else if (agreed->is_agreed)
            *error = "permessage-deflate was answered twice";
        else
            *error = read_terms(extension, false, &terms);
        if (*error == NULL)
            *error = judge(wish, &terms);
        if (*error != NULL)
            return SL_PROTOCOL;
        settle(&terms, wish->client_bits, agreed);
        /* Nobody has to agree to what only this side does. */
        agreed->client_forgets = terms.client_forgets || wish->client_forgets;
    }
    if (status == SL_END)
        return SL_OK;
    *error = "Sec-WebSocket-Extensions is malformed";
    return status;
}

/* ---- a server ---- */

static unsigned char smaller(unsigned char a, unsigned char b)
{
    return a < b ? a : b;
}

/* What a server makes of an offer. A client that did not offer to limit its
 * window cannot be asked to (RFC 7692 7.1.2.2). */
static struct terms answer_to(const struct sl_ws_compression *wish,
                              const struct terms *offer)
{
    struct terms answer = {wish->server_forgets || offer->server_forgets,
                           wish->client_forgets || offer->client_forgets, 0, 0};
    unsigned char most = SL_WS_WINDOW_MOST;

    if (offer->server_bits != 0 || wish->server_bits < most)
        answer.server_bits =
            smaller(wish->server_bits, bits_or(offer->server_bits, most));
    if (offer->client_bits != 0 &&
        (offer->client_bits < most || wish->client_bits < most))
        answer.client_bits = smaller(wish->client_bits, offer->client_bits);
    return answer;
}

enum sl_status sl_ws_extension_accept(const struct sl_ws_compression *wish,
                                      struct sl_view offers,
                                      struct sl_ws_compression *agreed,
                                      char text[SL_WS_EXTENSION_MAX],
                                      size_t *size, const char **error)
{
    struct extension extension;
    struct terms offer;
    struct terms answer;
    enum sl_status status;

    memset(agreed, 0, sizeof *agreed);
    *size = 0;
    *error = NULL;
    while ((status = next_extension(&offers, &extension)) == SL_OK) {
        if (agreed->is_agreed || !is_deflate(&extension) ||
            read_terms(extension, true, &offer) != NULL)
            continue;
        answer = answer_to(wish, &offer);
        settle(&answer, SL_WS_WINDOW_MOST, agreed);
        *size = write_terms(&answer, text);
    }
    if (status == SL_END)
        return SL_OK;
    memset(agreed, 0, sizeof *agreed);
    *size = 0;
    *error = "Sec-WebSocket-Extensions is malformed";
    return status;
}
