#include "ws/extension.h"

#include "spec/c/support/test.h"

#include <stdio.h>
#include <string.h>

static const struct sl_ws_compression no_wish = {
    .server_bits = SL_WS_WINDOW_MOST, .client_bits = SL_WS_WINDOW_MOST};

/* What was agreed on, as a text: "server 15 client 10 forgets". */
static const char *tell(const struct sl_ws_compression *agreed)
{
    static char text[80];

    if (!agreed->is_agreed)
        return "nothing";
    snprintf(text, sizeof text, "server %u%s client %u%s", agreed->server_bits,
             agreed->server_forgets ? " forgets" : "", agreed->client_bits,
             agreed->client_forgets ? " forgets" : "");
    return text;
}

/* ---- offers ---- */

static void check_offer(struct sl_ws_compression wish, const char *expected)
{
    char text[SL_WS_EXTENSION_MAX];
    size_t size = sl_ws_extension_offer(&wish, text);

    CHECK_VIEW(sl_view(text, size), expected);
}

TEST("offers what is wished, and always to limit the own window")
{
    check_offer(no_wish, "permessage-deflate; client_max_window_bits");
    check_offer((struct sl_ws_compression){false, true, true, 15, 15},
                "permessage-deflate; server_no_context_takeover; "
                "client_no_context_takeover; client_max_window_bits");
    check_offer((struct sl_ws_compression){false, false, false, 8, 9},
                "permessage-deflate; server_max_window_bits=8; "
                "client_max_window_bits=9");
    check_offer((struct sl_ws_compression){false, true, true, 10, 12},
                "permessage-deflate; server_no_context_takeover; "
                "client_no_context_takeover; server_max_window_bits=10; "
                "client_max_window_bits=12");
}

/* ---- answers ---- */

static void check_answer(struct sl_ws_compression wish, const char *answer,
                         const char *expected)
{
    struct sl_ws_compression agreed;
    const char *error;
    char *copy = guard_copy(answer, strlen(answer));
    enum sl_status status = sl_ws_extension_agree(
        &wish, sl_view(copy, strlen(answer)), &agreed, &error);

    test_note("%s", answer);
    if (status == SL_OK)
        CHECK_STR(tell(&agreed), expected);
    else
        CHECK_STR(error, expected);
    CHECK_INT(status, error == NULL ? SL_OK : SL_PROTOCOL);
    guard_free(copy);
}

TEST("agrees on an answer that fits the offer")
{
    struct sl_ws_compression agreed;
    const char *error;

    CHECK_INT(
        sl_ws_extension_agree(&no_wish, sl_view(NULL, 0), &agreed, &error),
        SL_OK);
    CHECK_STR(tell(&agreed), "nothing");
    check_answer(no_wish, "", "nothing");
    check_answer(no_wish, " , ,", "nothing");
    check_answer(no_wish, "permessage-deflate", "server 15 client 15");
    check_answer(no_wish, "Permessage-Deflate", "server 15 client 15");
    check_answer(no_wish, ", permessage-deflate ,", "server 15 client 15");
    check_answer(no_wish,
                 "permessage-deflate; server_no_context_takeover; "
                 "client_no_context_takeover; server_max_window_bits=8; "
                 "client_max_window_bits=9",
                 "server 8 forgets client 9 forgets");
    check_answer(no_wish,
                 "permessage-deflate;client_max_window_bits=10 \t; "
                 "server_max_window_bits=\"11\"",
                 "server 11 client 10");
}

TEST("holds a server to what was offered")
{
    struct sl_ws_compression wish = {false, true, true, 10, 12};

    check_answer(wish,
                 "permessage-deflate; server_no_context_takeover; "
                 "server_max_window_bits=10",
                 "server 10 forgets client 12 forgets");
    check_answer(wish,
                 "permessage-deflate; server_no_context_takeover; "
                 "server_max_window_bits=9; client_max_window_bits=8",
                 "server 9 forgets client 8 forgets");
    check_answer(wish, "permessage-deflate; server_max_window_bits=10",
                 "server_no_context_takeover was not accepted");
    check_answer(wish, "permessage-deflate; server_no_context_takeover",
                 "server_max_window_bits was not accepted");
    check_answer(wish,
                 "permessage-deflate; server_no_context_takeover; "
                 "server_max_window_bits=11",
                 "server_max_window_bits exceeds what was offered");
    check_answer(wish,
                 "permessage-deflate; server_no_context_takeover; "
                 "server_max_window_bits=10; client_max_window_bits=13",
                 "client_max_window_bits exceeds what was offered");
}

TEST("refuses an answer that nobody may give")
{
    static const struct {
        const char *answer;
        const char *error;
    } cases[] = {
        {"x-webkit-deflate-frame", "an extension was not offered"},
        {"permessage-deflate, foo", "an extension was not offered"},
        {"permessage-deflate, permessage-deflate",
         "permessage-deflate was answered twice"},
        {"permessage-deflate; foo",
         "permessage-deflate has an unknown parameter"},
        {"permessage-deflate; foo=1",
         "permessage-deflate has an unknown parameter"},
        {"permessage-deflate; server_no_context_takeover=1",
         "a no_context_takeover of permessage-deflate has a value"},
        {"permessage-deflate; client_no_context_takeover=\"1\"",
         "a no_context_takeover of permessage-deflate has a value"},
        {"permessage-deflate; server_no_context_takeover; "
         "server_no_context_takeover",
         "a parameter of permessage-deflate stands twice"},
        {"permessage-deflate; client_no_context_takeover; "
         "client_no_context_takeover",
         "a parameter of permessage-deflate stands twice"},
        {"permessage-deflate; server_max_window_bits=9; "
         "server_max_window_bits=9",
         "a parameter of permessage-deflate stands twice"},
        {"permessage-deflate; client_max_window_bits=9; "
         "client_max_window_bits=10",
         "a parameter of permessage-deflate stands twice"},
    };
    static const char *const bits[] = {"",    "=7",     "=16",  "=08",
                                       "=0",  "=00008", "=15x", "=-9",
                                       "=8.", "=99",    "=1",   "=010"};
    char text[SL_WS_EXTENSION_MAX];
    size_t i;

    for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_answer(no_wish, cases[i].answer, cases[i].error);
    for (i = 0; i < 2 * sizeof bits / sizeof bits[0]; i++) {
        snprintf(text, sizeof text, "permessage-deflate; %s_max_window_bits%s",
                 i % 2 == 0 ? "server" : "client", bits[i / 2]);
        check_answer(no_wish, text,
                     "max_window_bits of permessage-deflate is not 8 to 15");
    }
}

TEST("refuses what is no list of extensions")
{
    static const char *const answers[] = {"=",
                                          "permessage-deflate foo",
                                          "permessage-deflate;",
                                          "permessage-deflate; =8",
                                          "permessage-deflate; a=",
                                          "permessage-deflate; a=\"",
                                          "permessage-deflate; a=\"b",
                                          "permessage-deflate; a=\"\"",
                                          "permessage-deflate; a=\"b c\"",
                                          "permessage-deflate; a=b c",
                                          "permessage-deflate; a = b",
                                          "permessage-deflate;; a",
                                          "\"permessage-deflate\"",
                                          "permessage/deflate"};
    size_t i;

    for (i = 0; i < sizeof answers / sizeof answers[0]; i++)
        check_answer(no_wish, answers[i],
                     "Sec-WebSocket-Extensions is malformed");
}

/* ---- a server ---- */

static void check_accept(struct sl_ws_compression wish, const char *offers,
                         const char *answer, const char *expected)
{
    struct sl_ws_compression agreed;
    struct sl_ws_compression read;
    char text[SL_WS_EXTENSION_MAX];
    const char *error;
    size_t size;
    enum sl_status status;

    test_note("%s", offers);
    status = sl_ws_extension_accept(&wish, sl_view(offers, strlen(offers)),
                                    &agreed, text, &size, &error);
    CHECK_INT(status, error == NULL ? SL_OK : SL_PROTOCOL);
    CHECK_VIEW(sl_view(text, size), answer);
    CHECK_STR(error == NULL ? tell(&agreed) : error, expected);
    CHECK_INT(
        sl_ws_extension_agree(&no_wish, sl_view(text, size), &read, &error),
        SL_OK);
    CHECK(memcmp(&read, &agreed, sizeof read) == 0);
}

TEST("accepts the first offer that a server can")
{
    check_accept(no_wish, "", "", "nothing");
    check_accept(no_wish, "foo; bar=1", "", "nothing");
    check_accept(no_wish, "permessage-deflate", "permessage-deflate",
                 "server 15 client 15");
    check_accept(no_wish, "foo, permessage-deflate; client_max_window_bits",
                 "permessage-deflate", "server 15 client 15");
    check_accept(no_wish,
                 "permessage-deflate; server_max_window_bits=7, "
                 "permessage-deflate; bar, "
                 "permessage-deflate; server_max_window_bits, "
                 "permessage-deflate; server_max_window_bits=8; "
                 "client_max_window_bits=9; server_no_context_takeover; "
                 "client_no_context_takeover, permessage-deflate",
                 "permessage-deflate; server_no_context_takeover; "
                 "client_no_context_takeover; server_max_window_bits=8; "
                 "client_max_window_bits=9",
                 "server 8 forgets client 9 forgets");
    check_accept(no_wish, "permessage-deflate; client_max_window_bits=;", "",
                 "Sec-WebSocket-Extensions is malformed");
    check_accept(no_wish, "permessage-deflate, =", "",
                 "Sec-WebSocket-Extensions is malformed");
}

TEST("asks a client for no more than it offered")
{
    struct sl_ws_compression wish = {false, true, true, 10, 12};

    check_accept(wish, "permessage-deflate",
                 "permessage-deflate; server_no_context_takeover; "
                 "client_no_context_takeover; server_max_window_bits=10",
                 "server 10 forgets client 15 forgets");
    check_accept(wish, "permessage-deflate; client_max_window_bits",
                 "permessage-deflate; server_no_context_takeover; "
                 "client_no_context_takeover; server_max_window_bits=10; "
                 "client_max_window_bits=12",
                 "server 10 forgets client 12 forgets");
    check_accept(wish,
                 "permessage-deflate; client_max_window_bits=11; "
                 "server_max_window_bits=9",
                 "permessage-deflate; server_no_context_takeover; "
                 "client_no_context_takeover; server_max_window_bits=9; "
                 "client_max_window_bits=11",
                 "server 9 forgets client 11 forgets");
    check_accept(wish, "permessage-deflate; client_max_window_bits=15",
                 "permessage-deflate; server_no_context_takeover; "
                 "client_no_context_takeover; server_max_window_bits=10; "
                 "client_max_window_bits=12",
                 "server 10 forgets client 12 forgets");
}

int main(void)
{
    return test_main();
}
