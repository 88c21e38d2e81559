/* Fields of a handshake: answers to a client's offer, and offers to a server.
 *
 *   byte 0   1, 2: what is wished for  4: a field is there
 *   byte 1   bits of the wish
 *   rest     Sec-WebSocket-Extensions; before the first zero byte it stands for
 *            every other field, too
 */
#include "ws/extension.h"
#include "ws/handshake.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

static bool is_sound(const struct sl_ws_compression *agreed)
{
    return agreed->server_bits >= SL_WS_WINDOW_LEAST &&
           agreed->server_bits <= SL_WS_WINDOW_MOST &&
           agreed->client_bits >= SL_WS_WINDOW_LEAST &&
           agreed->client_bits <= SL_WS_WINDOW_MOST;
}

static void agree(const struct sl_ws_compression *wish, struct sl_view field)
{
    struct sl_ws_compression agreed;
    const char *error;
    enum sl_status status = sl_ws_extension_agree(wish, field, &agreed, &error);

    demand((status == SL_OK) == (error == NULL), "a failure says why");
    if (status != SL_OK || !agreed.is_agreed)
        return;
    demand(is_sound(&agreed), "windows of 8 to 15 bits");
    demand(agreed.server_bits <= wish->server_bits &&
               agreed.client_bits <= wish->client_bits,
           "no more than was offered");
    demand(agreed.server_forgets || !wish->server_forgets,
           "the server does as it was asked");
}

static void accept(const struct sl_ws_compression *wish, struct sl_view field)
{
    const struct sl_ws_compression all = {false, false, false, 15, 15};
    struct sl_ws_compression agreed;
    struct sl_ws_compression read;
    char text[SL_WS_EXTENSION_MAX];
    size_t size;
    const char *error;
    enum sl_status status =
        sl_ws_extension_accept(wish, field, &agreed, text, &size, &error);

    demand((status == SL_OK) == (error == NULL), "a failure says why");
    demand(agreed.is_agreed == (size > 0), "an answer to what was accepted");
    if (!agreed.is_agreed)
        return;
    demand(is_sound(&agreed), "windows of 8 to 15 bits");
    demand(sl_ws_extension_agree(&all, sl_view(text, size), &read, &error) ==
                   SL_OK &&
               memcmp(&read, &agreed, sizeof read) == 0,
           "the answer says what was agreed on");
}

/* Its first byte is a digest, too. */
static enum sl_status hash(struct sl_view bytes,
                           unsigned char digest[SL_WS_DIGEST_SIZE])
{
    memset(digest, bytes.data[0], SL_WS_DIGEST_SIZE);
    return SL_OK;
}

static void judge(struct sl_view field, bool has_extensions)
{
    const struct sl_view protocols[] = {SL_VIEW("chat"), SL_VIEW("a.b")};
    struct sl_ws_offer offer = {"dGhlIHNhbXBsZSBub25jZQ==", protocols, 2,
                                has_extensions};
    struct sl_ws_answer answer = {101, field, field, field, field, field};
    char accept_value[SL_WS_ACCEPT_SIZE];
    struct sl_view chosen;
    const char *error = NULL;
    size_t i;

    for (i = 0; i < 3; i++) {
        enum sl_status status =
            sl_ws_check_answer(&offer, &answer, hash, &chosen, &error);

        demand((status == SL_OK) == (error == NULL), "a failure says why");
        answer.upgrade = SL_VIEW("websocket");
        answer.connection = SL_VIEW("upgrade");
        if (i == 1 && sl_ws_make_accept(hash, offer.key, accept_value) == SL_OK)
            answer.accept = sl_view(accept_value, sizeof accept_value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_ws_compression wish = {0};
    struct sl_view field;
    char *copy;

    if (size < OPTIONS)
        return 0;
    wish.server_forgets = (data[0] & 1) != 0;
    wish.client_forgets = (data[0] & 2) != 0;
    wish.server_bits = (unsigned char)(8 + (data[1] & 7));
    wish.client_bits = (unsigned char)(8 + (data[1] >> 3 & 7));
    size -= OPTIONS;
    copy = malloc(size + 1); /* reading behind it is caught */
    demand(copy != NULL, "memory");
    memcpy(copy, data + OPTIONS, size);
    field = (data[0] & 4) != 0 ? sl_view(copy, size) : sl_view(NULL, 0);
    agree(&wish, field);
    accept(&wish, field);
    judge(field, (data[0] & 1) != 0);
    free(copy);
    return 0;
}
