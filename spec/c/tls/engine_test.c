#include "tls/engine.h"

#include "spec/c/support/test.h"

#include <string.h>

TEST("passes no content before the peer's certificate is accepted")
{
    struct sl_tls_engine_state state = {.is_ready = false};
    struct sl_failure failure;

    CHECK_INT(sl_tls_engine_check_decrypt(&state, &failure), SL_MISUSE);
    CHECK_STR(failure.reason, "decrypt before the handshake is done");
    CHECK_INT(sl_tls_engine_check_encrypt(&state, &failure), SL_MISUSE);
    CHECK_STR(failure.reason, "encrypt before the handshake is done");
    sl_tls_engine_accept(&state);
    CHECK_INT(sl_tls_engine_check_decrypt(&state, &failure), SL_OK);
    CHECK_INT(sl_tls_engine_check_encrypt(&state, &failure), SL_OK);
}

TEST("receives after close, and sends no more")
{
    struct sl_tls_engine_state state = {.is_ready = false};
    struct sl_failure failure;

    CHECK(!sl_tls_engine_begin_close(&state));
    sl_tls_engine_accept(&state);
    CHECK(sl_tls_engine_begin_close(&state));
    CHECK(!sl_tls_engine_begin_close(&state));
    CHECK_INT(sl_tls_engine_check_decrypt(&state, &failure), SL_OK);
    CHECK_INT(sl_tls_engine_check_encrypt(&state, &failure), SL_MISUSE);
    CHECK_STR(failure.reason, "encrypt after close");
}

TEST("repeats its first failure in every call")
{
    struct sl_tls_engine_state state = {.is_ready = true};
    struct sl_failure failure;

    sl_fail(&state.failure, SL_TLS, SL_STAGE_TLS, "a record is corrupt");
    CHECK_INT(sl_tls_engine_repeat(&state, &failure), SL_TLS);
    CHECK_STR(failure.reason, "a record is corrupt");
    memset(&failure, 0, sizeof failure);
    CHECK_INT(sl_tls_engine_check_decrypt(&state, &failure), SL_TLS);
    CHECK_STR(failure.reason, "a record is corrupt");
    memset(&failure, 0, sizeof failure);
    CHECK_INT(sl_tls_engine_check_encrypt(&state, &failure), SL_TLS);
    CHECK_STR(failure.reason, "a record is corrupt");
    CHECK(!sl_tls_engine_begin_close(&state));
}

TEST("limits messages without content, and counts again after content")
{
    struct sl_tls_engine_state state = {.is_ready = true};
    struct sl_failure failure;

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < SL_TLS_MOST_QUIET; i++)
            CHECK_INT(sl_tls_engine_note_quiet(&state, &failure), SL_OK);
        if (round == 0)
            sl_tls_engine_note_content(&state);
    }
    CHECK_INT(sl_tls_engine_note_quiet(&state, &failure), SL_TLS);
    CHECK_STR(failure.reason, "more than 128 messages without content (fixed)");
}

int main(void)
{
    return test_main();
}
