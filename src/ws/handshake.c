#include "ws/handshake.h"

#include "base/ascii.h"
#include "base/token.h"
#include "codec/base64.h"

#include <string.h>

/* RFC 6455 1.3 */
static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

void sl_ws_make_key(const unsigned char nonce[SL_WS_NONCE_SIZE],
                    char key[SL_WS_KEY_SIZE])
{
    sl_base64_encode(key, sl_view((const char *)nonce, SL_WS_NONCE_SIZE));
}

enum sl_status sl_ws_make_accept(sl_ws_sha1 sha1,
                                 const char key[SL_WS_KEY_SIZE],
                                 char accept[SL_WS_ACCEPT_SIZE])
{
    char text[SL_WS_KEY_SIZE + sizeof guid - 1];
    unsigned char digest[SL_WS_DIGEST_SIZE];
    enum sl_status status;

    memcpy(text, key, SL_WS_KEY_SIZE);
    memcpy(text + SL_WS_KEY_SIZE, guid, sizeof guid - 1);
    status = sha1(sl_view(text, sizeof text), digest);
    if (status == SL_OK)
        sl_base64_encode(accept,
                         sl_view((const char *)digest, SL_WS_DIGEST_SIZE));
    return status;
}

bool sl_ws_may_offer(const struct sl_view *protocols, size_t count)
{
    size_t i;
    size_t k;

    for (i = 0; i < count; i++) {
        if (!sl_is_token(protocols[i]))
            return false;
        for (k = 0; k < i; k++)
            if (sl_view_equal(protocols[i], protocols[k]))
                return false;
    }
    return true;
}

/* Whether a list holds that word, in any case. */
static bool has_word(struct sl_view list, struct sl_view word)
{
    struct sl_view element;

    while (sl_list_next(&list, &element))
        if (sl_equal_ignoring_case(element, word))
            return true;
    return false;
}

/* What is wrong with an answer but for its Accept, or NULL. */
static const char *judge(const struct sl_ws_offer *offer,
                         const struct sl_ws_answer *answer)
{
    struct sl_view extensions = answer->extensions;
    struct sl_view first;

    if (answer->status != 101)
        return "the status is not 101";
    if (!sl_equal_ignoring_case(sl_trim(answer->upgrade), SL_VIEW("websocket")))
        return "Upgrade is not websocket";
    if (!has_word(answer->connection, SL_VIEW("upgrade")))
        return "Connection is not Upgrade";
    if (answer->accept.data == NULL)
        return "without Sec-WebSocket-Accept";
    if (!offer->has_extensions && sl_list_next(&extensions, &first))
        return "an extension was not offered";
    return NULL;
}

/* Finds the chosen subprotocol: a single one, in the case of the offer.
 * Returns whether it was offered. */
static bool find_protocol(const struct sl_ws_offer *offer,
                          struct sl_view chosen, struct sl_view *protocol)
{
    size_t i;

    *protocol = sl_view(NULL, 0);
    if (chosen.data == NULL)
        return true;
    chosen = sl_trim(chosen);
    for (i = 0; i < offer->protocol_count; i++) {
        if (sl_view_equal(offer->protocols[i], chosen)) {
            *protocol = offer->protocols[i];
            return true;
        }
    }
    return false;
}

enum sl_status sl_ws_check_answer(const struct sl_ws_offer *offer,
                                  const struct sl_ws_answer *answer,
                                  sl_ws_sha1 sha1, struct sl_view *protocol,
                                  const char **error)
{
    char expected[SL_WS_ACCEPT_SIZE];
    enum sl_status status;

    *error = judge(offer, answer);
    if (*error != NULL)
        return SL_PROTOCOL;
    status = sl_ws_make_accept(sha1, offer->key, expected);
    if (status != SL_OK)
        return status;
    if (!sl_view_equal(sl_trim(answer->accept),
                       sl_view(expected, sizeof expected)))
        *error = "Sec-WebSocket-Accept does not fit the key";
    else if (!find_protocol(offer, answer->protocol, protocol))
        *error = "a subprotocol was not offered";
    return *error == NULL ? SL_OK : SL_PROTOCOL;
}
